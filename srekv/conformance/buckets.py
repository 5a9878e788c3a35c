"""Route 53's token buckets (aws-facts 2.6): so many requests at once, so many more a second, for the whole account."""

from __future__ import annotations

from dataclasses import dataclass

from srekv.conformance.model import Call, Conditions, Law, Lenient, Refusal, Rule

_SOURCE = "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/throttling-api-requests"

LIMITS = {
    "CreateHostedZone": (40, 2.0),
    "DeleteHostedZone": (40, 5.0),
    "AssociateVPCWithHostedZone": (20, 5.0),
    "DisassociateVPCFromHostedZone": (10, 5.0),
    "CreateHealthCheck": (50, 0.5),
    "DeleteHealthCheck": (15, 3.0),
    "GetHealthCheckStatus": (4, 1.0),
    "GetHealthCheckLastFailureReason": (4, 1.0),
}
"""Operation -> requests at once, requests more a second."""

OTHERS = (50, 10.0)
"""Of any other operation, and of all of them together."""

_LONGEST_PAUSE = 20.0


@dataclass
class Bucket:
    """Holds so many tokens, gets so many a second."""

    size: float
    refill: float
    tokens: float
    at: float

    def fill(self, now: float) -> None:
        """Add what has come in since the last look."""
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.refill)
        self.at = now


class Throttling(Lenient):
    """Takes a token for each request from its operation's bucket and from the one of all.

    A refused request lets as much time pass as the caller's pause would have taken: whoever hurries the pauses away
    finds the bucket no emptier than whoever really waits.
    """

    rule = Rule(
        id="route53-buckets",
        rows=("R47", "aws-facts 2.6"),
        source=_SOURCE,
        says="Route 53 answers a burst of requests and then so many a second: GetHealthCheckStatus 4, then 1 a second.",
    )

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._buckets: dict[str, Bucket] = {}
        self._skipped = 0.0

    def before(self, call: Call) -> Refusal | None:
        """Refuse a request for which there is no token."""
        if call.service != "route53":
            return None
        now = self._conditions.clock() + self._skipped
        buckets = [self._bucket("", OTHERS, now), self._bucket(call.operation, _limit(call.operation), now)]
        if any(bucket.tokens < 1 for bucket in buckets):
            self._skipped += min(2.0 ** (call.attempt - 1), _LONGEST_PAUSE)
            return Refusal("Throttling", "Rate exceeded")
        for bucket in buckets:
            bucket.tokens -= 1
        return None

    def _bucket(self, name: str, limit: tuple[int, float], now: float) -> Bucket:
        size, refill = limit
        bucket = self._buckets.setdefault(name, Bucket(size, refill, size, now))
        bucket.fill(now)
        return bucket


def _limit(operation: str) -> tuple[int, float]:
    return LIMITS.get(operation, OTHERS)


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    return (Throttling(conditions),)
