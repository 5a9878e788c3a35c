"""The speed that a machine keeps: from how long a small piece of work takes on it."""

from __future__ import annotations

import asyncio

import pytest

from srekv.check.steady import SPEEDS as ADVISED
from srekv.commands.up import describe_pace
from srekv.config import SPEEDS, fastest
from srekv.local.pace import kept, measure


@pytest.mark.parametrize(
    ("milliseconds", "speed"),
    [
        ([6, 7, 6, 9], 10),  # an idle machine
        ([15, 15, 16], 10),  # its own start takes both cores
        ([500, 20, 21], 10),  # one hiccup
        ([60, 70, 50], 5),
        ([120, 110, 130], 2),
        ([300, 280, 310], 1),
        ([2000], 1),
        ([], 10),
    ],
)
def test_the_longer_the_piece_takes_the_slower_the_clock(milliseconds: list[float], speed: float) -> None:
    """The median decides; a machine that had no time to measure is quick."""
    assert fastest(kept([one / 1000 for one in milliseconds])) == speed


def test_the_speeds_that_are_advised_are_those_that_are_chosen() -> None:
    """A checker of histories names a slower one without knowing the local cloud."""
    assert ADVISED == SPEEDS


async def test_measuring_leaves_the_event_loop_alone() -> None:
    """Whatever else is under way goes on; it ends when it is cancelled."""
    first = asyncio.get_running_loop().create_future()
    measuring = asyncio.create_task(measure(first.set_result))
    try:
        assert await asyncio.wait_for(first, 30) > 0
    finally:
        measuring.cancel()


@pytest.mark.parametrize(
    ("speed", "keeps", "says"),
    [
        (10, 20, "speed 10: this machine keeps it"),
        (5, 5.9, "speed 5: this machine keeps it; it is too busy or too slow for 10"),
        (10, 5.9, "it keeps 5 now: srekv local stop, then srekv up --speed 5"),
        (30, 20, "it keeps 10 now: srekv local stop, then srekv up --speed 10"),
        (1, 0.4, "speed 1: this machine is too busy even for that, so a drill may be inconclusive"),
    ],
)
def test_what_a_user_reads(speed: float, keeps: float, says: str) -> None:
    """The speed, whether it is kept, and the command that helps if it is not."""
    said = str(describe_pace(speed, keeps))
    assert says in said
    assert ("inconclusive" in said) == (speed > keeps)
