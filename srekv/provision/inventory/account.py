"""What exists of every srekv stack of an account, with the calls that prove it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from srekv.errors import SrekvError
from srekv.provision.engine.answers import FAILURES, explain
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.listings import LISTINGS, Listing, Where

WORKERS = 8
"""Listings side by side."""


@dataclass(frozen=True)
class Inventory:
    """What was found.

    Attributes:
        calls: the calls that were made to find it, as "service:Operation".
        refused: why a Region could not be looked at, by Region.
    """

    leftovers: tuple[Leftover, ...]
    calls: tuple[str, ...]
    refused: Mapping[str, SrekvError] = field(default_factory=dict)

    def of(self, stack: str) -> tuple[Leftover, ...]:
        """What there is of one stack."""
        return tuple(one for one in self.leftovers if one.stack == stack)

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks of which there is something, sorted."""
        return tuple(sorted({one.stack for one in self.leftovers}))


def take(clients: Clients, *where: Where) -> Inventory:
    """List everything of ours, side by side.

    Args:
        clients: the account, and the Region of what is regional.
        where: what is in that Region, what is in all of them, or (the default) both.

    Raises:
        SrekvError: a listing was refused: then nobody knows what is left.
    """
    asked = [one for one in LISTINGS if one.where in (where or ("regional", "global"))]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="inventory") as pool:
        parts = list(pool.map(lambda listing: _read(listing, clients), asked))
    leftovers = tuple(one for part in parts for one in part)
    return Inventory(leftovers, tuple(dict.fromkeys(call for listing in asked for call in listing.calls)))


def enabled_regions(clients: Clients) -> tuple[str, ...]:
    """The Regions that the account can use.

    Raises:
        SrekvError: EC2 does not tell.
    """
    try:
        return tuple(sorted(region["RegionName"] for region in clients.ec2.describe_regions()["Regions"]))
    except FAILURES as error:
        raise explain(error, "listing the Regions") from error


def _read(listing: Listing, clients: Clients) -> tuple[Leftover, ...]:
    try:
        return tuple(listing.read(clients))
    except FAILURES as error:
        raise explain(error, f"listing what is left ({', '.join(listing.calls)})") from error
