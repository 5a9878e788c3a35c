"""How long a proof waits for what is listed still, and for what it does not wait."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.errors import SrekvError
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.leftover import Leftover, by_hand
from srekv.provision.removal import LINGERING_TIMEOUT_S, LISTINGS_TIMEOUT_S, going, patience_s, with_reasons


@pytest.mark.parametrize(
    ("states", "patience"),
    [
        ({"network interface": "in-use"}, LINGERING_TIMEOUT_S),
        ({"volume": "deleting", "role": "present"}, LINGERING_TIMEOUT_S),
        ({"instance": "shutting-down"}, LINGERING_TIMEOUT_S),
        ({"volume": "available"}, LISTINGS_TIMEOUT_S),
        ({"role": "present", "address": "idle"}, LISTINGS_TIMEOUT_S),
    ],
)
def test_patience(states: dict[str, str], patience: float) -> None:
    """Minutes for what goes when an instance has ended, seconds for what no deletion has touched."""
    left = [Leftover(kind=kind, id=kind, name=kind, stack="srekv", state=state) for kind, state in states.items()]
    assert patience_s(left) == patience


def _thing(kind: str, **more: Any) -> Leftover:
    return Leftover(**{"kind": kind, "id": f"{kind} 1", "name": "", "stack": "srekv", **more})


DENIED = SrekvError("not permitted: delete x", why="DeleteX: AccessDenied: no")


@pytest.mark.parametrize(
    ("one", "error", "note"),
    [
        (_thing("role"), DENIED, DENIED.why),
        (_thing("role"), SrekvError("gave up"), "gave up"),
        (_thing("address", note="on i-1"), DENIED, f"on i-1; {DENIED.why}"),
        (_thing("address", note="on eni-1"), HeldError("x", why="on eni-1 (a gateway)"), "on eni-1 (a gateway)"),
        (_thing("security group", note="held by eni-1, eni-2"), HeldError("x", why="held by eni-1"), None),
        (_thing("table", note="mine"), None, "mine"),
    ],
)
def test_each_thing_that_is_left_has_its_reason(one: Leftover, error: SrekvError | None, note: str | None) -> None:
    """What the listing shows of it and why it was not deleted, neither of them twice."""
    refused = {one.id: error} if error else {}
    (seen,) = with_reasons([one], refused)
    assert seen.note == (one.note if note is None else note)


def test_what_undoes_a_refusal_is_printed() -> None:
    """The command that takes a protection away stands before the others; what no command frees has none."""
    instance, address = _thing("instance", state="running"), _thing("address")
    protected = HeldError("x", why="protected", ties=(("termination protection", ""),))
    (seen,) = with_reasons([instance], {instance.id: protected})
    assert [command.split()[2] for command in by_hand(seen)] == [
        *("modify-instance-attribute", "terminate-instances", "wait"),
    ]
    (seen,) = with_reasons([address], {address.id: HeldError("x", why="on eni-1", holders=("eni-1",))})
    assert by_hand(seen, [seen]) == ()


@pytest.mark.parametrize(
    ("one", "waits"),
    [
        (_thing("address"), True),
        (_thing("volume", state="in-use", holders=("i-gone",)), True),
        (_thing("volume", state="in-use", holders=("i-alive",)), False),
        (_thing("volume", state="in-use", held=True), False),
        (_thing("security group", holders=("i-ending",)), True),
        (_thing("security group", holders=("i-alive",)), False),
        (_thing("role", id="refused"), False),
        (_thing("record", id="refused/svc"), False),
    ],
)
def test_nothing_that_stays_is_waited_for(one: Leftover, *, waits: bool) -> None:
    """What was refused, what others hold, and what is on an instance of the stack that was not terminated."""
    alive = _thing("instance", id="i-alive", state="running")
    ending = _thing("instance", id="i-ending", state="shutting-down")
    assert (one in going([one, alive, ending], {"refused"})) is waits
