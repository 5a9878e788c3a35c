"""A fault in the stack and its undo: noted before it is injected, healed whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from srekv.drill.note import Note, here
from srekv.drill.process import birth
from srekv.drill.scene import Scene
from srekv.drill.shield import shielded
from srekv.errors import CommandLine


@dataclass(frozen=True, kw_only=True)
class Injection:
    """The fault of a drill. `admitted` is the address that was let in for its vantage point, "" if none was."""

    scene: Scene
    admitted: str

    def carry_out(self, endure: Callable[[], None]) -> None:
        """Inject the fault, endure it, and heal it, whatever happens: a signal at any moment ends it, and heals first.

        An error of the healing itself is raised only when nothing else is; otherwise the watcher is warned.

        Raises:
            KeyboardInterrupt: a signal came.
        """
        with shielded(self._ask_for_patience) as shield:
            try:
                with shield.lowered():
                    self._inject()
                    endure()
            except BaseException:
                try:
                    self._heal()
                except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide the error on its way
                    self.scene.watcher.warn(
                        f"{self.scene.title} may still be in the stack; "
                        + CommandLine("srekv up")
                        + f" heals it: {error}"
                    )
                raise
            self._heal()

    def _inject(self) -> None:
        """Note what is to be undone, then do it."""
        scene = self.scene
        with scene.phase(f"fault: {scene.title}"):
            scene.hands.remember(scene.primary, self._note().text())
            scene.timeline.record("fault", fault=scene.entry.name, node=scene.primary.name, what=scene.title)
            scene.order.fault.inject(scene.hands, scene.deployment)
            if scene.entry.name == "manual-failover":
                scene.observer.inverted("primary", inverted=True)

    def _note(self) -> Note:
        scene = self.scene
        now = int(scene.clock.time())
        return Note(
            fault=scene.entry.name,
            run_id=scene.settings.run_id,
            started=now,
            expires=now + int(scene.longest_s),
            host=here(),
            pid=os.getpid(),
            born=birth(os.getpid()) or "",
            admitted=self.admitted,
        )

    def _heal(self) -> None:
        """Undo the fault, then remove the note."""
        scene = self.scene
        with scene.phase(f"heal: {scene.title}"):
            begin = scene.clock.time()
            scene.order.fault.heal(scene.hands, scene.deployment)
            scene.timeline.record("heal", at=begin, fault=scene.entry.name, node=scene.primary.name, what=scene.title)
            if scene.entry.name == "manual-failover":
                scene.observer.inverted("primary", inverted=False)
            scene.hands.forget(scene.primary)

    def _ask_for_patience(self) -> None:
        end = f"healing {self.scene.title} first; kill -9 ends this at once, and "
        self.scene.watcher.warn(end + CommandLine("srekv up") + " heals then")
