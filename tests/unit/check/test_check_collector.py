"""The garbage collector rests while a history is judged, has nothing to do afterwards, and is left as it was found."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator

import pytest

from srekv.check.history import parse, paused_collector
from srekv.check.verdict import judge_history


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    gc.collect()
    yield
    gc.enable()


def lines(seed: int) -> list[str]:
    """A history whose answers have several explanations, some of them none."""
    chance = random.Random(seed)
    outcomes = ("ok", "ok", "ok", "unknown")
    return [
        f'{{"op": "{chance.choice(("read", "write", "cas"))}", "key": "k", "value": "{chance.choice("abc")}",'
        f' "expect": "{chance.choice("abc")}", "invoke": {at}, "complete": {at + chance.randint(0, 30)},'
        f' "outcome": "{chance.choice(outcomes)}"}}\n'
        for at in range(10)
    ]


def test_a_verdict_of_held_leaves_no_cycles() -> None:
    """Whatever was tried for it is freed without the collector, key by key; a violation ends the verdict."""
    held = 0
    for seed in range(60):
        history = parse(lines(seed))
        gc.collect()
        gc.disable()
        found = judge_history(history)
        assert found.verdict == "violated" or gc.collect() == 0
        gc.enable()
        held += found.verdict == "held"
    assert held > 10


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(enabled: bool) -> None:
    """After an error, too."""
    (gc.enable if enabled else gc.disable)()
    judge_history(parse(lines(0)))
    assert gc.isenabled() is enabled
    with pytest.raises(ZeroDivisionError), paused_collector():
        parse([str(1 // 0)])
    assert gc.isenabled() is enabled
