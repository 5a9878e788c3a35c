"""The simulated outages: held to the facts' table, to checkers simulated one by one, and to their own bound."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srekv.check.simulation import REFUSED_S, SILENT_S, Distribution, Scenario, detection, healing, outage

# interval, threshold, then min/median/max: silent stop, refusing port, healthy again (aws-facts 1.3)
FACTS = [
    (30, 3, (83, 97, 102), (70, 85, 90), (60, 65, 77)),
    (30, 1, (15, 29, 34), (11, 25, 30), (0, 5, 19)),
    (10, 3, (36, 40, 42), (24, 28, 30), (20, 22, 26)),
    (10, 2, (22, 26, 28), (14, 18, 20), (10, 12, 17)),
    (10, 1, (8, 12, 14), (4, 8, 10), (0, 2, 6)),
]


def near(found: Distribution, table: tuple[int, int, int], *, tail: float) -> bool:
    """The median within a second of the table's; the extremes, which depend on the number of draws, within `tail`."""
    low, median, high = table
    middle = abs(found.quantile(0.5) - median) <= 1
    return middle and abs(found.best - low) <= tail and abs(found.worst - high) <= tail


@pytest.mark.parametrize(("interval", "threshold", "silent", "refused", "healed"), FACTS)
def test_the_table_of_the_facts(
    interval: int,
    threshold: int,
    silent: tuple[int, int, int],
    refused: tuple[int, int, int],
    healed: tuple[int, int, int],
) -> None:
    """Detection and healing are those that were worked out for sixteen checkers."""
    stop = Scenario(interval=interval, threshold=threshold, ttl=10, probe_failure_s=SILENT_S)
    reset = Scenario(interval=interval, threshold=threshold, ttl=10, probe_failure_s=REFUSED_S)
    tail = interval / 6

    assert near(detection(stop), silent, tail=tail)
    assert near(detection(reset), refused, tail=tail)
    assert near(healing(stop), healed, tail=tail)


def test_one_draw_stands_for_sixteen_checkers() -> None:
    """Checkers simulated one by one, each with its own phase, agree with the order statistic."""
    rng = random.Random(7)
    scenario = Scenario(interval=10, threshold=3, ttl=10)

    def flips_at() -> float:
        at, failures = 10 * rng.random(), 0
        while True:
            at += SILENT_S
            failures += 1
            if failures == 3:
                return at
            at += 10

    one_by_one = sorted(sorted(flips_at() for _ in range(16))[13] for _ in range(2000))
    assert statistics.median(one_by_one) == pytest.approx(detection(scenario).quantile(0.5), abs=0.3)
    assert one_by_one[100] == pytest.approx(detection(scenario).quantile(0.05), abs=0.4)


SCENARIOS = st.builds(
    Scenario,
    interval=st.sampled_from([10, 30]),
    threshold=st.integers(1, 10),
    ttl=st.integers(1, 300),
    probe_failure_s=st.sampled_from([0.0, 2.0, 4.0]),
    pause_s=st.floats(0.01, 10),
    op_timeout_s=st.floats(0.1, 5),
    clients=st.integers(1, 5),
)


@settings(deadline=None)
@given(SCENARIOS)
def test_no_outage_is_longer_than_the_bound(scenario: Scenario) -> None:
    """The bound is what the worst draw can reach, and the figures are in order."""
    found = outage(scenario, draws=200)

    assert found.best <= found.quantile(0.5) <= found.quantile(0.95) <= found.worst <= scenario.bound_s


def test_equal_settings_give_equal_figures() -> None:
    """A verdict can be judged again: the seed is fixed."""
    scenario = Scenario(interval=10, threshold=3, ttl=10)
    assert outage(scenario) == outage(scenario)
    assert outage(scenario, seed=2) != outage(scenario)


def test_percentile_and_quantile_are_inverse() -> None:
    """The percentile of a quantile is its share; beyond the ends it is 0 and 100."""
    found = Distribution(tuple(float(one) for one in range(100)))
    assert found.percentile(found.quantile(0.5)) == pytest.approx(50, abs=1)
    assert (found.percentile(-1), found.percentile(1000)) == (0, 100)
