"""The failover test: steady state, load, fault, switch or none, heal, failback; it never leaves its fault behind."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from srekv.drill.context import DrillContext, Order
from srekv.drill.faults import Flap
from srekv.drill.load import running_load
from srekv.drill.model import Clock, DrillResult, FaultTarget, Narrator, Settings, is_healthy
from srekv.drill.note import Note, birth, here
from srekv.drill.observer import CHECK_POLL_S, Observer
from srekv.drill.signals import guarded
from srekv.drill.switch import await_health, poll
from srekv.drill.timeline import Timeline, save
from srekv.drill.vantage import vantage
from srekv.errors import Advice, CommandLine, SrekvError, UnknownError
from srekv.provision.model import Instance, Role

EVENTS = "events.jsonl"
HISTORY = "history.jsonl"

STEADY_WAIT_S = 60.0
"""How long to wait for the steady state before refusing to start, AWS-equivalent seconds."""


def failover_test(
    target: FaultTarget, settings: Settings, narrator: Narrator, *, order: Order, workdir: Path, clock: Clock = time
) -> DrillResult:
    """Carry out one drill: the fault under load, and its healing.

    The history is in workdir/history.jsonl when this returns; whether the drill held is judged from it. A name that
    does not switch, or not back, is no error here: the history shows it.

    Raises:
        SrekvError: no steady state to begin with, or a measurement broke. The fault has been healed by then, also on
            KeyboardInterrupt; if even that failed, the narrator was warned and the note on the primary has it.
    """

    def drill(admitted: str = "") -> DrillResult:
        deployment = target.deployment()
        place = Instance(instance_id=order.vantage) if order.vantage else deployment.node("secondary")
        timeline = Timeline(clock, journal=workdir / EVENTS)
        context = DrillContext(
            fault_target=target,
            settings=settings,
            narrator=narrator,
            clock=clock,
            deployment=deployment,
            view=vantage(target, settings, deployment, place),
            timeline=timeline,
            observer=Observer(target, deployment, settings, timeline=timeline, clock=clock),
            order=order,
            admitted=admitted,
        )
        return _carry_out(context, workdir / HISTORY)

    if not order.vantage:
        return drill()
    with guarded(lambda: narrator.warn("closing the port to the vantage point first")) as guard:
        address = target.admit(order.vantage)
        try:
            with guard.open():
                return drill(address)
        finally:
            target.dismiss(address)


def _carry_out(context: DrillContext, history: Path) -> DrillResult:
    begin, settings = context.clock.time(), context.settings
    with context.phase("steady state"):
        _await_steady_state(context)
    with running_load(context):
        _carry_out_fault(context)
        _recover(context)
        context.settle()
    with context.phase("history"):
        save(history, context.timeline.merged(context.view.fetch_history(settings.run_id)))
        context.view.remove(settings.run_id)
    return DrillResult(
        run_id=settings.run_id,
        fault=context.entry.name,
        history=history,
        speed=settings.speed,
        wall_s=context.clock.time() - begin,
        bound_s=context.bound_s,
    )


def _await_steady_state(context: DrillContext) -> None:
    """No fault noted, both checks healthy, the name answers the primary, a write is read back; or SrekvError."""
    if context.deployment.fault:
        heals = CommandLine("srekv up") + " heals it"
        raise SrekvError("a fault is still in the stack", why=context.deployment.fault, next_step=heals)
    poll(
        context.clock,
        "a steady state",
        partial(_unsteady, context),
        every_s=context.settings.wall(CHECK_POLL_S),
        wait_s=context.settings.wall(STEADY_WAIT_S),
        next_step=CommandLine("srekv up") + " repairs the stack; " + CommandLine("srekv status") + " shows it",
    )


def _unsteady(context: DrillContext) -> str:
    for node in context.deployment.nodes:
        check = context.deployment.check(node.role)
        observations = context.observer.read(node.role)
        if not observations:
            return f"health check {check.name} has no observations"
        if not is_healthy(check, observations):
            return f"health check {check.name} is unhealthy"
    with ThreadPoolExecutor(1) as pool:  # each question takes Run Command's time: two at once
        unwritable = pool.submit(_unwritable, context)
        addresses = context.view.resolve(system=False).addresses
    address = context.primary.address
    if addresses != (address,):
        return f"{context.deployment.name} answers {', '.join(addresses) or 'nothing'}, not {address}"
    return unwritable.result()


def _unwritable(context: DrillContext) -> str:
    path = f"/v1/keys/srekv-steady-{context.settings.run_id}"
    wrote = context.view.request("PUT", path, body=b"steady")
    read = context.view.request("GET", path)
    context.view.request("DELETE", path)
    if wrote.status in {200, 201, 204} and read.body == b"steady":
        return ""
    return f"write: {wrote.error or wrote.status}, read: {read.error or read.status}"


def _endure(context: DrillContext) -> None:
    """Let the fault last until everything that it may cause has happened."""
    fault, switch = context.order.fault, context.entry.expectation.switch
    context.view.save_events(context.settings.run_id, context.timeline.data)
    if isinstance(context.entry.act, Flap):
        _flap(context, context.entry.act)
    elif switch is False:
        with context.phase(f"no switch may happen for {context.hold_s:.0f} s"):
            context.last(context.hold_s)
    else:
        for role in fault.roles:
            context.await_verdict(role, healthy=False)
        survivor: Role = "primary" if switch is None else "secondary"
        context.await_answer(context.deployment.node(survivor))
        context.settle()


def _flap(context: DrillContext, flap: Flap) -> None:
    """Down for much less than threshold failures take, up for long enough that every checker sees it.

    Raises UnknownError when the service was away for longer, and the check noticed: that proves nothing.
    """
    clock, settings, primary = context.clock, context.settings, context.primary
    check = context.deployment.check("primary")
    if check.threshold < 2:
        other = "choose another fault, or " + CommandLine("srekv up --threshold 3")
        raise SrekvError("nothing is faster than a threshold of 1", next_step=other)
    allowed_s = check.interval * (check.threshold - 1)
    end, longest_s = clock.time() + settings.wall(context.hold_s), 0.0
    with context.phase(f"{primary.name} goes and comes for {context.hold_s:.0f} s"):
        while clock.time() < end:
            begin = clock.time()
            flap.blink(context.fault_target, context.deployment, seconds=settings.wall(allowed_s / 8))
            await_health(context.view, primary, settings, clock)
            longest_s = max(longest_s, (clock.time() - begin) * settings.speed)
            context.last(1.5 * check.interval)
    if longest_s > allowed_s and context.observer.was_unhealthy("primary"):
        raise UnknownError(
            f"{primary.name} did not come back faster than the threshold allows, so its check was right",
            why=f"it was away for up to {longest_s:.0f} s, {allowed_s} s are too short for {check.threshold} failures",
            next_step=CommandLine("srekv down") + ", then up --speed 2; or reduce the load on this machine",
        )


def _recover(context: DrillContext) -> None:
    """Wait until the stack is as it was: nodes serve, checks are healthy, the name answers the primary."""
    nodes = [context.deployment.node(role) for role in context.order.fault.roles]
    for node in nodes if context.order.fault.silences else ():
        with context.phase(f"{node.name} answers /health"):
            await_health(context.view, node, context.settings, context.clock)
    for node in nodes:
        context.await_verdict(node.role, healthy=True)
    context.await_answer(context.primary)


def _carry_out_fault(context: DrillContext) -> None:
    """Inject the fault, endure it, and heal it, whatever happens: a signal at any moment interrupts, and heals first.

    An error of the healing itself is raised only when nothing else is; otherwise the narrator is warned.
    """
    patience: Advice = f"healing {context.title} first; kill -9 ends this at once, and "
    patience += CommandLine("srekv up") + " heals then"
    with guarded(lambda: context.narrator.warn(patience)) as guard:
        try:
            with guard.open():
                _inject(context)
                _endure(context)
        except BaseException:
            try:
                _heal(context)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide the error on its way
                left = f"{context.title} may still be in the stack; " + CommandLine("srekv up")
                context.narrator.warn(left + f" heals it: {error}")
            raise
        _heal(context)


def _inject(context: DrillContext) -> None:
    now = int(context.clock.time())
    note = Note(
        fault=context.entry.name,
        run_id=context.settings.run_id,
        started=now,
        expires=now + int(context.longest_s),
        host=here(),
        pid=os.getpid(),
        born=birth(os.getpid()) or "",
        admitted=context.admitted,
    )
    with context.phase(f"fault: {context.title}"):
        context.fault_target.remember(context.primary, note.text())
        context.timeline.record("fault", fault=note.fault, node=context.primary.name, what=context.title)
        context.order.fault.inject(context.fault_target, context.deployment)
        _declare_inverted(context, inverted=True)


def _heal(context: DrillContext) -> None:
    with context.phase(f"heal: {context.title}"):
        begin, primary = context.clock.time(), context.primary
        context.order.fault.heal(context.fault_target, context.deployment)
        context.timeline.record("heal", at=begin, fault=context.entry.name, node=primary.name, what=context.title)
        _declare_inverted(context, inverted=False)
        context.fault_target.forget(primary)


def _declare_inverted(context: DrillContext, *, inverted: bool) -> None:
    if context.entry.name == "manual-failover":
        context.observer.inverted("primary", inverted=inverted)
