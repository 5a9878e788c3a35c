"""Judges the history whose path is the argument; prints the verdict, its wall-clock and CPU seconds, peak memory in MB.

It runs on an earlier build, too: check.py gives it the package `srekv` to import.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from srekv.check import verdict


def main(file: Path) -> None:
    """One verdict, reading included."""
    judge: Any = vars(verdict).get("judge_file") or vars(verdict)["judge"]  # what an earlier build calls it
    begin, cpu = time.perf_counter(), time.process_time()
    found = judge(file)
    figures = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - cpu}
    status = Path("/proc/self/status").read_text()  # getrusage counts the process that started this one
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"verdict": found.verdict, "memory": memory, **figures}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
