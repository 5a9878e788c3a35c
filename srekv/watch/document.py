"""A look as a script reads it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from srekv.ui.console import nodes_json
from srekv.watch.model import CheckSight, Look, Request, Story


def document(story: Story) -> dict[str, Any]:
    """The last look: the members of `status` as far as they are looked at, how old each is, and the news.

    Times are ISO 8601; `ttl_s` is in AWS-equivalent seconds, `elapsed_s` in wall-clock seconds.
    """
    look = story.look
    if look is None:
        return {}
    deployment, service = look.stack.value, look.service.value
    answer = {
        "answer": list(service.addresses) if service else [],
        "rcode": service.rcode if service else None,
        "ttl_s": service.ttl_s if service else None,
        "answer_since": story.answers[-1].at.isoformat() if story.answers else None,
        "asked_from": service.asked_from if service else None,
    }
    return {
        "at": look.at.isoformat(),
        "name": deployment.name if deployment else None,
        "url": deployment.url if deployment else None,
        **answer,
        "nodes": _nodes(look),
        "checks": [_check(one) for one in look.health.value or ()],
        "requests": [_request(one) for one in service.requests] if service else [],
        "seen_at": {"nodes": _iso(look.stack.at), "checks": _iso(look.health.at), "answer": _iso(look.service.at)},
        "fault": deployment.fault or None if deployment else None,
        "problems": list(look.problems),
        "events": [{"at": one.at.isoformat(), "subject": one.subject, "text": one.text} for one in story.news],
    }


def _nodes(look: Look) -> list[dict[str, Any]]:
    deployment = look.stack.value
    if deployment is None:
        return []
    checks = {node.name: look.check_of(node.address) for node in deployment.nodes}
    return nodes_json(deployment, {name: check.healthy if check else None for name, check in checks.items()})


def _check(one: CheckSight) -> dict[str, Any]:
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


def _request(one: Request) -> dict[str, Any]:
    return {
        "name": one.name,
        "path": one.path,
        "ok": one.ok,
        "status": one.status,
        "node": one.node or None,
        "address": one.address or None,
        "error": one.error or None,
        "elapsed_s": one.elapsed_s,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
