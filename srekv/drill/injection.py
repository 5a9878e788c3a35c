"""A fault in the stack and its undo: noted before it is injected, healed whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable

from srekv.drill.context import DrillContext
from srekv.drill.note import Note, birth, here
from srekv.drill.signals import guarded
from srekv.errors import Advice, CommandLine


def carry_out(context: DrillContext, endure: Callable[[], None]) -> None:
    """Inject the fault, endure it, and heal it, whatever happens: a signal at any moment ends it, and heals first.

    An error of the healing itself is raised only when nothing else is; otherwise the narrator is warned.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    patience: Advice = f"healing {context.title} first; kill -9 ends this at once, and "
    patience += CommandLine("srekv up") + " heals then"
    with guarded(lambda: context.narrator.warn(patience)) as guard:
        try:
            with guard.open():
                _inject(context)
                endure()
        except BaseException:
            try:
                _heal(context)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide the error on its way
                left = f"{context.title} may still be in the stack; " + CommandLine("srekv up")
                context.narrator.warn(left + f" heals it: {error}")
            raise
        _heal(context)


def _inject(context: DrillContext) -> None:
    """Note what is to be undone, then do it."""
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
    """Undo the fault, then remove the note."""
    with context.phase(f"heal: {context.title}"):
        begin, primary = context.clock.time(), context.primary
        context.order.fault.heal(context.fault_target, context.deployment)
        context.timeline.record("heal", at=begin, fault=context.entry.name, node=primary.name, what=context.title)
        _declare_inverted(context, inverted=False)
        context.fault_target.forget(primary)


def _declare_inverted(context: DrillContext, *, inverted: bool) -> None:
    if context.entry.name == "manual-failover":
        context.observer.inverted("primary", inverted=inverted)
