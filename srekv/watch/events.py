"""What has changed between two snapshots, as events. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from srekv.drill.note import parse
from srekv.provision.model import Deployment
from srekv.watch.model import KEPT, CheckSample, Event, Snapshot, Subject, Timeline


def extend(timeline: Timeline, snapshot: Snapshot, *more: Event) -> Timeline:
    """The timeline with one more snapshot, the events that it brings, and more that are known from elsewhere."""
    news = (*diff(timeline.last, snapshot), *more)
    seen, service = timeline.seen, snapshot.service.value
    if service is not None and (not seen or service.at != seen[-1].at):
        seen = (*seen, service)[-KEPT:]
    return Timeline(last=snapshot, news=news, events=(*timeline.events, *news)[-KEPT:], seen=seen)


def diff(before: Snapshot | None, after: Snapshot) -> tuple[Event, ...]:
    """What has changed, in the order of time; without a snapshot before it: how things stand."""
    was = before or Snapshot(at=after.at)
    found = (*_problem_events(was, after), *_stack_events(was, after), *_health_events(was, after))
    return tuple(sorted((*found, *_service_events(was, after)), key=lambda one: one.at))


def _event(at: datetime, subject: Subject, text: str, *, good: bool, first: bool = False) -> Event:
    """An event; that something is as it should be from the start is no change."""
    return Event(at=at, subject=subject, text=text, tone="bad" if not good else "plain" if first else "good")


def _problem_events(before: Snapshot, after: Snapshot) -> Iterator[Event]:
    """What could be seen and cannot, and the other way round."""
    for problem in after.problems:
        if problem not in before.problems:
            yield _event(after.at, "stack", problem, good=False)
    for what, now in after.samples.items():
        if before.samples[what].problem and not now.problem:
            yield _event(now.at or after.at, "stack", f"{what} can be seen again", good=True)


def _stack_events(before: Snapshot, after: Snapshot) -> Iterator[Event]:
    was, now, at = before.stack.value, after.stack.value, after.stack.at
    if now is None or at is None:
        return
    known = {node.name: node for node in was.nodes} if was else {}
    for node in now.nodes:
        earlier = known.get(node.name)
        if earlier is None:
            text = f"{node.name} ({node.role}, {node.zone}) is {node.state}"
        elif earlier.instance_id != node.instance_id:
            text = f"{node.name} is another instance, {node.instance_id}: {node.state}"
        elif earlier.state != node.state:
            text = f"{node.name} is {node.state}"
        else:
            continue
        yield _event(at, "stack", text, good=node.state == "running", first=was is None)
    if now.fault != (was.fault if was else ""):
        yield Event(at=at, subject="stack", text=drill_text(now) or "the drill's note is gone: its fault is healed")


def drill_text(deployment: Deployment) -> str:
    """What a drill has noted on the primary, for a person; "" without a note."""
    note = parse(deployment.fault)
    return f"a drill has noted its fault: {note.fault} (run {note.run_id})" if note else ""


def _health_events(before: Snapshot, after: Snapshot) -> Iterator[Event]:
    known = {one.check.id: one for one in before.health.value or ()}
    for now in after.health.value or ():
        was = known.get(now.check.id)
        name = after.called([now.check.address]).partition(" ")[0]
        if was is None or was.healthy != now.healthy:
            yield _event(now.at, "health", f"{name} {_verdict(now)}", good=now.healthy, first=was is None)
        elif now.healthy and now.failed_reports and not was.failed_reports:
            reason = now.reason.partition(". ")[0]
            text = f"{name}: {now.failed_reports} of {now.checkers} checkers failed: {reason}"
            yield _event(now.at, "health", text, good=False)
        elif now.healthy and was.failed_reports and not now.failed_reports:
            yield _event(now.at, "health", f"{name}: every checker succeeds again", good=True)


def _verdict(now: CheckSample) -> str:
    if now.check.disabled:
        text = "healthy: its check is disabled"
    elif now.healthy:
        text = f"healthy, by {now.passing} of {now.checkers} checkers"
    else:
        text = f"unhealthy, by {now.failing} of {now.checkers} checkers"
    return text + (", the check is inverted" if now.check.inverted else "")


def _service_events(before: Snapshot, after: Snapshot) -> Iterator[Event]:
    was, now = before.service.value, after.service.value
    if now is None:
        return
    if was is None or (was.addresses, was.rcode) != (now.addresses, now.rcode):
        answer = after.called(now.addresses) or f"nothing: {now.rcode}"
        yield _event(now.at, "name", f"the name answers {answer}", good=bool(now.addresses), first=was is None)
    known = {one.name: one for one in was.requests} if was else {}
    for request in now.requests:
        earlier = known.get(request.name)
        if earlier is None or earlier.ok != request.ok or (request.ok and earlier.node != request.node):
            works = f"works, from {request.node or request.address}"
            outcome = works if request.ok else f"fails: {request.error or f'HTTP {request.status}'}"
            yield _event(now.at, "requests", f"{request.name} {outcome}", good=request.ok, first=earlier is None)
