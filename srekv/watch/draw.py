"""A timeline as a person sees it, on a screen of any size, and as a script reads it. Pure: values in and out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType

from srekv.provision.model import Deployment
from srekv.ui.console import nodes_json
from srekv.ui.text import Text
from srekv.watch.events import drill_text
from srekv.watch.model import CheckSample, Event, ServiceSample, Snapshot, Timeline

STYLES = {"good": "green", "bad": "bold red", "plain": ""}
AROUND = 3
"""Lines that are always there below the tables: a heading each for requests and events, the ages."""


def frame(timeline: Timeline, *, now: datetime, stack: str, speed: float, lines: int) -> RenderableType:
    """The whole screen, `lines` high: the oldest requests and events give way.

    `stack` is what the header calls it, "srekv on aws, us-east-1"; `speed` is AWS-equivalent seconds in one
    wall-clock second.
    """
    last = timeline.last or Snapshot(at=now)
    faster = "" if speed == 1 else f", speed {speed:g} (TTLs in AWS's seconds)"
    header = _cut((clock(now), "bold"), f"  {stack}", (faster, "dim"))
    drill = drill_text(last.stack.value) if last.stack.value else ""
    noted = [_cut((drill, "bold yellow"))] if drill else []
    problems = [_cut((problem, "bold red")) for problem in last.problems]
    top = [header, *_answer_lines(timeline, last), *noted, *problems, Text()]
    if last.stack.value:
        top += [*_node_lines(last.stack.value, last), Text()]
    if last.health.value:
        top += [*_check_lines(last.health.value), Text()]
    left = max(1, lines - len(top) - AROUND)
    shown = min(len(timeline.seen), max(1, left // 3), left - 1)
    requests = [_request_line(one) for one in timeline.seen[-shown:]] if shown else []
    asked = f", asked by {timeline.seen[-1].asked_from}; read: of an absent key" if timeline.seen else ""
    return Group(
        *top,
        _cut((f"requests through the name{asked}", "dim")),
        *requests,
        Text("events", "dim"),
        *[line(one) for one in timeline.events[-(left - shown) :]],
        _cut((_ages(last, now), "dim")),
    )


def line(event: Event) -> Text:
    """An event, in one line that is never broken."""
    return _cut(clock(event.at), "  ", (event.text, STYLES[event.tone]))


def plain(event: Event) -> str:
    """An event as a line of a log."""
    return f"{clock(event.at)}  {event.text}"


def clock(at: datetime) -> str:
    """The time of day on this computer."""
    return at.astimezone().strftime("%H:%M:%S")


def _cut(*parts: str | Text | tuple[str, str]) -> Text:
    """One line, cut at the screen's edge."""
    text = Text.assemble(*parts)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _answer_lines(timeline: Timeline, last: Snapshot) -> list[Text]:
    name = last.stack.value.name if last.stack.value else "the name"
    service = last.service.value
    if service is None:
        return [_cut(f"{name}: not asked yet")]
    answer = last.called(service.addresses) or f"nothing: {service.rcode}"
    since = f" since {clock(timeline.answers[-1].at)}" if timeline.answers else ""
    ttl = f", TTL left {service.ttl_s:g} s" if service.addresses else ""
    lines = [_cut(f"{name} answers ", (answer, "bold" if service.addresses else "bold red"), since, (ttl, "dim"))]
    before = [f"{clock(one.at)} {one.text.removeprefix('the name answers ')}" for one in timeline.answers[-4:-1]]
    return [*lines, _cut((f"before: {'; '.join(reversed(before))}", "dim"))] if before else lines


def _node_lines(deployment: Deployment, last: Snapshot) -> list[Text]:
    rows = [
        (
            Text(node.name),
            Text(node.role),
            Text(node.state, "" if node.state == "running" else "bold red"),
            _health(last.check_of(node.address)),
            Text(node.address),
            Text(node.zone),
        )
        for node in deployment.nodes
    ]
    return _aligned(("node", "role", "state", "health", "address", "zone"), rows)


def _health(check: CheckSample | None) -> Text:
    if check is None:
        return Text("unknown", "dim")
    return Text("healthy", "green") if check.healthy else Text("unhealthy", "bold red")


def _check_lines(checks: tuple[CheckSample, ...]) -> list[Text]:
    rows = []
    for one in checks:
        flags = [word for word, holds in (("inverted", one.check.inverted), ("disabled", one.check.disabled)) if holds]
        rows.append(
            (
                Text(one.check.name + (f" ({', '.join(flags)})" if flags else "")),
                Text(f"{one.passing} of {one.checkers}"),
                Text(f"{one.failed_reports} of {one.checkers}", "bold red" if one.failed_reports else ""),
                Text(f"{clock(one.reason_at)} {one.reason}" if one.reason_at else "none", "dim"),
            )
        )
    return _aligned(("check", "healthy checkers", "last check failed", "last failure seen"), rows)


def _aligned(headings: Sequence[str], rows: Sequence[Sequence[Text]]) -> list[Text]:
    """A table of which a narrow screen cuts the end of each line; what counts stands first."""
    table = [[Text(heading, "dim") for heading in headings], *rows]
    wide = [max(len(row[column]) for row in table) + 2 for column in range(len(headings) - 1)] + [0]
    lines = []
    for row in table:
        padded = ((cell, " " * (width - len(cell))) for cell, width in zip(row, wide, strict=True))
        lines.append(_cut(*(part for pair in padded for part in pair)))
    return lines


def _request_line(seen: ServiceSample) -> Text:
    parts: list[str | tuple[str, str]] = [clock(seen.at)]
    for request in seen.requests:
        works = f"{request.status} {request.node or request.address}"
        outcome = works if request.ok else request.error or request.status
        style = "green" if request.ok else "bold red"
        parts += [f"  {request.name} ", (f"{outcome} {request.elapsed_s * 1000:.0f} ms", style)]
    return _cut(*parts)


def _ages(last: Snapshot, now: datetime) -> str:
    """How old what is shown is; a number that grows shows a poll that hangs."""
    checks = min((one.at for one in last.health.value or ()), default=None)
    ages = []
    for what, at in (("name", last.service.at), ("stack", last.stack.at), ("checks", checks)):
        ages.append(f"{what} not yet" if at is None else f"{what} {max(0.0, (now - at).total_seconds()):.0f} s ago")
    return f"seen: {', '.join(ages)}; Ctrl-C ends"


def document(timeline: Timeline) -> dict[str, Any]:
    """The last snapshot: the members of `status` as far as they are polled, how old each is, and the news.

    Times are ISO 8601; `ttl_s` is in AWS-equivalent seconds, `elapsed_s` in wall-clock seconds.
    """
    last = timeline.last
    if last is None:
        return {}
    deployment, service = last.stack.value, last.service.value
    checks = {node.name: last.check_of(node.address) for node in deployment.nodes} if deployment else {}
    healthy = {name: one.healthy if one else None for name, one in checks.items()}
    return {
        "at": last.at.isoformat(),
        "name": deployment.name if deployment else None,
        "url": deployment.url if deployment else None,
        "answer": list(service.addresses) if service else [],
        "rcode": service.rcode if service else None,
        "ttl_s": service.ttl_s if service else None,
        "answer_since": timeline.answers[-1].at.isoformat() if timeline.answers else None,
        "asked_from": service.asked_from if service else None,
        "nodes": nodes_json(deployment, healthy) if deployment else [],
        "checks": [_check(one) for one in last.health.value or ()],
        "requests": [vars(one) for one in service.requests] if service else [],
        "seen_at": {"nodes": _iso(last.stack.at), "checks": _iso(last.health.at), "answer": _iso(last.service.at)},
        "fault": deployment.fault or None if deployment else None,
        "problems": list(last.problems),
        "events": [{"at": one.at.isoformat(), "subject": one.subject, "text": one.text} for one in timeline.news],
    }


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
