"""Which clock speed this machine keeps, from how long a small piece of work takes while the local cloud starts.

At speed 10 a client's timeout of 2 s is 0.2 s, and 20 requests a second are 200: what counts is how much work the
machine does in a second, beside everything else that it is doing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence

from srekv.config import SPEEDS

ROUNDS = 150_000
"""Of the piece of work: 6 to 10 ms on a core of its own, in 2026."""

PAUSE_S = 0.05
"""Between two pieces: the machine is for what starts."""

BUDGET_S = 0.4
"""A machine keeps the speed at which the piece takes no longer than this on the fast clock."""


class Pace:
    """Times the piece of work again and again until it is cancelled; the event loop goes on meanwhile."""

    def __init__(self) -> None:
        self._taken_s: list[float] = []

    async def measure(self) -> None:
        """Fill the time that something else takes."""
        while True:
            await asyncio.sleep(PAUSE_S)
            self._taken_s.append(await asyncio.to_thread(_work))

    @property
    def pieces(self) -> int:
        """How many were timed."""
        return len(self._taken_s)

    @property
    def keeps(self) -> float:
        """The speed that the machine keeps; the fastest of SPEEDS when there was no time to measure."""
        return kept(self._taken_s)


def kept(taken_s: Sequence[float]) -> float:
    """The speed at which the median piece fits the budget."""
    return BUDGET_S / statistics.median(taken_s) if taken_s else SPEEDS[0]


def _work() -> float:
    """Do the piece; its wall-clock seconds."""
    begin = time.monotonic()
    total = 0
    for number in range(ROUNDS):
        total += number * number
    return time.monotonic() - begin
