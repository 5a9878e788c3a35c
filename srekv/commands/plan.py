"""What `up --dry-run` and `status` show of a plan: its bill, what cannot be done, how a stack has drifted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from srekv.config import Config
from srekv.errors import CommandLine, SrekvError
from srekv.prices import HOURS, PRICED_TYPE, REGION, Cost, costs_of, total_usd
from srekv.provision.model import Change
from srekv.ui.console import Narration, Screen, grid, plan_table, tally

if TYPE_CHECKING:
    from srekv.provision.stack import Stack

STARTED = "stopped -> running"  # how a change reads that makes an instance cost money again


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a stack costs: `costs` once the plan is carried out, `before` now, without what is `unpriced`, if any."""

    costs: tuple[Cost, ...]
    before: tuple[Cost, ...]
    unpriced: str

    @property
    def read(self) -> str:
        """The day the newest price was read."""
        return max(cost.price.read for cost in self.costs)

    def to_json(self) -> dict[str, Any]:
        """As a member of a JSON document."""
        month = total_usd(self.costs)
        return {
            "usd_hour": round(month / HOURS, 4),
            "usd_month": round(month, 2),
            "usd_month_now": round(total_usd(self.before), 2),
            "unpriced": self.unpriced or None,
            "region": REGION,
            "read": self.read,
            "costs": [cost.to_json() for cost in self.costs],
        }

    def lines(self) -> tuple[str, ...]:
        """The bill for a person."""
        month, without = total_usd(self.costs), f", without {self.unpriced}" if self.unpriced else ""
        total = f"{month / HOURS:.4f} USD an hour, {month:.2f} USD a month{without}"
        if self.before:
            difference = month - total_usd(self.before)
            total += f"; {difference:+.2f} USD a month to now" if abs(difference) >= 0.005 else "; as now"
        return (total, f"list prices of {REGION}, on demand, read {self.read}; sources: --output json")


def bill(changes: Sequence[Change], config: Config) -> Bill:
    """The bill of what a plan leaves standing, and of what stands now: an instance that it starts costs nothing yet."""
    after = [one for one in changes if one.action != "delete"]
    before = [one for one in changes if one.action != "create"]
    stopped = {one.id for one in before if one.kind == "instance" and one.detail == STARTED}
    return Bill(
        costs=_costs(after, config),
        before=_costs(before, config, stopped=len(stopped)),
        unpriced="" if config.instance_type == PRICED_TYPE else f"the {config.instance_type} instances",
    )


def _costs(changes: Sequence[Change], config: Config, *, stopped: int = 0) -> tuple[Cost, ...]:
    counts = Counter(kind for kind, _, _ in {(one.kind, one.name, one.id) for one in changes})
    counts["volume"] = counts["instance"]
    counts["instance"] = counts["instance"] - stopped if config.instance_type == PRICED_TYPE else 0
    return costs_of(counts, interval=config.interval)


def drift(stack: Stack, narration: Narration) -> tuple[Change, ...] | None:
    """What `up` would do to this stack, None if that cannot be read; its warnings are narrated."""
    try:
        plan = stack.plan()
    except SrekvError as error:
        narration.warn(f"cannot compute the drift: {error.what}: {error.why}")
        return None
    for warning in plan.warnings:
        narration.warn(warning)
    return tuple(replace(one, next_step=narration.screen.render(one.next_step)) for one in plan.drift)


def show_drift(screen: Screen, drift: Sequence[Change] | None) -> None:
    """What differs, for a person, and the command that repairs it; None: unknown."""
    words = "unknown" if drift is None else "none: everything is as it was asked for"
    if drift:
        words = f"{tally(drift, dry=True)} by: {screen.render(CommandLine('srekv up'))}"
    screen.show("", grid(("drift", words)), *([plan_table(drift)] if drift else []))


def show(screen: Screen, changes: Sequence[Change], bill: Bill, *, local: bool, elapsed_s: float) -> None:
    """The whole plan of `up` for a person."""
    first, second = bill.lines()
    screen.show(plan_table(changes), f"\n{tally(changes, dry=True)} in {elapsed_s:.1f} s")
    screen.show(grid(("on AWS" if local else "cost", first), ("", second)))


def refuse(changes: Sequence[Change]) -> None:
    """Raise SrekvError if a field that cannot change differs from what was asked."""
    refused = [one for one in changes if one.action == "cannot change"]
    if refused:
        raise SrekvError(
            f"{len(refused)} of the fields asked for cannot be changed: up would change nothing",
            why="; ".join(f"{one.kind} {one.name}: {one.detail}" for one in refused),
            next_step=refused[0].next_step,
        )
