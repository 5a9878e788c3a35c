"""Measures what the manual states (How fast, The service): run it with `make bench`; name a part to run only that.

Parts: help, commands and check (an earlier build beside this one), latency, service (needs wrk and two cores). Quote
medians; help, commands and latency time whole processes, interpreter start included.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from check import measure_check
from commands import STRAIGHT, measure_commands
from servers import CALL_S, INSTANCE_RUNNING_AFTER_S, TABLE_ACTIVE_AFTER_S, moto, reset
from service import measure_service
from timing import Sample, command, sample

SREKV = str(Path(sys.executable).with_name("srekv"))
CRITICAL_CALLS = 7
"""Calls that follow one another before the instances can run: look for the role, create it, its policy, look for the
profile, create it, put the role into it, RunInstances. One more after that, for the address."""


def environment(home: str, **more: str) -> dict[str, str]:
    """A clean environment with an empty HOME."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ} | {"SREKV_SPEED": "10"}
    return {**kept, "HOME": home, "AWS_EC2_METADATA_DISABLED": "true", **more}


def measure_help(home: str) -> None:
    """`srekv --help` against the import of click."""
    env = environment(home)
    baseline = sample("python -c 'import click'", lambda: command([sys.executable, "-c", "import click"], env), runs=15)
    helped = sample("srekv --help", lambda: command([SREKV, "--help"], env), runs=15)
    show(baseline, helped)
    print(f"ratio {helped.median / baseline.median:.2f} (at most 2.5)\n")


def measure_latency(home: str) -> None:
    """The same with AWS's pace: the longest chain of waits is what counts."""
    critical = CRITICAL_CALLS * CALL_S + INSTANCE_RUNNING_AFTER_S + CALL_S
    with moto(slow=True) as url:
        env = environment(home, AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")
        up = [SREKV, "--target", "aws", "up", "--no-wait"]
        command([SREKV, "--target", "aws", "up", "--no-wait", "--dry-run"], env)  # a server loads its parts once
        slow = sample("srekv up --no-wait", lambda: command(up, env), runs=1)
        reset(url)
        script = [sys.executable, STRAIGHT, url, "--waiters"]
        straight = sample("straight-line script, boto3's waiters", lambda: command(script, env), runs=1)
    print(
        f"{CALL_S * 1000:.0f} ms a call, table ACTIVE after {TABLE_ACTIVE_AFTER_S:.0f} s, "
        f"instances running after {INSTANCE_RUNNING_AFTER_S:.0f} s"
    )
    show(straight, slow)
    print(f"critical path {critical:.2f} s, ratio {slow.median / critical:.2f} (at most 1.35)\n")


def show(*samples: Sample) -> None:
    """One line each."""
    for one in samples:
        print(one)


PARTS: dict[str, Callable[[str], None]] = {
    "help": measure_help,
    "commands": lambda home: measure_commands(environment(home)),
    "latency": measure_latency,
    "service": measure_service,
    "check": measure_check,
}


def main(names: list[str]) -> None:
    """Every part asked for, in a HOME that is removed afterwards."""
    home = tempfile.mkdtemp(prefix="srekv-bench-")
    try:
        for name in names or PARTS:
            PARTS[name](home)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)} failed:\n{error.stderr.decode(errors='replace')}")
    finally:
        subprocess.run([SREKV, "local", "stop"], env=environment(home), check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
