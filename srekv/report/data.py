"""The JSON documents of a judged drill: its verdict, and the settings that its history records."""

from __future__ import annotations

from typing import Any

from srekv import __version__
from srekv.check.model import History, Verdict
from srekv.drill.model import DrillResult


def failover_document(result: DrillResult, verdict: Verdict, *, report: str | None = None) -> dict[str, Any]:
    """The document of `failover-test --output json`; seconds are AWS-equivalent, wall_s is not.

    `report` is where the report was written, if one was.
    """
    return verdict.to_json() | {
        "fault": result.fault,
        "speed": result.speed,
        "wall_s": round(result.wall_s, 3),
        "bound_s": result.bound_s,
        "history": str(result.history),
        "report": report,
    }


def history_document(history: History, verdict: Verdict) -> dict[str, Any]:
    """The document of a judged history: every figure, and the settings that the history itself records."""
    start, end = history.members("start"), history.first("end")
    speed = start.get("speed")
    last = end.at if end else max((one.at for one in history.events), default=0.0)
    settings = history.members("start", "drill")
    return verdict.to_json() | {
        "run": start.get("run"),
        "epoch": start.get("epoch"),
        "speed": speed,
        "wall_s": round(last / speed, 3) if speed else None,
        "settings": {name: value for name, value in settings.items() if name not in {"epoch", "id"}},
        "srekv": __version__,
    }
