"""Is B worse than A: lost writes at once, outage and availability beyond a tolerance, several runs by their median.

And whether it can be told at all: what is not known is never "not worse".
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from srekv.check.compare import Measures, compare, conclusion
from srekv.check.model import Ruling


def run(
    outage_s: float | None = 45, *, lost: int = 0, availability: float | None = 0.6, verdict: Ruling = "held"
) -> Measures:
    """One run."""
    return Measures(verdict=verdict, outage_s=outage_s, lost=lost, availability=availability)


@pytest.mark.parametrize(
    ("after", "worse"),
    [
        (run(), []),
        (run(49), []),
        (run(50), ["outage, s"]),
        (run(30), []),
        (run(lost=1), ["lost writes"]),
        (run(availability=0.57), []),
        (run(availability=0.5), ["availability"]),
        (run(verdict="violated"), ["violated runs"]),
    ],
)
def test_what_is_worse(after: Measures, worse: list[str]) -> None:
    """A tenth more is within the tolerance; a lost write never is."""
    found = compare([run()], [after], tolerance=0.1)
    assert [one.measure for one in found if one.worse] == worse
    assert conclusion(found) == bool(worse)


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ([run()], [run(verdict="unknown")], None),
        ([run(verdict="unknown")], [run()], None),
        ([run(verdict="unknown")], [run(verdict="violated", lost=9)], None),
        ([run()], [run(verdict="unknown", lost=9)], None),
        ([run()] * 5, [*[run()] * 4, run(verdict="unknown")], None),
        ([*[run()] * 4, run(verdict="unknown")], [run()] * 5, None),
        ([run()] * 5, [*[run(80)] * 4, run(verdict="unknown")], True),
        ([run()], [run(None)], None),
        ([run()], [run(availability=None)], None),
        ([run(None)], [run()], None),
        ([run()] * 3, [run(), run(), run(None)], None),
        ([run(None)], [run(None, lost=1)], True),
        ([run()], [run(None, availability=0.1)], True),
        ([run(None, availability=None)], [run(None, availability=None)], False),
    ],
)
def test_what_is_not_known_is_never_not_worse(
    before: list[Measures], after: list[Measures], worse: bool | None
) -> None:
    """A run without a verdict measures nothing, a figure that some lack compares nothing; what is left may be worse."""
    assert conclusion(compare(before, after, tolerance=0.1)) is worse


HELD: dict[str, Any] = {"verdict": "held", "outage_s": 45.5, "lost": 0, "availability": 0.6}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("verdict", "fine"),
        ("verdict", ["held"]),
        ("outage_s", math.nan),
        ("outage_s", math.inf),
        ("outage_s", -1),
        ("outage_s", "45"),
        ("outage_s", True),
        ("lost", None),
        ("lost", 0.5),
        ("lost", -1),
        ("availability", 60),
        ("availability", math.nan),
    ],
)
def test_a_verdict_holds_figures(member: str, value: object) -> None:
    """A verdict.json with a figure that is none is no verdict: it would compare as equal to anything."""
    assert conclusion(compare([Measures.from_json(HELD)], [run()], tolerance=0.1)) is False
    with pytest.raises(ValueError, match=f"{member} is not"):
        Measures.from_json({**HELD, member: value})


def test_several_runs_count_by_their_median() -> None:
    """One bad run of five is chance; a median beyond the tolerance is not."""
    five = [run(one) for one in (40, 42, 44, 46, 48)]
    one_bad = [run(one) for one in (40, 42, 44, 46, 90)]
    all_bad = [run(one) for one in (60, 62, 64, 66, 68)]

    assert not any(one.worse for one in compare(five, one_bad, tolerance=0.1))
    assert any(one.worse for one in compare(five, all_bad, tolerance=0.1))


def test_a_lost_write_in_one_of_many_runs_counts() -> None:
    """The worst run decides about lost writes."""
    assert any(one.worse for one in compare([run()] * 9, [*[run()] * 9, run(lost=1)], tolerance=10))
