"""Is one run worse than another? Outage, lost writes, availability, with a tolerance; several runs count by the median.

A failover's outage depends on chance (when which checker looks), so one run against one says little: give each side
several. A run whose verdict is unknown measures nothing, and a figure that only some runs have compares nothing: then
it is not known whether B is worse, unless the other runs or figures show that it is.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from srekv.check.model import WORST_FIRST, Ruling, Verdict
from srekv.drill.events import COUNT, DURATION, SHARE, Kind


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What a run is compared by.

    Attributes:
        verdict: of the run.
        outage_s: AWS-equivalent seconds; None: not measured.
        lost: acknowledged writes.
        availability: a share, 0 to 1; None: not measured.
        name: of the run, for a person.
        gap: why the verdict is unknown; "" if it is not.
    """

    verdict: Ruling
    outage_s: float | None
    lost: int
    availability: float | None
    name: str = ""
    gap: str = ""

    @classmethod
    def of(cls, verdict: Verdict, *, name: str = "") -> Measures:
        """The measures of a judged history."""
        timing = verdict.timing
        return cls(
            verdict=verdict.verdict,
            outage_s=timing.outage_s if timing else None,
            lost=verdict.lost,
            availability=timing.availability if timing else None,
            name=name,
            gap=verdict.reason if verdict.verdict == "unknown" else "",
        )

    @classmethod
    def from_json(cls, document: object, *, name: str = "") -> Measures:
        """The measures in a verdict.json.

        Raises:
            ValueError: it is none.
        """
        found = document if isinstance(document, dict) else {}
        for member, kind in _FIGURES.items():
            if member not in found or not kind.fits(found[member]):
                raise ValueError(f"{member} is not {kind.words}")
        gap = "its verdict is unknown" if found["verdict"] == "unknown" else ""
        return cls(**{member: found[member] for member in _FIGURES}, name=name, gap=gap)


def _or_null(kind: Kind) -> Kind:
    return Kind(f"{kind.words}, or null", lambda value: value is None or kind.fits(value))


_FIGURES = {
    "verdict": Kind("held, violated or unknown", lambda value: value in WORST_FIRST),
    "outage_s": _or_null(DURATION),
    "lost": COUNT,
    "availability": _or_null(SHARE),
}
"""The members of a verdict.json that a run is compared by."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One measure on both sides; None: not measured. `worse` None: it cannot be told."""

    measure: str
    before: float | None
    after: float | None
    worse: bool | None
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
    one, other = ([run for run in side if run.verdict != "unknown"] for side in (before, after))
    unknown = _unknown(len(before) - len(one), len(after) - len(other))
    if not one or not other:
        return (unknown,)
    return (
        unknown,
        _verdicts(one, other),
        _lost(one, other),
        _measured("outage, s", one, other, lambda run: run.outage_s, lambda a, b: b > a * (1 + tolerance)),
        _measured("availability", one, other, lambda run: run.availability, lambda a, b: _less(a, b, tolerance)),
    )


def conclusion(differences: Sequence[Difference]) -> bool | None:
    """Whether B is worse; None: it cannot be told, which is never "not worse"."""
    found = {one.worse for one in differences}
    return True if True in found else None if None in found else False


def _unknown(before: int, after: int) -> Difference:
    found = None if before or after else False
    note = "leave them out, or drill again" if before or after else ""
    return Difference(measure="inconclusive runs", before=before, after=after, worse=found, note=note)


def _verdicts(before: Sequence[Measures], after: Sequence[Measures]) -> Difference:
    one, other = (sum(run.verdict == "violated" for run in side) / len(side) for side in (before, after))
    return Difference(measure="violated runs", before=one, after=other, worse=other > one, note="share")


def _lost(before: Sequence[Measures], after: Sequence[Measures]) -> Difference:
    one, other = (max(run.lost for run in side) for side in (before, after))
    return Difference(
        measure="lost writes", before=one, after=other, worse=other > one, note="most in a run; no tolerance"
    )


def _measured(
    measure: str,
    before: Sequence[Measures],
    after: Sequence[Measures],
    figure: Callable[[Measures], float | None],
    worse: Callable[[float, float], bool],
) -> Difference:
    """A figure by its medians. No run has it: there was no fault to measure it; only some: nothing to compare."""
    one, other = ([value for run in side if (value := figure(run)) is not None] for side in (before, after))
    a, b = (round(statistics.median(values), 6) if values else None for values in (one, other))
    if a is None and b is None:
        return Difference(measure=measure, before=a, after=b, worse=False, note="not measured in any run")
    if a is None or b is None or len(one) < len(before) or len(other) < len(after):
        return Difference(measure=measure, before=a, after=b, worse=None, note="not measured in every run")
    return Difference(measure=measure, before=a, after=b, worse=worse(a, b), note=_count(before, after))


def _less(before: float, after: float, tolerance: float) -> bool:
    """Unavailability is what grows: 99 to 98 % is twice as bad, not one percent."""
    return 1 - after > (1 - before) * (1 + tolerance) + 1e-9


def _count(before: Sequence[Measures], after: Sequence[Measures]) -> str:
    runs = f"{len(before)} and {len(after)} runs"
    return f"median of {runs}" if len(before) + len(after) > 2 else ""
