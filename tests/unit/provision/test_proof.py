"""How long a proof waits for what is listed still, and for what it does not wait."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.provision.inventory.leftover import Leftover
from srekv.provision.removal import LINGERING_TIMEOUT_S, LISTINGS_TIMEOUT_S, going, patience_s


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
