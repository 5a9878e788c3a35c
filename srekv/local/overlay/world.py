"""What the handlers of all services share: settings, the way to the data plane, the lock, moto's backends, a memory.

The memory is what AWS remembers and moto does not: tokens, references, flags; plain data, guarded by the world's lock.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from srekv.local.database import Database

CHECKER_RANGE = "127.0.0.0/8"
"""Where this cloud's health checkers call from."""


class Link(Protocol):
    """The way to the data plane; `srekv.local.link.ThreadLink` fulfils it."""

    def call(self, method: str, /, **params: Any) -> Any:
        """Ask and wait for the answer; raises LinkError."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is fixed for the life of a local cloud."""

    account: str  # the AWS account id that it plays
    region: str  # the Region prepared in advance; every other one works as well
    subnet: str  # the first three octets of the /24 it owns, for example "127.53.0"
    speed: float = 1.0  # AWS-equivalent seconds in a wall-clock second, once the data plane has settled it
    cloud_id: str = ""  # what its ping answers
    database: str = ""  # URL of the DynamoDB that its tables live in; "" for moto's


class Launch(NamedTuple):
    """What a client token stands for: the parameters it came with and the reservation it made."""

    params: str
    reservation: str


class CheckReference(NamedTuple):
    """What a health check's caller reference stands for; it outlives the check."""

    config: dict[str, Any]
    check: str


class Transaction(NamedTuple):
    """What a DynamoDB transaction with a token was: a digest of its request, its answer, and when (time.monotonic)."""

    request: str
    answer: Any
    at: float


@dataclass(kw_only=True)
class Memory:
    """Everything the overlay remembers between requests."""

    prepared: set[str] = field(default_factory=set)  # Regions whose default VPC has got what AWS gives it
    launches: dict[tuple[str, str], Launch] = field(default_factory=dict)  # by Region and client token
    ran: set[str] = field(default_factory=set)  # instances that have reached "running" at least once
    hard: set[str] = field(default_factory=set)  # instances whose last stop skipped the OS shutdown
    automatic: dict[str, str] = field(default_factory=dict)  # instance -> its automatic public address
    last_address: int = 127  # last octet given out last; they go round: a stopped instance comes back with another
    check_references: dict[str, CheckReference] = field(default_factory=dict)  # also of deleted checks
    zone_references: set[str] = field(default_factory=set)  # also of deleted zones
    transactions: dict[tuple[str, str], Transaction] = field(default_factory=dict)  # guarded by DynamoDB's lock


@dataclass(kw_only=True)
class World:
    """One local cloud's control plane.

    `lock` guards moto's backends, which were written for one thread; nobody asks the data plane while holding it.
    `importing` is held to import any part of moto: its modules import each other in circles, which two threads at once
    break.
    """

    settings: Settings
    link: Link
    memory: Memory = field(default_factory=Memory)
    lock: threading.RLock = field(default_factory=threading.RLock)
    importing: threading.RLock = field(default_factory=threading.RLock)

    @cached_property
    def database(self) -> Database:
        """The DynamoDB that the tables live in, where it is not moto's."""
        from srekv.local.database import Database  # seldom needed

        return Database(self.settings.database)

    def backends(self, service: str) -> dict[str, Any]:
        """The backends of one of moto's services by the Regions used so far.

        Asking neither imports a service, nor waits for an import, nor creates a Region.
        """
        accounts = getattr(sys.modules.get(f"moto.{service}.models"), f"{service}_backends", None)
        return dict(dict.items(accounts[self.settings.account])) if accounts else {}

    def profiles(self) -> list[Any]:
        """Every instance profile."""
        backends = self.backends("iam").values()
        return [profile for backend in backends for profile in [*backend.instance_profiles.values()]]
