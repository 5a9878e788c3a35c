"""Measures which clock speed this machine keeps, from how long a small piece of work takes while a local cloud starts.

At speed 10 a client's timeout of 2 s is 0.2 s, and 20 requests a second are 200: what counts is how much work the
machine does in a second, concurrently with everything else that it is doing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence

from srekv.config import SPEEDS

ROUNDS = 150_000  # of the piece of work: 6 to 10 ms on a core of its own, in 2026
PAUSE_S = 0.05  # between two pieces: the machine is for what starts
BUDGET_S = 0.4  # a machine keeps the speed at which the piece takes no longer than this on the fast clock


async def measure(report: Callable[[float], object]) -> None:
    """Report the wall-clock seconds of one piece after the other, until cancelled; the event loop stays free."""
    while True:
        await asyncio.sleep(PAUSE_S)
        report(await asyncio.to_thread(_work))


def kept(taken_s: Sequence[float]) -> float:
    """The speed at which the median piece fits the budget; the fastest of SPEEDS without any."""
    return BUDGET_S / statistics.median(taken_s) if taken_s else SPEEDS[0]


def _work() -> float:
    start = time.monotonic()
    total = 0
    for number in range(ROUNDS):
        total += number * number
    return time.monotonic() - start
