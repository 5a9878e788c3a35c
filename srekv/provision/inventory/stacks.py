"""Which stacks of an account are due to be removed. Pure: the caller gives the time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from srekv.provision.inventory.leftover import Leftover

Verdict = Literal["expired", "old", "leased", "young", "kept", "elsewhere", "unsure"]

REASONS: dict[Verdict, str] = {
    "expired": "its lease is over",
    "old": "older than asked for",
    "leased": "its lease is not over",
    "young": "not old enough",
    "kept": "kept on purpose",
    "elsewhere": "its stack is in another Region",
    "unsure": "its Region is unknown: use --all-regions",
}
"""Why a stack goes or stays, in the order in which stacks are shown."""

EVERYWHERE = frozenset({"role", "instance profile", "health check", "hosted zone", "record", "dashboard"})
"""Kinds that are listed in every Region alike."""


@dataclass(frozen=True, kw_only=True)
class StackInRegion:
    """What there is of one stack in one Region.

    Attributes:
        stack: its name.
        region: where; "" if that is unknown.
        due: what a sweep would remove if the stack is due.
        kept: backups, and a table whose stack has no role: the role is made before the table and goes after it, so
            `down --keep-table` has left this one, or a user has removed the role: either way it may be wanted.
        age: of the oldest that is due, or kept where nothing is due, as far as AWS reports ages; None when it reports
            none. A stack with a role has one, and every living stack has a role: without an age these are leftovers.
        lease: when the stack's lease is over, or was.
        verdict: whether it is to go, and why.
        backups: those of `kept` that go on request.
    """

    stack: str
    region: str
    due: tuple[Leftover, ...]
    kept: tuple[Leftover, ...]
    age: timedelta | None
    lease: datetime | None
    verdict: Verdict
    backups: tuple[Leftover, ...] = ()

    @property
    def is_due(self) -> bool:
        """Whether a sweep removes it."""
        return self.verdict in {"expired", "old"}

    @property
    def goes(self) -> tuple[Leftover, ...]:
        """What a sweep removes of it."""
        return (self.due if self.is_due else ()) + self.backups

    @property
    def why(self) -> str:
        """Why it goes or stays."""
        return "backups older than asked for" if self.backups and not self.is_due else REASONS[self.verdict]

    @property
    def keeps_table(self) -> bool:
        """Whether its table stays."""
        return any(one.kind == "table" for one in self.kept)


def judge(
    leftovers: Sequence[Leftover],
    *,
    now: datetime,
    older_than: timedelta,
    regions: Collection[str],
    everywhere: bool,
    backups: bool = False,
) -> tuple[StackInRegion, ...]:
    """Sort what exists by stack and Region, expired leases first, then the oldest.

    `leftovers` are of all stacks, in the `regions` that were listed, which are all there are if `everywhere`. A stack
    without a lease is due from the age `older_than` on, and so is a backup if `backups` go. `now` is an aware time.
    """

    def urgency(one: StackInRegion) -> tuple[int, bool, float]:
        """What has no age comes before what has one."""
        age_s = one.age.total_seconds() if one.age else 0.0
        return list(REASONS).index(one.verdict), one.age is not None, -age_s

    fallback = min(regions, default="") if everywhere else ""
    found = []
    for stack in sorted({one.stack for one in leftovers}):
        mine = [one for one in leftovers if one.stack == stack]
        home = _home(mine) or fallback
        parts: dict[str, list[Leftover]] = {}
        for thing in mine:
            parts.setdefault(home if thing.kind in EVERYWHERE else thing.region, []).append(thing)
        for region, part in sorted(parts.items()):
            one = _judged(stack, region, part, now, older_than)
            if one.due and (region != home or region not in regions):
                one = replace(one, verdict="elsewhere" if home else "unsure")
            if backups:
                old = [it for it in one.kept if it.kind == "backup" and it.created and now - it.created >= older_than]
                one = replace(one, backups=tuple(old))
            found.append(one)
    return tuple(sorted(found, key=urgency))


def _home(mine: Sequence[Leftover]) -> str:
    """The Region of a stack, "" if unknown: that of its role, its zone or its checks, else that of its other things.

    Alarms count last: those about health checks are not where the stack is (aws-facts 8).
    """
    for kind in ("role", "hosted zone", "health check"):
        for one in mine:
            if one.kind == kind and one.region:
                return one.region
    places = sorted((one.kind == "alarm", one.region) for one in mine if one.kind not in EVERYWHERE)
    return places[0][1] if places else ""


def _judged(stack: str, region: str, parts: Sequence[Leftover], now: datetime, older_than: timedelta) -> StackInRegion:
    """A stack's things in one Region, which is its own."""
    has_role = any(one.kind == "role" for one in parts)
    kept = tuple(one for one in parts if one.kind == "backup" or (one.kind == "table" and not has_role))
    due = tuple(one for one in parts if one not in kept)
    age = max((now - one.created for one in due or kept if one.created), default=None)
    leases = [one.lease for one in due if one.lease and (one.kind == "role" or not has_role)]
    lease = max(leases, default=None)
    verdict: Verdict = "old" if age is None or age >= older_than else "young"
    if lease is not None:
        verdict = "expired" if lease <= now else "leased"
    if not due:
        verdict = "kept"
    return StackInRegion(stack=stack, region=region, due=due, kept=kept, age=age, lease=lease, verdict=verdict)
