"""The prices that bills are made of."""

from __future__ import annotations

from reference.markdown import page, prose, table
from srekv.config import INTERVALS
from srekv.prices import HOURS, REGION, Cost, Price, price_list, stack_costs, total_usd

HEAD = f"""\
List prices of {REGION}, on demand, in USD, without tax, without what an account has free. `srekv` can ask
no price list without an account, so these are constants, each with its source and the day it was read; *not confirmed*
means that no source read on that day quoted AWS's own page or price list. A month has {HOURS} hours.

Where they are used: `srekv up --dry-run` (what this stack will cost), `srekv predict` (what other settings cost),
`srekv down`, `srekv sweep` (what is left over costs)."""


def prices() -> str:
    """The page."""
    head = ("item", "USD", "per", "source", "read", "note")
    parts = [HEAD, "## The list", table(head, map(_row, price_list().values()))]
    for interval in INTERVALS:
        costs = stack_costs(interval=interval)
        parts += [f"## A stack at an interval of {interval} s", _bill(costs)]
    return page("Prices", *parts)


def _row(price: Price) -> tuple[str, ...]:
    confirmed = price.source if price.confirmed else f"{price.source} (*not confirmed*)"
    return price.item, f"{price.usd:g}", price.unit, confirmed, price.read, prose(price.note)


def _bill(costs: tuple[Cost, ...]) -> str:
    total = total_usd(costs)
    rows = [(cost.price.item, f"{cost.units:g}", f"{cost.monthly:.2f}") for cost in costs]
    return table(
        ("item", "units", "USD a month"),
        [*rows, (f"**together**, {total / HOURS:.4f} an hour", "", f"**{total:.2f}**")],
    )
