"""How late the load's own work is done: on a machine that is on time, and on one that is not."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from srekv.probe.journal import Clock, Journal
from srekv.probe.load import watch_lag


class Late(threading.Event):
    """A stop that never comes before so many waits, each of which ends too late, as on a machine that is starved."""

    def __init__(self, waits: int, *, by_s: float) -> None:
        super().__init__()
        self._left = waits
        self._by_s = by_s

    def wait(self, timeout: float | None = None) -> bool:
        """Wait too long."""
        self._left -= 1
        super().wait((timeout or 0) + self._by_s)
        return self._left < 0


def watched(path: Path, stop: threading.Event, *, speed: float) -> list[float]:
    """What is written until the stop comes."""
    journal = Journal(str(path))
    watch_lag(Clock(speed), journal, stop)
    journal.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["event"] for line in lines} <= {"lag"}
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    return [line["late"] for line in lines]


@pytest.mark.parametrize("speed", [10, 100])
def test_a_late_timer_counts_on_the_fast_clock(tmp_path: Path, speed: float) -> None:
    """A tenth of a second is a second at speed 10."""
    late = watched(tmp_path / "h", Late(3, by_s=0.1), speed=speed)
    assert len(late) == 3
    assert all(one >= 0.1 * speed for one in late)


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """A stopped load writes no more of it."""
    stop = threading.Event()
    stop.set()
    assert watched(tmp_path / "h", stop, speed=1) == []
