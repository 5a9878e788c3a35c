"""The command `sweep`: remove what any stack left in the account, and prove it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from srekv.commands import down
from srekv.commands.session import pass_invocation, require_runtime, session_of, target_config
from srekv.errors import CommandLine, FindingError, SrekvError, UsageError
from srekv.prices import REGION
from srekv.provision.inventory.leftover import Leftover, by_hand
from srekv.provision.inventory.stacks import StackInRegion, judge
from srekv.provision.model import Change
from srekv.provision.removal import with_reasons
from srekv.ui.console import Narration, changes_json, counted, plain_table
from srekv.ui.context import Invocation
from srekv.ui.options import as_seconds, click_command, option

if TYPE_CHECKING:
    from srekv.provision.inventory.account import Account
    from srekv.provision.inventory.listings import Inventory
    from srekv.provision.steps.table import Holding


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


@click_command("sweep", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Remove what any srekv stack left in the account.

    Expired leases first, then by age. A stack is as old as the oldest resource in it whose age AWS reports. Backups,
    and tables left by down --keep-table, are shown and kept. Exits 1 if something is left that should go.

    $ srekv sweep --dry-run
    $ srekv --target aws sweep --all-regions --older-than 3d
    """
    from srekv.provision.inventory.account import Account

    if down.nothing_runs(invocation, {"dry_run": options.dry_run, "stacks": []}):
        return
    now = datetime.now(UTC)
    config = target_config(invocation, require_runtime(invocation))
    account = Account(config, session_of(invocation, config))
    with invocation.screen.progress(dry=options.dry_run) as narration:
        regions = account.regions() if options.all_regions else (config.region,)
        list_regions = partial(_list, account, options, now, narration)
        inventory, found = list_regions(regions)
        work = [one for one in found if one.goes]
        held = {one: _held(account, one, narration) for one in work}
        _show_found(invocation, found, held)
        proof, rest, refused = inventory, found, {}
        if work and not options.dry_run:
            if not options.yes:
                with narration.still():
                    _ask(work, held)
            refused = _carry_out(account, work, narration)
            proof, rest = list_regions({*(one.region for one in work), min(regions)})
        left = with_reasons(account.name_holders(_left(work, rest)), refused)
        changes = narration.changes
    kept = [thing for one in rest for thing in one.kept]
    invocation.screen.document(
        {
            "dry_run": options.dry_run,
            "older_than_s": options.age.total_seconds(),
            "regions": [region for region in regions if region not in inventory.refused],
            "stacks": [_stack_json(one, held.get(one), invocation.profile) for one in found],
            "changes": changes_json(changes),
            "left": down.leftovers_json(left, profile=invocation.profile),
            "kept": down.leftovers_json(kept, profile=invocation.profile),
            "proof": list(proof.calls),
        }
    )
    if not left:
        outcome = "0 left" if work else "nothing to remove"
        invocation.screen.show(f"{outcome} (verified by {down.proof_line(proof.calls)})")
    show_kept(invocation, kept)
    if left:
        raise _finding(invocation, left, dry=options.dry_run)
    if not options.dry_run:
        down.release(invocation)


def _list(
    account: Account, options: Options, now: datetime, narration: Narration, regions: Collection[str]
) -> tuple[Inventory, tuple[StackInRegion, ...]]:
    """List these Regions and what is everywhere, and judge it."""
    where = next(iter(regions)) if len(regions) == 1 else f"{len(regions)} Regions"
    with narration.busy(f"listing {where}"):
        inventory = account.inventory(sorted(regions))
    for region, error in inventory.refused.items():
        narration.warn(f"{region} was not listed: {error.what}: {error.why}")
    return inventory, judge(
        inventory.leftovers,
        now=now,
        older_than=options.age,
        regions={*regions} - inventory.refused.keys(),
        everywhere=options.all_regions and not inventory.refused,
        backups=options.backups,
    )


def _carry_out(account: Account, work: Sequence[StackInRegion], narration: Narration) -> dict[str, SrekvError]:
    """Remove stack by stack; one that cannot be removed does not keep the others. Why something was not, by id."""
    refused: dict[str, SrekvError] = {}
    for one in work:
        try:
            errors = account.remove(one, narration).refused if one.is_due else {}
        except SrekvError as error:
            errors = {one.stack: error}
        refused |= errors
        for reason in errors.values():
            narration.warn(f"the stack {one.stack} in {one.region}: " + reason.message)
    for backup in (backup for one in work for backup in one.backups):
        try:
            account.delete_backup(backup)
        except SrekvError as error:
            narration.warn(error.message)
            continue
        deleted = Change(section="DynamoDB", kind="backup", name=backup.name, id=backup.id, action="delete")
        narration.changed(replace(deleted, detail=backup.note))
    return refused


def _left(work: Sequence[StackInRegion], rest: Sequence[StackInRegion]) -> list[Leftover]:
    """What was to go and is there."""
    stacks = {(one.stack, one.region) for one in work if one.is_due}
    backups = {backup.id for one in work for backup in one.backups}
    due = [thing for one in rest if (one.stack, one.region) in stacks for thing in one.due]
    return due + [thing for one in rest for thing in one.kept if thing.id in backups]


def _held(account: Account, one: StackInRegion, narration: Narration) -> Holding | None:
    """How much data would go with a stack."""
    if not any(thing.kind == "table" for thing in one.goes):
        return None
    try:
        return account.stack(one, narration).holding()
    except SrekvError as error:
        narration.warn(f"the table of {one.stack}: {error.what}")
        return None


def _ask(work: Sequence[StackInRegion], held: dict[StackInRegion, Holding | None]) -> None:
    full = [f"{items} in the table of {one.stack}" for one, items in held.items() if items and items.items]
    data = f", with {', '.join(full)}, without a backup" if full else ""
    kinds = ["stack" for one in work if one.is_due], ["backup" for one in work for _ in one.backups]
    what = " and ".join(counted(kind) for kind in kinds if kind)
    things = [thing for one in work for thing in one.goes]
    if not down.confirm(f"Remove {what} ({_things(things)}, {down.bill(things)}){data}?"):
        raise UsageError("nothing was removed", next_step="the same command with --yes removes without asking")


def _things(things: Sequence[Leftover]) -> str:
    return f"{len(things)} thing{'' if len(things) == 1 else 's'}"


def _show_found(
    invocation: Invocation, found: Sequence[StackInRegion], held: dict[StackInRegion, Holding | None]
) -> None:
    """Each stack with what happens to it and why, then what goes of it: the backups among it only if asked for."""
    if not found:
        return
    table = plain_table("stack", "Region", "age", "sweep", "why", "things", "USD a month")
    shown = []
    for one in found:
        usd, known = down.month_usd([*one.due, *one.kept])
        table.add_row(
            one.stack,
            one.region or "unknown",
            age_text(one.age),
            "removes" if one.goes else "leaves",
            one.why + (f" ({one.lease:%Y-%m-%d %H:%M} UTC)" if one.lease else ""),
            str(len(one.due) + len(one.kept)),
            f"{usd:.2f}" if known else f"{usd:.2f} and more",
        )
        if one.goes:
            data = f"; {holding} in the table" if (holding := held.get(one)) else ""
            shown.append(f"{one.stack} in {one.region}: {counted([thing.kind for thing in one.goes])}{data}")
    invocation.screen.show(table)
    for line in shown:
        invocation.screen.show(line)
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


def _stack_json(one: StackInRegion, held: Holding | None, profile: str | None) -> dict[str, Any]:
    usd, known = down.month_usd([*one.due, *one.kept])
    return {
        "stack": one.stack,
        "region": one.region,
        "verdict": one.verdict,
        "due": bool(one.goes),
        "why": one.why,
        "age_s": None if one.age is None else round(one.age.total_seconds()),
        "lease": one.lease and one.lease.isoformat(),
        "expired": one.verdict == "expired",
        "items": held.items if held else None,
        "usd_month": round(usd, 4) if known else None,
        "resources": down.leftovers_json((*one.due, *one.kept), profile=profile),
    }


def _finding(invocation: Invocation, left: Sequence[Leftover], *, dry: bool) -> FindingError:
    """What would be removed; or what is left, which is shown."""
    if dry:
        return FindingError(
            f"{_things(left)} would be removed: {down.bill(left)}", next_step="the same command without --dry-run"
        )
    down.show_left(invocation, left)
    again = CommandLine("srekv sweep") + " again, or the commands above"
    return FindingError(f"{len(left)} left: {down.bill(left)}", next_step=again)


def show_kept(invocation: Invocation, kept: Sequence[Leftover]) -> None:
    """Kept things of any stack: a table is its own stack's to use or to remove."""
    for one in kept:
        own = replace(invocation, stack=one.stack, region=one.region or invocation.region).command("srekv down")
        command = own if one.kind == "table" else " && ".join(by_hand(one, profile=invocation.profile))
        invocation.screen.line(f"kept: {one.kind} {one.name}, {down.bill([one])}; removed by: {command}")
