"""Where a case asks from: clients, names of its own, and the promise that what it makes is removed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from srekv.conformance.cases.answer import Answer, NotAskedError, Seen

PREFIX = "srekv-conformance"
"""How every name begins that a case gives."""

TAG = "srekv:conformance"
"""The tag on everything that takes tags; its value is the run's nonce."""

GONE = frozenset(
    {
        "NoSuchEntity",
        "NoSuchHostedZone",
        "NoSuchHealthCheck",
        "ResourceNotFoundException",
        "ResourceNotFound",
        "InvalidGroup.NotFound",
        "InvalidInstanceID.NotFound",
        "InvalidAllocationID.NotFound",
        "InvalidAssociationID.NotFound",
    }
)
"""Codes for what is not there: no longer, or not yet visible."""

BUSY = frozenset(
    {
        "PriorRequestNotComplete",
        "ResourceInUseException",
        "DependencyViolation",
        "DeleteConflict",
        "InvalidIPAddress.InUse",
        "InvalidInstanceID",
        "IncorrectInstanceState",
    }
)
"""Codes that go away by waiting, when something is made ready or removed (aws-recorded R16, B1, E20, E30)."""

STILL_HELD = BUSY | {"AuthFailure"}
"""The same for removals: an address may still be held by what has just gone (E24)."""

_PATIENT = BotoConfig(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=5, read_timeout=20, user_agent_extra=PREFIX
)
_ONCE = _PATIENT.merge(BotoConfig(retries={"mode": "standard", "total_max_attempts": 1}))


LOOKS = 4
"""So often must something be missing to have gone."""

FAILURES = (ClientError, BotoCoreError, ResponseParserError)
"""All that a call raises."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for what AWS does not show at once: so many tries, so many seconds apart."""

    tries: int = 90
    pause_s: float = 2.0

    def tick(self) -> None:
        """Let some time pass."""
        time.sleep(self.pause_s)


@dataclass(eq=False)
class Undo:
    """A removal to be made later, and what it removes, in words."""

    what: str
    remove: Callable[[], object]


@dataclass(eq=False)
class Desk:
    """The place of one case, or of what several cases share.

    Args:
        make: makes a client: service, botocore configuration, and the keys to use in place of the account's own.
        region: the account's Region.
        patience: how long to wait for what becomes visible late.
        nonce: what tells this run's names from others.
    """

    make: Callable[..., Any]
    region: str
    patience: Patience = field(default_factory=Patience)
    nonce: str = field(default_factory=lambda: secrets.token_hex(4))
    expected: tuple[Answer, ...] = ()
    parent: Desk | None = None
    shared: dict[str, Any] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)
    _undo: list[Undo] = field(default_factory=list)
    _counter: list[int] = field(default_factory=lambda: [0])

    def client(self, service: str) -> Any:
        """A client of the account."""
        if service not in self._clients:
            self._clients[service] = self.make(service, _PATIENT)
        return self._clients[service]

    def stranger(self, service: str) -> Any:
        """A client whose key no account knows."""
        return self.make(service, _ONCE, {"aws_access_key_id": "AKIASREKVCONFORMANCE", "aws_secret_access_key": "none"})

    @property
    def ec2(self) -> Any:
        """EC2."""
        return self.client("ec2")

    @property
    def ec2_once(self) -> Any:
        """EC2 without retries, for creates that take no token."""
        if "ec2 once" not in self._clients:
            self._clients["ec2 once"] = self.make("ec2", _ONCE)
        return self._clients["ec2 once"]

    @property
    def iam(self) -> Any:
        """IAM."""
        return self.client("iam")

    @property
    def dynamodb(self) -> Any:
        """DynamoDB."""
        return self.client("dynamodb")

    @property
    def route53(self) -> Any:
        """Route 53."""
        return self.client("route53")

    @property
    def ssm(self) -> Any:
        """Systems Manager."""
        return self.client("ssm")

    @property
    def cloudwatch(self) -> Any:
        """CloudWatch."""
        return self.client("cloudwatch")

    @property
    def tagging(self) -> Any:
        """The tagging API."""
        return self.client("resourcegroupstaggingapi")

    def name(self, short: str = "x") -> str:
        """A name that nothing else has, at most 64 characters."""
        self._counter[0] += 1
        return f"{PREFIX}-{self.nonce}-{short}{self._counter[0]}"

    @property
    def tags(self) -> list[dict[str, str]]:
        """What everything carries that takes tags."""
        return [{"Key": TAG, "Value": self.nonce}]

    def tagged(self, kind: str) -> list[dict[str, Any]]:
        """The same as EC2's TagSpecifications."""
        return [{"ResourceType": kind, "Tags": self.tags}]

    def ask(
        self,
        call: Callable[..., Mapping[str, Any]],
        *,
        made: Callable[[Mapping[str, Any]], None] = lambda _: None,
        **params: Any,
    ) -> Seen:
        """The answer to one call. Asked again while AWS does not yet know what was made for the question.

        Args:
            call: the client's method.
            made: what to do with the answer if, against the record, the call is not refused.
            **params: the call's parameters.
        """
        for _ in range(self.patience.tries):
            seen = seen_of(call, params, made)
            if seen.code not in GONE | {"PriorRequestNotComplete"} or self._expects(seen):
                break
            self.patience.tick()
        return seen

    def _expects(self, seen: Seen) -> bool:
        return any(answer.matches(seen) for answer in self.expected)

    def surely(self, call: Callable[..., Any], **params: Any) -> Any:
        """Make a call that prepares the question; wait while AWS does not yet know what it names.

        Raises:
            ClientError: it is refused for good.
        """
        return self._patiently(call, params, GONE | BUSY)

    def _patiently(self, call: Callable[..., Any], params: Mapping[str, Any], passing: frozenset[str]) -> Any:
        """Call it until it is not refused with a code that passes."""
        for _ in range(self.patience.tries - 1):
            try:
                return call(**params)
            except ClientError as error:
                if code_of(error) not in passing:
                    raise
            self.patience.tick()
        return call(**params)

    def until(self, what: str, look: Callable[[], bool]) -> None:
        """Wait for it.

        Raises:
            NotAskedError: it did not come.
        """
        for _ in range(self.patience.tries):
            try:
                if look():
                    return
            except ClientError as error:
                if code_of(error) not in GONE:
                    raise
            self.patience.tick()
        raise NotAskedError(f"waited in vain for {what}")

    def later(self, what: str, call: Callable[..., Any], **params: Any) -> None:
        """Remove something when the question has been answered, the newest first."""
        self._undo.append(Undo(what, lambda: self._removed(call, params)))

    def _removed(self, call: Callable[..., Any], params: Mapping[str, Any]) -> None:
        """Make a call that removes something. What is not there may be too new to be seen: ask some times more."""
        for _ in range(LOOKS):
            try:
                self._patiently(call, params, STILL_HELD)
            except ClientError as error:
                if code_of(error) not in GONE:
                    raise
            else:
                return
            self.patience.tick()

    def clear(self) -> list[str]:
        """Remove everything; what could not be removed, each with the reason."""
        left = []
        while self._undo:
            undo = self._undo.pop()
            try:
                undo.remove()
            except (*FAILURES, NotAskedError) as error:
                left.append(f"{undo.what}: {error}")
        return left

    @property
    def home(self) -> Desk:
        """The desk whose things are shared: they are removed when the run is over."""
        return self.parent or self

    def beside(self, expected: tuple[Answer, ...]) -> Desk:
        """A desk of its own for one case, with the same clients, the same shared things, and names that differ."""
        return Desk(
            make=self.make,
            region=self.region,
            patience=self.patience,
            nonce=self.nonce,
            expected=expected,
            parent=self,
            shared=self.shared,
            _clients=self._clients,
            _counter=self._counter,
        )


def code_of(error: ClientError) -> str:
    """The service's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def seen_of(
    call: Callable[..., Mapping[str, Any]], params: Mapping[str, Any], made: Callable[[Mapping[str, Any]], None]
) -> Seen:
    """What one call answered."""
    try:
        answer = call(**params)
    except ClientError as error:
        details, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        return Seen(
            status=int(meta.get("HTTPStatusCode", 0)),
            code=str(details.get("Code", "")),
            text=str(details.get("Message") or ""),
        )
    made(answer)
    return Seen(status=int(answer["ResponseMetadata"]["HTTPStatusCode"]))
