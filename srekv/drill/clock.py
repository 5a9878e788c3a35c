"""The real clock, for everything that is not a test."""

from __future__ import annotations

import time

from srekv.drill.model import Clock
from srekv.errors import Advice, TimeoutExceeded


class SystemClock:
    """The host's wall clock."""

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Deadline:
    """A wait with an end and a reason.

    Args:
        clock: whose seconds count.
        what: what is waited for, one sentence for the error.
        wait_s: for how long, wall-clock seconds.
    """

    def __init__(self, clock: Clock, what: str, wait_s: float) -> None:
        self._clock = clock
        self._what = what
        self._wait_s = wait_s
        self._end = clock.time() + wait_s

    @property
    def left_s(self) -> float:
        """Wall-clock seconds until the end, 0 when it has passed."""
        return max(0.0, self._end - self._clock.time())

    def pause(self, seconds: float, *, last: str, next_step: Advice = "") -> None:
        """Sleep before the next look; `last` is what the last look saw.

        Raises:
            TimeoutExceeded: the deadline has passed.
        """
        if not self.left_s:
            raise TimeoutExceeded(
                f"{self._what}: not within {self._wait_s:.0f} s", why=f"last seen: {last}", next_step=next_step
            )
        self._clock.sleep(min(seconds, self.left_s))
