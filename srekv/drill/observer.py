"""The health observer: polls the checkers' reports, no faster than Route 53 allows, and records what changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from srekv.drill.health import HealthWatch
from srekv.drill.model import Clock, FaultTarget, Settings
from srekv.drill.timeline import AWS, Timeline
from srekv.provision.model import Check, Deployment, Node, Observation, Role

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
