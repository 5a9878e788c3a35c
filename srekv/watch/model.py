"""What `status --watch` has seen of a stack: plain frozen data, and the timeline that grows with each snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from srekv.provision.model import Check, Deployment

T = TypeVar("T")

KEPT = 200
"""How many events and requests a timeline remembers."""

Subject = Literal["stack", "health", "name", "requests"]
Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True, kw_only=True)
class Sample(Generic[T]):
    """What one source returned last, and when; None: nothing yet.

    `at` is older than the rest's when a poll takes long, or fails; `problem` is why it has failed since then, or "".
    """

    value: T | None = None
    at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckSample:
    """One health check, and what its checkers make of the endpoint; `at` is when the reports were asked for.

    Attributes:
        healthy: Route 53's verdict, worked out from the reports (srekv.drill.observer).
        checkers: how many have reported; `failing` of them hold the endpoint for unhealthy.
        failed_reports: how many of their last reports are failures; a checker needs several in a row.
        reason: the text of the last failed report, "" when none was seen; that checker asked at `reason_at`.
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
    """One request through the name, called "health" or "read"; as a member of the JSON document, too.

    `status` None: no whole answer, `error` is the reason. `elapsed_s` is wall-clock.
    """

    name: str
    path: str
    ok: bool
    status: int | None
    node: str | None
    address: str | None
    error: str | None
    elapsed_s: float


@dataclass(frozen=True, kw_only=True)
class ServiceSample:
    """What the name answers inside the VPC, to the node that asked, and the service at the first address, path by path.

    `rcode` is DNS's word, for example NOERROR; `ttl_s` is how long the resolver keeps the answer from then on,
    AWS-equivalent seconds; `at` is when the node's answer arrived.
    """

    asked_from: str
    addresses: tuple[str, ...]
    rcode: str
    ttl_s: float
    requests: tuple[Request, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything at one moment; each sample has its age."""

    at: datetime
    stack: Sample[Deployment] = field(default_factory=Sample)
    health: Sample[tuple[CheckSample, ...]] = field(default_factory=Sample)
    service: Sample[ServiceSample] = field(default_factory=Sample)

    @property
    def samples(self) -> dict[str, Sample[Any]]:
        """What a person calls each source."""
        return {"the stack": self.stack, "the health checks": self.health, "the name": self.service}

    @property
    def problems(self) -> tuple[str, ...]:
        """What cannot be seen now, and why."""
        return tuple(f"cannot see {what}: {one.problem}" for what, one in self.samples.items() if one.problem)

    def check_of(self, address: str) -> CheckSample | None:
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
class Timeline:
    """The last snapshot, the news that it brought, and what came before, the latest at the end, at most KEPT of each.

    `seen` is what the name and the service answered, poll by poll.
    """

    last: Snapshot | None = None
    news: tuple[Event, ...] = ()
    events: tuple[Event, ...] = ()
    seen: tuple[ServiceSample, ...] = ()

    @property
    def answers(self) -> tuple[Event, ...]:
        """The events in which the name changed its answer."""
        return tuple(one for one in self.events if one.subject == "name")
