"""What the tool did and saw, put on the history's clock and into the history's file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srekv.drill.events import SECONDS, damage
from srekv.drill.model import Clock
from srekv.errors import SrekvError

RESOLUTION_S = 0.001
"""Two round trips that contradict each other by less than this agree: clocks are read no better."""

AWS = "aws"
"""The member `clock` of an event whose time is AWS's word: its clock is the vantage point's, and not the tool's."""


@dataclass
class ClockOffset:
    """How far the vantage point's wall clock is ahead of ours, known within bounds that every round trip narrows."""

    low: float = float("-inf")
    high: float = float("inf")

    def measured(self, *, sent: float, theirs: float, received: float) -> None:
        """Learn from one round trip: they looked at their clock after we sent and before we received."""
        low, high = theirs - received, theirs - sent
        if max(self.low, low) <= min(self.high, high) + RESOLUTION_S:
            low, high = max(self.low, low), min(self.high, high)
        self.low, self.high = low, high  # a clock that was set meanwhile: believe the latest round trip

    @property
    def seconds(self) -> float:
        """0 while nothing contradicts that both clocks agree (NTP keeps them so), else the middle of the bounds."""
        return 0.0 if self.low <= 0 <= self.high else (self.low + self.high) / 2


@dataclass
class Timeline:
    """Events in the order they were recorded, each at our wall clock's time.

    The file `journal` gets every event at once, so that a killed drill can be judged; None: keep none.
    """

    clock: Clock
    offset: ClockOffset = field(default_factory=ClockOffset)
    journal: Path | None = None
    _events: list[tuple[float, dict[str, Any]]] = field(default_factory=list, init=False)

    def record(self, event: str, *, at: float | None = None, **members: Any) -> None:
        """Remember an event; `at` is our wall clock's time, now by default."""
        self._events.append((self.clock.time() if at is None else at, {"event": event, **members}))
        if self.journal is not None:
            with self.journal.open("ab") as file:
                file.write(self._journaled(self._events[-1:]))

    @property
    def data(self) -> bytes:
        """Every event as `recall` takes it."""
        return self._journaled(self._events)

    def _journaled(self, events: list[tuple[float, dict[str, Any]]]) -> bytes:
        return b"".join(_line({"epoch": when, **members}) for when, members in events)

    def recall(self, data: bytes) -> None:
        """Take the events of an earlier process, from its journal; what is damaged is left out."""
        for line in _readable(data):
            epoch = line.pop("epoch", None)
            if SECONDS.fits(epoch) and not damage({**line, "at": epoch}):
                self._events.append((float(epoch), line))

    def first(self, event: str) -> dict[str, Any]:
        """The members of the first event of that kind, none without one."""
        return next((members for _, members in self._events if members.get("event") == event), {})

    @property
    def span(self) -> tuple[float, float]:
        """The times of the first and the last event; now when there are none."""
        times = [when for when, _ in self._events] or [self.clock.time()]
        return min(times), max(times)

    def merged(self, history: bytes) -> bytes:
        """The history, our events on its clock, and the `eof` that counts its lines; SrekvError if it has no start."""
        start = _start(history)
        lines = []
        for at, members in self._events:
            # one of AWS's needs no offset, as AWS keeps its instances' clocks
            offset = 0.0 if members.get("clock") == AWS else self.offset.seconds
            lines.append({**members, "at": round((at + offset - start["epoch"]) * start["speed"], 4)})
        recorded = [text for text in history.split(b"\n") if text.strip()]
        end = {"event": "eof", "at": max((line["at"] for line in lines), default=0.0)}
        lines.append({**end, "lines": len(recorded) + len(lines) + 1})
        return b"".join((*(text + b"\n" for text in recorded), *map(_line, lines)))


def _line(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def _readable(data: bytes) -> Iterator[dict[str, Any]]:
    """The lines that are objects."""
    for text in data.splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def _start(history: bytes) -> dict[str, Any]:
    """The line that a load writes first: its wall clock at the start, and its speed."""
    for line in _readable(history):
        if line.get("event") == "start" and line.get("epoch") and line.get("speed") and not damage(line):
            return line
    raise SrekvError("the history has no beginning", why="the load never started", next_step="run the drill again")


def save(path: Path, data: bytes) -> None:
    """Write a whole file or none, and sync it: a history is on disk before it is judged."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
