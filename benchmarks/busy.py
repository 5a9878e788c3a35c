"""Drills beside a busy neighbour: none may hold with a service that failed before the fault. `make busy-test`.

Each busy loop is a process in a session of its own, as another user's program is: a scheduler that shares a machine
among sessions gives it as much as the whole local cloud. It ends with this process, whatever happens.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from srekv.check.history import read
from srekv.check.steady import FAILED_OPERATIONS, FAILED_SHARE, before_fault

SREKV = str(Path(sys.executable).with_name("srekv"))
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"
DRILL_S = 900.0
"""Longer than any drill takes, at speed 1 too; wall-clock seconds."""


@contextlib.contextmanager
def neighbours(loops: int) -> Iterator[None]:
    """So many busy loops inside."""
    processes = [subprocess.Popen([sys.executable, "-c", LOOP], start_new_session=True) for _ in range(loops)]
    try:
        yield
    finally:
        for one in processes:
            one.kill()
            one.wait()


def srekv(home: str, *words: str) -> subprocess.CompletedProcess[str]:
    """One command on the local cloud of that home."""
    command = [SREKV, "--output", "json", *words]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": home}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=DRILL_S)


def drill(home: str, number: int) -> bool:
    """One drill and its row; whether its verdict is one that such a drill may have."""
    done = srekv(home, "failover-test", "--dir", f"{home}/drills")
    if done.returncode not in {0, 1, 4} or not done.stdout:
        print(f"{number:3}  no verdict, exit code {done.returncode}: {done.stderr.strip()[-300:]}", flush=True)
        return False
    found: dict[str, Any] = json.loads(done.stdout)
    history = read(Path(found["history"]))
    fault_at = next(one.at for one in history.events if one.event == "fault")
    before = before_fault(history, fault_at, timeout_s=2.0)
    failed = sum(not one.good for one in before)
    steady = failed <= FAILED_OPERATIONS or failed <= FAILED_SHARE * len(before)
    held = found["verdict"] == "held"
    outage = "-" if found["outage_s"] is None else f"{found['outage_s']:.1f}"
    row = f"{number:3}  {found['verdict']:9} {failed:4} of {len(before):4} {outage:>7}  speed {found['speed']:g}"
    print(row, found["reason"] or "", sep="  ", flush=True)
    return found["verdict"] != "violated" and (steady or not held)


def main(arguments: Sequence[str]) -> int:
    """Drill beside busy loops; 1 if a drill held without a steady state, or was violated where nothing is wrong."""
    parser = argparse.ArgumentParser(prog="busy", description=__doc__)
    parser.add_argument("--drills", type=int, default=20)
    parser.add_argument("--loops", type=int, default=os.cpu_count() or 1, help="busy loops, one for each processor")
    parser.add_argument("--speed", default="10", help="of the local cloud; auto: what the machine keeps")
    options = parser.parse_args(arguments)
    ends: Counter[bool] = Counter()
    with tempfile.TemporaryDirectory() as home, neighbours(options.loops):
        try:
            made = srekv(home, "up", "--speed", options.speed)
            if made.returncode != 0:
                print(made.stderr, file=sys.stderr)
                return 1
            print(f"{options.drills} drills beside {options.loops} busy loops", flush=True)
            print("  #  verdict    failed before    outage")
            for number in range(1, options.drills + 1):
                ends[drill(home, number)] += 1
        finally:
            srekv(home, "local", "stop")
    print(f"{ends[True]} as they may be, {ends[False]} not")
    return 1 if ends[False] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
