"""Is one run worse than another? Outage, lost writes, availability, with a tolerance; several runs count by the median.

A failover's outage depends on chance (when which checker looks), so one run against one says little: give each side
several. A run whose verdict is unknown measures nothing, and a figure that only some runs have compares nothing: then
it is not known whether B is worse, unless the other runs or figures show that it is.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from srekv.check.model import CALLED, Ruling, Verdict
from srekv.drill.events import COUNT, DURATION, SHARE, Kind


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What a run is compared by: members of its verdict.json.

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
        return replace(cls.from_json(verdict.to_json(), name=name), gap=verdict.reason if _unknown(verdict) else "")

    @classmethod
    def from_json(cls, document: object, *, name: str = "") -> Measures:
        """The measures in a verdict.json.

        Raises:
            ValueError: it is none.
        """
        found = document if isinstance(document, dict) else {}
        for member, (kind, may_be_null) in _FIGURES.items():
            value = found.get(member, "")
            if not (kind.fits(value) or (may_be_null and value is None)):
                raise ValueError(f"{member} is not {kind.words}{', or null' * may_be_null}")
        run = cls(**{member: found[member] for member in _FIGURES}, name=name)
        return replace(run, gap="its verdict is unknown") if _unknown(run) else run


_FIGURES = {
    "verdict": (Kind("held, violated or unknown", lambda value: value in tuple(CALLED)), False),
    "outage_s": (DURATION, True),
    "lost": (COUNT, False),
    "availability": (SHARE, True),
}
"""The members of a verdict.json that a run is compared by, and whether null is one of their values."""


def _unknown(run: Measures | Verdict) -> bool:
    return run.verdict == "unknown"


class Difference(NamedTuple):
    """One measure on both sides, A and B; None: not measured. `worse` None: undecidable."""

    measure: str
    a: float | None
    b: float | None
    worse: bool | None
    note: str


def compare(before: Sequence[Measures], after: Sequence[Measures], *, tolerance: float) -> tuple[Difference, ...]:
    """Every measure of two sides.

    Args:
        before: the runs of A, at least one.
        after: the runs of B, at least one.
        tolerance: how much longer an outage, and how much more unavailability, is not worse; 0.1 is a tenth.
    """
    one, other = ([run for run in side if not _unknown(run)] for side in (before, after))
    a, b = len(before) - len(one), len(after) - len(other)
    worse, advice = (None, "leave them out, or drill again") if a or b else (False, "")
    unknown = Difference("inconclusive runs", a, b, worse, advice)
    if not one or not other:
        return (unknown,)
    violated_a, violated_b = (sum(run.verdict == "violated" for run in side) / len(side) for side in (one, other))
    lost_a, lost_b = (max(run.lost for run in side) for side in (one, other))
    return (
        unknown,
        Difference("violated runs", violated_a, violated_b, violated_b > violated_a, "share"),
        Difference("lost writes", lost_a, lost_b, lost_b > lost_a, "most in a run; no tolerance"),
        _measured("outage, s", one, other, lambda run: run.outage_s, lambda a, b: b > a * (1 + tolerance)),
        # unavailability is what grows: 99 to 98 % is twice as bad, not one percent
        _measured(
            "availability",
            one,
            other,
            lambda run: run.availability,
            lambda a, b: 1 - b > (1 - a) * (1 + tolerance) + 1e-9,
        ),
    )


def conclusion(differences: Sequence[Difference]) -> bool | None:
    """Whether B is worse; None: it cannot be told, which is never "not worse"."""
    found = {one.worse for one in differences}
    return True if True in found else None if None in found else False


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
        return Difference(measure, a, b, worse=False, note="not measured in any run")
    if a is None or b is None or len(one) < len(before) or len(other) < len(after):
        return Difference(measure, a, b, worse=None, note="not measured in every run")
    runs = f"median of {len(before)} and {len(after)} runs" if len(before) + len(after) > 2 else ""
    return Difference(measure, a, b, worse=worse(a, b), note=runs)
