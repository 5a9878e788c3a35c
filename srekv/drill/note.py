"""The note on the primary that outlives a drill: which fault is in the stack, whose it is, and until when that holds.

It is written before a fault is injected and removed after it was healed, as one tag value: at most 256 characters out
of letters, digits, spaces and + - = . _ : / @.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from srekv.errors import Advice, CommandLine, SrekvError

UNSAFE = re.compile(r"[^A-Za-z0-9+\-=._:/@]+")
"""What a tag's value must not contain."""

LONGEST = 256
"""Characters of a tag's value (EC2's limit)."""

PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Note:
    """A fault that is in the stack, or is about to be. Times are seconds since the epoch.

    Attributes:
        fault: its name in the catalogue; "?" if the note cannot be read.
        expires: when that drill has ended, whatever happened.
        host: the computer that the drill runs on, as process `pid`.
        born: when that process started, as `birth` has it; "" if that is not known.
        admitted: the address that was let in for the vantage point, "" if none was.
    """

    fault: str
    run_id: str
    started: int
    expires: int
    host: str
    pid: int
    born: str = ""
    admitted: str = ""

    def text(self) -> str:
        """As a tag's value."""
        words = {
            "fault": self.fault,
            "run": self.run_id,
            "at": self.started,
            "until": self.expires,
            "by": f"{self.host[:64]}/{self.pid}",
            "born": self.born,
            "in": self.admitted,
        }
        known = (f"{name}={UNSAFE.sub('-', str(value))}" for name, value in words.items() if value != "")
        return " ".join(known)[:LONGEST]

    def under_way(self, now: float) -> bool:
        """Whether the drill may still be going on: its time is not over and its process not known to have ended."""
        return now < self.expires and (self.host != here() or _lives(self.pid, self.born))

    def since(self) -> str:
        """When it started, for a person."""
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.started))


def parse(text: str) -> Note | None:
    """The note in a tag's value, None in an empty one. One that cannot be read is a fault that has expired."""
    if not text:
        return None
    words = dict(word.partition("=")[::2] for word in text.split())
    host, _, pid = words.get("by", "").rpartition("/")
    try:
        return Note(
            fault=words["fault"],
            run_id=words["run"],
            started=int(words["at"]),
            expires=int(words["until"]),
            host=host,
            pid=int(pid),
            born=words.get("born", ""),
            admitted=words.get("in", ""),
        )
    except (KeyError, ValueError):
        return Note(fault="?", run_id="?", started=0, expires=0, host="", pid=0)


def refuse_under_way(text: str, now: float | None = None) -> Note | None:
    """The note about a fault that has to be healed, None without one; `now` is the system's time by default.

    Raises SrekvError when its drill is still going on, and heals it itself.
    """
    now, note = time.time() if now is None else now, parse(text)
    if note is None or not note.under_way(now):
        return note
    raise SrekvError(
        f"the drill {note.run_id} ({note.fault}) has been going on since {note.since()}",
        why=f"process {note.pid} on {note.host} heals it; it has ended at the latest in {note.expires - now:.0f} s",
        next_step="wait for its end, or end it with Ctrl-C",
    )


def left_behind(text: str) -> Advice:
    """What a noted fault means, for a person."""
    note = parse(text)
    if note is None:
        return ""
    drill = f"the drill {note.run_id} ({note.fault}, since {note.since()})"
    if note.under_way(time.time()):
        return f"{drill} is going on; process {note.pid} on {note.host} heals it"
    return f"{drill} left its fault in the stack: " + CommandLine("srekv up") + " heals it"


def here() -> str:
    """This computer's name as notes have it."""
    return UNSAFE.sub("-", socket.gethostname())[:64]


def _lives(pid: int, born: str) -> bool:
    """Whether the process with that number runs and was born then: the number may be another's, or a zombie's, by now.

    One that cannot be seen counts as running; "" as its birth means that this is not known.
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
    try:
        if proc.joinpath("self/stat").exists():
            state, *fields = proc.joinpath(f"{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            started = fields[18:19]
        else:
            command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
            printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - a number
            state, *started = printed.split() or [""]
    except OSError:
        return None
    if not state:
        return None
    return "" if state[0] in "ZX" else "-".join(started)
