"""A Watcher of provisioning that remembers, and a Clock that leaps."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from srekv.provision.model import Change


@dataclass
class Log:
    """What a Watcher is told: everything as lines, in order; and the changes, warnings and waits by themselves."""

    lines: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def started(self, section: str) -> None:
        """A section began."""
        self.lines.append(f"started {section}")

    def changed(self, change: Change) -> None:
        """A resource was dealt with."""
        self.changes.append(change)
        self.lines.append(f"{change.action} {change.name} {change.id}")

    def waiting(self, section: str, what: str) -> None:
        """A section waits."""
        self.waits.append(f"{section}: {what}")
        self.lines.append(f"{section} waits for {what}")

    def waited(self, section: str, what: str) -> None:
        """It waits no more."""
        self.lines.append(f"{section} has waited for {what}")

    def finished(self, section: str) -> None:
        """A section is done."""
        self.lines.append(f"finished {section}")

    def warn(self, message: object) -> None:
        """Something optional could not be had."""
        self.warnings.append(str(message))
        self.lines.append(str(message))

    @property
    def done(self) -> Counter[tuple[str, str]]:
        """What was done or is planned: (kind, action), resources left alone excepted."""
        return Counter((one.kind, one.action) for one in self.changes if one.action != "leave")

    @property
    def repairs(self) -> list[tuple[str, str, str]]:
        """The same with the detail, sorted."""
        return sorted((one.kind, one.action, one.detail) for one in self.changes if one.action != "leave")


class LeapingClock:
    """A Clock whose pauses take no time: it only counts them, for each thread by itself."""

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        self.waited_s = 0.0
        """All pauses of all threads."""

    def now(self) -> float:
        """The pauses of this thread."""
        return float(getattr(self._of_thread, "now", 0.0))

    def pause(self, cancelled: threading.Event, pause_s: float) -> bool:
        """Count it."""
        self._of_thread.now = self.now() + pause_s
        with self._lock:
            self.waited_s += pause_s
        return cancelled.is_set()
