"""What a stack costs: list prices of us-east-1, on demand, each with its source and the day the source was read.

No price list can be asked without an account's network, so these are constants with a date; `confirmed` is False where
no source read on that day quoted AWS's own page or price list word for word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """One line of a price list, in USD.

    Attributes:
        item: what it is.
        usd: the price of one unit.
        source: where the price comes from.
        unit: "hour" or "month".
        read: the day it was read there, ISO 8601.
        confirmed: whether the source quotes AWS's own page or price list.
        note: what the price leaves out.
    """

    item: str
    usd: float
    source: str
    unit: str = "month"
    read: str = "2026-11-23"
    confirmed: bool = True
    note: str = ""

    def monthly(self, units: float) -> float:
        """USD a month for a number of units."""
        return self.usd * units * (HOURS if self.unit == "hour" else 1)


_ROUTE53 = "https://aws.amazon.com/route53/pricing/, as transcribed on 2026-09-20"
_PRICE_LIST = "AWS price list for us-east-1, as quoted on 2026-10-16"
_BACKUPS = "https://aws.amazon.com/dynamodb/pricing/on-demand/, as quoted at finops.com.py/services/dynamodb/backups"

INSTANCE = Price(
    item="EC2 t2.micro, Linux",
    usd=0.0116,
    unit="hour",
    source="https://aws.amazon.com/ec2/pricing/on-demand/, as quoted by several public cost tools",
    confirmed=False,
)
ADDRESS = Price(item="public IPv4 address", usd=0.005, unit="hour", source=_PRICE_LIST)
DISK = Price(item="EBS gp3, GiB", usd=0.08, source=_PRICE_LIST)
ZONE = Price(item="hosted zone", usd=0.50, source=_ROUTE53)
CHECK = Price(item="health check of an AWS endpoint", usd=0.50, source=_ROUTE53, note="an account's first 50 are free")
FAST = Price(item="fast interval (10 s), for each check", usd=1.00, source=_ROUTE53)
TABLE = Price(
    item="DynamoDB on demand, 1 million writes and 1 million reads",
    usd=0.75,
    source="https://aws.amazon.com/dynamodb/pricing/on-demand/ (0.625 and 0.125 USD), as quoted by a third party",
    confirmed=False,
    note="a drill makes some thousand requests; storage under 25 GB is free",
)
ALARM = Price(
    item="CloudWatch alarm",
    usd=0.10,
    source="https://aws.amazon.com/cloudwatch/pricing/, as quoted at c3x.dev/resources/aws/aws_cloudwatch_metric_alarm",
    read="2026-11-30",
    confirmed=False,
    note="an account's first 10 are free",
)
DASHBOARD = Price(
    item="CloudWatch dashboard",
    usd=3.00,
    source="https://aws.amazon.com/cloudwatch/pricing/, as quoted by public cost guides",
    confirmed=False,
    note="an account's first 3 are free",
)
TABLE_STORAGE = Price(
    item="DynamoDB storage, GB",
    usd=0.25,
    source="https://aws.amazon.com/dynamodb/pricing/: 0.25 USD after the first 25 GB",
    note="an account's first 25 GB are free",
)
RECOVERY = Price(
    item="DynamoDB point-in-time recovery, GB", usd=0.20, source=_BACKUPS, read="2026-11-30", confirmed=False
)
BACKUP = Price(item="DynamoDB on-demand backup, GB", usd=0.10, source=_BACKUPS, read="2026-11-30", confirmed=False)


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


_EACH = {
    "instance": (INSTANCE, 1),
    "address": (ADDRESS, 1),
    "volume": (DISK, VOLUME_GIB),
    "hosted zone": (ZONE, 1),
    "health check": (CHECK, 1),
    "fast health check": (FAST, 1),
    "table": (TABLE, 1),
    "alarm": (ALARM, 1),
    "dashboard": (DASHBOARD, 1),
}
"""By kind of resource: its price, and how many units each one uses."""


def costs_of(counts: Mapping[str, int], *, interval: int) -> tuple[Cost, ...]:
    """What a number of a stack's resources use.

    Args:
        counts: by kind. An instance counts while it runs, its root "volume" also when it is stopped, an address used or
            not; a table has a month's requests. Kinds without a price are left out.
        interval: the checks' request interval, seconds: at 10 each pays the fast interval.
    """
    fast = counts.get("health check", 0) if interval < SLOW_S else 0
    units = {**counts, "fast health check": fast}
    return tuple(
        Cost(price=price, units=units[kind] * size) for kind, (price, size) in _EACH.items() if units.get(kind)
    )


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
    by_size = {"volume": (DISK,), "table": (TABLE_STORAGE, RECOVERY), "backup": (BACKUP,)}
    if kind in by_size:
        return tuple(Cost(price=price, units=gib) for price in by_size[kind])
    if kind == "instance" and state != "running":
        return ()
    if kind == "instance" and variant != PRICED_TYPE:
        return None
    return costs_of({kind: 1}, interval=10 if variant == "10" else SLOW_S)
