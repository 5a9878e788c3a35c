"""Fetches the history of a drill whose srekv process died, and joins it with the events that this process recorded."""

from __future__ import annotations

import time
from pathlib import Path

from srekv.drill.load import FINAL_WAIT_S, require_end
from srekv.drill.model import Clock, DrillResult, FaultTarget, Narrator, Settings
from srekv.drill.runner import EVENTS, HISTORY
from srekv.drill.timeline import Timeline, save
from srekv.drill.vantage import vantage
from srekv.errors import CommandLine, SrekvError
from srekv.provision.model import Instance


def resume(
    target: FaultTarget,
    settings: Settings,
    narrator: Narrator,
    *,
    directory: Path,
    vantage_id: str | None = None,
    healed: bool = False,
    clock: Clock = time,
) -> DrillResult:
    """End the latest load that is left on the vantage point, and fetch its history.

    Args:
        target: reaches the vantage point.
        settings: how to reach the service.
        narrator: gets what is done.
        directory: where runs have their folders.
        vantage_id: the instance that the load runs on; None: the secondary.
        healed: the fault has been healed just now.
        clock: the tool's own.

    Raises:
        SrekvError: there is no such load, or it did not finish its final reads.
    """
    deployment = target.deployment()
    place = Instance(instance_id=vantage_id) if vantage_id else deployment.node("secondary")
    view = vantage(target, settings, deployment, place)
    runs = view.runs()
    if not runs:
        raise SrekvError(
            f"there is no run to resume on {place.name}",
            why="every history there has been fetched already, or the load ran on another instance (--vantage)",
            next_step=CommandLine("srekv failover-test"),
        )
    run_id = runs[0].run
    narrator.started(f"resume {run_id}")
    history, journal = directory / run_id / HISTORY, directory / run_id / EVENTS
    history.parent.mkdir(parents=True, exist_ok=True)
    timeline = Timeline(clock)
    timeline.recall(journal.read_bytes() if journal.exists() else view.fetch_events(run_id) or b"")
    if healed:
        timeline.record("heal", what="a later command healed what the drill left behind")
    sent = clock.time()
    status = view.load_status(run_id)
    timeline.offset.measured(sent=sent, theirs=status.now, received=clock.time())
    if status.running:
        require_end(view.stop_load(run_id, wait_s=FINAL_WAIT_S))
    elif not status.done:
        view.conclude(run_id)
    save(history, timeline.merged(view.fetch_history(run_id)))
    view.remove(run_id)
    narrator.finished(f"resume {run_id}", str(history))
    known = timeline.first("drill")
    begin, end = timeline.span
    return DrillResult(
        run_id=run_id,
        fault=known.get("fault") or "?",
        history=history,
        speed=known.get("speed") or settings.speed,
        wall_s=end - begin,
        bound_s=known.get("bound_s") or 0.0,
    )
