"""What has changed between two looks, as events. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from srekv.drill.note import parse
from srekv.provision.model import Deployment, Node
from srekv.watch.model import CheckSight, Event, Look, Request, ServiceSight, Story, Tone


def told(story: Story, look: Look, *more: Event) -> Story:
    """The story with one more look, what it has brought, and what somebody else knows of it."""
    return story.after(look, (*events(story.look, look), *more))


def events(before: Look | None, after: Look) -> tuple[Event, ...]:
    """What has changed, in the order of time; without a look before it: how things stand."""
    was = before or Look(at=after.at)
    found = (*_sight_events(was, after), *_stack_events(was, after), *_health_events(was, after))
    return tuple(sorted((*found, *_service_events(was, after)), key=lambda one: one.at))


def _tone(*, good: bool, is_first: bool) -> Tone:
    """How a change is told; that something is as it should be from the beginning is no change."""
    if good:
        return "plain" if is_first else "good"
    return "bad"


def _sight_events(before: Look, after: Look) -> Iterator[Event]:
    """What could be seen and cannot, and the other way round."""
    for problem in after.problems:
        if problem not in before.problems:
            yield Event(at=after.at, subject="stack", text=problem, tone="bad")
    for what, was, now in (
        ("the stack", before.stack, after.stack),
        ("the health checks", before.health, after.health),
        ("the name", before.service, after.service),
    ):
        if was.problem and not now.problem:
            yield Event(at=now.at or after.at, subject="stack", text=f"{what} can be seen again", tone="good")


def _stack_events(before: Look, after: Look) -> Iterator[Event]:
    was, now, at = before.stack.value, after.stack.value, after.stack.at
    if now is None or at is None:
        return
    for node in now.nodes:
        text = _node_change(_same(was, node), node)
        if text:
            yield Event(
                at=at, subject="stack", text=text, tone=_tone(good=node.state == "running", is_first=was is None)
            )
    if now.fault != (was.fault if was else ""):
        text = drill_text(now) or "the drill's note is gone: its fault is healed"
        yield Event(at=at, subject="stack", text=text)


def drill_text(deployment: Deployment) -> str:
    """What a drill has noted on the primary, for a person; "" without a note."""
    note = parse(deployment.fault)
    return f"a drill has noted its fault: {note.fault} (run {note.run_id})" if note else ""


def _same(deployment: Deployment | None, node: Node) -> Node | None:
    return next((one for one in deployment.nodes if one.name == node.name), None) if deployment else None


def _node_change(was: Node | None, now: Node) -> str:
    if was is None:
        return f"{now.name} ({now.role}, {now.zone}) is {now.state}"
    if was.instance_id != now.instance_id:
        return f"{now.name} is another instance, {now.instance_id}: {now.state}"
    return f"{now.name} is {now.state}" if was.state != now.state else ""


def _health_events(before: Look, after: Look) -> Iterator[Event]:
    known = {one.check.id: one for one in before.health.value or ()}
    for now in after.health.value or ():
        was = known.get(now.check.id)
        name = after.called([now.check.address]).partition(" ")[0]
        if was is None or was.healthy != now.healthy:
            yield _verdict(name, now, is_first=was is None)
        elif now.healthy and bool(was.failed_reports) != bool(now.failed_reports):
            yield _reports(name, now)


def _verdict(name: str, now: CheckSight, *, is_first: bool) -> Event:
    """What Route 53 makes of the reports."""
    if now.check.disabled:
        text = f"{name} healthy: its check is disabled"
    elif now.healthy:
        text = f"{name} healthy, by {now.passing} of {now.checkers} checkers"
    else:
        text = f"{name} unhealthy, by {now.failing} of {now.checkers} checkers"
    text += ", the check is inverted" if now.check.inverted else ""
    return Event(at=now.at, subject="health", text=text, tone=_tone(good=now.healthy, is_first=is_first))


def _reports(name: str, now: CheckSight) -> Event:
    """Reports that have begun to differ from the verdict, or do no more."""
    if not now.failed_reports:
        return Event(at=now.at, subject="health", text=f"{name}: every checker succeeds again", tone="good")
    first_sentence = now.reason.partition(". ")[0]
    text = f"{name}: {now.failed_reports} of {now.checkers} checkers failed: {first_sentence}"
    return Event(at=now.at, subject="health", text=text, tone="bad")


def _service_events(before: Look, after: Look) -> Iterator[Event]:
    was, now = before.service.value, after.service.value
    if now is None:
        return
    if was is None or (was.addresses, was.rcode) != (now.addresses, now.rcode):
        yield _answer(after, now, is_first=was is None)
    known = {one.name: one for one in was.requests} if was else {}
    for request in now.requests:
        earlier = known.get(request.name)
        if earlier is None or earlier.ok != request.ok or (request.ok and earlier.node != request.node):
            yield _outcome(now, request, is_first=earlier is None)


def _answer(look: Look, now: ServiceSight, *, is_first: bool) -> Event:
    if not now.addresses:
        return Event(at=now.at, subject="name", text=f"the name answers nothing: {now.rcode}", tone="bad")
    text = f"the name answers {look.called(now.addresses)}"
    return Event(at=now.at, subject="name", text=text, tone=_tone(good=True, is_first=is_first))


def _outcome(now: ServiceSight, request: Request, *, is_first: bool) -> Event:
    if request.ok:
        text = f"{request.name} works, from {request.node or request.address}"
        return Event(at=now.at, subject="requests", text=text, tone=_tone(good=True, is_first=is_first))
    said = request.error or f"HTTP {request.status}"
    return Event(at=now.at, subject="requests", text=f"{request.name} fails: {said}", tone="bad")
