"""Whether a process is still the one that was meant: its number may be a zombie's, or another process's by now."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROC = Path("/proc")


def lives(pid: int, born: str) -> bool:
    """Whether the process with that number runs and was born then; one that cannot be seen counts as running.

    Args:
        pid: its number on this computer.
        born: what `birth` returned for it; "" if that is not known.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OverflowError, PermissionError):
        pass
    now = birth(pid)
    return now is None or (now != "" and born in {"", now})


def birth(pid: int, *, proc: Path = PROC) -> str | None:
    """When a process started, in its system's own words; "" for a zombie, None for one that cannot be seen.

    Linux counts clock ticks since the boot (proc_pid_stat(5), field 22); elsewhere `ps` prints a date.
    """
    return _from_proc(proc / str(pid)) if proc.joinpath("self/stat").exists() else _from_ps(pid)


def _from_proc(directory: Path) -> str | None:
    try:
        fields = directory.joinpath("stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in "ZX" else fields[19]


def _from_ps(pid: int) -> str | None:
    command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        words = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603 - a number
    except OSError:
        return None
    if not words:
        return None
    return "" if words[0].startswith("Z") else "-".join(words[1:])
