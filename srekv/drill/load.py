"""The load of one drill: started on the vantage point, stopped whatever happens, described for whoever judges it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from srekv import __version__
from srekv.drill.clock import Deadline
from srekv.drill.scene import Scene
from srekv.drill.vantage import LoadStatus
from srekv.errors import CommandLine, SrekvError

LOAD_LIMIT_S = 3600.0
"""The load ends by itself after so long, should nobody be left to stop it; AWS-equivalent seconds."""

FINAL_WAIT_S = 60.0
"""How long the final reads may take, wall-clock seconds."""


@dataclass(frozen=True)
class Load:
    """The clients at work on the vantage point."""

    scene: Scene

    @contextmanager
    def running(self) -> Iterator[None]:
        """The load runs inside; it is told to stop whatever happens, and finishes its final reads on the way out.

        Raises:
            SrekvError: it wrote nothing in time, or did not finish its final reads.
        """
        scene = self.scene
        run_id = scene.settings.run_id
        scene.watcher.started("load")
        self._describe()
        scene.view.start_load(scene.settings, seconds=LOAD_LIMIT_S)
        try:
            self._await_first_lines()
            scene.observer.record()
            scene.settle()
            yield
        except BaseException:
            self._leave_load()
            raise
        ended = require_end(scene.view.stop_load(run_id, wait_s=FINAL_WAIT_S))
        scene.watcher.finished("load", f"{ended.size} bytes of history")

    def _describe(self) -> None:
        """The settings, first of all events: whoever resumes or judges the history needs them."""
        scene = self.scene
        check, settings = scene.deployment.check("primary"), scene.settings
        nodes: dict[str, Any] = {
            str(node.role): {
                "node": node.name,
                "address": node.address,
                "check": scene.deployment.check(node.role).name,
            }
            for node in scene.deployment.nodes
        }
        scene.timeline.record(
            "drill",
            **{
                **nodes,
                "run": settings.run_id,
                "fault": scene.entry.name,
                "title": scene.entry.title,
                "expect": scene.entry.expectation.to_json(),
                "promises": scene.order.promises.to_json(),
                "name": scene.deployment.name,
                "stack": scene.deployment.stack,
                "region": scene.deployment.region,
                "interval": check.interval,
                "threshold": check.threshold,
                "ttl": scene.deployment.ttl,
                "bound_s": scene.bound_s,
                "rate": settings.rate,
                "clients": settings.clients * len(settings.zoo),
                "zoo": list(settings.zoo),
                "keys": settings.keys,
                "op_timeout_s": settings.op_timeout_s,
                "seed": settings.seed,
                "speed": settings.speed,
                "vantage": scene.view.node.name,
                "versions": {"srekv": __version__, "python": platform.python_version()},
            },
        )

    def _await_first_lines(self) -> None:
        scene = self.scene
        deadline = Deadline(scene.clock, "the load starts", FINAL_WAIT_S)
        while True:
            sent = scene.clock.time()
            status = scene.view.load_status(scene.settings.run_id)
            scene.timeline.offset.measured(sent=sent, theirs=status.now, received=scene.clock.time())
            if status.size:
                return
            scene.pause(1.0, deadline, last="no history yet")

    def _leave_load(self) -> None:
        """Stop the load without waiting for it; an error on the way out must not hide the one that is on its way."""
        scene = self.scene
        try:
            scene.view.stop_load(scene.settings.run_id, wait_s=0)
        except SrekvError as error:
            scene.watcher.warn(f"the load on {scene.view.node.name} could not be stopped: {error.what}")


def require_end(ended: LoadStatus) -> LoadStatus:
    """The status of a load that was stopped and waited for.

    Raises:
        SrekvError: it has not made its final reads: its history would lack them.
    """
    if not ended.done:
        raise SrekvError(
            "the load did not finish its final reads",
            why=f"{'still running' if ended.running else 'it ended early'} after {FINAL_WAIT_S:.0f} s",
            next_step=CommandLine("srekv failover-test --resume"),
        )
    return ended
