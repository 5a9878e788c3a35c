"""Heals what a drill left behind that could not do so itself: its process was killed, or its computer went away.

The healing does not depend on the fault: it brings back everything that any fault takes away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from srekv.drill.faults import CLEAR, START, attempt_all, run_all
from srekv.drill.model import Clock, FaultTarget, Narrator, Settings
from srekv.drill.note import Note, parse, refuse_under_way
from srekv.drill.signals import guarded
from srekv.drill.switch import await_answer, await_health
from srekv.drill.vantage import vantage
from srekv.provision.model import Deployment


def undo_noted(target: FaultTarget, deployment: Deployment, narrator: Narrator) -> None:
    """Undo the fault that is noted on the deployment, if one is; see `undo`."""
    note = parse(deployment.fault)
    if note is not None:
        undo(target, deployment, note, narrator)


def undo(target: FaultTarget, deployment: Deployment, note: Note, narrator: Narrator) -> None:
    """Bring back everything that any fault takes away, then remove the note. Signals wait until that is done.

    A node that is started here has lost the rest of a fault with its /run, and its service starts with it.

    Raises:
        SrekvError: something could not be undone; the rest was, and the note stays.
    """
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
    """Heal the fault of a drill that has ended without doing so, and wait until the primary is answered again.

    Returns:
        whether there was one.

    Raises:
        SrekvError: its drill is still going on, or it could not be healed.
    """
    deployment = target.deployment()
    note = refuse_under_way(deployment.fault, clock.time())
    if note is None:
        return False
    undo(target, deployment, note, narrator)
    healed = target.deployment()
    target.await_commands([healed.node("secondary")])
    view = vantage(target, settings, healed, healed.node("secondary"))
    for node in healed.nodes:
        await_health(view, node, settings, clock)
    await_answer(view, healed.node("primary"), settings, healed, narrator)
    return True
