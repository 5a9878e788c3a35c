"""What a stack costs, by the list prices of prices.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

REGION = "us-east-1"
HOURS = 730
"""Hours in a month, as AWS counts them."""

VOLUME_GIB = 8
"""The size of a node's root volume."""

SLOW_S = 30
"""The request interval, seconds, that a check pays nothing extra for."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """One price of prices.toml, which explains its members."""

    item: str
    usd: float
    source: str
    read: str
    unit: str = "month"
    confirmed: bool = True
    note: str = ""

    def monthly(self, units: float) -> float:
        """USD a month for a number of units."""
        return self.usd * units * (HOURS if self.unit == "hour" else 1)


@cache
def price_list() -> Mapping[str, Price]:
    """Every price of prices.toml, by kind of resource or of storage."""
    rows = tomllib.loads(resources.files("srekv").joinpath("prices.toml").read_text(encoding="utf-8"))
    return {kind: Price(**members) for kind, members in rows.items()}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A price and how much of it a stack uses."""

    price: Price
    units: float

    @property
    def monthly(self) -> float:
        """USD a month."""
        return self.price.monthly(self.units)

    def to_json(self) -> dict[str, Any]:
        """As a member of a JSON document."""
        return {
            "item": self.price.item,
            "units": self.units,
            "usd_month": round(self.monthly, 4),
            "usd_each": self.price.usd,
            "per": self.price.unit,
            "source": self.price.source,
            "read": self.price.read,
            "confirmed": self.price.confirmed,
            "note": self.price.note,
        }


def costs_of(counts: Mapping[str, int], *, interval: int) -> tuple[Cost, ...]:
    """What a number of a stack's resources use.

    Args:
        counts: by kind. An instance counts while it runs, its root "volume" also when it is stopped, an address used or
            not; a table has a month's requests. Kinds without a price are left out.
        interval: the checks' request interval, seconds: at 10 each pays the fast interval.
    """
    fast = counts.get("health check", 0) if interval < SLOW_S else 0
    units = {**counts, "fast health check": fast, "volume": counts.get("volume", 0) * VOLUME_GIB}
    return tuple(Cost(price=price, units=units[kind]) for kind, price in price_list().items() if units.get(kind))


def stack_costs(*, interval: int) -> tuple[Cost, ...]:
    """What a stack uses as `up` makes it: two nodes, no alarms."""
    pairs = dict.fromkeys(("instance", "volume", "address", "health check"), 2)
    return costs_of({**pairs, "hosted zone": 1, "table": 1}, interval=interval)


def total_usd(costs: tuple[Cost, ...]) -> float:
    """USD a month for all of them."""
    return sum(one.monthly for one in costs)


PRICED_TYPE = "t2.micro"
"""The instance type whose price is known here."""


def leftover_costs(kind: str, *, state: str, variant: str, gib: float) -> tuple[Cost, ...] | None:
    """What one unused thing costs, () if nothing.

    Args:
        kind: what it is, for example "address": billed whether it is used or not.
        state: the service's own word. A stopped instance is not billed, its disk is; one that comes or goes is not
            billed (EC2 User Guide).
        variant: an instance's type, a health check's interval in seconds.
        gib: the size of a volume, a table or a backup.

    Returns:
        None when the price is not known here.
    """
    by_size = {"volume": ("volume",), "table": ("table storage", "table recovery"), "backup": ("backup",)}
    if kind in by_size:
        return tuple(Cost(price=price_list()[one], units=gib) for one in by_size[kind])
    if kind == "instance" and state != "running":
        return ()
    if kind == "instance" and variant != PRICED_TYPE:
        return None
    return costs_of({kind: 1}, interval=10 if variant == "10" else SLOW_S)
