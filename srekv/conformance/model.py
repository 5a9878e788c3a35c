"""What a rule of AWS is, what a law sees of a call, and how it answers.

A law knows what it has seen through its account: what went past it (another session's calls) it learns from listings.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that AWS does and an emulator may forgive.

    Attributes:
        id: kebab-case, unique.
        rows: the rows of the recorded behaviour that it holds to ("E1"), or sections of AWS's documentation.
        source: where it was recorded or is documented.
        says: the rule in one sentence.
    """

    id: str
    rows: tuple[str, ...]
    source: str
    says: str


@dataclass(frozen=True)
class Refusal:
    """An error as AWS sends it: Error.Code, its text, and the HTTP status."""

    code: str
    message: str
    status: int = 400


@dataclass(frozen=True)
class Raw:
    """An answer as it was on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(eq=False)
class Call:
    """One call of one client, from the parameters to the answer.

    Attributes:
        service: boto3's name of the service, for example "route53".
        params: the parameters as botocore sends them; a law's `ask` may replace members, never change them in place.
        model: botocore's model of the operation.
        number: this is the n-th call of its operation, from 1.
        attempt: this is the n-th time that it is sent, from 1; botocore retries.
        refused: what answered the latest attempt in AWS's place.
        raw: the latest answer on the wire.
        replayed: the answer is one that was given before.
        key: the access key that the latest attempt was signed with.
        notes: what laws keep with the call, by the law's own key.
    """

    service: str
    operation: str
    region: str
    params: dict[str, Any]
    model: Any
    number: int = 0
    attempt: int = 0
    refused: Refusal | None = None
    raw: Raw | None = None
    replayed: bool = False
    key: str = ""
    notes: dict[str, Any] = field(default_factory=dict)


class Law(Protocol):
    """Enforces one rule. Its methods are called one at a time, never at once."""

    @property
    def rule(self) -> Rule:
        """What it enforces."""

    def before(self, call: Call) -> Refusal | Raw | None:
        """Before each attempt is sent: refuse it, answer it as before, or let the backend answer."""

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """The backend's answer took effect (errors are not shown): may be changed in place before the caller has it."""


@runtime_checkable
class Asking(Protocol):
    """A law that also changes what the backend is asked."""

    def ask(self, call: Call) -> None:
        """Before the parameters are serialised: may replace members of `call.params`."""


@runtime_checkable
class Wording(Protocol):
    """A law about how an error is put, for a backend that raises it in other words."""

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """The backend refused the call: Code and Message may be changed in place."""


class Lenient:
    """A law's methods that do nothing: a base for laws that need only some of them."""

    def before(self, _call: Call) -> Refusal | Raw | None:
        """Let the backend answer."""
        return None

    def after(self, _call: Call, _answer: dict[str, Any]) -> None:
        """Leave the answer as it is."""


@dataclass
class Conditions:
    """What an account is like: the same for every law, and changed by whoever sets the scene.

    "A moment" is counted in looks (calls that ask), not in seconds: tests are fast and give the same result each time.

    Attributes:
        seed: decides every `between`.
        address_quota: Elastic IPs per Region.
        vcpu_quota: vCPUs that may run at once; None for no limit.
        without_capacity: zones where EC2 has no stock.
        not_offered: (instance type, zone) that EC2 does not offer.
        public_network: addresses that count as public though no router would carry them: an emulator's.
        keys: the access keys that the account knows.
        credentials: what it thinks of its callers' credentials: see `credentials.State`.
        clock: seconds; what runs out with time, and not with looks, reads it.
        offerings_agree: whether DescribeInstanceTypeOfferings knows of `not_offered`.
    """

    seed: int = 0
    address_quota: int = 5
    vcpu_quota: int | None = None
    without_capacity: set[str] = field(default_factory=set)
    not_offered: set[tuple[str, str]] = field(default_factory=set)
    offerings_agree: bool = True
    public_network: str = "127.0.0.0/8"
    keys: set[str] = field(default_factory=set)
    credentials: str = "valid"
    clock: Callable[[], float] = time.monotonic

    def between(self, rule: Rule, key: str, low: int, high: int) -> int:
        """A number from low to high, both included: always the same one for this seed, rule and key."""
        return random.Random(f"{self.seed}/{rule.id}/{key}").randint(low, high)  # noqa: S311 - no secret


class Moments:
    """How many more looks a thing stays as it is seen now, by the thing's id."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}

    def begin(self, thing: str, looks: int) -> None:
        """From now on, for so many looks."""
        if looks > 0:
            self._left[thing] = looks

    def end(self, thing: str) -> None:
        """At once."""
        self._left.pop(thing, None)

    def lasts(self, thing: str) -> bool:
        """Whether it still is so; does not count as a look."""
        return thing in self._left

    def look(self, thing: str) -> bool:
        """Whether it still is so; counts as one look."""
        left = self._left.pop(thing, 0)
        if left > 1:
            self._left[thing] = left - 1
        return left > 0
