"""The laws that every step keeps: idempotent, complete, tidy, a good neighbour."""

from __future__ import annotations

from typing import Any

FIRST_CALLS, SECOND_CALLS = 50, 25
"""At most so many calls a first and a second `up` may make."""


def test_up_twice_changes_nothing(world: Any) -> None:
    """Law 1: the second `up` leaves everything alone and makes no mutating call, within the budget of calls."""
    world.up()
    assert len(world.calls.log) <= FIRST_CALLS, world.calls.log
    before = world.listing()

    log = world.up()

    assert world.calls.mutating == []
    assert len(world.calls.log) <= SECOND_CALLS, world.calls.log
    assert log.done == {}
    assert world.listing() == before


def test_down_leaves_the_server_as_it_was(world: Any) -> None:
    """Law 3: after `down` nothing is there that was not there before; a second `down` finds nothing."""
    before = world.listing()
    world.up(alarms=True)
    assert world.census() != {kind: len(found) for kind, found in before.items() if found}

    left, log = world.down()
    assert left == ()
    assert {change.action for change in log.changes} == {"delete"}
    assert world.listing() == before

    left, log = world.down()
    assert left == ()
    assert log.changes == []
    assert world.calls.mutating == []
