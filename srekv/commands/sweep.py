"""The command `sweep`: remove what any stack left in the account, and prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from srekv.commands.down import (
    Confirm,
    bill,
    confirmation,
    leftovers_json,
    month_usd,
    nothing_runs,
    proof_line,
    release,
    show_left,
)
from srekv.commands.session import pass_invocation, running, session_of, target_config
from srekv.errors import CommandLine, FindingError, SrekvError, UsageError
from srekv.local import control
from srekv.prices import REGION
from srekv.provision.inventory.leftover import Leftover, by_hand
from srekv.provision.inventory.remains import REASONS, Remains, judge
from srekv.provision.model import Change
from srekv.provision.removal import with_reasons
from srekv.ui.console import Narration, changes_json, counted, plain_table
from srekv.ui.context import Invocation
from srekv.ui.help import Command
from srekv.ui.options import as_seconds, option, pass_options

if TYPE_CHECKING:
    from srekv.provision.data import Holding
    from srekv.provision.inventory.sweep import Estate


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `sweep`."""

    older_than: float | None = option(
        "--older-than",
        callback=as_seconds,
        metavar="AGE",
        help="Stacks of this age, as in 90m, 24h, 3d; one whose lease is over goes at any age.  [default: 24h]",
    )
    all_regions: bool = option("--all-regions", is_flag=True, help="Search every Region that the account can use.")
    backups: bool = option("--backups", is_flag=True, help="Remove backups of that age too.")
    yes: bool = option("--yes", "-y", is_flag=True, help="Do not ask.")
    dry_run: bool = option(
        "--dry-run", is_flag=True, help="Show what would be removed, and exit 1 if there is something."
    )

    @property
    def age(self) -> timedelta:
        """A stack without a lease is due from this age on."""
        return timedelta(days=1) if self.older_than is None else timedelta(seconds=self.older_than)


@click.command("sweep", cls=Command)
@pass_options(Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Remove what any srekv stack left in the account.

    Expired leases first, then by age. A stack is as old as the oldest resource in it whose age AWS reports. Backups,
    and tables left by down --keep-table, are shown and kept. Exits 1 if something is left that should go.

    $ srekv sweep --dry-run
    $ srekv --target aws sweep --all-regions --older-than 3d
    """
    sweep(invocation, options, confirm=confirmation(yes=options.yes))


def sweep(invocation: Invocation, options: Options, *, confirm: Confirm) -> None:
    """Find what is left of any stack of the account, remove what is due after asking, and prove it.

    Raises:
        FindingError: something is due and there still.
        UsageError: the user declined.
    """
    from srekv.provision.inventory.sweep import Estate

    if invocation.is_local and control.find(invocation.home) is None:
        nothing_runs(invocation, {"dry_run": options.dry_run, "stacks": []})
        return
    now = datetime.now(UTC)
    config = target_config(invocation, running(invocation))
    estate = Estate(config, session_of(invocation, config))
    with invocation.screen.progress(dry=options.dry_run) as narration:
        regions = estate.regions() if options.all_regions else (estate.config.region,)
        look = _Look(estate, options, now, narration)
        found = look(frozenset(regions))
        work = _Work.of(found.remains, options, now)
        held = {one: _held(estate, one, narration) for one in work.stacks}
        _show_found(invocation, found.remains, held, work)
        if work.is_empty or options.dry_run:
            done, refused = found, {}
        else:
            with narration.still():
                _confirm(work, held, confirm)
            refused = work.carry_out(estate, narration)
            done = look(work.regions | {min(regions)})
        left = with_reasons(estate.name_holders(work.left_in(done.remains)), refused)
        changes = narration.changes
    kept = [one for remains in done.remains for one in remains.kept]
    invocation.screen.document(
        {
            "dry_run": options.dry_run,
            "older_than_s": options.age.total_seconds(),
            "regions": [region for region in regions if region not in found.refused],
            "stacks": [_remains_json(one, work, held.get(one), invocation.profile) for one in found.remains],
            "changes": changes_json(changes),
            "left": leftovers_json(left, profile=invocation.profile),
            "kept": leftovers_json(kept, profile=invocation.profile),
            "proof": list(done.calls),
        }
    )
    _conclude_sweep(invocation, options, left, kept, done.calls, worked=not work.is_empty)


@dataclass(frozen=True)
class _Found:
    remains: tuple[Remains, ...]
    calls: tuple[str, ...]
    refused: frozenset[str]


@dataclass(frozen=True)
class _Look:
    """Looks at the account and judges, again whenever it is called."""

    estate: Estate
    options: Options
    now: datetime
    narration: Narration

    def __call__(self, regions: frozenset[str]) -> _Found:
        where = next(iter(regions)) if len(regions) == 1 else f"{len(regions)} Regions"
        with self.narration.busy(f"listing {where}"):
            inventory = self.estate.look(sorted(regions))
        for region, error in inventory.refused.items():
            self.narration.warn(f"{region} was not listed: {error.what}: {error.why}")
        remains = judge(
            inventory.leftovers,
            now=self.now,
            older_than=self.options.age,
            regions=regions - inventory.refused.keys(),
            everywhere=self.options.all_regions and not inventory.refused,
        )
        return _Found(remains, inventory.calls, frozenset(inventory.refused))


@dataclass(frozen=True)
class _Work:
    """What a sweep removes."""

    stacks: tuple[Remains, ...]
    backups: tuple[Leftover, ...]

    @classmethod
    def of(cls, found: Sequence[Remains], options: Options, now: datetime) -> _Work:
        """The stacks that are due, and, where asked for, the backups that are old enough."""
        backups = [one for remains in found for one in remains.kept if one.kind == "backup"] if options.backups else []
        old = tuple(one for one in backups if one.created and now - one.created >= options.age)
        return cls(tuple(one for one in found if one.is_due), old)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.stacks and not self.backups

    @property
    def things(self) -> list[Leftover]:
        """Everything that is to go."""
        return [*(one for remains in self.stacks for one in remains.due), *self.backups]

    def of_stack(self, remains: Remains) -> list[Leftover]:
        """What is to go of this stack."""
        return [*(remains.due if remains.is_due else ()), *(one for one in remains.kept if one in self.backups)]

    def why(self, remains: Remains) -> str:
        """Why it goes or stays."""
        only_backups = self.of_stack(remains) and not remains.is_due
        return "backups older than asked for" if only_backups else REASONS[remains.verdict]

    @property
    def regions(self) -> frozenset[str]:
        """Where it is."""
        return frozenset([*(one.region for one in self.stacks), *(one.region for one in self.backups)])

    def carry_out(self, estate: Estate, narration: Narration) -> dict[str, SrekvError]:
        """Remove stack by stack; one that cannot be removed does not keep the others. Why something was not, by id."""
        refused: dict[str, SrekvError] = {}
        for remains in self.stacks:
            for key, error in _removed(estate, remains, narration).items():
                refused[key] = error
                narration.warn(f"the stack {remains.stack} in {remains.region}: {error}")
        for backup in self.backups:
            _delete_backup(estate, backup, narration)
        return refused

    def left_in(self, found: Sequence[Remains]) -> list[Leftover]:
        """What was to go and is there."""
        keys = {(one.stack, one.region) for one in self.stacks}
        ids = {one.id for one in self.backups}
        due = [one for remains in found if (remains.stack, remains.region) in keys for one in remains.due]
        return due + [one for remains in found for one in remains.kept if one.id in ids]


def _removed(estate: Estate, remains: Remains, narration: Narration) -> Mapping[str, SrekvError]:
    """Remove a stack; why something of it was not deleted, or nothing at all."""
    try:
        return estate.remove(remains, narration).refused
    except SrekvError as error:
        return {remains.stack: error}


def _delete_backup(estate: Estate, backup: Leftover, narration: Narration) -> None:
    try:
        estate.delete_backup(backup)
    except SrekvError as error:
        narration.warn(str(error))
        return
    narration.changed(
        Change(section="DynamoDB", kind="backup", name=backup.name, id=backup.id, action="delete", detail=backup.note)
    )


def _held(estate: Estate, remains: Remains, narration: Narration) -> Holding | None:
    """How much data would go with a stack."""
    if not any(one.kind == "table" for one in remains.due):
        return None
    try:
        return estate.stack(remains, narration).holding()
    except SrekvError as error:
        narration.warn(f"the table of {remains.stack}: {error.what}")
        return None


def _confirm(work: _Work, held: dict[Remains, Holding | None], confirm: Confirm) -> None:
    full = [f"{items} in the table of {one.stack}" for one, items in held.items() if items and items.items]
    data = f", with {', '.join(full)}, without a backup" if full else ""
    what = " and ".join(
        text for text in (counted(["stack"] * len(work.stacks)), counted(["backup"] * len(work.backups))) if text
    )
    if not confirm(f"Remove {what} ({_things(work.things)}, {bill(work.things)}){data}?"):
        raise UsageError("nothing was removed", next_step="the same command with --yes removes without asking")


def _things(things: Sequence[Leftover]) -> str:
    return f"{len(things)} thing{'' if len(things) == 1 else 's'}"


def _show_found(
    invocation: Invocation,
    found: Sequence[Remains],
    held: dict[Remains, Holding | None],
    work: _Work,
) -> None:
    """Each stack with what happens to it and why, then what goes of it: the backups among it only if asked for."""
    if not found:
        return
    table = plain_table()
    for heading in ("stack", "Region", "age", "sweep", "why", "things", "USD a month"):
        table.add_column(heading, overflow="fold")
    goes = {one: work.of_stack(one) for one in found}
    for one in found:
        usd, known = month_usd([*one.due, *one.kept])
        table.add_row(
            one.stack,
            one.region or "unknown",
            age_text(one.age),
            "removes" if goes[one] else "leaves",
            work.why(one) + (f" ({one.lease:%Y-%m-%d %H:%M} UTC)" if one.lease else ""),
            str(len(one.due) + len(one.kept)),
            f"{usd:.2f}" if known else f"{usd:.2f} and more",
        )
    invocation.screen.show(table)
    for one, things in goes.items():
        if things:
            data = f"; {holding} in the table" if (holding := held.get(one)) else ""
            invocation.screen.show(f"{one.stack} in {one.region}: {counted([thing.kind for thing in things])}{data}")
    invocation.screen.show(
        f"list prices of {REGION}, without requests; AWS reports the age of some kinds only: the oldest counts"
    )


def age_text(age: timedelta | None) -> str:
    """An age in its largest unit."""
    if age is None:
        return "unknown"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age.total_seconds() >= length:
            return f"{age.total_seconds() / length:.0f} {unit}"
    return "new"


def _remains_json(one: Remains, work: _Work, held: Holding | None, profile: str | None) -> dict[str, Any]:
    usd, known = month_usd([*one.due, *one.kept])
    return {
        "stack": one.stack,
        "region": one.region,
        "verdict": one.verdict,
        "due": bool(work.of_stack(one)),
        "why": work.why(one),
        "age_s": None if one.age is None else round(one.age.total_seconds()),
        "lease": one.lease and one.lease.isoformat(),
        "expired": one.verdict == "expired",
        "items": held.items if held else None,
        "usd_month": round(usd, 4) if known else None,
        "resources": leftovers_json((*one.due, *one.kept), profile=profile),
    }


def _conclude_sweep(
    invocation: Invocation,
    options: Options,
    left: Sequence[Leftover],
    kept: Sequence[Leftover],
    calls: Sequence[str],
    *,
    worked: bool,
) -> None:
    screen = invocation.screen
    if not left:
        screen.show(f"{'0 left' if worked else 'nothing to remove'} (verified by {proof_line(calls)})")
    show_kept(invocation, kept)
    if options.dry_run and left:
        raise FindingError(
            f"{_things(left)} would be removed: {bill(left)}", next_step="the same command without --dry-run"
        )
    if left:
        show_left(invocation, left)
        raise FindingError(
            f"{len(left)} left: {bill(left)}", next_step=CommandLine("srekv sweep") + " again, or the commands above"
        )
    if not options.dry_run:
        release(invocation)


def show_kept(invocation: Invocation, kept: Sequence[Leftover]) -> None:
    """Kept things of any stack: a table is its own stack's to use or to remove."""
    for one in kept:
        own = replace(invocation, stack=one.stack, region=one.region or invocation.region).command("srekv down")
        command = own if one.kind == "table" else " && ".join(by_hand(one, profile=invocation.profile))
        invocation.screen.line(f"kept: {one.kind} {one.name}, {bill([one])}; removed by: {command}")
