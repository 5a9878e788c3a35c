"""What a drill left behind whose process was killed or whose computer went away: its fault healed, its history fetched.

The healing does not depend on the fault: it brings back everything that any fault takes away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from srekv.drill.faults import CLEAR, START, attempt_all, run_all
from srekv.drill.load import FINAL_WAIT_S, require_end
from srekv.drill.model import Clock, DrillResult, FaultTarget, Narrator, Settings
from srekv.drill.note import parse, refuse_under_way
from srekv.drill.runner import EVENTS, HISTORY
from srekv.drill.signals import guarded
from srekv.drill.switch import await_answer, await_health
from srekv.drill.timeline import Timeline, save
from srekv.drill.vantage import vantage
from srekv.errors import CommandLine, SrekvError
from srekv.provision.model import Deployment, Instance


def undo_noted(target: FaultTarget, deployment: Deployment, narrator: Narrator) -> None:
    """If a fault is noted, bring back everything that any takes away, then remove the note. Signals wait until then.

    A node that is started here has lost the rest of a fault with its /run, and its service starts with it.

    Raises:
        SrekvError: something could not be undone; the rest was, and the note stays.
    """
    note = parse(deployment.fault)
    if note is None:
        return
    narrator.warn(f"the drill {note.run_id} left its fault ({note.fault}, {note.since()}) in the stack: healing it")
    running = [node for node in deployment.nodes if node.state == "running"]
    acts: list[Callable[[], None]] = [
        partial(target.start, node) for node in deployment.nodes if node.state in {"stopping", "stopped"}
    ]
    acts += [partial(target.invert, check, inverted=False) for check in deployment.checks if check.inverted]
    acts += [partial(target.dismiss, note.admitted)] if note.admitted else []
    if running:
        acts.append(partial(target.await_commands, running))
        acts.append(partial(run_all, target, dict.fromkeys(running, f"{CLEAR}\n{START}")))
    with guarded(lambda: narrator.warn("healing first")):
        narrator.started("heal")
        attempt_all(acts)
        target.forget(deployment.node("primary"))
        narrator.finished("heal", f"what the drill {note.run_id} left behind")


def heal_left_behind(target: FaultTarget, settings: Settings, narrator: Narrator, clock: Clock = time) -> bool:
    """Heal the fault of a drill that ended without doing so, if there is one, and wait until the primary is answered.

    Raises:
        SrekvError: its drill is still going on, or it could not be healed.
    """
    deployment = target.deployment()
    if refuse_under_way(deployment.fault, clock.time()) is None:
        return False
    undo_noted(target, deployment, narrator)
    healed = target.deployment()
    target.await_commands([healed.node("secondary")])
    view = vantage(target, settings, healed, healed.node("secondary"))
    for node in healed.nodes:
        await_health(view, node, settings, clock)
    await_answer(view, healed.node("primary"), settings, healed, narrator)
    return True


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
    """End the latest load that is left on the vantage point, and fetch its history into its folder in `directory`.

    `vantage_id` is the instance that the load runs on, None: the secondary; `healed`: the fault was healed just now.

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
