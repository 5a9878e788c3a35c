"""Is B worse than A: lost writes at once, outage and availability beyond a tolerance, several runs by their median."""

from __future__ import annotations

import pytest

from srekv.check.compare import Measures, compare
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
        (run(None, availability=None), []),
    ],
)
def test_what_is_worse(after: Measures, worse: list[str]) -> None:
    """A tenth more is within the tolerance; a lost write never is; what was not measured is not worse."""
    found = compare([run()], [after], tolerance=0.1)
    assert [one.measure for one in found if one.worse] == worse


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
