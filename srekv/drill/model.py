"""What a drill needs from the world, as Protocols, and what it says, as frozen data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from srekv.errors import Advice
from srekv.provision.model import Check, CommandResult, Deployment, Node, Observation, Place
from srekv.route53 import CONNECT_TIMEOUT_S, verdict

HEADLINE = "honor-ttl"
"""The kind of client whose outage is the headline: the one that honours the record's TTL."""

FORMER_KINDS = {"ttl": HEADLINE, "every-time": "no-cache", "for-ever": "cache-forever", "ten-seconds": "cache-10s"}
"""What kinds of clients were called before, in histories and on command lines that are kept."""

POLICIES = ("no-cache", HEADLINE, "keep-alive", "cache-forever", "cache-10s", "retry")
"""The kinds of clients that a load may have, one closed-loop client each: they resolve the name for each operation,
when its TTL has passed, only after their connection broke, once in their life, every 10 s; the last one as the second,
with retries."""


class FaultTarget(Protocol):
    """What a drill may do to a deployment. `srekv.provision.target` fulfils it; tests bring fakes."""

    def deployment(self) -> Deployment:
        """The stack as it is now; raises SrekvError when it is not complete."""

    def stop(self, node: Node, *, skip_os_shutdown: bool = False) -> None:
        """Ask for the instance to stop; returns as soon as AWS accepts it."""

    def start(self, node: Node) -> None:
        """Ask for the instance to start; waits for it to have stopped first, returns as soon as AWS accepts it."""

    def invert(self, check: Check, *, inverted: bool) -> None:
        """Set or clear a health check's Inverted flag."""

    def observations(self, check: Check) -> tuple[Observation, ...]:
        """The checkers' last reports; callers poll no faster than one check a second (aws-facts 2.6)."""

    def await_commands(self, nodes: Sequence[Node]) -> None:
        """Wait until these nodes take commands; raises TimeoutExceeded when one does not."""

    def run(self, node: Place, script: str, *, timeout_s: float) -> CommandResult:
        """Run a shell script on the node, or another instance, inside the VPC and wait for its end.

        Raises:
            SrekvError: the node does not take commands (not registered, stopped).
            TimeoutExceeded: no answer within timeout_s wall-clock seconds.
        """

    def remember(self, node: Node, text: str) -> None:
        """Write a note to the node's instance, where it outlives this process; `Deployment.fault` shows it."""

    def forget(self, node: Node) -> None:
        """Remove the note; fine when there is none."""

    def admit(self, instance_id: str) -> str:
        """Let another instance of the VPC reach the service; returns its address, what `dismiss` takes."""

    def dismiss(self, address: str) -> None:
        """Take that permission back; fine when there is none."""


class Narrator(Protocol):
    """Gets what a drill does, as it does it."""

    def started(self, phase: str) -> None:
        """A phase of the drill began, for example "steady state"."""

    def finished(self, phase: str, detail: str) -> None:
        """The phase is over; `detail` is what it measured."""

    def note(self, message: Advice) -> None:
        """Something worth knowing happened."""

    def warn(self, message: Advice) -> None:
        """Something needs the user's attention, for example a node that could not be started again."""


class Clock(Protocol):
    """The tool's own clock, in wall-clock seconds: the module `time`; tests bring one that does not wait."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float, /) -> None:
        """Let that much time pass."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a drill is carried out. Durations are AWS-equivalent seconds; `speed` is how many in one wall-clock second.

    Attributes:
        resolver: address and port of the resolver that clients inside the VPC ask.
        run_id: names the run's keys and files; lower-case letters, digits and hyphens.
        rate: operations a second over all clients.
        keys: how many keys the clients share.
        clients: how many clients of each of the `policies` operate at once.
        seed: decides the clients' choices.
        op_timeout_s: a client's time-out for one operation.
    """

    resolver: tuple[str, int]
    port: int
    run_id: str
    speed: float = 1.0
    rate: float = 20.0
    keys: int = 20
    policies: tuple[str, ...] = POLICIES
    clients: int = 1
    seed: int = 1
    op_timeout_s: float = 2.0

    def wall(self, seconds: float) -> float:
        """AWS-equivalent seconds as wall-clock seconds."""
        return seconds / self.speed


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a fault must do to clients that honour the TTL; it is in the history, so that a file can be judged alone.

    `switch`: the name must switch to the secondary and back, or must not; None: either is right. `outage`: clients see
    one, which is reported; else no operation may fail. `lost`: how many acknowledged writes may be.
    """

    switch: bool | None
    outage: bool
    lost: int = 0


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """What a run is held to, for the clients that honour the TTL; None: no objective.

    `max_outage_s` is in AWS-equivalent seconds; `max_lost` counts acknowledged writes, None: none, where the history
    has final reads; `min_availability` is the least share of time, 0 to 1, in which they have good answers.
    """

    max_outage_s: float | None = None
    max_lost: int | None = None
    min_availability: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One acceptance test: what was expected, whether it was so, what was seen. `elapsed_s` is wall-clock."""

    name: str
    passed: bool
    detail: str
    elapsed_s: float


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A name that answers `address` now. Times are AWS-equivalent seconds since the stop or the start was asked for.

    `ready_s` is when the started node answered /health itself; None for a stop.
    """

    address: str
    ready_s: float | None
    switched_s: float


@dataclass(frozen=True, kw_only=True)
class DrillResult:
    """A drill that ran to its end: the history to be judged, and what the history does not say.

    `wall_s` is how long it took, wall-clock seconds; all other times, the history's too, are AWS-equivalent seconds, of
    which `speed` are in one wall-clock second. `bound_s` is the longest outage that the stack's settings explain.
    """

    run_id: str
    fault: str
    history: Path
    speed: float
    wall_s: float
    bound_s: float


def is_healthy(check: Check, observations: tuple[Observation, ...]) -> bool:
    """Route 53's 18 % rule over its checkers' LAST reports (aws-facts 1.1); disabled and brand-new checks are healthy.

    A glance for a steady state: each checker changes its mind only after `threshold` such reports, so while the
    endpoint is changing `srekv.drill.observer.HealthWatch` is to be asked instead.
    """
    return verdict([one.healthy for one in observations], inverted=check.inverted, disabled=check.disabled)


def detection_bound_s(check: Check) -> float:
    """The longest a stopped endpoint can look healthy: threshold x (interval + connect time-out).

    A checker that succeeded just before the stop sends its next request `interval` later and gives up on it after
    CONNECT_TIMEOUT_S; `threshold` such failures in a row flip it. 10 s x 3: 42 s; 30 s x 3: 102 s (aws-facts 1.3).
    """
    return check.threshold * (check.interval + CONNECT_TIMEOUT_S)


def outage_bound_s(check: Check, *, ttl: int, settings: Settings) -> float:
    """The longest outage that a client should see when the primary stops.

    Detection at its worst; then a cached answer lives for one TTL (the resolver counts it down and the client honours
    what is left); then a client may still wait out one operation that it began just before, and may have been idle for
    one pause between two operations before the stop. How fast a verdict reaches the name servers is not published
    (aws-facts 1.3) and counts as nothing here.
    """
    pause = len(settings.policies) * settings.clients / settings.rate
    return detection_bound_s(check) + ttl + settings.op_timeout_s + pause
