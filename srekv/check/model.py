"""What a history holds and what a verdict says: frozen data, nothing computed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any, Literal, Self, get_args

import msgspec

from srekv.drill.model import HEADLINE
from srekv.errors import Advice

Kind = Literal["read", "write", "cas", "delete"]
Outcome = Literal["ok", "conflict", "fail", "unknown"]
Ruling = Literal["held", "violated", "unknown"]

CALLED: dict[Ruling, str] = {"violated": "violated", "unknown": "inconclusive", "held": "held"}
"""What a person reads for each ruling, the worst first."""

TIMED_OUT = "time-out"

_CAUSES = (
    ("timed out", TIMED_OUT),
    ("TIMEOUT", TIMED_OUT),
    ("refused", "connection refused"),
    ("reset", "connection reset"),
    ("closed connection", "connection closed"),
    ("NXDOMAIN", "no such name"),
    ("unreachable", "unreachable"),
)
"""A part of a client's error, and the cause that it stands for."""

_EXACT = 2**53
_ENCODE = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


class Json(str):
    """A value that is not a string, as JSON text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    @classmethod
    def of(cls, value: object) -> Self:
        """The text of a value: the same for equal values, such as 1 and 1.0, which JSON does not tell apart.

        Raises:
            ValueError: a number that JSON cannot hold.
            TypeError: no value of JSON.
        """
        return cls(_ENCODE(_whole(value)))


def _whole(value: object) -> object:
    """A value with each whole number as an integer, up to where floating point numbers skip some."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return {name: _whole(one) for name, one in value.items()} if isinstance(value, dict) else value


class Operation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One operation of one client on one key, one of millions: a struct is made ten times faster than a dataclass.

    Attributes:
        client: who did it.
        op: read, write, cas or delete.
        key: on which key.
        value: what was written, or what a read found; None: no such key.
        expect: what a cas expected; None: no such key.
        invoke: when it began, seconds since the start of the history.
        complete: when its outcome was known; None for an unknown one, which may take effect at any later time.
        outcome: ok, conflict (cas only), fail (certainly no effect), unknown.
        node: which node answered, "" if none did.
        final: a read after the load had ended.
        policy: the client's DNS caching policy: how it treats the name's answer; `zoo` in files.
        error: what went wrong, in the client's words; "" if nothing did.
    """

    client: str
    op: Kind
    key: str
    value: str | None = None
    expect: str | None = None
    invoke: float
    complete: float | None
    outcome: Outcome
    node: str = ""
    final: bool = False
    policy: str = HEADLINE
    error: str = ""

    @property
    def good(self) -> bool:
        """Whether the client got an answer that it can work with."""
        return self.outcome in {"ok", "conflict"}

    @property
    def cause(self) -> str:
        """What went wrong, in few words."""
        known = (name for word, name in _CAUSES if word in self.error)
        return next(known, self.error[:40] or self.outcome)

    @property
    def mutates(self) -> bool:
        """Whether it may have changed the key."""
        return self.op != "read" and self.outcome in {"ok", "unknown"}

    @property
    def leaves(self) -> str | None:
        """The key's value after it took effect; meaningful if it mutates."""
        return None if self.op == "delete" else self.value

    def to_json(self) -> dict[str, Any]:
        """As a line of a history file."""
        line: dict[str, Any] = {"client": self.client, "op": self.op, "key": self.key, "value": plain(self.value)}
        if self.op == "cas":
            line["expect"] = plain(self.expect)
        line |= {"invoke": self.invoke, "complete": self.complete, "outcome": self.outcome}
        more = {"node": self.node, "final": self.final, "error": self.error}
        more["zoo"] = self.policy if self.policy != HEADLINE else ""
        return line | {name: value for name, value in more.items() if value}


def end(operation: Operation) -> float:
    """When it took effect at the latest, in the history's seconds; inf if that is not known."""
    return inf if operation.complete is None or operation.outcome == "unknown" else operation.complete


def by_key(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    """The operations on each key, in their order."""
    found: dict[str, list[Operation]] = defaultdict(list)
    for one in operations:
        found[one.key].append(one)
    return found


def impossible(one: Operation) -> str:
    """Why no client can have done such an operation; "" if one can."""
    if one.op not in get_args(Kind) or one.outcome not in get_args(Outcome):
        return f"there is no {one.op} with outcome {one.outcome}"
    for name, value in (("key", one.key), ("client", one.client), ("value", one.value), ("expect", one.expect)):
        if not isinstance(value, str) and (value is not None or name in {"key", "client"}):
            return f"{name} is {value!r}, not a string"
    return inconsistency(one)


def inconsistency(one: Operation) -> str:
    """Why members of the right types do not make an operation; "" if they do."""
    op, outcome, invoke, complete = one.op, one.outcome, one.invoke, one.complete
    if one.value is None and op in {"write", "cas"}:
        return f"a {op} needs a value"
    if outcome == "conflict" and op != "cas":
        return f"a {op} cannot conflict"
    if not 0 <= invoke < inf:
        return f"invoke is {invoke}, not a number of seconds"
    if complete is None:
        return "" if outcome in {"unknown", "fail"} else f"{outcome} needs complete"
    if outcome == "unknown":
        return "an unknown outcome has no complete"
    return "" if invoke <= complete < inf else f"complete is {complete}, invoke {invoke}"


def plain(value: str | None) -> object:
    """A value as JSON has it."""
    return json.loads(value) if isinstance(value, Json) else value


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that is not an operation: start, drill, fault, heal, dns, health ... with its own members.

    Each holds what `drill.events` says of its kind; what is null in the file is not there.
    """

    event: str
    at: float
    members: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class History:
    """A history as it was read.

    Attributes:
        operations: in the order of their invocation.
        events: in the order of their times.
        damaged: the lines that could not be understood, and why.
        notes: what was missing, and changes no operation's meaning.
        is_history: whether any line has an operation or an event, be it a damaged one.
    """

    operations: tuple[Operation, ...]
    events: tuple[Event, ...]
    damaged: tuple[str, ...]
    notes: tuple[str, ...] = ()
    is_history: bool = True

    def first(self, kind: str) -> Event | None:
        """The first event of that kind."""
        return next((one for one in self.events if one.event == kind), None)

    def members(self, *kinds: str) -> dict[str, Any]:
        """The members of the first event of each kind, as far as there is one."""
        found = filter(None, map(self.first, kinds))
        return {name: value for one in found for name, value in one.members.items()}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one checker says.

    Attributes:
        checker: its name.
        verdict: its ruling.
        summary: the reason, one sentence.
        proof: the smallest set of operations it found that shows it.
        fix: what to do about it, a command if there is one; "" if there is nothing.
    """

    checker: str
    verdict: Ruling
    summary: str
    proof: tuple[Operation, ...] = ()
    fix: Advice = ""

    def to_json(self) -> dict[str, Any]:
        """As a member of a JSON document."""
        return {
            "checker": self.checker,
            "verdict": self.verdict,
            "summary": self.summary,
            "proof": [operation.to_json() for operation in self.proof],
            "fix": str(self.fix),
        }


@dataclass(frozen=True, kw_only=True)
class ClientOutage:
    """A fault as one kind of client saw it; several clients of a kind count as the worst of them.

    Attributes:
        name: the kind, by its DNS caching policy.
        outage_s: the longest time that one of them was without a good answer while it tried.
        errors: how many operations went wrong from the fault on.
        begin: the last good answer before that outage.
        end: the first good answer after it, or the last try.
        recovered: whether there was a good answer after it.
        availability: the share of time, not of requests, in which they had good answers; a client that waits for
            timeouts asks less often, so counting requests would flatter the service.
        operations: how many operations they made in all.
        errors_by_kind: the errors from the fault on, by what went wrong, most frequent first.
        advice: what to change about such a client, one line.
        observed: whether they operated at the fault or after it; if not, their figures measure nothing.
    """

    name: str
    outage_s: float
    errors: int
    begin: float
    end: float
    recovered: bool
    availability: float = 1.0
    operations: int = 0
    errors_by_kind: dict[str, int] = field(default_factory=dict)
    advice: str = ""
    observed: bool = True


@dataclass(frozen=True, kw_only=True)
class Step:
    """One bar of the waterfall, seconds since the fault; `end` None: it never ended. `note`: what is uncertain."""

    name: str
    begin: float
    end: float | None
    note: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.end is None else self.end - self.begin


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the stack's settings let expect, AWS-equivalent seconds, and where the measured outage lies in it.

    The figures are the shortest simulated outage, quantiles, and the longest that is possible; `percentile` is the
    percent of simulated outages that are shorter than the measured one, `luck` the same in words, `curve` outages and
    the percent of simulated ones that they are not shorter than, from 0 to 100.
    """

    best_s: float
    p50_s: float
    p95_s: float
    worst_s: float
    percentile: float
    luck: str
    curve: tuple[tuple[float, int], ...]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """A fault as the clients saw it, in the history's seconds; None: it did not happen.

    Attributes:
        fault: what was done, for a person.
        fault_at: when it was asked for.
        heal_at: when the healing was asked for.
        detection_s: from the fault to the health verdict.
        switch_s: from the health verdict to the first answer with the secondary's address.
        recovery_s: from the switch to the first good answer for the client that waited longest.
        failback_s: from the heal to the first answer with the primary's address.
        bound_s: the longest outage that the stack's settings explain; None when no switch ends it, or none is allowed.
        clients: the outage of every kind of client, the headline first.
        steps: the waterfall.
        expected: the simulated outages; None when the history does not say the settings, or no switch is expected.
        switch_expected: whether the fault must make the name switch; False: it must not; None: either is right.
        outage_allowed: whether the clients may notice; if not, a single error is too much.
        asked: whether the name was asked after the fault, in a history that has the nodes' addresses.
    """

    fault: str
    fault_at: float
    heal_at: float | None
    detection_s: float | None
    switch_s: float | None
    recovery_s: float | None
    failback_s: float | None
    bound_s: float | None
    clients: tuple[ClientOutage, ...]
    steps: tuple[Step, ...] = ()
    expected: Expected | None = None
    switch_expected: bool | None = True
    outage_allowed: bool = True
    asked: bool = False

    @property
    def headline(self) -> ClientOutage | None:
        """The clients whose outage is the headline: those that honour the TTL, if any; None if not observed."""
        return next((one for one in self.clients[:1] if one.observed), None)

    @property
    def outage_s(self) -> float | None:
        """The longest outage that any client of the headline kind saw; None: none of them was observed."""
        return self.headline.outage_s if self.headline else None

    @property
    def availability(self) -> float | None:
        """The share of time in which the headline's clients had good answers."""
        return self.headline.availability if self.headline else None


_OF_TIME = ("fault", "outage_s", "detection_s", "switch_s", "recovery_s", "failback_s", "availability")
"""The figures of a verdict that its timing holds."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a history shows. The worst finding decides: violated over unknown over held.

    Attributes:
        verdict: the worst of the findings.
        operations: how many operations were judged.
        acknowledged: how many changes the service acknowledged.
        lost: how many of those were gone in the end.
        linearizable: whether one order of the operations explains every answer; None: undecided.
        findings: one for each checker.
        timing: None when the history holds no fault.
    """

    verdict: Ruling
    operations: int
    acknowledged: int
    lost: int
    linearizable: bool | None
    findings: tuple[Judgement, ...]
    timing: Timing | None

    @property
    def decisive(self) -> Judgement | None:
        """The first finding that makes the verdict what it is; None for a verdict of held.

        A gap in the history comes before what a checker misses because of it.
        """
        found = [one for one in self.findings if one.verdict == self.verdict != "held"]
        return min(found, key=lambda one: one.checker != "history", default=None)

    @property
    def reason(self) -> str:
        """Why it is not held: the decisive finding in one sentence; "" for a verdict of held."""
        return f"{self.decisive.checker}: {self.decisive.summary}" if self.decisive else ""

    @property
    def losses(self) -> str:
        """The lost writes for a headline; "" where nothing proves that there are none.

        The final reads account for what is there in the end. A write that was gone in between, and covered by a later
        one, contradicts an answer: that is no "0 lost".
        """
        proven = self.linearizable and any(one.checker == "lost" and one.verdict == "held" for one in self.findings)
        return f"{self.lost} lost" if self.lost or proven else ""

    def to_json(self) -> dict[str, Any]:
        """The document of `check --output json`: every headline number."""
        timing = self.timing
        clients, steps = (timing.clients, timing.steps) if timing else ((), ())
        expected = timing.expected if timing else None
        return {
            "verdict": self.verdict,
            "reason": self.reason or None,
            **{name: getattr(timing, name, None) for name in _OF_TIME},
            "operations": self.operations,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "linearizable": self.linearizable,
            "bound_s": timing.bound_s if timing else None,
            "expected": _without(asdict(expected), "curve") if expected else None,
            "clients": [_without(asdict(one), "begin", "end", "observed") for one in clients],
            "phases": [
                {
                    "name": one.name,
                    "begin_s": round(one.begin, 4),
                    "seconds": None if one.seconds is None else round(one.seconds, 4),
                    "note": one.note,
                }
                for one in steps
            ],
            "findings": [finding.to_json() for finding in self.findings],
        }


def _without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}
