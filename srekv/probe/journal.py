"""The history as it is written: one JSON object a line, each complete on disk before the next thing happens.

An operation is written when it is invoked, with outcome unknown, and again with its outcome: the last line of an id
wins, so a drill that is killed loses nothing and claims nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from typing import Any


class Clock:
    """AWS-equivalent seconds since the start, from the monotonic clock; `speed` of them are one wall-clock second.

    `epoch` is the wall-clock time of the start, given if that was in another process.
    """

    def __init__(self, speed: float, epoch: float | None = None) -> None:
        now = time.time()
        self.speed = speed
        self.epoch = now if epoch is None else epoch
        self._start = time.monotonic() - (now - self.epoch)

    def now(self) -> float:
        """AWS-equivalent seconds since the start."""
        return (time.monotonic() - self._start) * self.speed


def rounded(seconds: float) -> float:
    """A time as it is written. Rounding keeps the order of any two times, or makes them equal."""
    return round(seconds, 4)


class Journal:
    """An append-only history file; safe to share between threads. It is locked: `alive` tells others that it grows.

    Half a line that a killed load left at the end stays a line of its own.

    Raises:
        OSError: it cannot be opened, or another journal writes it.
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115, PTH123 - owned by this object, closed by close()
        self._lock = threading.Lock()
        try:
            _claim(self._file.fileno())
            with open(path, "rb") as file:  # noqa: PTH123 - as everywhere in the probe
                file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
                if file.read(1) not in (b"", b"\n"):
                    self._file.write(b"\n")
        except OSError:
            self._file.close()
            raise

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


def _claim(fileno: int) -> None:
    """Lock the file; one who asks `alive` holds it for a moment."""
    for _ in range(50):
        try:
            return fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
    raise OSError("another load writes this history")


def alive(path: str) -> bool:
    """Whether a Journal of some process has this file open."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
