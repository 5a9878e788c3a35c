"""An account that sees its calls, and in which some go wrong: a process dies, an answer is lost, AWS refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from botocore.awsrequest import AWSResponse
from botocore.endpoint import convert_to_response_dict
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from botocore.parsers import create_parser

from srekv.conformance.layer import Account
from srekv.conformance.model import Call, Raw, Refusal

READING = ("Describe", "Get", "List")
"""How the names of operations start that change nothing."""

Kind = Literal["kill before", "kill after", "lose answer", "refuse"]

_RATE = Refusal("Throttling", "Rate exceeded")
_THROTTLES = {
    # the recorded rows E18, R47 and T4; the others as botocore's list of throttling codes and the services' models
    "ec2": Refusal("RequestLimitExceeded", "Request limit exceeded.", 503),
    **dict.fromkeys(("route53", "iam", "sts", "cloudwatch"), _RATE),
    "resourcegroupstaggingapi": Refusal("ThrottledException", "Rate exceeded"),
}


class Killed(BaseException):
    """The process ends here: nothing can catch it, and no later call is made."""


def throttle_of(service: str) -> Refusal:
    """The service's error for too many requests."""
    return _THROTTLES.get(service, Refusal("ThrottlingException", "Rate exceeded"))


@dataclass(kw_only=True)
class Fault:
    """One thing that is to happen to the n-th call of an operation, or to the first later one that it fits.

    Attributes:
        refusal: for "refuse": AWS's answer to this call.
        left: to how many attempts it still happens.
    """

    kind: Kind
    operation: str
    nth: int = 1
    refusal: Callable[[Call], Refusal] | None = None
    left: int = 1

    def fits(self, kind: Kind, call: Call) -> bool:
        """Whether it happens to this call."""
        return self.kind == kind and self.left > 0 and call.operation == self.operation and call.number >= self.nth


@dataclass
class FaultInjector:
    """Every fault that is to happen, and whether the process is dead already."""

    planned: list[Fault] = field(default_factory=list)
    dead: bool = False

    def next(self, kind: Kind, call: Call) -> Fault | None:
        """The fault of this kind that happens to the call; it counts."""
        for one in self.planned:
            if one.fits(kind, call):
                one.left -= 1
                return one
        return None

    def refuse(self, call: Call) -> Refusal | None:
        """What answers this attempt instead of AWS."""
        fault = self.next("refuse", call)
        return fault.refusal(call) if fault and fault.refusal else None

    def loses(self, call: Call) -> bool:
        """Whether the answer to this attempt gets lost, if the attempt takes effect."""
        return any(one.fits("lose answer", call) for one in self.planned)

    def kill(self, kind: Kind | None, call: Call) -> None:
        """A call is about to be made, or was answered before its caller knows.

        Raises:
            Killed: the process is dead, or dies now of a fault of this kind.
        """
        if self.dead or (kind and self.next(kind, call)):
            self.dead = True
            raise Killed


class FaultyAccount(Account):
    """An account that sees its calls, and in which they can be made to fail.

    Attributes:
        calls: (operation, parameters) of every call that was made, in order; a call that is sent again is one call.
        operations: the same by name.
    """

    def reset(self) -> None:
        """The account is empty: forget all that happened, what is to happen, and every condition."""
        super().reset()
        self.clear()

    def clear(self) -> None:
        """Forget the calls and the faults to come; things stay as they are."""
        self.forget()
        self._faults = FaultInjector()

    def forget(self) -> None:
        """Forget the calls: the next one of each operation is number 1."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.operations: list[str] = []
        self.made.clear()

    @property
    def mutating(self) -> list[str]:
        """The calls that may have changed something, by name, in order."""
        return [name for name in self.operations if not name.startswith(READING)]

    def fail(
        self, operation: str, code: str, message: str = "", status: int = 400, *, times: int = 1, nth: int = 1
    ) -> None:
        """Refuse that many attempts of the operation, from its n-th call on."""
        refusal = Refusal(code, message, status)
        self._plan("refuse", operation, nth, refusal=lambda _: refusal, left=times)

    def throttle(self, operation: str, nth: int = 1, times: int = 3) -> None:
        """Refuse that many attempts in the service's own way of saying "too often"."""
        self._plan("refuse", operation, nth, refusal=lambda call: throttle_of(call.service), left=times)

    def lose_answer(self, operation: str, nth: int = 1) -> None:
        """The n-th call, or the first later one that is not refused, takes effect, and its connection breaks."""
        self._plan("lose answer", operation, nth)

    def kill_before(self, operation: str, nth: int = 1) -> None:
        """The process dies before it makes that call."""
        self._plan("kill before", operation, nth)

    def kill_after(self, operation: str, nth: int = 1) -> None:
        """The process dies when that call, or the first later one that is not refused, has taken effect."""
        self._plan("kill after", operation, nth)

    def _plan(self, kind: Kind, operation: str, nth: int, **more: Any) -> None:
        with self._lock:
            self._faults.planned.append(Fault(kind=kind, operation=operation, nth=nth, **more))

    def begin(self, call: Call) -> None:
        """Die first, or remember it."""
        super().begin(call)
        self._faults.kill("kill before", call)
        self.calls.append((call.operation, call.params))
        self.operations.append(call.operation)

    def answer(self, call: Call) -> Refusal | Raw | None:
        """A planned refusal comes before the account's own."""
        return self._faults.refuse(call) or super().answer(call)

    def send(self, call: Call, request: Any) -> AWSResponse | None:
        """Send it here if its answer is to get lost."""
        if not self._faults.loses(call):
            return None
        response = _send(request)
        if response.status_code >= 300:
            return response
        call.raw = Raw(response.status_code, dict(response.headers), response.content)
        with self._lock:
            self._faults.next("lose answer", call)
            self.rule_set.change(call, _parse(response, call.model))
        raise ConnectionClosedError(endpoint_url=request.url)

    def end(self, call: Call, *, took_effect: bool) -> None:
        """Die of what took effect, or because the process is dead."""
        self._faults.kill("kill after" if took_effect else None, call)


def _send(request: Any) -> AWSResponse:
    """Send a prepared request to the backend on a connection of its own, and read the whole answer."""
    http = URLLib3Session()
    try:
        response = http.send(request)
        _ = response.content
    finally:
        http.close()
    return response


def _parse(response: AWSResponse, model: Any) -> dict[str, Any]:
    """What botocore makes of the answer to this operation."""
    parser = create_parser(model.service_model.resolved_protocol)
    parsed: dict[str, Any] = parser.parse(convert_to_response_dict(response, model), model.output_shape)
    return parsed
