"""Route 53's timing: changes on their way, zones that are busy, lists that lag, token buckets (aws-facts 2.6)."""

from __future__ import annotations

from dataclasses import dataclass

from srekv.conformance.model import (
    Answer,
    Call,
    Conditions,
    EventuallyVisible,
    Refusal,
    ResponseRule,
    ServiceRules,
    bare,
    hide_new,
)

_CHANGES = "CreateHostedZone ChangeResourceRecordSets"
_BUSY = "The request was rejected because Route 53 was still processing a prior request."

_LIMITS = {
    "CreateHostedZone": (40, 2.0),
    "DeleteHostedZone": (40, 5.0),
    "AssociateVPCWithHostedZone": (20, 5.0),
    "DisassociateVPCFromHostedZone": (10, 5.0),
    "CreateHealthCheck": (50, 0.5),
    "DeleteHealthCheck": (15, 3.0),
    "GetHealthCheckStatus": (4, 1.0),
    "GetHealthCheckLastFailureReason": (4, 1.0),
}
"""Operation -> requests at once, requests more a second, for the whole account."""

_OTHERS = (50, 10.0)
"""Of any other operation, and of all of them together."""


@dataclass
class Bucket:
    """Holds so many tokens, gets so many a second; `at` is the time of the last request."""

    size: float
    refill: float
    tokens: float
    at: float


class Route53Timing(ServiceRules):
    """What Route 53 does not do at once."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._changes: set[str] = set()
        self._pending, self._unlisted = EventuallyVisible(), EventuallyVisible()
        self._buckets: dict[str, Bucket] = {}
        self._skipped_s = 0.0
        self.rules = (
            ResponseRule("change-pending", f"{_CHANGES} DeleteHostedZone", change=self._show_new_change),
            ResponseRule("change-pending", "GetChange", change=self._show_change),
            *hide_new(
                "prior-request",
                conditions,
                lambda _: Refusal("PriorRequestNotComplete", _BUSY),
                made_by=_CHANGES,
                things=lambda call, answer: [bare(call.params.get("HostedZoneId") or answer["HostedZone"]["Id"])],
                polls=(0, 2),
                hidden_from="ChangeResourceRecordSets DeleteHostedZone",
                named=lambda call: [bare(call.params.get("HostedZoneId") or call.params["Id"])],
            ),
            ResponseRule("route53-lists-lag", "route53", change=self._lag),
            ResponseRule("route53-buckets", "route53", refuse=self._throttle),
        )

    def _show_new_change(self, call: Call, answer: Answer) -> None:
        """Show a change as PENDING for one or two polls, under an id of its own."""
        info = answer.get("ChangeInfo")
        if info is None:
            return
        if info["Id"] in self._changes:  # a backend that gives one id to every change
            info["Id"] = f"/change/C{len(self._changes):013d}"
        self._changes.add(info["Id"])
        self._pending.start(bare(info["Id"]), self._conditions.polls("change-pending", call, 1, 2))
        info["Status"] = "PENDING"

    def _show_change(self, call: Call, answer: Answer) -> None:
        if self._pending.poll(bare(call.params["Id"])):
            answer["ChangeInfo"]["Status"] = "PENDING"

    def _lag(self, call: Call, answer: Answer) -> None:
        """Leave the newest out of one listing, by the seed, unless it was asked for by its id."""
        if call.operation in {"CreateHostedZone", "CreateHealthCheck"}:
            if not call.replayed:
                made = answer.get("HostedZone") or answer["HealthCheck"]
                self._unlisted.start(bare(made["Id"]), self._conditions.polls("route53-lists-lag", call, 0, 1))
        elif call.operation.startswith("List"):
            for member in answer.keys() & {"HostedZones", "HostedZoneSummaries", "HealthChecks"}:
                answer[member] = [one for one in answer[member] if not self._unlisted.poll(_id_of(one))]
        else:
            names = ("Id", "HostedZoneId", "HealthCheckId", "ResourceId")
            self._unlisted.end(bare(next((str(call.params[name]) for name in names if name in call.params), "")))

    def _throttle(self, call: Call) -> Refusal | None:
        """Refuse a request for which there is no token, in its operation's bucket or in the one of all.

        A refused request lets as much time pass as the caller's pause would have taken: a caller without pauses finds
        the bucket no emptier than one that really waits.
        """
        now = self._conditions.clock() + self._skipped_s
        buckets = [self._filled("", now), self._filled(call.operation, now)]
        if any(bucket.tokens < 1 for bucket in buckets):
            self._skipped_s += min(2.0 ** (call.attempt - 1), 20.0)  # botocore's longest pause is 20 s
            return Refusal("Throttling", "Rate exceeded")
        for bucket in buckets:
            bucket.tokens -= 1
        return None

    def _filled(self, name: str, now: float) -> Bucket:
        size, refill = _LIMITS.get(name, _OTHERS)
        bucket = self._buckets.setdefault(name, Bucket(size, refill, size, now))
        bucket.tokens = min(bucket.size, bucket.tokens + (now - bucket.at) * bucket.refill)
        bucket.at = now
        return bucket


def _id_of(listed: Answer) -> str:
    return bare(str(listed.get("Id") or listed.get("HostedZoneId")))
