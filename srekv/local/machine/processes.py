"""Which processes belong to a machine, and how to end every one of them.

A process belongs to a machine when it descends from the machine's init or carries the machine's token in its
environment. The second holds for daemons that left their session and whose parents are gone (`setsid`, `nohup ... &`),
the first for those that cleared their environment. Linux answers from /proc; elsewhere `ps` does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TOKEN = "SREKV_MACHINE"  # noqa: S105 - the name of a variable, not a secret
"""Environment variable whose value names the machine that a process belongs to."""

_PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 100


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parents end (Linux; elsewhere the token alone finds them)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux; elsewhere a closed link tells)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end_process(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Wait for its end, and kill it after these wall-clock seconds; blocks."""
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def members(token: str, root: int | None = None) -> set[int]:
    """The processes of the machine with that token, and the descendants of `root`; this process is never among them."""
    found = _from_proc(token, root) if _PROC.joinpath("self/environ").exists() else _from_ps(token)
    return found - {os.getpid()}


def kill_all(token: str, root: int | None = None) -> bool:
    """Kill the machine's processes until none is left; False when some would not end within about two seconds."""
    killed: set[int] = set()
    for attempt in range(_ROUNDS):
        left = members(token, root)
        if not left:
            break
        killed |= left
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002 if attempt < 10 else 0.02)
    _reap(killed)
    return not members(token, root)


def _reap(pids: set[int]) -> None:
    """Collect those of the dead that are children of ours; nobody else waits for them any more."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _from_proc(token: str, root: int | None) -> set[int]:
    wanted = f"{TOKEN}={token}".encode()
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            state, parent = _stat(entry.path)
            if state in "ZX":
                continue
            parents[int(entry.name)] = parent
            if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    return found | (_descendants(parents, root) if root is not None else set())


def _stat(directory: str) -> tuple[str, int]:
    """State letter and parent of a process; its name, in parentheses before them, may hold anything."""
    fields = Path(directory, "stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], int(fields[1])


def _descendants(parents: dict[int, int], root: int) -> set[int]:
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found - {root}
        found |= more


def _from_ps(token: str) -> set[int]:
    listing = subprocess.run(
        ["/bin/ps", "-axww", "-E", "-o", "pid=,command="], capture_output=True, text=True, check=False
    ).stdout
    wanted = f"{TOKEN}={token}"
    return {int(line.split(None, 1)[0]) for line in listing.splitlines() if wanted in line.split()}
