"""The failover test: steady state, load, fault, switch, heal, failback; it never leaves a node stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from srekv.drill.acceptance import vantage
from srekv.drill.clock import Deadline, SystemClock
from srekv.drill.health import HealthWatch
from srekv.drill.model import (
    Clock,
    DrillResult,
    Hands,
    Narrator,
    Settings,
    detection_bound_s,
    is_healthy,
    outage_bound_s,
)
from srekv.drill.switch import await_health, switch_wait_s
from srekv.drill.timeline import Timeline, save
from srekv.drill.vantage import Vantage
from srekv.errors import SrekvError, TimeoutExceeded
from srekv.provision.model import Deployment, Node

CHECK_POLL_S = 2.5
"""AWS-equivalent seconds between two looks at one check: 0.4 calls/s against a refill of 1/s (aws-facts 2.6)."""

LOAD_LIMIT_S = 3600.0
"""The load ends by itself after so long, should nobody be left to stop it; AWS-equivalent seconds."""

FINAL_WAIT_S = 60.0
"""How long the final reads may take, wall-clock seconds."""


def failover_test(
    hands: Hands, settings: Settings, watcher: Narrator, *, workdir: Path, clock: Clock | None = None
) -> DrillResult:
    """Stop the primary under load, watch the name switch, start it again, watch the name switch back.

    The history is in workdir/history.jsonl when this returns; whether the drill held is judged from it. A name that
    does not switch, or not back, is no error here: the history shows it.

    Raises:
        SrekvError: no steady state to begin with, or a measurement broke. The primary has been told to start again
            if it was stopped, also on KeyboardInterrupt; if even that failed the watcher was warned.
    """
    clock = clock or SystemClock()
    deployment = hands.deployment()
    view = vantage(hands, settings, deployment, deployment.node("secondary"))
    health = HealthWatch(deployment.check("primary"), speed=settings.speed)
    drill = Drill(hands, settings, watcher, clock, deployment, view, Timeline(clock), health)
    begin = clock.time()
    with _phase(watcher, "steady state"):
        drill.steady_state()
    with drill.load():
        with drill.healing():
            drill.fail()
            drill.await_detection()
            drill.await_switch(deployment.node("secondary"))
            drill.settle()
        drill.await_failback()
        drill.settle()
    history = workdir / "history.jsonl"
    with _phase(watcher, "history"):
        save(history, drill.collect())
    return DrillResult(
        run_id=settings.run_id,
        fault=f"stop {drill.primary.name}",
        history=history,
        speed=settings.speed,
        wall_s=clock.time() - begin,
        bound_s=drill.bound_s,
    )


@contextmanager
def _phase(watcher: Narrator, name: str) -> Iterator[None]:
    watcher.started(name)
    yield
    watcher.finished(name, "")


@dataclass
class Drill:
    """The steps of one failover test, and what they share. Each step says what it found on the timeline."""

    hands: Hands
    settings: Settings
    watcher: Narrator
    clock: Clock
    deployment: Deployment
    view: Vantage
    timeline: Timeline
    health: HealthWatch

    @property
    def primary(self) -> Node:
        """The node that will fail."""
        return self.deployment.node("primary")

    @property
    def bound_s(self) -> float:
        """The longest outage that the stack's settings explain."""
        check = self.deployment.check("primary")
        return outage_bound_s(check, ttl=self.deployment.ttl, settings=self.settings)

    def steady_state(self) -> None:
        """Both checks healthy, the name answers the primary, a write is read back.

        Raises:
            SrekvError: it is not so, after settings.steady_wait_s.
        """
        deadline = Deadline(self.clock, "a steady state", self.settings.wall(self.settings.steady_wait_s))
        while complaint := self._unsteady():
            next_step = "srekv up repairs the stack; srekv status shows it"
            self._pause(CHECK_POLL_S, deadline, last=complaint, next_step=next_step)

    def _unsteady(self) -> str:
        for check in self.deployment.checks:
            observations = self.hands.observations(check)
            if not observations:
                return f"health check {check.name} has no observations"
            if check == self.deployment.check("primary"):
                self.health.feed(observations)
            if not is_healthy(check, observations):
                return f"health check {check.name} is unhealthy"
        addresses = self.view.resolve(system=False).addresses
        if addresses != (self.primary.address,):
            return f"{self.deployment.name} answers {', '.join(addresses) or 'nothing'}, not {self.primary.address}"
        return self._unwritable()

    def _unwritable(self) -> str:
        path = f"/v1/keys/srekv-steady-{self.settings.run_id}"
        wrote = self.view.request("PUT", path, body=b"steady")
        read = self.view.request("GET", path)
        self.view.request("DELETE", path)
        if wrote.status not in {200, 201, 204} or read.body != b"steady":
            return f"write: {wrote.error or wrote.status}, read: {read.error or read.status}"
        return ""

    @contextmanager
    def load(self) -> Iterator[None]:
        """The load runs inside; it is told to stop whatever happens, and finishes its final reads on the way out."""
        run_id = self.settings.run_id
        self.watcher.started("load")
        self.view.start_load(self.settings, seconds=LOAD_LIMIT_S)
        try:
            self._await_first_lines()
            self.settle()
            yield
        except BaseException:
            self._leave_load()
            raise
        ended = self.view.stop_load(run_id, wait_s=FINAL_WAIT_S)
        if not ended.done:
            raise SrekvError(
                "the load did not finish its final reads",
                why=f"{'still running' if ended.running else 'it ended early'} after {FINAL_WAIT_S:.0f} s",
                next_step="run the drill again",
            )
        self.watcher.finished("load", f"{ended.size} bytes of history")

    def _await_first_lines(self) -> None:
        deadline = Deadline(self.clock, "the load starts", FINAL_WAIT_S)
        while True:
            sent = self.clock.time()
            status = self.view.load_status(self.settings.run_id)
            self.timeline.offset.measured(sent=sent, theirs=status.now, received=self.clock.time())
            if status.size:
                return
            self._pause(1.0, deadline, last="no history yet")

    def _leave_load(self) -> None:
        """Stop the load without waiting for it; an error on the way out must not hide the one that is on its way."""
        try:
            self.view.stop_load(self.settings.run_id, wait_s=0)
        except SrekvError as error:
            self.watcher.warn(f"the load on {self.view.node.name} could not be stopped: {error.what}")

    @contextmanager
    def healing(self) -> Iterator[None]:
        """Start the primary again on the way out, whatever happened inside.

        An error of the healing itself is raised only when nothing else is; otherwise the watcher is warned.
        """
        try:
            yield
        except BaseException:
            try:
                self._heal()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide the error on its way
                self.watcher.warn(f"{self._left_stopped}: {error}")
            raise
        self._heal()

    def _heal(self) -> None:
        phase = f"heal: start {self.primary.name}"
        self.watcher.started(phase)
        self._start_primary()
        self.timeline.record("heal", node=self.primary.name, what=f"start {self.primary.name}")
        self.watcher.finished(phase, f"{self.primary.instance_id} is starting")

    def _start_primary(self) -> None:
        """Start the primary; one Ctrl-C does not keep it from being started, a second one does."""
        try:
            self.hands.start(self.primary)
        except KeyboardInterrupt:
            self.watcher.warn(f"starting {self.primary.name} first; Ctrl-C again gives up")
            try:
                self.hands.start(self.primary)
            except BaseException:
                self.watcher.warn(self._left_stopped)
                raise
            raise

    @property
    def _left_stopped(self) -> str:
        node = self.primary
        return f"{node.name} ({node.instance_id}) may still be stopped; srekv failover --back starts it"

    def fail(self) -> None:
        """Stop the primary."""
        phase = f"fault: stop {self.primary.name}"
        self.watcher.started(phase)
        secondary = self.deployment.node("secondary")
        self.timeline.record(
            "drill",
            name=self.deployment.name,
            primary={"node": self.primary.name, "address": self.primary.address},
            secondary={"node": secondary.name, "address": secondary.address},
            bound_s=self.bound_s,
            run=self.settings.run_id,
        )
        self.timeline.record("fault", node=self.primary.name, what=f"stop {self.primary.name}")
        self.hands.stop(self.primary)
        self.watcher.finished(phase, f"{self.primary.instance_id} is stopping")

    def await_detection(self) -> None:
        """Wait until the primary's check is unhealthy; a check that never notices is left to the verdict."""
        self._await_health_verdict(healthy=False)

    def _await_health_verdict(self, *, healthy: bool) -> None:
        check = self.deployment.check("primary")
        wait_s = 2 * detection_bound_s(check) + 30
        word = "healthy" if healthy else "unhealthy"
        phase = f"{check.name} becomes {word}"
        self.watcher.started(phase)
        deadline = Deadline(self.clock, phase, self.settings.wall(wait_s))
        begin = self.clock.time()
        while self.health.feed(self.hands.observations(check)) != healthy:
            try:
                self._pause(CHECK_POLL_S, deadline, last=f"it is not {word}")
            except TimeoutExceeded as error:
                self.watcher.warn(error.what)
                return
        self.timeline.record("health", check=check.name, node=self.primary.name, healthy=healthy)
        self.watcher.finished(phase, f"after {(self.clock.time() - begin) * self.settings.speed:.1f} s")

    def await_switch(self, node: Node) -> None:
        """Wait until the name answers that node; a name that never does is left to the verdict."""
        phase = f"the name switches to {node.name}"
        self.watcher.started(phase)
        watched = self.view.watch((node.address,), timeout_s=switch_wait_s(self.settings, self.deployment))
        if watched.matched:
            self.watcher.finished(phase, f"{self.deployment.name} answers {node.address}")
        else:
            self.watcher.warn(f"{self.deployment.name} did not switch to {node.name} ({node.address})")

    def await_failback(self) -> None:
        """Wait until the primary answers /health, its check is healthy and the name answers it again."""
        phase = f"{self.primary.name} answers /health"
        self.watcher.started(phase)
        await_health(self.view, self.primary, self.settings, self.clock)
        self.watcher.finished(phase, "")
        self._await_health_verdict(healthy=True)
        self.await_switch(self.primary)

    def settle(self) -> None:
        """Let the load run on for a while."""
        self.clock.sleep(self.settings.wall(self.settings.steady_s))

    def collect(self) -> bytes:
        """The history from the vantage point with our own events in it."""
        return self.timeline.merged(self.view.fetch_history(self.settings.run_id))

    def _pause(self, seconds: float, deadline: Deadline, *, last: str, next_step: str = "") -> None:
        """Sleep so many AWS-equivalent seconds, or raise TimeoutExceeded."""
        deadline.pause(self.settings.wall(seconds), last=last, next_step=next_step)
