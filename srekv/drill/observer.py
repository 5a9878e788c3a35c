"""Follows the health checks: Route 53's verdict worked out from the checkers' last reports, and what changed recorded.

The API returns what each checker saw last, never what it makes of it: one that failed once is still "healthy" until it
failed `threshold` times in a row (aws-facts 1.1, 1.2). Code that takes the last reports for the verdict sees a failure
some 25 s too early. So the reports are followed over time, and each checker's own count is kept here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from srekv.drill.model import Clock, FaultTarget, Settings
from srekv.drill.timeline import AWS, Timeline
from srekv.provision.model import Check, Deployment, Node, Observation, Role
from srekv.route53 import CONNECT_TIMEOUT_S, RESPONSE_TIMEOUT_S, verdict


@dataclass
class _Checker:
    """One checker: its opinion, and how many reports in a row have spoken against it."""

    healthy: bool
    against: int = 0
    since: datetime | None = None
    last: datetime | None = None


class HealthWatch:
    """Follows one check; feed it every answer of `observations`, at least one for each request interval.

    `speed`, AWS-equivalent seconds in one wall-clock second, gives how many reports were missed between two polls.
    `is_new`: the check was made just now, and its checkers start with the endpoint as healthy (aws-facts 1.1).
    """

    def __init__(self, check: Check, *, speed: float, is_new: bool = False) -> None:
        self._check = check
        self._is_new = is_new
        self._slowest_s = (check.interval + CONNECT_TIMEOUT_S + RESPONSE_TIMEOUT_S) / speed
        self._checkers: dict[str, _Checker] = {}

    def declare(self, check: Check) -> None:
        """The check's flags changed: Inverted, Disabled."""
        self._check = check

    @property
    def checkers(self) -> int:
        """How many checkers have reported."""
        return len(self._checkers)

    @property
    def failing(self) -> int:
        """How many of them hold the endpoint for unhealthy: those that failed `threshold` times in a row."""
        return sum(not checker.healthy for checker in self._checkers.values())

    def feed(self, observations: Iterable[Observation]) -> bool:
        """Learn the last reports; whether the check is healthy now.

        A checker's first report is taken for its opinion, unless the check is new: how many came before is unknown.
        """
        for one in observations:
            first = _Checker(healthy=True) if self._is_new else _Checker(healthy=one.healthy, last=one.at)
            checker = self._checkers.setdefault(one.checker, first)
            if one.at == checker.last:
                continue
            checker.last = one.at
            if one.healthy == checker.healthy:
                checker.against, checker.since = 0, None
                continue
            checker.since = checker.since or one.at
            missed = 1 + int((one.at - checker.since).total_seconds() / self._slowest_s)
            checker.against = max(checker.against + 1, missed)
            if checker.against >= self._check.threshold:
                checker.healthy, checker.against, checker.since = one.healthy, 0, None
        return self.healthy

    @property
    def healthy(self) -> bool:
        """The verdict: more than 18 % of the checkers report it; disabled and unobserved checks are healthy."""
        opinions = [checker.healthy for checker in self._checkers.values()]
        return verdict(opinions, inverted=self._check.inverted, disabled=self._check.disabled)


CHECK_POLL_S = 2.5
"""AWS-equivalent seconds between two polls of one check: two checks make 0.8 calls/s, one a second is allowed
(aws-facts 2.6)."""


@dataclass
class _Watched:
    """One check, the node it watches, and what was recorded of it last."""

    check: Check
    node: Node
    watch: HealthWatch
    due: float = 0.0
    state: dict[str, int] = field(default_factory=dict)
    state_at: float = 0.0
    unhealthy: bool = False
    reported: dict[str, bool] = field(default_factory=dict)


class Observer:
    """Follows both health checks; `poll` as often as you like, `clock` decides whether a check is due.

    Nothing is written to the timeline before `record` is called: until then it only learns.
    """

    def __init__(
        self, target: FaultTarget, deployment: Deployment, settings: Settings, *, timeline: Timeline, clock: Clock
    ) -> None:
        self._fault_target = target
        self._timeline = timeline
        self._clock = clock
        self._pause_s = settings.wall(CHECK_POLL_S)
        self._recording = False
        self._watched = {
            node.role: _Watched(check := deployment.check(node.role), node, HealthWatch(check, speed=settings.speed))
            for node in deployment.nodes
        }

    def record(self) -> None:
        """Write down from now on, beginning with how it stands."""
        self._recording = True
        for watched in self._watched.values():
            self._record_verdict(watched)

    def poll(self) -> None:
        """Ask for the check that has waited longest, if it is due."""
        watched = min(self._watched.values(), key=lambda one: one.due)
        if self._clock.time() >= watched.due:
            self._ask(watched)

    def healthy(self, role: Role) -> bool:
        """The verdict on that node's check."""
        return self._watched[role].watch.healthy

    def was_unhealthy(self, role: Role) -> bool:
        """Whether that node's check was unhealthy at any time since `record`."""
        return self._watched[role].unhealthy

    def read(self, role: Role) -> tuple[Observation, ...]:
        """The checkers' last reports on that node's check, asked for now."""
        return self._ask(self._watched[role])

    def inverted(self, role: Role, *, inverted: bool) -> None:
        """That node's check was inverted, or is no more."""
        watched = self._watched[role]
        watched.check = replace(watched.check, inverted=inverted)
        watched.watch.declare(watched.check)
        self._record_verdict(watched)

    def _ask(self, watched: _Watched) -> tuple[Observation, ...]:
        observations = self._fault_target.observations(watched.check)
        watched.due = self._clock.time() + self._pause_s
        for one in sorted(observations, key=lambda one: one.at):
            watched.watch.feed((one,))
            self._record_report(watched, one)
            self._record_verdict(watched, at=one.at.timestamp())
        return observations

    def _record_report(self, watched: _Watched, one: Observation) -> None:
        """A checker whose report differs from its last one, at the time of its probe."""
        before = watched.reported.get(one.checker, one.healthy)
        watched.reported[one.checker] = one.healthy
        if self._recording and one.healthy != before:
            self._timeline.record(
                "observation",
                at=one.at.timestamp(),
                clock=AWS,
                check=watched.check.name,
                node=watched.node.name,
                checker=one.checker,
                healthy=one.healthy,
            )

    def _record_verdict(self, watched: _Watched, *, at: float | None = None) -> None:
        """The verdict, when it or the number of failing checkers has changed.

        It changed when the checker that decides it made its probe: `at`, by AWS's clock. A poll finds that out up to
        CHECK_POLL_S later, when the name may have switched already. None: it changed now, by a flag of the check.
        """
        watch = watched.watch
        state = {"healthy": watch.healthy, "failing": watch.failing, "checkers": watch.checkers}
        if not self._recording or state == watched.state:
            return
        watched.state = state
        watched.unhealthy = watched.unhealthy or not watch.healthy
        if at is not None:
            at = watched.state_at = max(watched.state_at, at)
        clock = {} if at is None else {"clock": AWS}
        self._timeline.record("health", at=at, **clock, check=watched.check.name, node=watched.node.name, **state)
