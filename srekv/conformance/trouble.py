"""What can befall one call: the process dies, the answer is lost, AWS throttles or refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from srekv.conformance.model import Call, Refusal

Kind = Literal["kill before", "kill after", "lose answer", "refuse"]

_THROTTLES = {
    # the recorded rows E18, R47 and T4; the others as botocore's list of throttling codes and the services' models
    "ec2": Refusal("RequestLimitExceeded", "Request limit exceeded.", 503),
    "route53": Refusal("Throttling", "Rate exceeded"),
    "iam": Refusal("Throttling", "Rate exceeded"),
    "sts": Refusal("Throttling", "Rate exceeded"),
    "cloudwatch": Refusal("Throttling", "Rate exceeded"),
    "resourcegroupstaggingapi": Refusal("ThrottledException", "Rate exceeded"),
}
_THROTTLE = Refusal("ThrottlingException", "Rate exceeded")


class Killed(BaseException):
    """The process ends here: nobody can catch it, and no later call is made."""


def throttle_of(service: str) -> Refusal:
    """How this service says that it is asked too often."""
    return _THROTTLES.get(service, _THROTTLE)


@dataclass(kw_only=True)
class Trouble:
    """One thing that is to happen to the n-th call of an operation, or to the first later one that it fits.

    Attributes:
        refusal: for "refuse": what AWS says to this call.
        left: how many attempts it still befalls.
    """

    kind: Kind
    operation: str
    nth: int = 1
    refusal: Callable[[Call], Refusal] | None = None
    left: int = 1

    def befalls(self, kind: Kind, call: Call) -> bool:
        """Whether it happens to this call."""
        return self.kind == kind and self.left > 0 and call.operation == self.operation and call.number >= self.nth


@dataclass
class Troubles:
    """Everything that is to happen, and whether the process is dead already."""

    planned: list[Trouble] = field(default_factory=list)
    dead: bool = False

    def clear(self) -> None:
        """Nothing is to happen from now on, and the process lives again."""
        self.planned.clear()
        self.dead = False

    def begins(self, call: Call) -> None:
        """A call is about to be made.

        Raises:
            Killed: the process is dead, or dies now.
        """
        if self.dead or self._next("kill before", call):
            self._die()

    def refuses(self, call: Call) -> Refusal | None:
        """What is said to this attempt in AWS's place."""
        trouble = self._next("refuse", call)
        return trouble.refusal(call) if trouble and trouble.refusal else None

    def loses(self, call: Call) -> bool:
        """Whether the answer to this attempt gets lost, if the attempt takes effect."""
        return any(one.befalls("lose answer", call) for one in self.planned)

    def has_lost(self, call: Call) -> None:
        """It did take effect, and the answer is lost."""
        self._next("lose answer", call)

    def ends(self, call: Call, *, took_effect: bool) -> None:
        """AWS has answered; nobody has heard it yet.

        Raises:
            Killed: the process is dead, or dies now.
        """
        if self.dead or (took_effect and self._next("kill after", call)):
            self._die()

    def _next(self, kind: Kind, call: Call) -> Trouble | None:
        """The trouble of this kind that befalls the call; it counts."""
        for one in self.planned:
            if one.befalls(kind, call):
                one.left -= 1
                return one
        return None

    def _die(self) -> None:
        self.dead = True
        raise Killed
