"""What can befall one call: the process dies, the answer is lost, AWS throttles or refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from srekv.conformance.model import Call, Refusal

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
