"""The promises that a run is held to: the longest outage, the lost writes, the availability."""

from __future__ import annotations

from srekv.check.model import Event, Judgement, Ruling, Timing
from srekv.drill.model import Promises


def recorded(events: tuple[Event, ...]) -> Promises:
    """The promises that a history's `drill` event carries; none by default."""
    drill = next((one for one in events if one.event == "drill"), None)
    found = (drill.members.get("promises") if drill else None) or {}
    names = ("max_outage_s", "max_lost", "min_availability")
    return Promises(**{name: found.get(name) for name in names})


def judge_promises(promises: Promises, timing: Timing | None) -> tuple[Judgement, ...]:
    """One finding for each promise made about time; `lost` judges the one about writes. Unknown without a fault."""
    findings = []
    headline = timing.headline if timing else None
    if promises.max_outage_s is not None:
        measured = headline.outage_s if headline else None
        limit = f"{promises.max_outage_s:g} s promised"
        findings.append(
            _promise("max-outage", measured, measured is not None and measured <= promises.max_outage_s, limit)
        )
    if promises.min_availability is not None:
        measured = headline.availability if headline else None
        limit = f"{promises.min_availability:g} promised"
        findings.append(
            _promise(
                "min-availability", measured, measured is not None and measured >= promises.min_availability, limit
            )
        )
    return tuple(findings)


def _promise(checker: str, measured: float | None, kept: bool, limit: str) -> Judgement:
    if measured is None:
        return Judgement(checker=checker, verdict="unknown", summary=f"nothing was measured, {limit}")
    ruling: Ruling = "held" if kept else "violated"
    return Judgement(checker=checker, verdict=ruling, summary=f"{measured:.4g} measured, {limit}")
