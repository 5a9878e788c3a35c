"""Route 53's laws about time: changes on their way, zones that are busy, lists that lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.conformance.model import Call, Conditions, Law, Lenient, Moments, Refusal, Rule
from srekv.conformance.route53_memory import bare

_CHANGES = frozenset({"CreateHostedZone", "ChangeResourceRecordSets", "DeleteHostedZone"})
"""Operations whose answer has a ChangeInfo."""


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    changes = Changes(conditions)
    return (ChangePending(changes), PriorRequest(changes), ListsLag(conditions))


@dataclass
class Changes:
    """Changes on their way to Route 53's servers.

    Attributes:
        pending: change ids that GetChange shows as PENDING for so many more looks.
        busy: zones whose next writes are refused, so many of them.
    """

    conditions: Conditions
    pending: Moments = field(default_factory=Moments)
    busy: Moments = field(default_factory=Moments)
    known: set[str] = field(default_factory=set)


class ChangePending(Lenient):
    """A change is made when its servers have it."""

    rule = Rule(
        id="change-pending",
        rows=("R1",),
        source="localstack route53/test_route53, recorded 2024-04-11; documentation of GetChange",
        says="A new zone's change is PENDING at first.",
    )

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Show a change as PENDING for one or two looks, under an id of its own."""
        info = answer.get("ChangeInfo")
        if info is None:
            return
        if call.operation in _CHANGES:
            changes = self._changes
            if info["Id"] in changes.known:  # a backend that gives one id to every change
                info["Id"] = f"/change/C{len(changes.known):013d}"
            changes.known.add(info["Id"])
            looks = changes.conditions.between(self.rule, f"{call.operation}#{call.number}", 1, 2)
            changes.pending.begin(bare(info["Id"]), looks)
            info["Status"] = "PENDING"
        elif call.operation == "GetChange" and self._changes.pending.look(bare(call.params["Id"])):
            info["Status"] = "PENDING"


class PriorRequest(Lenient):
    """A zone takes one change at a time."""

    rule = Rule(
        id="prior-request",
        rows=("R16",),
        source="pcorliss/ruby_route_53#34; linki/mate#23; alchemy-run/alchemy#205",
        says="While Route 53 works on a zone's change, the next one may be refused.",
    )

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def before(self, call: Call) -> Refusal | None:
        """Refuse a write while the zone is busy; each refusal brings the end nearer."""
        zone = _written_zone(call)
        if zone and self._changes.busy.look(zone):
            text = "The request was rejected because Route 53 was still processing a prior request."
            return Refusal("PriorRequestNotComplete", text)
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A change makes its zone busy, sometimes."""
        if call.operation in {"CreateHostedZone", "ChangeResourceRecordSets"}:
            zone = answer["HostedZone"]["Id"] if call.operation == "CreateHostedZone" else call.params["HostedZoneId"]
            refusals = self._changes.conditions.between(self.rule, f"{call.operation}#{call.number}", 0, 2)
            self._changes.busy.begin(bare(zone), refusals)


def _written_zone(call: Call) -> str:
    """The zone that a call is about to change, or ""."""
    if call.operation == "ChangeResourceRecordSets":
        return bare(call.params["HostedZoneId"])
    return bare(call.params["Id"]) if call.operation == "DeleteHostedZone" else ""


class ListsLag(Lenient):
    """A list may be older than the thing."""

    rule = Rule(
        id="route53-lists-lag",
        rows=("assumed",),
        source="not recorded: an assumption on the safe side",
        says="A new zone or health check may be missing from one listing until it has been asked for by its id.",
    )
    lists = ("HostedZones", "HostedZoneSummaries", "HealthChecks")

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._unseen = Moments()

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Leave the newest out of one listing, by the seed."""
        if call.service != "route53":
            return
        if call.operation in {"CreateHostedZone", "CreateHealthCheck"} and not call.replayed:
            looks = self._conditions.between(self.rule, f"{call.operation}#{call.number}", 0, 1)
            made = answer.get("HostedZone") or answer["HealthCheck"]
            self._unseen.begin(bare(made["Id"]), looks)
        elif call.operation.startswith("List"):
            for member in self.lists:
                if member in answer:
                    answer[member] = [one for one in answer[member] if not self._unseen.look(_id_of(one))]
        else:
            self._unseen.end(bare(_asked(call.params)))


def _id_of(listed: Mapping[str, Any]) -> str:
    return bare(str(listed.get("Id") or listed.get("HostedZoneId")))


def _asked(params: Mapping[str, Any]) -> str:
    """The id that a call names."""
    names = ("Id", "HostedZoneId", "HealthCheckId", "ResourceId")
    return next((str(params[name]) for name in names if name in params), "")
