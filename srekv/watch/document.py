"""A snapshot as a script reads it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from srekv.ui.console import nodes_json
from srekv.watch.model import CheckSample, Snapshot, Timeline


def document(timeline: Timeline) -> dict[str, Any]:
    """The last snapshot: the members of `status` as far as they are polled, how old each is, and the news.

    Times are ISO 8601; `ttl_s` is in AWS-equivalent seconds, `elapsed_s` in wall-clock seconds.
    """
    last = timeline.last
    if last is None:
        return {}
    deployment, service = last.stack.value, last.service.value
    return {
        "at": last.at.isoformat(),
        "name": deployment.name if deployment else None,
        "url": deployment.url if deployment else None,
        "answer": list(service.addresses) if service else [],
        "rcode": service.rcode if service else None,
        "ttl_s": service.ttl_s if service else None,
        "answer_since": timeline.answers[-1].at.isoformat() if timeline.answers else None,
        "asked_from": service.asked_from if service else None,
        "nodes": _nodes(last),
        "checks": [_check(one) for one in last.health.value or ()],
        "requests": [vars(one) for one in service.requests] if service else [],
        "seen_at": {"nodes": _iso(last.stack.at), "checks": _iso(last.health.at), "answer": _iso(last.service.at)},
        "fault": deployment.fault or None if deployment else None,
        "problems": list(last.problems),
        "events": [{"at": one.at.isoformat(), "subject": one.subject, "text": one.text} for one in timeline.news],
    }


def _nodes(last: Snapshot) -> list[dict[str, Any]]:
    deployment = last.stack.value
    if deployment is None:
        return []
    checks = {node.name: last.check_of(node.address) for node in deployment.nodes}
    return nodes_json(deployment, {name: one.healthy if one else None for name, one in checks.items()})


def _check(one: CheckSample) -> dict[str, Any]:
    return {
        "name": one.check.name,
        "id": one.check.id,
        "healthy": one.healthy,
        "checkers": one.checkers,
        "passing": one.passing,
        "failed_reports": one.failed_reports,
        "reason": one.reason or None,
        "reason_at": _iso(one.reason_at),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
