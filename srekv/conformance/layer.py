"""One AWS account's behaviour, laid over any backend at botocore's event hooks: every client of a session meets it."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, get_args

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from srekv.conformance.addresses import Addresses
from srekv.conformance.groups import Groups
from srekv.conformance.inputs import Alarms, Credentials, Images, Inputs
from srekv.conformance.launches import Launches, Profiles
from srekv.conformance.machines import Machines
from srekv.conformance.model import RULES, Answer, Call, Conditions, Raw, Refusal, ResponseRule
from srekv.conformance.route53 import Route53
from srekv.conformance.route53_timing import Route53Timing
from srekv.conformance.services import Iam, Ssm, Tables, Tagging
from srekv.local.overlay.errors import Fault, Protocol, render

if TYPE_CHECKING:
    import boto3

CALL = "srekv_call"
"""Where botocore's context of a call has our `Call`."""

_SENT_AGAIN = frozenset(
    ("Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "PriorRequestNotComplete")
)
"""Codes that let botocore's standard mode send a call again."""


class RuleSet:
    """The rules that one account holds to, in the order of the catalogue, with what they remember.

    Args:
        conditions: what the account is like.
        enforced: the ids of the rules that hold; None: all of them.
    """

    def __init__(self, conditions: Conditions, enforced: Collection[str] | None = None) -> None:
        self._machines = machines = Machines(conditions)
        self._services = (
            machines,
            *(of_machines(machines) for of_machines in (Launches, Profiles, Groups)),
            *(of(conditions) for of in (Credentials, Addresses, Iam, Route53Timing, Tables, Ssm, Tagging)),
            *(Route53(), Images(), Alarms(), Inputs()),
        )
        order = {rule: number for number, rule in enumerate(RULES)}
        rules = (one for service in self._services for one in service.rules)
        self._rules = sorted(rules, key=lambda one: order[one.rule])
        self._by_call: dict[tuple[str, str], list[ResponseRule]] = {}
        if enforced is not None:
            self.keep(enforced)

    @property
    def ids(self) -> tuple[str, ...]:
        """The rules that hold."""
        return tuple(dict.fromkeys(one.rule for one in self._rules))

    def keep(self, rules: Collection[str]) -> None:
        """Hold to these rules only from now on; what was seen stays known."""
        self._rules = [one for one in self._rules if one.rule in rules]
        self._by_call.clear()

    def _about(self, call: Call) -> list[ResponseRule]:
        key = (call.service, call.operation)
        if key not in self._by_call:
            self._by_call[key] = [one for one in self._rules if not {"*", *key}.isdisjoint(one.targets.split())]
        return self._by_call[key]

    def ask(self, call: Call) -> None:
        """Before the parameters are serialised."""
        if self._rules:
            self._machines.widen(call)

    def answer(self, call: Call) -> Refusal | Raw | None:
        """What answers an attempt instead of the backend; None lets the backend answer."""
        for rule in self._about(call):
            found = rule.refuse(call) if rule.refuse else None
            if found is not None:
                return found
        return None

    def change(self, call: Call, answer: Answer) -> None:
        """The backend's answer took effect: learn from it, then let it show what AWS shows."""
        for service in self._services if self._rules else ():
            service.observe(call, answer)
        for rule in self._about(call):
            if rule.change:
                rule.change(call, answer)

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """The backend refused the call."""
        for rule in self._about(call):
            if rule.reword:
                rule.reword(call, error)


def enforced_rules() -> tuple[str, ...]:
    """The id of every rule that the layer can enforce."""
    return RuleSet(Conditions()).ids


class Account:
    """How one AWS account behaves, for any number of sessions and threads.

    Two accounts with the same seed that are asked the same answer the same, whatever ids the backend gives. botocore's
    pauses before it sends a call again are cut to nothing; whether it does send it again stays its own decision.

    Args:
        rules: the ids of the rules that hold; None: all of them.

    Attributes:
        seed: decides how long each delay lasts, and which of two recorded outcomes comes; counts from the next `reset`.
        conditions: what the account is like; may be changed at any time.
        rule_set: the rules in force.
        made: how many calls of each operation were made; a call that is sent again is one call.
    """

    def __init__(self, rules: Collection[str] | None = None) -> None:
        self.seed = 0
        self._rules = rules
        self._lock = threading.RLock()
        self._current = threading.local()
        self._keys: set[str] = set()
        self.reset()

    def attach(self, session: boto3.Session) -> None:
        """Let every client that this session makes from now on meet this account's behaviour."""
        known = session.get_credentials()
        if known is not None:
            self._keys.add(known.access_key)
        events: Any = session.events
        events.register("before-parameter-build", self._asks)
        events.register("before-call", self._begins)
        events.register("before-send", self._sends)
        events.register("before-parse", self._hears)
        # Deeper than the client's own handler, so asked before it: the first answer counts.
        events.register("needs-retry.*.*", self._retries)
        events.register("after-call", self._ends)

    def reset(self) -> None:
        """The account is empty: forget all that happened, and every condition."""
        with self._lock:
            self.conditions = Conditions(seed=self.seed, keys=self._keys)
            self.rule_set = RuleSet(self.conditions, self._rules)
            self.made: Counter[str] = Counter()

    def _asks(self, *, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        """Listens to before-parameter-build."""
        call = Call(model.service_model.service_name, model.name, context["client_region"], params, model)
        context[CALL] = call
        with self._lock:
            self.rule_set.ask(call)

    def _begins(self, *, context: dict[str, Any], **_: Any) -> None:
        """Listens to before-call."""
        call = self._current.call = context[CALL]
        with self._lock:
            self.begin(call)
            self.made[call.operation] = call.number

    def _sends(self, *, request: Any, **_: Any) -> AWSResponse | None:
        """Listens to before-send: an answer from here is the attempt's answer."""
        call: Call = self._current.call
        call.attempt += 1
        signed = request.headers.get("Authorization", "")
        signed = signed.decode() if isinstance(signed, bytes) else str(signed)
        call.key = signed.partition("Credential=")[2].partition("/")[0]
        with self._lock:
            found = self.answer(call)
        call.refused = found if isinstance(found, Refusal) else None
        call.replayed = isinstance(found, Raw)
        if isinstance(found, Raw):
            return reply(request.url, found)
        return refuse(request.url, call, found) if found else self.send(call, request)

    def _hears(self, *, response_dict: dict[str, Any], **_: Any) -> None:
        """Listens to before-parse: keeps the answer as it is on the wire."""
        body = response_dict["body"]
        if isinstance(body, bytes):
            self._current.call.raw = Raw(response_dict["status_code"], dict(response_dict["headers"]), body)

    def _retries(self, *, attempts: int, request_dict: dict[str, Any], **_: Any) -> int | None:
        """Listens to needs-retry: no pause where botocore's standard mode would pause and send again."""
        context = request_dict["context"]
        retries = context["client_config"].retries or {}
        call: Call = context[CALL]
        if retries.get("mode") != "standard" or attempts >= retries.get("total_max_attempts", 3):
            return None
        refused = call.refused
        return 0 if refused and (refused.status in {500, 502, 503, 504} or refused.code in _SENT_AGAIN) else None

    def _ends(self, *, context: dict[str, Any], parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
        """Listens to after-call."""
        call: Call = context[CALL]
        took_effect = http_response.status_code < 300
        with self._lock:
            if took_effect:
                self.rule_set.change(call, parsed)
            elif call.refused is None:
                self.rule_set.reword(call, parsed.get("Error", {}))
            self.end(call, took_effect=took_effect)

    def begin(self, call: Call) -> None:
        """A call is about to be made: number it."""
        call.number = 1 + self.made[call.operation]

    def answer(self, call: Call) -> Refusal | Raw | None:
        """What answers this attempt instead of the backend."""
        return self.rule_set.answer(call)

    def send(self, _call: Call, _request: Any) -> AWSResponse | None:
        """Ask the backend; None: botocore does."""
        return None

    def end(self, call: Call, *, took_effect: bool) -> None:
        """A call was answered; its caller does not know yet."""


class _Body(io.BytesIO):
    """What botocore reads an answer's bytes from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Everything that is left, at once."""
        yield self.read()


def refuse(url: str, call: Call, refusal: Refusal) -> AWSResponse:
    """The refusal as AWS sends it.

    Raises:
        ValueError: the service's protocol is not known here.
    """
    protocol = call.model.service_model.resolved_protocol
    if protocol not in get_args(Protocol):
        raise ValueError(f"cannot write an error in the protocol {protocol} of {call.service}")
    fault = Fault(status=refusal.status, code=refusal.code, message=refusal.message)
    return reply(url, Raw(*render(protocol, fault)))


def reply(url: str, raw: Raw) -> AWSResponse:
    """These bytes as an answer to a request to this URL."""
    return AWSResponse(url, raw.status, HTTPHeaders.from_dict(raw.headers), _Body(raw.body))
