"""Is one run worse than another? Outage, lost writes, availability, with a tolerance; several runs count by the median.

A failover's outage depends on chance (when which checker looks), so one run against one says little: give each side
several.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from srekv.check.model import Ruling, Verdict


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What a run is compared by; None: not measured."""

    verdict: Ruling
    outage_s: float | None
    lost: int
    availability: float | None

    @classmethod
    def of(cls, verdict: Verdict) -> Measures:
        """The measures of a judged history."""
        timing = verdict.timing
        return cls(
            verdict=verdict.verdict,
            outage_s=timing.outage_s if timing else None,
            lost=verdict.lost,
            availability=timing.availability if timing else None,
        )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One measure on both sides; None: not measured."""

    measure: str
    before: float | None
    after: float | None
    worse: bool
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a member of a JSON document."""
        return {
            "measure": self.measure,
            "a": self.before,
            "b": self.after,
            "worse": self.worse,
            "note": self.note,
        }


def compare(before: Sequence[Measures], after: Sequence[Measures], *, tolerance: float) -> tuple[Difference, ...]:
    """Every measure of two sides.

    Args:
        before: the runs of A, at least one.
        after: the runs of B, at least one.
        tolerance: how much longer an outage, and how much more unavailability, is not worse; 0.1 is a tenth.
    """
    return (
        _verdicts(before, after),
        _lost(before, after),
        _outage(before, after, tolerance),
        _availability(before, after, tolerance),
    )


def _verdicts(before: Sequence[Measures], after: Sequence[Measures]) -> Difference:
    one, other = (sum(run.verdict == "violated" for run in side) / len(side) for side in (before, after))
    return Difference(measure="violated runs", before=one, after=other, worse=other > one, note="share")


def _lost(before: Sequence[Measures], after: Sequence[Measures]) -> Difference:
    one, other = (max(run.lost for run in side) for side in (before, after))
    return Difference(
        measure="lost writes", before=one, after=other, worse=other > one, note="most in a run; no tolerance"
    )


def _outage(before: Sequence[Measures], after: Sequence[Measures], tolerance: float) -> Difference:
    one, other = (_median([run.outage_s for run in side]) for side in (before, after))
    worse = one is not None and other is not None and other > one * (1 + tolerance)
    return Difference(measure="outage, s", before=one, after=other, worse=worse, note=_count(before, after))


def _availability(before: Sequence[Measures], after: Sequence[Measures], tolerance: float) -> Difference:
    """Unavailability is what grows: 99 to 98 % is twice as bad, not one percent."""
    one, other = (_median([run.availability for run in side]) for side in (before, after))
    worse = one is not None and other is not None and 1 - other > (1 - one) * (1 + tolerance) + 1e-9
    return Difference(measure="availability", before=one, after=other, worse=worse, note=_count(before, after))


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 6) if known else None


def _count(before: Sequence[Measures], after: Sequence[Measures]) -> str:
    runs = f"{len(before)} and {len(after)} runs"
    return f"median of {runs}" if len(before) + len(after) > 2 else ""
