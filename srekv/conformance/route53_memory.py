"""What has been seen of one account's zones, records and health checks; every law of Route 53 looks here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from srekv.conformance.machines import named
from srekv.conformance.model import Call, Raw
from srekv.local.names import escaped
from srekv.local.overlay.records import BatchError, Change, apply_batch, normalise


@dataclass
class Zone:
    """One hosted zone; its records are None while nobody has seen all of them."""

    id: str
    name: str
    vpc: str = ""
    records: list[dict[str, Any]] | None = None


@dataclass
class Check:
    """What a caller reference stands for: a configuration and the answer that came with it."""

    id: str
    config: Mapping[str, Any]
    raw: Raw | None
    gone: bool = False


def bare(identifier: str) -> str:
    """An id without what is before it: /hostedzone/Z1 is Z1."""
    return identifier.rpartition("/")[2]


@dataclass
class Memory:
    """Learns from answers, each once, whichever law shows it first.

    Attributes:
        vpcs: every VPC that an answer of EC2 has named.
        zone_references: caller references of zones, also of deleted ones.
        checks: caller reference -> health check, also of deleted ones.
    """

    vpcs: set[str] = field(default_factory=set)
    zones: dict[str, Zone] = field(default_factory=dict)
    zone_references: set[str] = field(default_factory=set)
    checks: dict[str, Check] = field(default_factory=dict)
    gone_checks: set[str] = field(default_factory=set)
    _noted: Call | None = None

    @cached_property
    def _lessons(self) -> dict[str, Callable[[Call, Mapping[str, Any]], None]]:
        """Operation -> what its answer teaches."""
        return {
            "CreateHostedZone": self._zone_made,
            "DeleteHostedZone": self._zone_gone,
            "ListHostedZonesByVPC": self._zones_of_vpc,
            "ListResourceRecordSets": self._records_listed,
            "ChangeResourceRecordSets": self._records_changed,
            "CreateHealthCheck": self._check_made,
            "DeleteHealthCheck": self._check_gone,
            "ListHealthChecks": self._checks_listed,
        }

    def note(self, call: Call, answer: Mapping[str, Any]) -> None:
        """Learn from an answer."""
        if call is self._noted:
            return
        self._noted = call
        if call.service == "ec2":
            self.vpcs.update(named(answer, "vpc-"))
        learn = self._lessons.get(call.operation)
        if learn and call.service == "route53" and not call.replayed:
            learn(call, answer)

    def _zone_made(self, call: Call, answer: Mapping[str, Any]) -> None:
        self.zone_references.add(call.params["CallerReference"])
        identifier = bare(answer["HostedZone"]["Id"])
        vpc = call.params.get("VPC", {}).get("VPCId", "")
        self.zones[identifier] = Zone(identifier, escaped(call.params["Name"]), vpc, [])

    def _zone_gone(self, call: Call, _answer: Mapping[str, Any]) -> None:
        self.zones.pop(bare(call.params["Id"]), None)

    def _zones_of_vpc(self, call: Call, answer: Mapping[str, Any]) -> None:
        """Everything that the VPC sees: what was removed past this account is forgotten."""
        if call.params.get("NextToken") or answer.get("NextToken"):
            return
        vpc = call.params["VPCId"]
        listed = {one["HostedZoneId"]: escaped(one["Name"]) for one in answer["HostedZoneSummaries"]}
        self.zones = {key: zone for key, zone in self.zones.items() if zone.vpc != vpc or key in listed}
        for identifier, name in listed.items():
            self.zones.setdefault(identifier, Zone(identifier, name, vpc))

    def _records_listed(self, call: Call, answer: Mapping[str, Any]) -> None:
        zone = self.zones.get(bare(call.params["HostedZoneId"]))
        if zone and not answer.get("IsTruncated") and "StartRecordName" not in call.params:
            zone.records = [normalise(record) for record in answer["ResourceRecordSets"]]

    def _records_changed(self, call: Call, _answer: Mapping[str, Any]) -> None:
        zone = self.zones.get(bare(call.params["HostedZoneId"]))
        if zone and zone.records is not None:
            try:
                zone.records = self.after_batch(call)
            except BatchError:  # the backend knew better: somebody else's change lies between
                zone.records = None

    def after_batch(self, call: Call) -> list[dict[str, Any]]:
        """The zone's records after this change batch.

        Where they are not known, what the batch deletes is believed to be there, and nothing else.

        Raises:
            BatchError: Route 53 refuses it.
        """
        changes = [
            Change(action=one["Action"], record=normalise(one["ResourceRecordSet"]))
            for one in call.params["ChangeBatch"]["Changes"]
        ]
        zone = self.zones.get(bare(call.params["HostedZoneId"]))
        known = zone.records if zone else None
        if known is None:
            known = [change.record for change in changes if change.action == "DELETE"]
        return apply_batch(
            known,
            changes,
            zone=zone.name if zone else "",
            zone_id=zone.id if zone and zone.records is not None else "",
            check_exists=lambda check: check not in self.gone_checks,
        )

    def _check_made(self, call: Call, answer: Mapping[str, Any]) -> None:
        params = call.params
        self.checks[params["CallerReference"]] = Check(
            answer["HealthCheck"]["Id"], params["HealthCheckConfig"], call.raw
        )

    def _check_gone(self, call: Call, _answer: Mapping[str, Any]) -> None:
        self.gone_checks.add(call.params["HealthCheckId"])
        for check in self.checks.values():
            check.gone = check.gone or check.id == call.params["HealthCheckId"]

    def _checks_listed(self, call: Call, answer: Mapping[str, Any]) -> None:
        """What was removed past this account is gone."""
        if call.params.get("Marker") or answer.get("IsTruncated"):
            return
        listed = {one["Id"] for one in answer["HealthChecks"]}
        for check in self.checks.values():
            check.gone = check.gone or check.id not in listed
