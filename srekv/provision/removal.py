"""Removes a stack and proves it: everything goes in the steps' order, then every kind is listed again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from srekv.errors import SrekvError, TimeoutExceeded
from srekv.provision.engine.answers import explained
from srekv.provision.engine.run import HeldError, Run
from srekv.provision.engine.scheduler import destroy_all
from srekv.provision.inventory.holders import name_holders
from srekv.provision.inventory.leftover import ENDING, IN_USE, Leftover
from srekv.provision.inventory.listings import take_inventory
from srekv.provision.steps.collection import Steps
from srekv.provision.steps.table import check_name

ROUNDS = 3  # how often everything is removed while a concurrent `up` keeps making it

LISTINGS_TIMEOUT_S = 15  # how long what is gone may go on being listed
LINGERING_TIMEOUT_S = 300  # the same for what hung on an instance, which it may outlive (E30)

SHOWN = 3  # so many things are named when they are waited for


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What the listings showed after a removal."""

    left: tuple[Leftover, ...] = ()  # what should be gone and is not
    kept: tuple[Leftover, ...] = ()  # what was to stay: the table, backups
    refused: Mapping[str, SrekvError] = field(default_factory=dict)  # by id, why something was not deleted
    others: tuple[str, ...] = ()  # other stacks of the account
    calls: tuple[str, ...] = ()  # the listings that prove it, as "service:Operation"; none after a dry run


def remove(steps: Steps, *, keep_table: bool = False, backup: str = "") -> Removal:
    """Remove everything of a stack but, with `keep_table`, the table, in order, then prove it.

    `backup`: back the table up under this name first, "" for no backup.

    Raises:
        UsageError: there is no table to back up, or the name is no good; nothing was removed.
        SrekvError: the table is protected, nothing was removed; or no call is answered, or none permitted.
    """
    run = steps.run
    if backup:
        check_name(backup)
    with explained("listing the instances"):  # while what they hang on to is there: an address' instance, its check
        _ = steps.existing.stray_instances, steps.existing.stray_addresses
    with explained("reading the table"):
        if not keep_table:
            steps.table.refuse_protected()
    if backup:
        steps.table.refuse_backup(backup)
        # Nothing writes any more when the nodes are gone: what was acknowledged is in the backup.
        destroy_all(run, (steps.nodes,))
        for error in run.refused.values():
            raise error
        with explained("backing the table up"):
            run.carry_out(steps.table.section, steps.table.back_up(backup))
    shown = (steps.nodes,) if backup and run.dry else ()
    spared = ((steps.table,) if keep_table else ()) + shown
    seen = Removal()
    for round_ in range(1, ROUNDS + 1):
        run.refused.clear()
        destroy_all(run, [step for step in steps.all if step not in spared], last=steps.identity)
        if run.dry:
            for error in run.refused.values():
                raise error
            break
        tried = run.refused.keys().isdisjoint({step.section for step in steps.all})
        seen = _prove(run, keep_table=keep_table, patient=round_ == ROUNDS and tried)
        if all(_goes_by_itself(one) or _stays(one, seen.left, run.refused) for one in seen.left):
            break
    return replace(seen, left=with_reasons(seen.left, run.refused), refused=dict(run.refused))


def with_reasons(left: Collection[Leftover], refused: Mapping[str, SrekvError]) -> tuple[Leftover, ...]:
    """What is left with the reasons why it was not deleted, by id, and with what undoes them."""
    return tuple(_with_reason(one, refused.get(_key(one, refused))) for one in left)


def _with_reason(one: Leftover, error: SrekvError | None) -> Leftover:
    if error is None:
        return one
    reason = error.why or error.what
    shown = [text for text, other in ((one.note, reason), (reason, one.note)) if text and text not in other]
    note = "; ".join(shown) or reason
    if not isinstance(error, HeldError):
        return replace(one, note=note)
    return replace(one, note=note, ties=(*error.ties, *one.ties), holders=(*one.holders, *error.holders))


def _key(one: Leftover, ids: Collection[str]) -> str:
    """The id among these that it is known by: a record by its zone's."""
    return one.id if one.id in ids else one.id.partition("/")[0]


def _prove(run: Run, *, keep_table: bool, patient: bool) -> Removal:
    """List everything until nothing is left that a wait could make disappear (aws-facts 4.2, 6.1; E30)."""
    seen = Removal()
    kept = {"backup", "table"} if keep_table else {"backup"}
    stack, deleted = run.config.stack, run.deleted

    def look() -> bool | None:
        nonlocal seen
        inventory = take_inventory(run.clients)
        mine = inventory.of(stack)
        seen = Removal(
            left=name_holders(run.clients, [one for one in mine if one.kind not in kept]),
            kept=tuple(one for one in mine if one.kind in kept),
            others=tuple(other for other in inventory.stacks if other != stack),
            calls=inventory.calls,
        )
        waited = going(seen.left, run.refused)
        # What stays and this run has not deleted was made meanwhile, or its step failed: only the `patient` wait then.
        appeared = any(_key(one, deleted) not in deleted and not _goes_by_itself(one) for one in waited)
        return True if not waited or (appeared and not patient) else None

    if look() is None:
        waited = going(seen.left, run.refused)
        names = [f"{one.kind} {one.id}" for one in waited[:SHOWN]]
        more = f" and {len(waited) - SHOWN} more" if len(waited) > SHOWN else ""
        what = f"{', '.join(names)}{more} to be listed no more"
        with contextlib.suppress(TimeoutExceeded):
            run.wait("EC2", what, look, timeout_s=patience_s(waited), shortest_pause_s=1)
    return seen


def going(left: Collection[Leftover], refused: Collection[str]) -> list[Leftover]:
    """What a wait may make disappear."""
    return [one for one in left if not _stays(one, left, refused)]


def _stays(one: Leftover, left: Collection[Leftover], refused: Collection[str]) -> bool:
    """Whether it was refused, or something holds it that stays."""
    alive = {other.id for other in left if other.kind == "instance" and other.state not in ENDING}
    return one.held or _key(one, refused) in refused or not alive.isdisjoint(one.holders)


def patience_s(left: Collection[Leftover]) -> float:
    """How long to go on listing while these are listed."""
    return LINGERING_TIMEOUT_S if any(_goes_by_itself(one) for one in left) else LISTINGS_TIMEOUT_S


def _goes_by_itself(one: Leftover) -> bool:
    """Whether it is on its way out, or on an instance, which is on its way out before the proof begins."""
    return one.state in ENDING or one.state == IN_USE
