"""Make the name switch, one way or the other, and wait until it has (the lab's section 4.4)."""

from __future__ import annotations

import time
from collections.abc import Callable

from srekv.drill.model import Clock, FaultTarget, Narrator, Settings, Switch, outage_bound_s
from srekv.drill.vantage import Vantage, vantage
from srekv.errors import Advice, CommandLine, FindingError, TimeoutExceeded
from srekv.provision.model import Deployment, Node

HEALTH_POLL_S = 2.0
"""How often a booting node is asked for /health, AWS-equivalent seconds."""

BOOT_WAIT_S = 600.0
"""How long a started node may take until it answers /health, AWS-equivalent seconds."""


def fail_over(target: FaultTarget, settings: Settings, narrator: Narrator, *, clock: Clock = time) -> Switch:
    """Stop the primary and wait until the name answers the secondary; `fail_back` starts it again.

    Raises FindingError when the name did not switch in time.
    """
    deployment = target.deployment()
    primary, secondary = deployment.node("primary"), deployment.node("secondary")
    narrator.started(f"stop {primary.name}")
    begin = clock.time()
    target.stop(primary)
    narrator.finished(f"stop {primary.name}", f"{primary.instance_id} is stopping")
    await_answer(vantage(target, settings, deployment, secondary), secondary, settings, deployment, narrator)
    return Switch(address=secondary.address, ready_s=None, switched_s=(clock.time() - begin) * settings.speed)


def fail_back(target: FaultTarget, settings: Settings, narrator: Narrator, *, clock: Clock = time) -> Switch:
    """Start the primary and wait until it answers /health, then until the name answers it.

    Raises TimeoutExceeded when the node, FindingError when the name is not so far in time.
    """
    deployment = target.deployment()
    primary = deployment.node("primary")
    view = vantage(target, settings, deployment, deployment.node("secondary"))
    begin = clock.time()
    narrator.started(f"start {primary.name}")
    target.start(primary)
    await_health(view, primary, settings, clock)
    ready_s = (clock.time() - begin) * settings.speed
    narrator.finished(f"start {primary.name}", f"/health answers after {ready_s:.0f} s")
    await_answer(view, primary, settings, deployment, narrator)
    return Switch(address=primary.address, ready_s=ready_s, switched_s=(clock.time() - begin) * settings.speed)


def poll(
    clock: Clock, what: str, complaint: Callable[[], str], *, every_s: float, wait_s: float, next_step: Advice = ""
) -> None:
    """Wait until there is no complaint any more: `complaint` returns what still keeps `what` from being so.

    Raises TimeoutExceeded when there still is one after `wait_s` wall-clock seconds.
    """
    end = clock.time() + wait_s
    while last := complaint():
        left_s = end - clock.time()
        if left_s <= 0:
            raise TimeoutExceeded(f"{what}: not within {wait_s:.0f} s", why=f"last seen: {last}", next_step=next_step)
        clock.sleep(min(every_s, left_s))


def await_health(view: Vantage, node: Node, settings: Settings, clock: Clock) -> None:
    """Wait until the node itself answers /health with 200, asked from the vantage point by its public address.

    Raises TimeoutExceeded after BOOT_WAIT_S.
    """

    def complaint() -> str:
        response = view.request("GET", "/health", address=node.address, timeout_s=settings.wall(settings.op_timeout_s))
        return "" if response.status == 200 else response.error or f"HTTP {response.status}"

    poll(
        clock,
        f"{node.name} answers /health",
        complaint,
        every_s=settings.wall(HEALTH_POLL_S),
        wait_s=settings.wall(BOOT_WAIT_S),
        next_step=f"read the console output of {node.instance_id}",
    )


def await_answer(view: Vantage, node: Node, settings: Settings, deployment: Deployment, narrator: Narrator) -> None:
    """Wait until the name answers that node's address and nothing else; raises FindingError if not in time."""
    phase = f"the name switches to {node.name}"
    narrator.started(phase)
    wait_s = switch_wait_s(settings, deployment)
    watched = view.watch((node.address,), timeout_s=wait_s)
    if not watched.matched:
        last = watched.transitions[-1]
        raise FindingError(
            f"{deployment.name} did not switch to {node.name} ({node.address}) within {wait_s:.0f} s",
            why=f"it answers {', '.join(last.addresses) or last.rcode}",
            next_step=CommandLine("srekv status") + " shows the health checks",
        )
    narrator.finished(phase, f"{deployment.name} answers {node.address}")


def switch_wait_s(settings: Settings, deployment: Deployment) -> float:
    """How long to wait for a switch: twice the worst case and 30 s."""
    worst = max(outage_bound_s(check, ttl=deployment.ttl, settings=settings) for check in deployment.checks)
    return 2 * worst + 30
