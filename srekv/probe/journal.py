"""The history as it is written: one JSON object a line, each complete on disk before the next thing happens.

An operation is written when it is invoked, with outcome unknown, and again with its outcome: the last line of an id
wins, so a drill that is killed loses nothing and claims nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any


class Clock:
    """AWS-equivalent seconds since the start, from the monotonic clock; `epoch` is the wall-clock time of the start."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.epoch = time.time()
        self._start = time.monotonic()

    def now(self) -> float:
        """AWS-equivalent seconds since the start."""
        return (time.monotonic() - self._start) * self.speed


class Journal:
    """An append-only history file; safe to share between threads."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115, PTH123 - owned by this object, closed by close()
        self._lock = threading.Lock()

    def line(self, **members: Any) -> None:
        """Append one object."""
        data = (json.dumps(members, separators=(",", ":")) + "\n").encode()
        with self._lock:
            self._file.write(data)

    def close(self) -> None:
        """Sync to the disk and close."""
        with self._lock:
            os.fsync(self._file.fileno())
            self._file.close()
