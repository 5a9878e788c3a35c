"""The life of a stack, from the making of its role to the role's deletion: what tokens and references come from.

The role is the first thing that `up` makes and the last that `down` removes. So its unique id (RoleId) names one life
of the stack: two `up` at once, and an `up` after a crash, know the same one, and a stack made anew has another one.
And an `up` that does not find its role any more knows that a `down` came between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from srekv.errors import Advice, CommandLine, SrekvError
from srekv.provision.engine.answers import or_none
from srekv.provision.engine.clients import Clients
from srekv.provision.naming import Names, digest

UNSEEN_PAUSES_S = (0.0, 0.3, 0.7)
YOUNG_PAUSES_S = (*UNSEEN_PAUSES_S, 2.0, 4.0)
"""Before each read of a role that does not show; of one that this run has made and IAM may not show yet (I7)."""

FIRST_LOOK_S = 2.0
GROWTH = 1.5
"""A wait of this length checks whether there is still something to wait for, then after growing pauses."""

REFERENCES = 20
"""So many times a zone or a check can be made in one life of a stack: each use takes a reference for good."""


class EndedError(SrekvError):
    """The stack was removed while this `up` was at work."""


class Generation:
    """One life of a stack. It is unknown, and nothing asks for it, until `begin`."""

    def __init__(self, clients: Clients, names: Names) -> None:
        self._clients = clients
        self._names = names
        self._lock = threading.Lock()
        self._next_look, self._pause_s = 0.0, FIRST_LOOK_S
        self._pauses_s: tuple[float, ...] = UNSEEN_PAUSES_S
        self.id = ""

    def begin(self, role: Mapping[str, Any], *, young: bool = False) -> None:
        """`role` as IAM's GetRole shows it; `young`: as CreateRole does, GetRole may not for a moment."""
        self.id = str(role["RoleId"])
        self._pauses_s = YOUNG_PAUSES_S if young else UNSEEN_PAUSES_S

    def reference(self, what: str, ordinal: int) -> str:
        """A Route 53 CallerReference: the same for every run that makes that thing in this life of the stack.

        `what`: a node, or "zone"; `ordinal`: 0, or the next number when the reference before is used up (R6, R41).
        """
        return f"{self._names.reference_prefix(what)}{digest(self.id)}-{ordinal}"

    def token(self, *parts: object, ordinal: int) -> str:
        """An EC2 ClientToken, at most 64 characters: the same for the same `parts` in this life of the stack."""
        return f"{digest([self.id, *parts])}-{ordinal}"

    def role(self) -> Mapping[str, Any] | None:
        """The role as it is now; None when it is gone, or another one: this life is over."""
        for pause in self._pauses_s:
            time.sleep(pause)
            answer = or_none(self._clients.iam.get_role, RoleName=self._names.role)
            if answer is not None:
                self._pauses_s = UNSEEN_PAUSES_S
                role: Mapping[str, Any] = answer["Role"]
                return role if role["RoleId"] == self.id else None
        return None

    def watch(self) -> None:
        """To be called by every wait that goes on: asks now and then whether the stack is still there.

        Raises:
            EndedError: it is not; nothing that is waited for will come.
        """
        with self._lock:
            now = time.monotonic()
            if not self.id or now < self._next_look:
                return
            self._next_look = now + self._pause_s
            self._pause_s *= GROWTH
            if self.role() is None:
                raise self.ended()

    def ended(self, *, left: int | None = None) -> EndedError:
        """The error when this life is over; `left`: how much of it is listed, None if that is unknown."""
        rest = "" if left is None else f"; {left or 'nothing'} left"
        down, again = CommandLine("srekv down"), CommandLine("srekv up") + " creates it again"
        next_step: Advice = "what is left is unknown: " + down + " lists and removes it; " + again
        if left is not None:
            next_step = down + " removes what is left" if left else again
        return EndedError(
            f"the stack {self._names.stack} was removed while up was at work",
            why=f"its role {self._names.role} is gone or another one: srekv down ran concurrently{rest}",
            next_step=next_step,
        )


def used_up(kind: str, name: str) -> SrekvError:
    """When every reference of this life belongs to something deleted."""
    return SrekvError(
        f"the {kind} {name} was made and deleted {REFERENCES} times in this stack's life",
        why="Route 53 never accepts a CallerReference twice",
        next_step=CommandLine("srekv down") + ", then up: a new stack has new references",
    )
