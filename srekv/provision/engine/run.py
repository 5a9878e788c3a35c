"""One run of a command over a stack: what every step is given, how an operation is carried out, how a step waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from srekv.config import Config
from srekv.errors import Advice, SrekvError, TimeoutExceeded
from srekv.provision.engine.answers import explain, is_about_one
from srekv.provision.engine.clients import Clients
from srekv.provision.engine.generation import FIRST_LOOK_S, Generation
from srekv.provision.model import Change, Watcher
from srekv.provision.naming import Names
from srekv.provision.step import Op, Ops

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 0.5
PAUSE_GROWTH = 1.4
"""Between two polls: FIRST_PAUSE_S, then PAUSE_GROWTH times as long, up to LONGEST_PAUSE_S; wall-clock seconds."""

SILENT_S = 1.5
"""A shorter wait is over before a user has read about it."""


class CancelledError(SrekvError):
    """This step stopped because another one failed or the user interrupted; never shown by itself."""


class HeldError(SrekvError):
    """Something that does not go by itself keeps what was to be deleted; no wait helps.

    `why` has what holds it, `next_step` what frees it where no printed command does, `ties` what must be undone before,
    as in a `Leftover`, `holders` the ids of what must go before where no command undoes that.
    """

    def __init__(
        self,
        what: str,
        *,
        why: str,
        next_step: Advice = "",
        ties: tuple[tuple[str, str], ...] = (),
        holders: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.ties = ties
        self.holders = holders


class Clock:
    """The time that waits go by: this machine's, in wall-clock seconds."""

    def now(self) -> float:
        """Seconds since some moment that stays the same."""
        return time.monotonic()

    def pause(self, cancelled: threading.Event, pause_s: float) -> bool:
        """Let time pass; True, at once, when the event is set."""
        return cancelled.wait(pause_s)


@dataclass(frozen=True)
class Run:
    """What every step of one command shares.

    Attributes:
        dry: show operations, carry out none.
        clock: what waits go by.
        cancelled: set when the rest of the run has become pointless; every wait ends at once.
        changed: set when an operation was carried out.
        deleted: the ids of what was deleted.
        refused: why what a removal could not delete was not deleted, by id; the rest of it goes on.
        generation: the life of the stack that this run works on; known once the role is ensured.
    """

    config: Config
    clients: Clients
    watcher: Watcher
    dry: bool = False
    clock: Clock = field(default_factory=Clock)
    cancelled: threading.Event = field(default_factory=threading.Event)
    changed: threading.Event = field(default_factory=threading.Event)
    deleted: set[str] = field(default_factory=set)
    refused: dict[str, SrekvError] = field(default_factory=dict)
    generation: Generation = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "generation", Generation(self.clients, self.names))

    def again(self) -> Run:
        """The same run, begun anew: nothing cancelled, nothing changed, no life of the stack known."""
        return replace(self, cancelled=threading.Event(), changed=threading.Event(), deleted=set(), refused={})

    @cached_property
    def names(self) -> Names:
        """The stack's names."""
        return Names(self.config.stack)

    def placed_tags(self, name: str) -> list[Any]:
        """The tags of what shows in every Region alike: they name the one that its stack is in."""
        return self.names.tags(name, region=self.config.region)

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Report to the watcher that this is under way inside."""
        self.watcher.started(what)
        try:
            yield
        finally:
            self.watcher.finished(what)

    def carry_out(self, section: str, operations: Ops, *, removing: bool = False) -> bool:
        """Do what a step yields, one by one, and report it to the watcher; whether nothing was refused.

        Raises:
            CancelledError: the rest of the run has become pointless.
            ImmutableError: a field that cannot change differs from what was asked; never in a dry run.
            SrekvError: AWS refuses a call; if it is about one thing that a removal deletes, the rest goes on.
        """
        complete = True
        for op in operations:
            if self.cancelled.is_set():
                raise CancelledError(f"{section} was interrupted")
            try:
                change = self._change(section, op)
            except SrekvError as error:
                if not removing or not self.note_refusal(op.id, error):
                    raise
                complete = False
                continue
            self.watcher.changed(change)
        return complete

    def note_refusal(self, key: str, error: SrekvError) -> bool:
        """Note why something was not deleted, if that is about this one thing only; whether it was noted."""
        if isinstance(error, CancelledError) or not is_about_one(error):
            return False
        self.refused[key] = error
        return True

    def _change(self, section: str, op: Op) -> Change:
        if op.refusal is not None and not self.dry:
            raise op.refusal
        done: str | None = None
        if op.call is not None and not self.dry:
            self.changed.set()
            try:
                done = op.call()
            except ClientError as error:
                raise explain(error, f"{op.action} {op.kind} {op.name}") from error
            if op.action == "delete":
                self.deleted.add(op.id)
        return Change(
            section=section,
            kind=op.kind,
            name=op.name,
            id=done or op.id,
            action=op.action,
            detail=op.detail,
            next_step=op.refusal.next_step if op.refusal else "",
        )

    def wait(
        self,
        section: str,
        what: str,
        look: Callable[[], T | None],
        *,
        timeout_s: float,
        next_step: Advice = "",
        last_seen: Callable[[], object] = lambda: "",
        shortest_pause_s: float = FIRST_PAUSE_S,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> T:
        """Poll, with growing pauses, until there is something.

        Args:
            section: what waits.
            what: what for, to be read after "waiting for".
            look: returns something when the wait is over, None while it is not.
            timeout_s: deadline, wall-clock seconds from now.
            next_step: advice when the deadline passes.
            last_seen: returns the last thing seen, for the error.
            shortest_pause_s: the first pause, for calls that must not be made often.
            longest_pause_s: what pauses grow to.

        Raises:
            TimeoutExceeded: the deadline has passed.
            CancelledError: the run was cancelled meanwhile.
            EndedError: this is an `up`, and the stack was removed meanwhile.
        """
        begin = self.clock.now()
        deadline = begin + timeout_s
        pause = shortest_pause_s
        reported = False
        try:
            while True:
                seen = look()
                if seen is not None:
                    return seen
                if not reported and self.clock.now() - begin > SILENT_S:
                    self.watcher.waiting(section, what)
                    reported = True
                if self.clock.now() - begin > FIRST_LOOK_S:
                    self.generation.watch()
                if self.clock.now() + pause > deadline:
                    raise TimeoutExceeded(
                        f"{section}: gave up waiting for {what} after {timeout_s:.0f} s",
                        why=f"last seen: {last_seen()}" if last_seen() else "",
                        next_step=next_step or "run the command again: it continues where this one stopped",
                    )
                if self.clock.pause(self.cancelled, pause):
                    raise CancelledError(f"{section} was interrupted")
                pause = max(shortest_pause_s, min(pause * PAUSE_GROWTH, longest_pause_s))
        finally:
            if reported:
                self.watcher.waited(section, what)
