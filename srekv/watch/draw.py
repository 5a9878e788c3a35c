"""A timeline as a person sees it, on a screen of any size. Pure: values in, a renderable out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType

from srekv.provision.model import Deployment
from srekv.ui.text import Text
from srekv.watch.events import drill_text
from srekv.watch.model import CheckSample, Event, Request, ServiceSample, Snapshot, Timeline

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
    top = [header, *_answer_lines(timeline, last), *_problems(last), Text()]
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
    """What the name answers, since when, and what it answered before."""
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


def _problems(last: Snapshot) -> list[Text]:
    """What is wrong on purpose, and what cannot be seen."""
    drill = drill_text(last.stack.value) if last.stack.value else ""
    noted = [_cut((drill, "bold yellow"))] if drill else []
    return [*noted, *(_cut((problem, "bold red")) for problem in last.problems)]


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
    """All requests of one poll."""
    parts: list[str | tuple[str, str]] = [clock(seen.at)]
    for request in seen.requests:
        parts += [f"  {request.name} ", _outcome(request)]
    return _cut(*parts)


def _outcome(request: Request) -> tuple[str, str]:
    took = f"{request.elapsed_s * 1000:.0f} ms"
    if request.ok:
        return f"{request.status} {request.node or request.address} {took}", "green"
    return f"{request.error or request.status} {took}", "bold red"


def _ages(last: Snapshot, now: datetime) -> str:
    """How old what is shown is; a number that grows shows a poll that hangs."""
    checks = min((one.at for one in last.health.value or ()), default=None)
    ages = []
    for what, at in (("name", last.service.at), ("stack", last.stack.at), ("checks", checks)):
        ages.append(f"{what} not yet" if at is None else f"{what} {max(0.0, (now - at).total_seconds()):.0f} s ago")
    return f"seen: {', '.join(ages)}; Ctrl-C ends"
