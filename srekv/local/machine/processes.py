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


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parents end (Linux; elsewhere the token alone finds them)."""
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux; elsewhere a closed link tells)."""
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


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


def kill_all(token: str, root: int | None = None) -> None:
    """Kill the machine's processes until none is left, for about two seconds."""
    killed: set[int] = set()
    for attempt in range(100):
        left = members(token, root)
        if not left:
            break
        killed |= left
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002 if attempt < 10 else 0.02)
    for pid in killed:
        with contextlib.suppress(ChildProcessError):  # those that are no children of ours
            os.waitpid(pid, os.WNOHANG)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _from_proc(token: str, root: int | None) -> set[int]:
    wanted = f"{TOKEN}={token}".encode()
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The name, in parentheses before state and parent, may hold anything.
            state, parent = entry.joinpath("stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state in "ZX":
                continue
            parents[int(entry.name)] = int(parent)
            if wanted in entry.joinpath("environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    family = set() if root is None else {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return found | (family - {root})


def _from_ps(token: str) -> set[int]:
    listing = subprocess.check_output(["/bin/ps", "-axww", "-E", "-o", "pid=,command="], text=True)
    wanted = f"{TOKEN}={token}"
    return {int(line.split(None, 1)[0]) for line in listing.splitlines() if wanted in line.split()}
