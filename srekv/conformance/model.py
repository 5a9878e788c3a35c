"""AWS's rules, read from rules.toml; what a response rule sees of a call, how it answers, and what an account is like.

A rule knows what it has seen through its account: what went past it (another session's calls) it learns from listings.
"""

from __future__ import annotations

import random
import re
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
"""A backend's answer as botocore parsed it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that AWS does and an emulator may forgive; its members are those of rules.toml."""

    id: str
    rows: tuple[str, ...]
    source: str
    says: str
    text: str = ""


RULES: Mapping[str, Rule] = {
    name: Rule(id=name, **{**given, "rows": tuple(given["rows"])})
    for name, given in tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8")).items()
}
"""Every rule by its id, in the order in which the layer applies them."""


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
        params: the parameters as botocore sends them; members may be replaced, never changed in place.
        model: botocore's model of the operation.
        number: this is the n-th call of its operation, from 1.
        attempt: this is the n-th time that it is sent, from 1; botocore retries.
        refused: what answered the latest attempt instead of AWS.
        raw: the latest answer on the wire.
        replayed: the answer is one that was given before.
        key: the access key that the latest attempt was signed with.
        wanted_states: the instance states that the caller asked for, where the backend is asked for all of them.
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
    wanted_states: frozenset[str] | None = None


@dataclass(frozen=True)
class ResponseRule:
    """What a rule of AWS does to calls. Its functions are called one at a time, never at once.

    Attributes:
        rule: its id in rules.toml; one rule may have several of these.
        targets: the operations that it is about, separated by spaces; a service's name stands for all of its, "*" for
            every call.
        refuse: before each attempt is sent: refuse it, answer it as before, or let the backend answer.
        change: after the backend's answer took effect: change it in place before the caller has it.
        reword: after the backend refused the call in other words than AWS: change Code and Message in place.
    """

    rule: str
    targets: str
    refuse: Callable[[Call], Refusal | Raw | None] | None = None
    change: Callable[[Call, Answer], None] | None = None
    reword: Callable[[Call, dict[str, str]], None] | None = None


class ServiceRules:
    """The response rules about one kind of thing, with what they remember of an account."""

    rules: tuple[ResponseRule, ...] = ()

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn from an answer, before any rule changes it."""


@dataclass
class Conditions:
    """What an account is like: the same for every rule; may be changed at any time.

    Delays are counted in polls (calls that ask), not in seconds: tests are fast and give the same result each time.

    Attributes:
        seed: decides every `between`.
        address_quota: Elastic IPs per Region.
        vcpu_quota: vCPUs that may run at once; None for no limit.
        without_capacity: zones where EC2 has no stock, for a launch and for a start (E3).
        not_offered: (instance type, zone) that EC2 does not offer (E4), for example ("t2.micro", "us-east-1e").
        keys: the access keys that the account knows.
        credentials: what it thinks of its callers' credentials (C1 to C4): valid, expired, invalid, skewed or
            not-subscribed.
        clock: seconds; what runs out with time, and not with polls, reads it.
        offerings_agree: whether DescribeInstanceTypeOfferings knows of `not_offered`.
    """

    seed: int = 0
    address_quota: int = 5
    vcpu_quota: int | None = None
    without_capacity: set[str] = field(default_factory=set)
    not_offered: set[tuple[str, str]] = field(default_factory=set)
    offerings_agree: bool = True
    keys: set[str] = field(default_factory=set)
    credentials: str = "valid"
    clock: Callable[[], float] = time.monotonic

    def between(self, rule: str, key: str, low: int, high: int) -> int:
        """A number from low to high, both included: always the same one for this seed, rule and key."""
        return random.Random(f"{self.seed}/{rule}/{key}").randint(low, high)  # noqa: S311 - no secret

    def polls(self, rule: str, call: Call, low: int, high: int) -> int:
        """For how many polls something lasts that starts with this call."""
        return self.between(rule, f"{call.operation}#{call.number}", low, high)


class EventuallyVisible:
    """For how many more polls a thing stays as it is shown now, by the thing's id."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}

    def start(self, thing: str, polls: int) -> None:
        """From now on, for so many polls."""
        if polls > 0:
            self._left[thing] = polls

    def end(self, thing: str) -> None:
        """At once."""
        self._left.pop(thing, None)

    def lasts(self, thing: str) -> bool:
        """Whether it still is so; does not count as a poll."""
        return thing in self._left

    def poll(self, thing: str) -> bool:
        """Whether it still is so; counts as one poll."""
        left = self._left.pop(thing, 0)
        if left > 1:
            self._left[thing] = left - 1
        return left > 0


def hide_new(
    rule: str,
    conditions: Conditions,
    refusal: Callable[[str], Refusal],
    *,
    made_by: str,
    things: Callable[[Call, Answer], Iterable[str]],
    polls: tuple[int, int] = (1, 2),
    hidden_from: str,
    named: Callable[[Call], Iterable[str]],
) -> tuple[ResponseRule, ResponseRule]:
    """Calls that name a thing are refused for a few polls after another call has made or changed it.

    Args:
        rule: its id.
        conditions: of the account.
        refusal: of a call that names this thing.
        made_by: operations whose answers start it.
        things: the ids of the things in such an answer.
        polls: at least and at most so many refusals.
        hidden_from: operations, or services, that are refused.
        named: the ids that such a call names.
    """
    unseen = EventuallyVisible()

    def refuse(call: Call) -> Refusal | None:
        return next((refusal(thing) for thing in named(call) if unseen.poll(thing)), None)

    def start(call: Call, answer: Answer) -> None:
        for thing in () if call.replayed else things(call, answer):
            unseen.start(thing, conditions.polls(rule, call, *polls))

    return ResponseRule(rule, hidden_from, refuse=refuse), ResponseRule(rule, made_by, change=start)


def reword(rule: str, targets: str, refused: str, code: str, message: str) -> ResponseRule:
    """A backend's refusal put as AWS puts it.

    `refused` is a regular expression for the backend's "Code Message"; `message` may use its groups.
    """

    def change(_call: Call, error: dict[str, str]) -> None:
        found = re.search(refused, f"{error.get('Code')} {error.get('Message')}")
        if found:
            error.update(Code=code, Message=found.expand(message))

    return ResponseRule(rule, targets, reword=change)


def param(name: str) -> Callable[..., Iterator[str]]:
    """A function that gives this parameter of a call, for `hide_new`."""

    def given(call: Call, _answer: Answer | None = None) -> Iterator[str]:
        if name in call.params:
            yield call.params[name]

    return given


def named_ids(value: Any, prefix: str) -> Iterator[str]:
    """Every id with this prefix in the parameters, however deep, filters and texts left out."""
    if isinstance(value, str):
        if value.startswith(prefix):
            yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if key not in {"Filters", "UserData", "TagSpecifications", "Tags"}:
                yield from named_ids(member, prefix)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from named_ids(member, prefix)


def bare(identifier: str) -> str:
    """An id without what is before it: /hostedzone/Z1 is Z1."""
    return identifier.rpartition("/")[2]
