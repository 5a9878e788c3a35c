"""What a report shows, as plain data: the verdict's document and the phases of an outage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from srekv import __version__
from srekv.check.model import ClientOutage, Event, Expected, History, Timing, Verdict
from srekv.drill.model import DrillResult


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One bar of the picture. Times are AWS-equivalent seconds since the fault; `seconds` None: it never ended."""

    name: str
    begin: float
    seconds: float | None
    note: str = ""


def failover_document(result: DrillResult, verdict: Verdict, *, report: str | None = None) -> dict[str, Any]:
    """The document of `failover-test --output json`; seconds are AWS-equivalent, wall_s is not.

    Args:
        result: the drill.
        verdict: the verdict over its history.
        report: where the report was written, if one was.
    """
    return figures(verdict) | {
        "fault": result.fault,
        "speed": result.speed,
        "wall_s": round(result.wall_s, 3),
        "bound_s": result.bound_s,
        "history": str(result.history),
        "report": report,
    }


def history_document(history: History, verdict: Verdict) -> dict[str, Any]:
    """The document of a judged history: every figure, and the settings that the history itself records."""
    start, end = _event(history, "start"), _event(history, "end")
    drill = _event(history, "drill")
    speed = start.members.get("speed") if start else None
    last = end.at if end else max((one.at for one in history.events), default=0.0)
    return figures(verdict) | {
        "run": start.members.get("run") if start else None,
        "epoch": start.members.get("epoch") if start else None,
        "speed": speed,
        "wall_s": round(last / speed, 3) if speed else None,
        "settings": settings(start, drill),
        "srekv": __version__,
    }


def _event(history: History, kind: str) -> Event | None:
    return next((one for one in history.events if one.event == kind), None)


def settings(start: Event | None, drill: Event | None) -> dict[str, Any]:
    """What the history says of how it was made: the members of its start and of its drill."""
    members = (start.members if start else {}) | (drill.members if drill else {})
    return {name: value for name, value in members.items() if name not in {"epoch", "id"}}


def figures(verdict: Verdict) -> dict[str, Any]:
    """Every headline number of a verdict."""
    timing = verdict.timing
    return {
        "verdict": verdict.verdict,
        "reason": verdict.reason or None,
        "fault": timing.fault if timing else None,
        "outage_s": timing.outage_s if timing else None,
        "detection_s": timing.detection_s if timing else None,
        "switch_s": timing.switch_s if timing else None,
        "recovery_s": timing.recovery_s if timing else None,
        "failback_s": timing.failback_s if timing else None,
        "availability": timing.availability if timing else None,
        "operations": verdict.operations,
        "acknowledged": verdict.acknowledged,
        "lost": verdict.lost,
        "linearizable": verdict.linearizable,
        "bound_s": timing.bound_s if timing else None,
        "expected": _expected(timing.expected) if timing and timing.expected else None,
        "clients": [_client(client) for client in timing.clients] if timing else [],
        "phases": [_phase(phase) for phase in phases(timing)] if timing else [],
        "findings": [finding.to_json() for finding in verdict.findings],
    }


def _expected(expected: Expected) -> dict[str, Any]:
    return {
        "best_s": expected.best,
        "p50_s": expected.p50,
        "p95_s": expected.p95,
        "worst_s": expected.worst,
        "percentile": expected.percentile,
        "luck": expected.luck,
    }


def _client(client: ClientOutage) -> dict[str, Any]:
    return {
        "name": client.name,
        "outage_s": client.outage_s,
        "errors": client.errors,
        "recovered": client.recovered,
        "availability": client.availability,
        "operations": client.operations,
        "errors_by_kind": dict(client.errors_by_kind),
        "advice": client.advice,
    }


def _phase(phase: Phase) -> dict[str, Any]:
    seconds = None if phase.seconds is None else round(phase.seconds, 4)
    return {"name": phase.name, "begin_s": round(phase.begin, 4), "seconds": seconds, "note": phase.note}


def phases(timing: Timing) -> tuple[Phase, ...]:
    """The steps of the outage, counted from the fault."""
    return tuple(
        Phase(
            name=step.name,
            begin=step.begin - timing.fault_at,
            seconds=None if step.end is None else step.end - step.begin,
            note=step.note,
        )
        for step in timing.steps
    )
