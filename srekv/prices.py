"""What a stack costs: list prices of us-east-1, on demand, each with its source and the day the source was read.

No price list can be asked without an account's network, so these are constants with a date; `confirmed` is False where
no source read on that day quoted AWS's own page or price list word for word.
"""

from __future__ import annotations

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
        unit: "hour" or "month".
        source: where the price comes from.
        read: the day it was read there, ISO 8601.
        confirmed: whether the source quotes AWS's own page or price list.
        note: what the price leaves out.
    """

    item: str
    usd: float
    unit: str
    source: str
    read: str
    confirmed: bool = True
    note: str = ""

    def monthly(self, units: float) -> float:
        """USD a month for so many units."""
        return self.usd * units * (HOURS if self.unit == "hour" else 1)


_ROUTE53 = "https://aws.amazon.com/route53/pricing/, as transcribed on 2026-09-20"
_PRICE_LIST = "AWS price list for us-east-1, as quoted on 2026-10-16"
_READ = "2026-11-23"

INSTANCE = Price(
    item="EC2 t2.micro, Linux",
    usd=0.0116,
    unit="hour",
    source="https://aws.amazon.com/ec2/pricing/on-demand/, as quoted by several public cost tools",
    read=_READ,
    confirmed=False,
)
ADDRESS = Price(item="public IPv4 address", usd=0.005, unit="hour", source=_PRICE_LIST, read=_READ)
DISK = Price(item="EBS gp3, GiB", usd=0.08, unit="month", source=_PRICE_LIST, read=_READ)
ZONE = Price(item="hosted zone", usd=0.50, unit="month", source=_ROUTE53, read=_READ)
CHECK = Price(
    item="health check of an AWS endpoint",
    usd=0.50,
    unit="month",
    source=_ROUTE53,
    read=_READ,
    note="an account's first 50 are free",
)
FAST = Price(item="fast interval (10 s), for each check", usd=1.00, unit="month", source=_ROUTE53, read=_READ)
TABLE = Price(
    item="DynamoDB on demand, 1 million writes and 1 million reads",
    usd=0.75,
    unit="month",
    source="https://aws.amazon.com/dynamodb/pricing/on-demand/ (0.625 and 0.125 USD), as quoted by a third party",
    read=_READ,
    confirmed=False,
    note="a drill makes some thousand requests; storage under 25 GB is free",
)
ALARM = Price(
    item="CloudWatch alarm",
    usd=0.10,
    unit="month",
    source="https://aws.amazon.com/cloudwatch/pricing/, from memory",
    read=_READ,
    confirmed=False,
    note="an account's first 10 are free",
)
DASHBOARD = Price(
    item="CloudWatch dashboard",
    usd=3.00,
    unit="month",
    source="https://aws.amazon.com/cloudwatch/pricing/, as quoted by public cost guides",
    read=_READ,
    confirmed=False,
    note="an account's first 3 are free",
)
TABLE_STORAGE = Price(
    item="DynamoDB storage, GB",
    usd=0.25,
    unit="month",
    source="https://aws.amazon.com/dynamodb/pricing/: 0.25 USD after the first 25 GB",
    read=_READ,
    note="an account's first 25 GB are free",
)
RECOVERY = Price(
    item="DynamoDB point-in-time recovery, GB",
    usd=0.20,
    unit="month",
    source="https://aws.amazon.com/dynamodb/pricing/on-demand/, from memory",
    read=_READ,
    confirmed=False,
)
BACKUP = Price(
    item="DynamoDB on-demand backup, GB",
    usd=0.10,
    unit="month",
    source="https://aws.amazon.com/dynamodb/pricing/on-demand/, from memory",
    read=_READ,
    confirmed=False,
)


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


def costs_of(
    *,
    interval: int,
    instances: int = 0,
    volumes: int = 0,
    addresses: int = 0,
    zones: int = 0,
    checks: int = 0,
    tables: int = 0,
    alarms: int = 0,
    dashboards: int = 0,
) -> tuple[Cost, ...]:
    """What so many of a stack's resources use.

    Args:
        interval: the checks' request interval, seconds: at 10 each pays the fast interval.
        instances: running ones.
        volumes: root volumes, also of stopped instances.
        addresses: public ones, used or not.
        zones: hosted zones.
        checks: health checks.
        tables: tables, each with a month's requests.
        alarms: CloudWatch alarms.
        dashboards: CloudWatch dashboards.
    """
    uses = (
        (INSTANCE, instances),
        (ADDRESS, addresses),
        (DISK, volumes * VOLUME_GIB),
        (ZONE, zones),
        (CHECK, checks),
        (FAST, checks if interval < SLOW_S else 0),
        (TABLE, tables),
        (ALARM, alarms),
        (DASHBOARD, dashboards),
    )
    return tuple(Cost(price=price, units=units) for price, units in uses if units)


def stack_costs(*, interval: int) -> tuple[Cost, ...]:
    """What a stack uses as `up` makes it: two nodes, no alarms."""
    return costs_of(interval=interval, instances=2, volumes=2, addresses=2, zones=1, checks=2, tables=1)


def total_usd(costs: tuple[Cost, ...]) -> float:
    """USD a month for all of them."""
    return sum(one.monthly for one in costs)


PRICED_TYPE = "t2.micro"
"""The instance type whose price is known here."""

BILLED_STATES = frozenset({"running"})
"""A stopped instance is not billed, its disk is; one that comes or goes is not billed (EC2 User Guide)."""


def leftover_costs(kind: str, *, state: str, variant: str, gib: float) -> tuple[Cost, ...] | None:
    """What one thing costs that nobody uses, () if nothing.

    Args:
        kind: what it is, for example "address": billed whether it is used or not.
        state: the service's own word.
        variant: an instance's type, a health check's interval in seconds.
        gib: the size of a volume, a table or a backup.

    Returns:
        None when the price is not known here.
    """
    if kind == "instance" and state in BILLED_STATES:
        return (Cost(price=INSTANCE, units=1),) if variant == PRICED_TYPE else None
    if kind == "health check" and variant == "10":
        return Cost(price=CHECK, units=1), Cost(price=FAST, units=1)
    by_size = {"volume": (DISK,), "table": (TABLE_STORAGE, RECOVERY), "backup": (BACKUP,)}
    by_piece = {
        "address": ADDRESS,
        "hosted zone": ZONE,
        "health check": CHECK,
        "alarm": ALARM,
        "dashboard": DASHBOARD,
    }
    if kind in by_size:
        return tuple(Cost(price=price, units=gib) for price in by_size[kind])
    return (Cost(price=by_piece[kind], units=1),) if kind in by_piece else ()
