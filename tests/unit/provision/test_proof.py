"""How long a proof waits for what is listed still."""

from __future__ import annotations

import pytest

from srekv.provision.leftover import Leftover
from srekv.provision.removal import LINGERING_TIMEOUT_S, LISTINGS_TIMEOUT_S, patience_s


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
