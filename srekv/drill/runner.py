"""The failover test: steady state, load, fault, switch or none, heal, failback; it never leaves its fault behind."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srekv import __version__
from srekv.drill import faults
from srekv.drill.acceptance import vantage
from srekv.drill.catalogue import Entry
from srekv.drill.clock import Deadline, SystemClock
from srekv.drill.faults import Fault
from srekv.drill.model import (
    Clock,
    DrillResult,
    Hands,
    Narrator,
    Promises,
    Settings,
    detection_bound_s,
    is_healthy,
    outage_bound_s,
)
from srekv.drill.note import Note, here
from srekv.drill.observer import CHECK_POLL_S, Observer
from srekv.drill.shield import shielded
from srekv.drill.switch import await_health, switch_wait_s
from srekv.drill.timeline import Timeline, save
from srekv.drill.vantage import Vantage
from srekv.errors import SrekvError, TimeoutExceeded, UnknownError
from srekv.provision.model import Check, Deployment, Instance, Node, Role

LOAD_LIMIT_S = 3600.0
"""The load ends by itself after so long, should nobody be left to stop it; AWS-equivalent seconds."""

FINAL_WAIT_S = 60.0
"""How long the final reads may take, wall-clock seconds."""

API_WAIT_S = 420.0
"""Wall-clock seconds that a drill may need on top of its own waits: an instance that stops, calls that are retried."""

EVENTS = "events.jsonl"
HISTORY = "history.jsonl"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to drill.

    Attributes:
        fault: what to do to the stack.
        promises: what the run is held to; they go into the history.
        vantage: the id of the instance that the load runs on; None: the node that survives.
    """

    fault: Fault
    promises: Promises = field(default_factory=Promises)
    vantage: str | None = None


def failover_test(
    hands: Hands, settings: Settings, watcher: Narrator, *, order: Order, workdir: Path, clock: Clock | None = None
) -> DrillResult:
    """Carry out one drill: the fault under load, and its healing.

    The history is in workdir/history.jsonl when this returns; whether the drill held is judged from it. A name that
    does not switch, or not back, is no error here: the history shows it.

    Raises:
        SrekvError: no steady state to begin with, or a measurement broke. The fault has been healed by then, also on
            KeyboardInterrupt; if even that failed, the watcher was warned and the note on the primary says so.
    """
    clock = clock or SystemClock()
    deployment = hands.deployment()
    with _admitted(hands, order.vantage, watcher) as admitted:
        place = Instance(instance_id=order.vantage) if order.vantage else deployment.node("secondary")
        view = vantage(hands, settings, deployment, place)
        timeline = Timeline(clock, journal=workdir / EVENTS)
        observer = Observer(hands, deployment, settings, timeline=timeline, clock=clock)
        drill = Drill(hands, settings, watcher, clock, deployment, view, timeline, observer, order, admitted)
        return drill.carry_out(workdir)


@contextmanager
def _admitted(hands: Hands, instance_id: str | None, watcher: Narrator) -> Iterator[str]:
    """The vantage point may reach the service inside, and not any more outside; its address, or ""."""
    if instance_id is None:
        yield ""
        return
    address = hands.admit(instance_id)
    try:
        yield address
    finally:
        with shielded(lambda: watcher.warn(f"closing the port to {address} first")):
            hands.dismiss(address)


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
    observer: Observer
    order: Order
    admitted: str

    def carry_out(self, workdir: Path) -> DrillResult:
        """Every step in order."""
        begin = self.clock.time()
        with self._phase("steady state"):
            self.steady_state()
        with self.load():
            with self.fault():
                self.endure()
            self.recover()
            self.settle()
        history = workdir / HISTORY
        with self._phase("history"):
            save(history, self.collect())
            self.view.remove(self.settings.run_id)
        return DrillResult(
            run_id=self.settings.run_id,
            fault=self.entry.name,
            history=history,
            speed=self.settings.speed,
            wall_s=self.clock.time() - begin,
            bound_s=self.bound_s,
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.watcher.started(name)
        yield
        self.watcher.finished(name, "")

    @property
    def entry(self) -> Entry:
        """The fault as the catalogue has it."""
        return self.order.fault.entry

    @property
    def primary(self) -> Node:
        """The node that fails, alone or with the other one."""
        return self.deployment.node("primary")

    @property
    def title(self) -> str:
        """The fault and its nodes, for a person."""
        nodes = "+".join(self.deployment.node(role).name for role in self.order.fault.roles)
        return f"{self.entry.name} {nodes}"

    @property
    def bound_s(self) -> float:
        """The longest outage that the stack's settings explain, if the name switches."""
        check = self.deployment.check("primary")
        return outage_bound_s(check, ttl=self.deployment.ttl, settings=self.settings)

    @property
    def hold_s(self) -> float:
        """How long a fault lasts that must not make the name switch: as long as a switch would take at most."""
        return detection_bound_s(self.deployment.check("primary")) + self.deployment.ttl + self.settings.steady_s

    @property
    def longest_s(self) -> float:
        """After how many wall-clock seconds the fault has certainly been healed, if this process lives."""
        verdicts = sum(_verdict_wait_s(check) for check in self.deployment.checks)
        waits = verdicts + switch_wait_s(self.settings, self.deployment) + 2 * self.hold_s + self.settings.steady_s
        return self.settings.wall(waits) + API_WAIT_S

    def steady_state(self) -> None:
        """No fault noted, both checks healthy, the name answers the primary, a write is read back.

        Raises:
            SrekvError: it is not so, after settings.steady_wait_s.
        """
        if self.deployment.fault:
            raise SrekvError("a fault is still in the stack", why=self.deployment.fault, next_step="srekv up heals it")
        deadline = Deadline(self.clock, "a steady state", self.settings.wall(self.settings.steady_wait_s))
        while complaint := self._unsteady():
            next_step = "srekv up repairs the stack; srekv status shows it"
            self._pause(CHECK_POLL_S, deadline, last=complaint, next_step=next_step)

    def _unsteady(self) -> str:
        for node in self.deployment.nodes:
            check = self.deployment.check(node.role)
            observations = self.observer.glance(node.role)
            if not observations:
                return f"health check {check.name} has no observations"
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
        self._describe()
        self.view.start_load(self.settings, seconds=LOAD_LIMIT_S)
        try:
            self._await_first_lines()
            self.observer.record()
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
                next_step="srekv failover-test --resume",
            )
        self.watcher.finished("load", f"{ended.size} bytes of history")

    def _describe(self) -> None:
        """The settings, first of all events: whoever resumes or judges the history needs them."""
        check, settings = self.deployment.check("primary"), self.settings
        nodes: dict[str, Any] = {
            str(node.role): {"node": node.name, "address": node.address, "check": self.deployment.check(node.role).name}
            for node in self.deployment.nodes
        }
        self.timeline.record(
            "drill",
            **{
                **nodes,
                "run": settings.run_id,
                "fault": self.entry.name,
                "title": self.entry.title,
                "expect": self.entry.expectation.to_json(),
                "promises": self.order.promises.to_json(),
                "name": self.deployment.name,
                "stack": self.deployment.stack,
                "region": self.deployment.region,
                "interval": check.interval,
                "threshold": check.threshold,
                "ttl": self.deployment.ttl,
                "bound_s": self.bound_s,
                "rate": settings.rate,
                "clients": settings.clients * len(settings.zoo),
                "zoo": list(settings.zoo),
                "keys": settings.keys,
                "op_timeout_s": settings.op_timeout_s,
                "seed": settings.seed,
                "speed": settings.speed,
                "vantage": self.view.node.name,
                "versions": {"srekv": __version__, "python": platform.python_version()},
            },
        )

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
    def fault(self) -> Iterator[None]:
        """The fault is in the stack inside, and healed on the way out, whatever happened.

        An error of the healing itself is raised only when nothing else is; otherwise the watcher is warned.
        """
        try:
            self._inject()
            yield
        except BaseException:
            try:
                self._heal()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide the error on its way
                self.watcher.warn(f"{self._left_behind}: {error}")
            raise
        self._heal()

    def _inject(self) -> None:
        """Note what is to be undone, then do it."""
        with self._phase(f"fault: {self.title}"):
            self.hands.remember(self.primary, self._note().text())
            self.timeline.record("fault", fault=self.entry.name, node=self.primary.name, what=self.title)
            self.order.fault.inject(self.hands, self.deployment)
            if self.entry.name == "planned":
                self.observer.inverted("primary", inverted=True)

    def _note(self) -> Note:
        now = int(self.clock.time())
        return Note(
            fault=self.entry.name,
            run_id=self.settings.run_id,
            started=now,
            expires=now + int(self.longest_s),
            host=here(),
            pid=os.getpid(),
            admitted=self.admitted,
        )

    def _heal(self) -> None:
        """Undo the fault, then remove the note. Signals wait until that is done.

        Raises:
            KeyboardInterrupt: one came meanwhile.
        """
        with self._phase(f"heal: {self.title}"), shielded(self._ask_for_patience):
            self._insist(self._undo)

    def _undo(self) -> None:
        begin = self.clock.time()
        self.order.fault.heal(self.hands, self.deployment)
        if not self.timeline.first("heal"):
            self.timeline.record("heal", at=begin, fault=self.entry.name, node=self.primary.name, what=self.title)
        if self.entry.name == "planned":
            self.observer.inverted("primary", inverted=False)
        self.hands.forget(self.primary)

    def _insist(self, call: Callable[[], None]) -> None:
        """Make the call; one that was interrupted is made again before the interrupt is passed on."""
        try:
            call()
        except KeyboardInterrupt:
            self._ask_for_patience()
            call()
            raise

    def _ask_for_patience(self) -> None:
        self.watcher.warn(f"healing {self.title} first; kill -9 ends this at once, and srekv up heals then")

    @property
    def _left_behind(self) -> str:
        return f"{self.title} may still be in the stack; srekv up heals it"

    def endure(self) -> None:
        """Let the fault last until everything that it may cause has happened."""
        self.view.save_events(self.settings.run_id, self.timeline.data)
        if self.order.fault.flap is not None:
            self._flap(self.order.fault.flap)
        elif self.entry.expectation.switch is False:
            with self._phase(f"no switch may happen for {self.hold_s:.0f} s"):
                self.last(self.hold_s)
        else:
            for role in self.order.fault.roles:
                self.await_verdict(role, healthy=False)
            survivor: Role = "primary" if self.entry.expectation.switch is None else "secondary"
            self.await_answer(self.deployment.node(survivor))
            self.settle()

    def _flap(self, flap: faults.Flap) -> None:
        """Down for much less than threshold failures take, up for long enough that every checker sees it.

        Raises:
            UnknownError: the service was away for longer, and the check noticed: that proves nothing.
        """
        check = self.deployment.check("primary")
        if check.threshold < 2:
            raise SrekvError(
                "nothing is faster than a threshold of 1", next_step="choose another fault, or up --threshold 3"
            )
        down_s = check.interval * (check.threshold - 1) / 8
        end = self.clock.time() + self.settings.wall(self.hold_s)
        longest_s = 0.0
        with self._phase(f"{self.primary.name} goes and comes for {self.hold_s:.0f} s"):
            while self.clock.time() < end:
                begin = self.clock.time()
                flap.blink(self.hands, self.deployment, seconds=self.settings.wall(down_s))
                await_health(self.view, self.primary, self.settings, self.clock)
                longest_s = max(longest_s, (self.clock.time() - begin) * self.settings.speed)
                self.last(1.5 * check.interval)
        allowed_s = check.interval * (check.threshold - 1)
        if longest_s > allowed_s and self.observer.was_unhealthy("primary"):
            raise UnknownError(
                f"{self.primary.name} did not come back faster than the threshold allows, so its check was right",
                why=f"it was away for up to {longest_s:.0f} s, {allowed_s} s are too short for "
                f"{check.threshold} failures",
                next_step="let time run slower (srekv down, srekv up --speed 2), or give the computer less to do",
            )

    def last(self, seconds: float) -> None:
        """Let so many AWS-equivalent seconds pass, looking at the checks."""
        end = self.clock.time() + self.settings.wall(seconds)
        while (left := end - self.clock.time()) > 0:
            self.observer.look()
            self.clock.sleep(min(self.settings.wall(CHECK_POLL_S / 2), left))

    def await_verdict(self, role: Role, *, healthy: bool) -> None:
        """Wait until that node's check is healthy, or unhealthy; one that never is is left to the verdict."""
        check = self.deployment.check(role)
        word = "healthy" if healthy else "unhealthy"
        phase = f"{check.name} becomes {word}"
        self.watcher.started(phase)
        deadline = Deadline(self.clock, phase, self.settings.wall(_verdict_wait_s(check)))
        begin = self.clock.time()
        self.observer.look()
        while self.observer.healthy(role) != healthy:
            try:
                self._pause(CHECK_POLL_S / 2, deadline, last=f"it is not {word}")
            except TimeoutExceeded as error:
                self.watcher.warn(error.what)
                return
            self.observer.look()
        self.watcher.finished(phase, f"after {(self.clock.time() - begin) * self.settings.speed:.1f} s")

    def await_answer(self, node: Node) -> None:
        """Wait until the name answers that node; a name that never does is left to the verdict."""
        phase = f"the name answers {node.name}"
        self.watcher.started(phase)
        end = self.clock.time() + self.settings.wall(switch_wait_s(self.settings, self.deployment))
        while not self.view.watch((node.address,), timeout_s=2 * CHECK_POLL_S).matched:
            if self.clock.time() >= end:
                self.watcher.warn(f"{self.deployment.name} did not switch to {node.name} ({node.address})")
                return
            self.observer.look()
        self.watcher.finished(phase, f"{self.deployment.name} answers {node.address}")

    def recover(self) -> None:
        """Wait until the stack is as it was: nodes serve, checks are healthy, the name answers the primary."""
        nodes = [self.deployment.node(role) for role in self.order.fault.roles]
        if self.order.fault.silences:
            for node in nodes:
                with self._phase(f"{node.name} answers /health"):
                    await_health(self.view, node, self.settings, self.clock)
        for node in nodes:
            self.await_verdict(node.role, healthy=True)
        self.await_answer(self.primary)

    def settle(self) -> None:
        """Let the load run on for a while."""
        self.last(self.settings.steady_s)

    def collect(self) -> bytes:
        """The history from the vantage point with our own events in it."""
        return self.timeline.merged(self.view.fetch_history(self.settings.run_id))

    def _pause(self, seconds: float, deadline: Deadline, *, last: str, next_step: str = "") -> None:
        """Sleep so many AWS-equivalent seconds, or raise TimeoutExceeded."""
        deadline.pause(self.settings.wall(seconds), last=last, next_step=next_step)


def _verdict_wait_s(check: Check) -> float:
    """How long a check may take to change its verdict before nobody waits any more."""
    return 2 * detection_bound_s(check) + 30
