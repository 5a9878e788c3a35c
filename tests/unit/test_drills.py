"""What `failover-test` refuses before the first call, and how several drills are summed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.drill.catalogue import CATALOGUE, NAMES, entry
from srekv.drill.model import Promises
from srekv.drills import Request, spread
from srekv.errors import UsageError


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"fault": "stopp"}, "did you mean stop"),
        ({"wrong": "slow"}, "stale-reads"),
        ({"zoo": ("ttl", "browser")}, "browser"),
        ({"rounds": 0}, "rounds"),
        ({"rate": 0.0}, "rate"),
        ({"promises": Promises(min_availability=99.0)}, "0 to 1"),
        ({"promises": Promises(max_outage_s=-1.0)}, "--max-outage"),
        ({"promises": Promises(max_outage_s=float("nan"))}, "--max-outage"),
        ({"promises": Promises(max_lost=-1)}, "--max-lost"),
    ],
)
def test_refuses_what_can_never_work(more: dict[str, Any], says: str) -> None:
    """An impossible request is a usage error that names the nearest possible one."""
    with pytest.raises(UsageError) as caught:
        Request(directory=Path("d"), **more).check()

    assert says in str(caught.value)


def test_accepts_every_fault() -> None:
    """Every name of the catalogue is one, once, and each says what is expected of it."""
    assert len(set(NAMES)) == len(CATALOGUE) == 9
    for name in NAMES:
        found = Request(directory=Path("d"), fault=name).check()
        assert found is entry(name)
        assert all((found.title, found.hypothesis, found.rule, found.needs))


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_a_spread_is_in_order(values: list[float]) -> None:
    """Least, median, 95th percentile and largest never contradict each other; the last two are values that occurred."""
    found = spread(values)

    assert found is not None
    assert found["min"] <= found["median"] + 1e-4
    assert found["median"] <= found["max"] + 1e-4
    assert found["p95"] in values
    assert found["max"] == max(values)
    assert sum(value <= found["p95"] for value in values) >= 0.95 * len(values)


def test_a_spread_of_nothing() -> None:
    """Figures that no drill has are left out; without any there is no spread."""
    assert spread([None, None]) is None
    assert spread([None, 2.0]) == {"min": 2.0, "median": 2.0, "p95": 2.0, "max": 2.0}
