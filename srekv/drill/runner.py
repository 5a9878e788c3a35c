"""The failover test: steady state, load, fault, switch or none, heal, failback; it never leaves its fault behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from srekv.drill.acceptance import vantage
from srekv.drill.clock import Deadline, SystemClock
from srekv.drill.faults import Flap
from srekv.drill.injection import Injection
from srekv.drill.load import Load
from srekv.drill.model import Clock, DrillResult, Hands, Narrator, Settings, is_healthy
from srekv.drill.observer import CHECK_POLL_S, Observer
from srekv.drill.scene import Order, Scene
from srekv.drill.shield import shielded
from srekv.drill.switch import await_health
from srekv.drill.timeline import Timeline, save
from srekv.errors import CommandLine, SrekvError, UnknownError
from srekv.provision.model import Instance, Role

EVENTS = "events.jsonl"
HISTORY = "history.jsonl"


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

    def drill(admitted: str = "") -> DrillResult:
        deployment = hands.deployment()
        place = Instance(instance_id=order.vantage) if order.vantage else deployment.node("secondary")
        timeline = Timeline(clock, journal=workdir / EVENTS)
        scene = Scene(
            hands=hands,
            settings=settings,
            watcher=watcher,
            clock=clock,
            deployment=deployment,
            view=vantage(hands, settings, deployment, place),
            timeline=timeline,
            observer=Observer(hands, deployment, settings, timeline=timeline, clock=clock),
            order=order,
        )
        return Drill(scene).carry_out(workdir, Injection(scene=scene, admitted=admitted))

    return _admitted(hands, order.vantage, watcher, drill) if order.vantage else drill()


def _admitted(hands: Hands, instance_id: str, watcher: Narrator, drill: Callable[[str], DrillResult]) -> DrillResult:
    """Carry out a drill with the address of its vantage point, which may reach the service meanwhile."""
    with shielded(lambda: watcher.warn("closing the port to the vantage point first")) as shield:
        address = hands.admit(instance_id)
        try:
            with shield.lowered():
                return drill(address)
        finally:
            hands.dismiss(address)


@dataclass(frozen=True)
class Drill:
    """The steps of one failover test, in their order. Each says what it found on the timeline."""

    scene: Scene

    def carry_out(self, workdir: Path, injection: Injection) -> DrillResult:
        """Every step in order."""
        scene = self.scene
        begin = scene.clock.time()
        with scene.phase("steady state"):
            self.steady_state()
        with Load(scene).running():
            injection.carry_out(self.endure)
            self.recover()
            scene.settle()
        history = workdir / HISTORY
        with scene.phase("history"):
            save(history, scene.timeline.merged(scene.view.fetch_history(scene.settings.run_id)))
            scene.view.remove(scene.settings.run_id)
        return DrillResult(
            run_id=scene.settings.run_id,
            fault=scene.entry.name,
            history=history,
            speed=scene.settings.speed,
            wall_s=scene.clock.time() - begin,
            bound_s=scene.bound_s,
        )

    def steady_state(self) -> None:
        """No fault noted, both checks healthy, the name answers the primary, a write is read back.

        Raises:
            SrekvError: it is not so, after settings.steady_wait_s.
        """
        scene = self.scene
        if scene.deployment.fault:
            raise SrekvError(
                "a fault is still in the stack",
                why=scene.deployment.fault,
                next_step=CommandLine("srekv up") + " heals it",
            )
        deadline = Deadline(scene.clock, "a steady state", scene.settings.wall(scene.settings.steady_wait_s))
        while complaint := self._unsteady():
            next_step = CommandLine("srekv up") + " repairs the stack; " + CommandLine("srekv status") + " shows it"
            scene.pause(CHECK_POLL_S, deadline, last=complaint, next_step=next_step)

    def _unsteady(self) -> str:
        scene = self.scene
        for node in scene.deployment.nodes:
            check = scene.deployment.check(node.role)
            observations = scene.observer.glance(node.role)
            if not observations:
                return f"health check {check.name} has no observations"
            if not is_healthy(check, observations):
                return f"health check {check.name} is unhealthy"
        with ThreadPoolExecutor(1) as pool:  # each look takes Run Command's time: two at once
            unwritable = pool.submit(self._unwritable)
            addresses = scene.view.resolve(system=False).addresses
        if addresses != (scene.primary.address,):
            return f"{scene.deployment.name} answers {', '.join(addresses) or 'nothing'}, not {scene.primary.address}"
        return unwritable.result()

    def _unwritable(self) -> str:
        scene = self.scene
        path = f"/v1/keys/srekv-steady-{scene.settings.run_id}"
        wrote = scene.view.request("PUT", path, body=b"steady")
        read = scene.view.request("GET", path)
        scene.view.request("DELETE", path)
        if wrote.status not in {200, 201, 204} or read.body != b"steady":
            return f"write: {wrote.error or wrote.status}, read: {read.error or read.status}"
        return ""

    def endure(self) -> None:
        """Let the fault last until everything that it may cause has happened."""
        scene = self.scene
        scene.view.save_events(scene.settings.run_id, scene.timeline.data)
        if scene.order.fault.flap is not None:
            self._flap(scene.order.fault.flap)
        elif scene.entry.expectation.switch is False:
            with scene.phase(f"no switch may happen for {scene.hold_s:.0f} s"):
                scene.last(scene.hold_s)
        else:
            for role in scene.order.fault.roles:
                scene.await_verdict(role, healthy=False)
            survivor: Role = "primary" if scene.entry.expectation.switch is None else "secondary"
            scene.await_answer(scene.deployment.node(survivor))
            scene.settle()

    def _flap(self, flap: Flap) -> None:
        """Down for much less than threshold failures take, up for long enough that every checker sees it.

        Raises:
            UnknownError: the service was away for longer, and the check noticed: that proves nothing.
        """
        scene = self.scene
        check = scene.deployment.check("primary")
        if check.threshold < 2:
            raise SrekvError(
                "nothing is faster than a threshold of 1",
                next_step="choose another fault, or " + CommandLine("srekv up --threshold 3"),
            )
        down_s = check.interval * (check.threshold - 1) / 8
        end = scene.clock.time() + scene.settings.wall(scene.hold_s)
        longest_s = 0.0
        with scene.phase(f"{scene.primary.name} goes and comes for {scene.hold_s:.0f} s"):
            while scene.clock.time() < end:
                begin = scene.clock.time()
                flap.blink(scene.hands, scene.deployment, seconds=scene.settings.wall(down_s))
                await_health(scene.view, scene.primary, scene.settings, scene.clock)
                longest_s = max(longest_s, (scene.clock.time() - begin) * scene.settings.speed)
                scene.last(1.5 * check.interval)
        allowed_s = check.interval * (check.threshold - 1)
        if longest_s > allowed_s and scene.observer.was_unhealthy("primary"):
            raise UnknownError(
                f"{scene.primary.name} did not come back faster than the threshold allows, so its check was right",
                why=f"it was away for up to {longest_s:.0f} s, {allowed_s} s are too short for "
                f"{check.threshold} failures",
                next_step=CommandLine("srekv down") + ", then up --speed 2; or reduce the load on this machine",
            )

    def recover(self) -> None:
        """Wait until the stack is as it was: nodes serve, checks are healthy, the name answers the primary."""
        scene = self.scene
        nodes = [scene.deployment.node(role) for role in scene.order.fault.roles]
        if scene.order.fault.silences:
            for node in nodes:
                with scene.phase(f"{node.name} answers /health"):
                    await_health(scene.view, node, scene.settings, scene.clock)
        for node in nodes:
            scene.await_verdict(node.role, healthy=True)
        scene.await_answer(scene.primary)
