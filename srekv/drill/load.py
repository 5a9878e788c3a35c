"""Runs the load of a drill on its vantage point, and ends it whatever happens."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from srekv import __version__
from srekv.drill.context import DrillContext
from srekv.drill.switch import poll
from srekv.drill.vantage import LoadStatus
from srekv.errors import CommandLine, SrekvError

LOAD_LIMIT_S = 3600.0
"""The load ends by itself after so long, if no drill is left to stop it; AWS-equivalent seconds."""

FINAL_WAIT_S = 60.0
"""How long the final reads may take, wall-clock seconds."""


@contextmanager
def running_load(context: DrillContext) -> Iterator[None]:
    """The load runs inside; it is told to stop whatever happens, and finishes its final reads on the way out.

    Raises SrekvError when it wrote nothing in time, or did not finish its final reads.
    """
    run_id, view = context.settings.run_id, context.view
    context.narrator.started("load")
    _describe(context)
    view.start_load(context.settings, seconds=LOAD_LIMIT_S)
    try:
        _await_first_lines(context)
        context.observer.record()
        context.settle()
        yield
    except BaseException:
        try:
            view.stop_load(run_id, wait_s=0)
        except SrekvError as error:  # it must not hide the one that is on its way
            context.narrator.warn(f"the load on {view.node.name} could not be stopped: {error.what}")
        raise
    ended = require_end(view.stop_load(run_id, wait_s=FINAL_WAIT_S))
    context.narrator.finished("load", f"{ended.size} bytes of history")


def _describe(context: DrillContext) -> None:
    """The settings, first of all events: whoever resumes or judges the history needs them."""
    deployment, settings = context.deployment, context.settings
    check = deployment.check("primary")
    for_roles: dict[str, Any] = {
        str(node.role): {"node": node.name, "address": node.address, "check": deployment.check(node.role).name}
        for node in deployment.nodes
    }
    context.timeline.record(
        "drill",
        **for_roles,
        run=settings.run_id,
        fault=context.entry.name,
        title=context.entry.title,
        expect=vars(context.entry.expectation),
        promises=vars(context.order.objectives),
        name=deployment.name,
        stack=deployment.stack,
        region=deployment.region,
        interval=check.interval,
        threshold=check.threshold,
        ttl=deployment.ttl,
        bound_s=context.bound_s,
        rate=settings.rate,
        clients=settings.clients * len(settings.policies),
        zoo=list(settings.policies),
        keys=settings.keys,
        op_timeout_s=settings.op_timeout_s,
        seed=settings.seed,
        speed=settings.speed,
        vantage=context.view.node.name,
        versions={"srekv": __version__, "python": platform.python_version()},
    )


def _await_first_lines(context: DrillContext) -> None:
    """Wait until the load writes its history, and learn how far its clock is ahead."""
    clock = context.clock

    def complaint() -> str:
        sent = clock.time()
        status = context.view.load_status(context.settings.run_id)
        context.timeline.offset.measured(sent=sent, theirs=status.now, received=clock.time())
        return "" if status.size else "no history yet"

    poll(clock, "the load starts", complaint, every_s=context.settings.wall(1.0), wait_s=FINAL_WAIT_S)


def require_end(ended: LoadStatus) -> LoadStatus:
    """This status of a load that was stopped; raises SrekvError when its history would lack the final reads."""
    if not ended.done:
        raise SrekvError(
            "the load did not finish its final reads",
            why=f"{'still running' if ended.running else 'it ended early'} after {FINAL_WAIT_S:.0f} s",
            next_step=CommandLine("srekv failover-test --resume"),
        )
    return ended
