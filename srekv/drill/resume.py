"""Brings home the history of a drill whose tool did not live to do so, and joins it with what the tool had noted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from srekv.drill.acceptance import vantage
from srekv.drill.clock import SystemClock
from srekv.drill.load import FINAL_WAIT_S, require_end
from srekv.drill.model import Clock, DrillResult, Hands, Narrator, Settings
from srekv.drill.runner import EVENTS, HISTORY
from srekv.drill.timeline import Timeline, save
from srekv.drill.vantage import Run, Vantage
from srekv.errors import CommandLine, SrekvError
from srekv.provision.model import Instance


def resume(
    hands: Hands,
    settings: Settings,
    narrator: Narrator,
    *,
    directory: Path,
    vantage_id: str | None = None,
    healed: bool = False,
    clock: Clock | None = None,
) -> DrillResult:
    """End the latest load that is left on the vantage point, and fetch its history.

    Args:
        hands: reach the vantage point.
        settings: how to reach the service.
        narrator: whom to tell.
        directory: where runs have their folders.
        vantage_id: the instance that the load runs on; None: the secondary.
        healed: the fault has been healed just now.
        clock: the tool's own.

    Raises:
        SrekvError: there is no such load.
    """
    clock = clock or SystemClock()
    deployment = hands.deployment()
    place = Instance(instance_id=vantage_id) if vantage_id else deployment.node("secondary")
    view = vantage(hands, settings, deployment, place)
    run = _latest(view)
    narrator.started(f"resume {run.run_id}")
    workdir = directory / run.run_id
    workdir.mkdir(parents=True, exist_ok=True)
    timeline = _recalled(view, run.run_id, workdir, clock)
    if healed:
        timeline.record("heal", what="a later command healed what the drill left behind")
    _end(view, run.run_id, timeline, clock)
    history = workdir / HISTORY
    save(history, timeline.merged(view.fetch_history(run.run_id)))
    view.remove(run.run_id)
    narrator.finished(f"resume {run.run_id}", str(history))
    known = timeline.first("drill")
    begin, end = timeline.span
    return DrillResult(
        run_id=run.run_id,
        fault=known.get("fault") or "?",
        history=history,
        speed=known.get("speed") or settings.speed,
        wall_s=end - begin,
        bound_s=known.get("bound_s") or 0.0,
    )


def _latest(view: Vantage) -> Run:
    runs = view.runs()
    if not runs:
        raise SrekvError(
            f"there is no run to resume on {view.node.name}",
            why="every history there has been fetched already, or the load ran on another instance (--vantage)",
            next_step=CommandLine("srekv failover-test"),
        )
    return runs[0]


def _recalled(view: Vantage, run_id: str, workdir: Path, clock: Clock) -> Timeline:
    """What the tool had noted, from this computer or else from the vantage point."""
    journal = workdir / EVENTS
    data = journal.read_bytes() if journal.exists() else view.fetch_events(run_id) or b""
    timeline = Timeline(clock)
    timeline.recall(data)
    return timeline


def _end(view: Vantage, run_id: str, timeline: Timeline, clock: Clock) -> None:
    """Let the load finish its final reads, and learn the offset of its clock.

    Raises:
        SrekvError: it did not finish them.
    """
    sent = clock.time()
    status: Any = view.load_status(run_id)
    timeline.offset.measured(sent=sent, theirs=status.now, received=clock.time())
    if status.running:
        require_end(view.stop_load(run_id, wait_s=FINAL_WAIT_S))
    elif not status.done:
        view.conclude(run_id)
