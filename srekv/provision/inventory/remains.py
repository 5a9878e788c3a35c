"""Which stacks of an account are due to be removed. Pure: who asks says what time it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from srekv.provision.inventory.leftover import Leftover

Verdict = Literal["expired", "old", "leased", "young", "kept", "elsewhere", "unsure"]

ORDER: tuple[Verdict, ...] = ("expired", "old", "leased", "young", "kept", "elsewhere", "unsure")
DUE: frozenset[Verdict] = frozenset({"expired", "old"})

REASONS: dict[Verdict, str] = {
    "expired": "its lease is over",
    "old": "older than asked for",
    "leased": "its lease is not over",
    "young": "not old enough",
    "kept": "kept on purpose",
    "elsewhere": "its stack is in another Region",
    "unsure": "its Region is unknown: use --all-regions",
}

EVERYWHERE = frozenset({"role", "instance profile", "health check", "hosted zone", "record", "dashboard"})
"""Kinds that are listed in every Region alike."""


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What there is of one stack in one Region.

    Attributes:
        stack: its name.
        region: where; "" if nothing tells.
        due: what a sweep would remove.
        kept: backups, and a table whose stack has no role: the role is made before the table and goes after it, so
            `down --keep-table` has left this one, or somebody has taken the role away: either way it may be wanted.
        age: since the oldest of what is due, or of what is kept where nothing is, of which AWS tells the age; None
            when it tells none. A stack with a role has one, and every living stack has a role: without an age these
            are remains.
        lease: when the stack's lease is over, or was.
        verdict: whether it is to go, and why.
    """

    stack: str
    region: str
    due: tuple[Leftover, ...]
    kept: tuple[Leftover, ...]
    age: timedelta | None
    lease: datetime | None
    verdict: Verdict

    @property
    def is_due(self) -> bool:
        """Whether a sweep removes it."""
        return self.verdict in DUE

    @property
    def keeps_table(self) -> bool:
        """Whether its table stays."""
        return any(one.kind == "table" for one in self.kept)


def judge(
    leftovers: Sequence[Leftover], *, now: datetime, older_than: timedelta, regions: Collection[str], everywhere: bool
) -> tuple[Remains, ...]:
    """Sort what exists by stack and Region, expired leases first, then the oldest.

    Args:
        leftovers: of all stacks, in the Regions that were looked at, and what is everywhere.
        now: an aware time.
        older_than: a stack without a lease is due from this age on.
        regions: the Regions that were looked at.
        everywhere: they were all there are.
    """
    found = [
        _judged(stack, region, parts, home=home, now=now, older_than=older_than, regions=regions)
        for stack in sorted({one.stack for one in leftovers})
        for mine in [[one for one in leftovers if one.stack == stack]]
        for home in [_home(mine, fallback=min(regions, default="") if everywhere else "")]
        for region, parts in _by_region(mine, home)
    ]
    return tuple(sorted(found, key=_urgency))


def _urgency(one: Remains) -> tuple[int, bool, float]:
    """Sort key; what has no age comes before what has one."""
    return ORDER.index(one.verdict), one.age is not None, -one.age.total_seconds() if one.age else 0.0


def _home(mine: Sequence[Leftover], *, fallback: str) -> str:
    """The Region of a stack: its role, its zone or its checks tell, else where its other things are.

    Alarms tell last: those about health checks are not where the stack is (aws-facts 8).
    """
    told = [
        one.region
        for kind in ("role", "hosted zone", "health check")
        for one in mine
        if one.kind == kind and one.region
    ]
    places = sorted({(one.kind == "alarm", one.region) for one in mine if one.kind not in EVERYWHERE})
    return next(iter([*told, *(region for _, region in places)]), fallback)


def _by_region(mine: Sequence[Leftover], home: str) -> Iterator[tuple[str, list[Leftover]]]:
    """What a stack has in each Region; what is everywhere belongs to its home."""
    parts: dict[str, list[Leftover]] = {}
    for one in mine:
        parts.setdefault(home if one.kind in EVERYWHERE else one.region, []).append(one)
    yield from sorted(parts.items())


def _judged(
    stack: str,
    region: str,
    parts: Sequence[Leftover],
    *,
    home: str,
    now: datetime,
    older_than: timedelta,
    regions: Collection[str],
) -> Remains:
    has_role = any(one.kind == "role" for one in parts)
    kept = tuple(one for one in parts if one.kind == "backup" or (one.kind == "table" and not has_role))
    due = tuple(one for one in parts if one not in kept)
    ages = [now - one.created for one in due or kept if one.created]
    age = max(ages, default=None)
    leases = [one.lease for one in due if one.lease and (one.kind == "role" or not has_role)]
    lease = max(leases, default=None)
    verdict: Verdict = "old" if age is None or age >= older_than else "young"
    if lease is not None:
        verdict = "expired" if lease <= now else "leased"
    if region != home or region not in regions:
        verdict = "elsewhere" if home else "unsure"
    if not due:
        verdict = "kept"
    return Remains(stack=stack, region=region, due=due, kept=kept, age=age, lease=lease, verdict=verdict)
