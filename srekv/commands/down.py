"""The command `down`: remove everything and prove that nothing is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from srekv.commands.session import open_stack, pass_invocation
from srekv.errors import CommandLine, FindingError, SrekvError, UsageError
from srekv.local import control
from srekv.prices import leftover_costs, total_usd
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.leftover import Leftover, by_hand, in_order, restore_by_hand
from srekv.provision.naming import Names
from srekv.ui.console import changes_json, plain_table, plan_table, tally
from srekv.ui.context import Invocation
from srekv.ui.options import click_command, option
from srekv.ui.visible import visible

if TYPE_CHECKING:
    from srekv.provision.removal import Removal
    from srekv.provision.stack import Stack
    from srekv.provision.steps.table import Holding


def confirm(question: str) -> bool:
    """Ask before something is removed; a closed input is a no."""
    try:
        return click.confirm(visible(question), err=True)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):  # that is no Ctrl-C
            return False
        raise


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `down`."""

    yes: bool = option("--yes", "-y", is_flag=True, help="Do not ask.")
    dry_run: bool = option("--dry-run", is_flag=True, help="Show what would be removed; change nothing.")
    keep_table: bool = option(
        "--keep-table", is_flag=True, help="Leave the table with its items; the next up takes it."
    )
    backup: str = option(
        "--backup", default="", metavar="NAME", help="Back the table up under this name before it goes."
    )


@click_command("down", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Remove everything and prove that nothing is left.

    Exits 1 if something is left, with the command that removes it.

    $ srekv down --yes
    $ srekv down --backup before-the-change
    """
    dry_run, keep_table, backup = options.dry_run, options.keep_table, options.backup
    if backup:
        from srekv.provision.steps.table import check_name

        check_name(backup)
    if nothing_runs(invocation, {"stack": invocation.stack, "dry_run": dry_run, "changes": []}):
        return
    with open_stack(invocation, dry=dry_run) as (stack, narration):
        with narration.busy("reading the table"):
            held = stack.holding()
        if not dry_run and not options.yes:
            with narration.still():
                _ask(stack, held, options)
        try:
            removal = stack.down(keep_table=keep_table, backup=backup)
        except KeyboardInterrupt:
            if narration.changes:
                done = tally(narration.changes, dry=dry_run)
                continued = CommandLine("srekv down") + " continues"
                narration.warn(f"interrupted; {done} so far, the rest exists: " + continued)
            raise
        changes, elapsed = narration.changes, narration.elapsed_s
    screen = invocation.screen
    if dry_run:
        screen.show(plan_table(changes))
    screen.show(f"\n{tally(changes, dry=dry_run)} in {elapsed:.1f} s")
    screen.document(
        {
            "stack": invocation.stack,
            "dry_run": dry_run,
            "changes": changes_json(changes),
            "items": held.items if held else None,
            "left": leftovers_json(removal.left, profile=invocation.profile),
            "kept": leftovers_json(removal.kept, profile=invocation.profile),
            "others": list(removal.others),
            "proof": list(removal.calls),
            "elapsed_s": round(elapsed, 3),
        }
    )
    if held and held.items and not keep_table:
        fate = "would go" if dry_run else "went"
        screen.show(f"{held} {fate} with the table, " + ("and are in the backup" if backup else "without a backup"))
    if not dry_run:
        conclude(invocation, removal)


def month_usd(leftovers: Iterable[Leftover]) -> tuple[float, bool]:
    """What they cost a month, and whether the price of each of them is known."""
    costs = [leftover_costs(one.kind, state=one.state, variant=one.variant, gib=one.gib) for one in leftovers]
    return sum(total_usd(cost) for cost in costs if cost), None not in costs


def bill(leftovers: Iterable[Leftover]) -> str:
    """The same for a person."""
    usd, complete = month_usd(leftovers)
    return f"{'' if complete else 'at least '}{usd:.2f} USD a month"


def leftovers_json(leftovers: Sequence[Leftover], *, profile: str | None) -> list[dict[str, Any]]:
    """As the JSON documents show them, in the order in which they can go.

    usd_month is null when the price is not known, command "" without one.
    """
    prices = [(one, *month_usd([one])) for one in in_order(leftovers)]
    return [
        {
            **{member: getattr(one, member) for member in ("kind", "id", "name", "state", "stack", "region")},
            "created": one.created and one.created.isoformat(),
            "note": one.note,
            "usd_month": round(usd, 4) if known else None,
            "command": " && ".join(by_hand(one, leftovers, profile=profile)),
        }
        for one, usd, known in prices
    ]


def show_left(invocation: Invocation, left: Sequence[Leftover]) -> None:
    """Each with its state and its price, then the commands that remove them."""
    table = plain_table("left", "name", "state", "USD a month")
    for one in left:
        usd, known = month_usd([one])
        price = f"{usd:.2f}" if known else "unknown"
        table.add_row(one.kind, one.name or one.id, f"{one.state} {one.note}".strip(), price)
    invocation.screen.show(table)
    for one in in_order(left):
        for command in by_hand(one, left, profile=invocation.profile):
            invocation.screen.line(command)


def proof_line(calls: Sequence[str]) -> str:
    """The listing calls of a proof, by service, in one line."""
    services: dict[str, list[str]] = {}
    for call in calls:
        service, _, operation = call.partition(":")
        services.setdefault(service, []).append(operation)
    return "; ".join(f"{service} {', '.join(operations)}" for service, operations in services.items())


def _show_kept(invocation: Invocation, kept: Sequence[Leftover]) -> None:
    """What stays on purpose, what it costs, and how to use it or to be rid of it."""
    screen = invocation.screen
    for one in kept:
        screen.line(f"kept: {one.kind} {one.name}, {bill([one])}")
        if one.kind != "backup":
            screen.line(f"  to use it: {invocation.command('srekv up')}")
            continue
        restore, tag = restore_by_hand(one, Names(one.stack).table, profile=invocation.profile)
        screen.line(f"  to restore it: {restore}")
        screen.line(f"  then, once the table is ACTIVE: {tag}")
        screen.line(f"  to delete it: {' && '.join(by_hand(one, profile=invocation.profile))}")


def nothing_runs(invocation: Invocation, document: dict[str, Any]) -> bool:
    """Whether no local cloud runs, so that there can be nothing: then that is reported."""
    if not invocation.is_local or control.find(invocation.home):
        return False
    invocation.screen.show("there is no local cloud running: 0 left")
    invocation.screen.document({**document, "left": [], "kept": [], "proof": []})
    return True


def _ask(stack: Stack, held: Holding | None, options: Options) -> None:
    data = ""
    if held and options.keep_table:
        data = f", but keep its table with {held}"
    elif held and options.backup:
        data = f" and its table with {held}, after a backup"
    elif held and held.items:
        data = f" and its table with {held}, without a backup"
    config = stack.run.config
    if not confirm(f"Remove the stack {config.stack} on {config.target} ({config.region}){data}?"):
        raise UsageError(
            "nothing was removed",
            next_step=CommandLine("srekv down --yes")
            + " removes without asking; --keep-table and --backup NAME keep the data",
        )


def conclude(invocation: Invocation, removal: Removal) -> None:
    """Show the proof, or what is left; what stays on purpose, and the others.

    Raises:
        FindingError: something is left.
        SrekvError: something is left because a call failed.
    """
    screen = invocation.screen
    screen.show(f"{len(removal.left)} left (verified by {proof_line(removal.calls)})")
    _show_kept(invocation, removal.kept)
    if removal.others:
        screen.show(f"other stacks of this account: {', '.join(removal.others)} (srekv sweep lists them)")
    if removal.left:
        show_left(invocation, removal.left)
        raise left_error(removal)
    release(invocation)


def left_error(removal: Removal) -> SrekvError:
    """What went wrong, if anything did; else what is left and what holds it."""
    failures = [error for error in removal.refused.values() if not isinstance(error, HeldError)]
    left = f"{len(removal.left)} left: {bill(removal.left)}"
    if failures:
        first, *others = failures
        more = "".join(f"; {error.what}: {error.why}" for error in others)
        return SrekvError(f"{first.what}; {left}", why=first.why + more, next_step=first.next_step)
    advice = dict.fromkeys(error.next_step for error in removal.refused.values() if error.next_step)
    return FindingError(
        left,
        why="; ".join(f"{error.what}: {error.why}" for error in removal.refused.values()),
        next_step=reduce(
            lambda one, other: one + "; " + other, advice or ["the commands above, then " + CommandLine("srekv down")]
        ),
    )


def release(invocation: Invocation) -> None:
    """Stop the local cloud if nothing is left in it."""
    if not invocation.is_local:
        return
    with invocation.screen.progress() as narration, narration.busy("stopping the local cloud if nothing is left in it"):
        stopped = control.release(invocation.home)
    if stopped:
        invocation.screen.show("the local cloud has stopped: nothing was left in it")
