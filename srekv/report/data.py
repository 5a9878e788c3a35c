"""What a report shows, as plain data: the failover test's JSON document and the phases of its outage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from srekv.check.model import ClientOutage, Timing, Verdict
from srekv.drill.model import DrillResult


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One bar of the picture. Times are AWS-equivalent seconds since the fault; `seconds` None: it never ended."""

    name: str
    begin: float
    seconds: float | None


def failover_document(result: DrillResult, verdict: Verdict, *, report: str | None = None) -> dict[str, Any]:
    """The document of `failover-test --output json`; seconds are AWS-equivalent, wall_s is not.

    Args:
        result: the drill.
        verdict: the verdict over its history.
        report: where the report was written, if one was.
    """
    timing = verdict.timing
    return {
        "verdict": verdict.verdict,
        "fault": result.fault,
        "outage_s": timing.outage_s if timing else None,
        "detection_s": timing.detection_s if timing else None,
        "switch_s": timing.switch_s if timing else None,
        "recovery_s": timing.recovery_s if timing else None,
        "failback_s": timing.failback_s if timing else None,
        "operations": verdict.operations,
        "acknowledged": verdict.acknowledged,
        "lost": verdict.lost,
        "linearizable": verdict.linearizable,
        "speed": result.speed,
        "wall_s": round(result.wall_s, 3),
        "clients": [_client(client) for client in timing.clients] if timing else [],
        "bound_s": result.bound_s,
        "findings": [finding.to_json() for finding in verdict.findings],
        "history": str(result.history),
        "report": report,
    }


def _client(client: ClientOutage) -> dict[str, Any]:
    return {"name": client.name, "outage_s": client.outage_s, "errors": client.errors}


def phases(timing: Timing) -> tuple[Phase, ...]:
    """The outage cut into what it waited for; a phase that never ended is the last one before the failback."""
    steps = (
        ("detection", timing.detection_s),
        ("DNS switch", timing.switch_s),
        ("client recovery", timing.recovery_s),
    )
    found = []
    begin = 0.0
    for name, seconds in steps:
        found.append(Phase(name=name, begin=begin, seconds=seconds))
        if seconds is None:
            break
        begin += seconds
    if timing.heal_at is not None:
        found.append(Phase(name="failback", begin=timing.heal_at - timing.fault_at, seconds=timing.failback_s))
    return tuple(found)
