"""One thing of a stack of ours that exists: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

PRESENT = "present"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing of ours that exists.

    Attributes:
        kind: as everywhere, for example "address".
        state: the service's own word.
        stack: whose it is.
        region: where it is; of a role or a zone, which are everywhere, where its stack is, "" if it does not tell.
        created: when, or a later moment that the service tells in its place; None when it tells none.
        lease: when its stack's lease is over.
        variant: what the bill depends on: an instance's type, a check's interval.
        gib: how large it is, where the bill depends on that.
        note: more for a person, for example what holds it.
    """

    kind: str
    id: str
    name: str
    stack: str
    state: str = PRESENT
    region: str = ""
    created: datetime | None = None
    lease: datetime | None = None
    variant: str = ""
    gib: float = 0.0
    note: str = ""
