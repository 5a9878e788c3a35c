"""Predictions and prices: what settings lead to, what they cost, and the cheapest that meet a target."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srekv.check.predict import choices, predict, shortest_bound_s
from srekv.check.simulation import Scenario
from srekv.prices import HOURS, stack_costs, total_usd


def test_the_default_settings() -> None:
    """10 s x 3 with TTL 10: some 46 s, at most 54.5; a refusing port is noticed 12 s sooner."""
    found = predict(interval=10, threshold=3, ttl=10)

    assert found.silent["p50_s"] == pytest.approx(46.5, abs=0.7)
    assert found.silent["worst_s"] == 54.5
    assert found.silent["worst_s"] - found.refused["worst_s"] == pytest.approx(12)
    assert found.silent["best_s"] <= found.silent["p50_s"] <= found.silent["p95_s"] <= found.silent["worst_s"]
    assert found.healing["best_s"] == pytest.approx(20, abs=0.5)  # three passes in a row are two intervals apart
    assert list(found.healing.values()) == sorted(found.healing.values())
    assert found.healing["p95_s"] <= 30


def test_the_fast_interval_costs_a_dollar_a_check() -> None:
    """Nothing else on the bill depends on the settings."""
    fast, slow = total_usd(stack_costs(interval=10)), total_usd(stack_costs(interval=30))
    assert fast - slow == pytest.approx(2.0)


def test_the_bill_adds_up() -> None:
    """The total is the sum of its lines, an hour is a 730th of a month, and each line says source and day."""
    document = predict(interval=30, threshold=3, ttl=60).to_json()

    assert document["usd_month"] == pytest.approx(sum(one["usd_month"] for one in document["costs"]), abs=0.01)
    assert document["usd_hour"] == pytest.approx(document["usd_month"] / HOURS, abs=0.0001)
    assert all(one["source"] and one["read"] >= "2026" for one in document["costs"])


@settings(deadline=None)
@given(st.floats(0, 2000))
def test_choices_meet_their_target(target: float) -> None:
    """Whatever is wanted, what is offered keeps it, the cheapest first; nothing is offered only where nothing can."""
    found = choices(target)

    assert all(Scenario(interval=one.interval, threshold=one.threshold, ttl=one.ttl).bound_s <= target for one in found)
    assert [one.usd_month for one in found] == sorted(one.usd_month for one in found)
    assert bool(found) == (target >= shortest_bound_s())


def test_a_prediction_needs_nothing_heavy() -> None:
    """It is for people who have no stack yet: no boto3, no moto, no web framework is loaded."""
    code = (
        "import sys\n"
        "from srekv.check.predict import predict\n"
        "predict(interval=10, threshold=3, ttl=10, target=60)\n"
        "print([name for name in ('boto3', 'botocore', 'moto', 'flask', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
