"""What the timeline draws: lanes in order, bars that follow each other, every request once."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from srekv.check.history import parse
from srekv.check.timing import measure
from srekv.report.page import distribution, timeline


@pytest.fixture
def drawn(drill_text: str) -> dict[str, Any]:
    """The timeline of the made-up drill."""
    history = parse(drill_text.splitlines())
    timing = measure(history)
    assert timing is not None
    return timeline(history, timing)


def lane(drawn: dict[str, Any], name: str) -> list[list[Any]]:
    """The bars of one lane."""
    number = drawn["lanes"].index(name)
    return [bar for bar in drawn["bars"] if bar[0] == number]


def test_lanes_go_from_cause_to_effect(drawn: dict[str, Any]) -> None:
    """Nodes, checks, checkers, the name, then each kind of client, the headline first."""
    assert drawn["lanes"] == [
        "node az1",
        "node az2",
        "check hc-az1",
        "checkers of hc-az1",
        "check hc-az2",
        "DNS answer",
        "honor-ttl",
        "cache-10s",
        "cache-forever",
        "keep-alive",
        "no-cache",
        "retry",
    ]


def test_every_request_is_drawn_once(drawn: dict[str, Any], drill_text: str) -> None:
    """All but the final reads, in the state of who answered."""
    operations = [one for one in parse(drill_text.splitlines()).operations if not one.final]
    states = Counter(one.node if one.good else "error" for one in operations)
    assert Counter(bar[3] for bar in drawn["requests"]) == states


@pytest.mark.parametrize("name", ["node az1", "node az2", "check hc-az1", "check hc-az2", "DNS answer"])
def test_bars_of_a_lane_follow_each_other(drawn: dict[str, Any], name: str) -> None:
    """From the beginning to the end of what is drawn, without holes or overlaps."""
    bars = lane(drawn, name)
    assert all(one[2] == two[1] for one, two in pairwise(bars))
    assert [bars[0][1], bars[-1][2]] == pytest.approx(drawn["span"], abs=0.01)


def test_the_struck_node_is_at_fault_until_the_heal(drawn: dict[str, Any]) -> None:
    """In service, at fault from 0 to 70, waiting for clients, in service again."""
    assert [(bar[3], bar[1]) for bar in lane(drawn, "node az1")] == [
        ("az1", pytest.approx(-10)),
        ("error", 0),
        ("other", 70),
        ("az1", pytest.approx(94, abs=1)),
    ]


def test_the_name_goes_and_comes_back(drawn: dict[str, Any]) -> None:
    """Primary, secondary, primary."""
    assert [(bar[3], bar[1]) for bar in lane(drawn, "DNS answer")] == [("az1", -10), ("az2", 46), ("az1", 94)]


def test_the_share_of_failing_checkers_grows_and_falls(drawn: dict[str, Any]) -> None:
    """From one of sixteen to all of them and back to none."""
    shares = [bar[5] for bar in lane(drawn, "checkers of hc-az1")]
    assert max(shares) == 1
    assert shares[0] == pytest.approx(1 / 16, abs=0.001)
    assert shares[-1] == pytest.approx(1 / 16, abs=0.001)


def test_the_distribution_ends_below_the_bound(drill_text: str) -> None:
    """The curve rises from 0 to 100 percent; the measured outage is what the timing says."""
    timing = measure(parse(drill_text.splitlines()))
    assert timing is not None
    found = distribution(timing)

    assert found is not None
    assert [found["curve"][index][1] for index in (0, -1)] == [0, 100]
    assert found["curve"][-1][0] <= found["bound"]
    assert found["measured"] == timing.outage_s


@pytest.mark.parametrize("late_s", [0, 20])
def test_a_check_changes_no_later_than_the_name_that_follows_it(drill_text: str, late_s: float) -> None:
    """A cause is drawn before its effect, however late the tool polled: red by 46 s, green by 94 s after the fault."""
    lines = [json.loads(line) for line in drill_text.splitlines()]
    moved = [{**one, "at": one["at"] + late_s} if one.get("event") == "health" else one for one in lines]
    history = parse(json.dumps(one) for one in moved)
    timing = measure(history)
    assert timing is not None
    drawn = timeline(history, timing)
    red = [bar for bar in lane(drawn, "check hc-az1") if bar[3] == "error"]
    named = next(bar for bar in lane(drawn, "DNS answer") if bar[3] == "az2")

    assert red[0][1] <= named[1] == 46
    assert red[-1][2] <= named[2] == 94
