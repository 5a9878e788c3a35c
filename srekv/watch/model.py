"""What a watcher has seen of a stack: plain frozen data, and the story that grows out of one look after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Literal, TypeVar

from srekv.provision.model import Check, Deployment

T = TypeVar("T")

KEPT = 200
"""How many events and requests a story remembers."""

Subject = Literal["stack", "health", "name", "requests"]
Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True, kw_only=True)
class Sight(Generic[T]):
    """What one kind of look has shown.

    Attributes:
        value: what was seen last; None: nothing yet.
        at: when; an older one than the rest's means that looking takes long, or fails.
        problem: why looking has failed since then; "" when it has not.
    """

    value: T | None = None
    at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckSight:
    """One health check, and what its checkers make of the endpoint.

    Attributes:
        check: the check.
        healthy: Route 53's verdict, worked out from the reports (srekv.drill.health).
        checkers: how many have reported.
        failing: how many of them hold the endpoint for unhealthy.
        failed_reports: how many of their last reports are failures; a checker needs several in a row.
        reason: what the last failed report said, "" when none was seen.
        reason_at: when that checker asked.
        at: when the reports were asked for.
    """

    check: Check
    healthy: bool
    checkers: int
    failing: int
    failed_reports: int
    reason: str
    reason_at: datetime | None
    at: datetime

    @property
    def passing(self) -> int:
        """How many checkers hold the endpoint for healthy."""
        return self.checkers - self.failing


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request through the name, called "health" or "read".

    `status` None: no whole answer, `error` says why. `elapsed_s` is wall-clock.
    """

    name: str
    path: str
    ok: bool
    status: int | None
    node: str
    address: str
    error: str
    elapsed_s: float


@dataclass(frozen=True, kw_only=True)
class ServiceSight:
    """What the name answers inside the VPC, and the service behind it.

    Attributes:
        asked_from: the node that asked.
        addresses: the answer.
        rcode: DNS's word, for example NOERROR.
        ttl_s: how long the resolver keeps the answer from then on, AWS-equivalent seconds.
        requests: sent to the first address, one for each path.
        at: when the node's answer arrived.
    """

    asked_from: str
    addresses: tuple[str, ...]
    rcode: str
    ttl_s: float
    requests: tuple[Request, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Look:
    """Everything at one moment; each sight says how old it is."""

    at: datetime
    stack: Sight[Deployment] = field(default_factory=Sight)
    health: Sight[tuple[CheckSight, ...]] = field(default_factory=Sight)
    service: Sight[ServiceSight] = field(default_factory=Sight)

    @property
    def problems(self) -> tuple[str, ...]:
        """What cannot be seen now, and why."""
        named = (("the stack", self.stack), ("the health checks", self.health), ("the name", self.service))
        return tuple(f"cannot see {what}: {sight.problem}" for what, sight in named if sight.problem)

    def check_of(self, address: str) -> CheckSight | None:
        """What is known of the check that watches this address."""
        return next((one for one in self.health.value or () if one.check.address == address), None)

    def called(self, addresses: Sequence[str]) -> str:
        """Addresses as a person knows them: by their nodes."""
        nodes = {node.address: node.name for node in self.stack.value.nodes} if self.stack.value else {}
        return ", ".join(f"{nodes[one]} ({one})" if one in nodes else one for one in addresses)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has changed, when it was seen, and whether that is good."""

    at: datetime
    subject: Subject
    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True)
class Story:
    """The last look and what came before it, the latest at the end.

    Attributes:
        look: the last one; None before the first.
        news: the events that the last look brought.
        events: all of them, at most KEPT.
        seen: what the name and the service answered, look by look, at most KEPT.
    """

    look: Look | None = None
    news: tuple[Event, ...] = ()
    events: tuple[Event, ...] = ()
    seen: tuple[ServiceSight, ...] = ()

    @property
    def answers(self) -> tuple[Event, ...]:
        """The events in which the name changed its answer."""
        return tuple(one for one in self.events if one.subject == "name")

    def after(self, look: Look, news: tuple[Event, ...]) -> Story:
        """The story with one more look and the events that it brought."""
        service = look.service.value
        is_new = service is not None and (not self.seen or service.at != self.seen[-1].at)
        seen = (*self.seen, service) if service is not None and is_new else self.seen
        return replace(self, look=look, news=news, events=(*self.events, *news)[-KEPT:], seen=seen[-KEPT:])
