"""Route 53's zones, records and health checks: references used once, what it refuses, what has gone.

What it refuses of records and checks is decided by the local cloud's rules; here they stand before any backend. What
the answers must be is held by the cases, which know nothing of these rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from srekv.conformance.model import (
    RULES,
    Answer,
    Call,
    Raw,
    Refusal,
    ResponseRule,
    ServiceRules,
    bare,
    named_ids,
    reword,
)
from srekv.local.names import escaped, problem
from srekv.local.overlay import checks, records

_PUBLIC = "127.0.0.0/8"
"""Addresses that count as public though no router would carry them: an emulator's."""

_NOT_EMPTY = "The specified hosted zone contains non-required resource record sets and so cannot be deleted."


@dataclass
class Zone:
    """One hosted zone; its records are None until all of them were seen."""

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


class Route53(ServiceRules):
    """What has been seen of one account's zones, records and health checks, those that are deleted included."""

    def __init__(self) -> None:
        self._vpcs: set[str] = set()
        self._zones: dict[str, Zone] = {}
        self._zone_references: set[str] = set()
        self._checks: dict[str, Check] = {}
        self._gone_checks: set[str] = set()
        self._lessons: dict[str, Callable[[Call, Answer], object]] = {
            "CreateHostedZone": self._learn_zone,
            "DeleteHostedZone": lambda call, _: self._zones.pop(bare(call.params["Id"]), None),
            "ListHostedZonesByVPC": self._learn_zones_of_vpc,
            "ListResourceRecordSets": self._learn_records,
            "ChangeResourceRecordSets": lambda call, _: self._learn_changes(call),
            "CreateHealthCheck": self._learn_check,
            "DeleteHealthCheck": lambda call, _: self._forget_check(call),
            "ListHealthChecks": self._learn_checks,
        }
        self.rules = (
            ResponseRule("zone-vpc-unknown", "CreateHostedZone", refuse=self._refuse_unknown_vpc),
            ResponseRule("zone-vpc-region", "CreateHostedZone", refuse=_refuse_region),
            ResponseRule("zone-label-length", "CreateHostedZone", refuse=_refuse_name),
            ResponseRule("zone-reference-once", "CreateHostedZone", refuse=self._refuse_reference),
            ResponseRule("zone-name-taken-in-vpc", "CreateHostedZone", refuse=self._refuse_taken_name),
            ResponseRule("zone-not-empty", "DeleteHostedZone", refuse=self._refuse_deletion),
            reword("zone-not-empty", "DeleteHostedZone", "^HostedZoneNotEmpty ", "HostedZoneNotEmpty", _NOT_EMPTY),
            ResponseRule("check-reference", "CreateHealthCheck", refuse=self._answer_reference),
            ResponseRule("check-deleted-once", "route53", refuse=self._refuse_deleted_check),
            ResponseRule("tag-id-prefix", "ChangeTagsForResource ListTagsForResource", refuse=_refuse_prefix),
            ResponseRule("tag-ten-ids", "ListTagsForResources", refuse=_refuse_eleven_ids),
            *(
                ResponseRule(name, "ChangeResourceRecordSets", refuse=partial(self._refuse_batch, rule.text))
                for name, rule in RULES.items()
                if rule.text and name.startswith("record-")
            ),
            *(
                ResponseRule(name, "CreateHealthCheck", refuse=partial(self._refuse_config, rule.text))
                for name, rule in RULES.items()
                if rule.text and name.startswith("check-")
            ),
        )

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn from an answer."""
        if call.service == "ec2":
            self._vpcs.update(named_ids(answer, "vpc-"))
        learn = self._lessons.get(call.operation)
        if learn and call.service == "route53" and not call.replayed:
            learn(call, answer)

    def _learn_zone(self, call: Call, answer: Answer) -> None:
        self._zone_references.add(call.params["CallerReference"])
        identifier = bare(answer["HostedZone"]["Id"])
        vpc = call.params.get("VPC", {}).get("VPCId", "")
        self._zones[identifier] = Zone(identifier, escaped(call.params["Name"]), vpc, [])

    def _learn_zones_of_vpc(self, call: Call, answer: Answer) -> None:
        """Everything that the VPC sees: what was removed past this account is forgotten."""
        if call.params.get("NextToken") or answer.get("NextToken"):
            return
        vpc = call.params["VPCId"]
        listed = {one["HostedZoneId"]: escaped(one["Name"]) for one in answer["HostedZoneSummaries"]}
        self._zones = {key: zone for key, zone in self._zones.items() if zone.vpc != vpc or key in listed}
        for identifier, name in listed.items():
            self._zones.setdefault(identifier, Zone(identifier, name, vpc))

    def _learn_records(self, call: Call, answer: Answer) -> None:
        zone = self._zones.get(bare(call.params["HostedZoneId"]))
        if zone and not answer.get("IsTruncated") and "StartRecordName" not in call.params:
            zone.records = [records.normalise(record) for record in answer["ResourceRecordSets"]]

    def _learn_changes(self, call: Call) -> None:
        zone = self._zones.get(bare(call.params["HostedZoneId"]))
        if zone and zone.records is not None:
            try:
                zone.records = self._records_after(call)
            except records.BatchError:  # the backend knew better: a change of another session lies between
                zone.records = None

    def _learn_check(self, call: Call, answer: Answer) -> None:
        config = call.params["HealthCheckConfig"]
        self._checks[call.params["CallerReference"]] = Check(answer["HealthCheck"]["Id"], config, call.raw)

    def _forget_check(self, call: Call) -> None:
        self._gone_checks.add(call.params["HealthCheckId"])
        for check in self._checks.values():
            check.gone = check.gone or check.id == call.params["HealthCheckId"]

    def _learn_checks(self, call: Call, answer: Answer) -> None:
        """What was removed past this account is gone."""
        if not (call.params.get("Marker") or answer.get("IsTruncated")):
            listed = {one["Id"] for one in answer["HealthChecks"]}
            for check in self._checks.values():
                check.gone = check.gone or check.id not in listed

    def _records_after(self, call: Call) -> list[dict[str, Any]]:
        """The zone's records after this change batch.

        Where they are not known, what the batch deletes is believed to be there, and nothing else.

        Raises:
            BatchError: Route 53 refuses it.
        """
        changes = [
            records.Change(action=one["Action"], record=records.normalise(one["ResourceRecordSet"]))
            for one in call.params["ChangeBatch"]["Changes"]
        ]
        zone = self._zones.get(bare(call.params["HostedZoneId"]))
        known = zone.records if zone else None
        if known is None:
            known = [change.record for change in changes if change.action == "DELETE"]
        return records.apply_batch(
            known,
            changes,
            zone=zone.name if zone else "",
            zone_id=zone.id if zone and zone.records is not None else "",
            has_check=lambda check: check not in self._gone_checks,
        )

    def _refuse_unknown_vpc(self, call: Call) -> Refusal | None:
        """A VPC that no answer has named does not exist."""
        vpc = call.params.get("VPC", {}).get("VPCId")
        if vpc and self._vpcs and vpc not in self._vpcs:
            return Refusal("InvalidVPCId", "The VPC ID is invalid.")
        return None

    def _refuse_reference(self, call: Call) -> Refusal | None:
        if call.params["CallerReference"] not in self._zone_references:
            return None
        text = "A hosted zone has already been created with the specified caller reference."
        return Refusal("HostedZoneAlreadyExists", text, 409)

    def _refuse_taken_name(self, call: Call) -> Refusal | None:
        vpc = call.params.get("VPC", {})
        name = escaped(call.params["Name"])
        for zone in self._zones.values():
            if vpc and zone.name == name and zone.vpc == vpc["VPCId"]:
                return Refusal(
                    "ConflictingDomainExists",
                    f"The VPC {vpc['VPCId']} in region {vpc['VPCRegion']} has already been associated with the hosted "
                    f"zone {zone.id} with the same domain name.",
                )
        return None

    def _refuse_deletion(self, call: Call) -> Refusal | None:
        zone = self._zones.get(bare(call.params["Id"]))
        if zone and any(record["Type"] not in {"SOA", "NS"} for record in zone.records or ()):
            return Refusal("HostedZoneNotEmpty", _NOT_EMPTY)
        return None

    def _answer_reference(self, call: Call) -> Refusal | Raw | None:
        """A reference stands for one configuration, also when its check is gone: the same answer, or none."""
        known = self._checks.get(call.params["CallerReference"])
        if known is None:
            return None
        if known.config == call.params["HealthCheckConfig"] and not known.gone:
            return known.raw
        text = "A different health check has already been created with the specified caller reference."
        return Refusal("HealthCheckAlreadyExists", text, 409)

    def _refuse_deleted_check(self, call: Call) -> Refusal | None:
        check = call.params.get("HealthCheckId", "")
        if check not in self._gone_checks:
            return None
        return Refusal("NoSuchHealthCheck", f"No health check exists with the specified ID: {check}", 404)

    def _refuse_batch(self, text: str, call: Call) -> Refusal | None:
        """Refuse a change batch for the one reason whose text this is."""
        try:
            self._records_after(call)
        except records.BatchError as error:
            if re.search(text, str(error)):
                return Refusal(error.code, str(error), 404 if error.code == "NoSuchHealthCheck" else 400)
        return None

    def _refuse_config(self, text: str, call: Call) -> Refusal | None:
        """Refuse a health check for the one reason whose text this is."""
        problem = checks.config_problem(checks.normalise(call.params["HealthCheckConfig"]), own_network=_PUBLIC)
        return Refusal("InvalidInput", problem) if problem and re.search(text, problem) else None


def _refuse_region(call: Call) -> Refusal | None:
    """The Region of the VPC has the form of a Region."""
    region = call.params.get("VPC", {}).get("VPCRegion")
    if not region or re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        return None
    return Refusal(
        "InvalidInput",
        f"1 validation error detected: Value '{region}' at 'vPC.vPCRegion' failed to satisfy constraint: "
        "Member must satisfy enum value set: [us-east-1, us-east-2, ...]",
    )


def _refuse_name(call: Call) -> Refusal | None:
    text = problem(escaped(call.params["Name"]))
    return Refusal("InvalidDomainName", text) if text else None


def _refuse_prefix(call: Call) -> Refusal | None:
    """The client, botocore, strips the prefix of an id for other calls, not for these."""
    identifier = call.params["ResourceId"] if call.service == "route53" else ""
    if not identifier.startswith("/"):
        return None
    text = "failed to satisfy constraint: Member must have length less than or equal to 32"
    return Refusal("InvalidInput", f"1 validation error detected: Value '{identifier}' at 'resourceId' {text}")


def _refuse_eleven_ids(call: Call) -> Refusal | None:
    if len(call.params["ResourceIds"]) <= 10:
        return None
    text = "Invalid XML ; cvc-complex-type.2.4.f: 'ResourceId' can occur a maximum of '10' times in the sequence"
    return Refusal("InvalidInput", text)
