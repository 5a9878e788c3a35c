"""What AWS remembers and moto does not: tokens, references, flags. Plain data, guarded by the world's lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a client token stands for: the parameters it came with and the reservation it made."""

    params: str
    reservation: str


@dataclass(frozen=True, kw_only=True)
class CheckReference:
    """What a health check's caller reference stands for; it outlives the check."""

    config: dict[str, Any]
    check: str


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """What a DynamoDB transaction with a token was: a digest of its request, its answer, and when (time.monotonic)."""

    request: str
    answer: Any
    at: float


@dataclass(kw_only=True)
class Invocation:
    """One SSM command on one instance. `timeout` is wall-clock seconds; `code` is -1 until it has ended."""

    command: str
    instance: str
    script: str
    timeout: float
    comment: str
    requested: datetime
    status: str = "Pending"
    code: int = -1
    stdout: str = ""
    stderr: str = ""
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(kw_only=True)
class Memory:
    """Everything the overlay remembers between requests.

    Attributes:
        prepared: Regions whose default VPC has got what AWS gives it.
        launches: Region and client token -> launch.
        ran: instances that have reached "running" at least once.
        hard: instances whose last stop skipped the OS shutdown.
        automatic: instance -> its automatic public address.
        last_address: last octet given out last; addresses go round, so a stopped instance comes back with another.
        check_references: caller reference -> health check, also of deleted ones.
        zone_references: caller references of hosted zones, also of deleted ones.
        failures: health check -> checker address -> the last failure it reported.
        invocations: command and instance -> how the command stands there.
        transactions: Region and client request token -> transaction of DynamoDB, guarded by DynamoDB's own lock.
    """

    prepared: set[str] = field(default_factory=set)
    launches: dict[tuple[str, str], Launch] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    hard: set[str] = field(default_factory=set)
    automatic: dict[str, str] = field(default_factory=dict)
    last_address: int = 127
    check_references: dict[str, CheckReference] = field(default_factory=dict)
    zone_references: set[str] = field(default_factory=set)
    failures: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    invocations: dict[tuple[str, str], Invocation] = field(default_factory=dict)
    transactions: dict[tuple[str, str], Transaction] = field(default_factory=dict)
