"""Route 53's laws about zones, health checks and tags: references used once, what is not empty, what has gone."""

from __future__ import annotations

import re
from typing import Any

from srekv.conformance import buckets, route53_changes, route53_input
from srekv.conformance.model import Call, Conditions, Law, Lenient, Raw, Refusal, Rule
from srekv.conformance.route53_memory import Memory, bare
from srekv.local.names import escaped, problem


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    memory = Memory()
    own = (
        ZoneVpcUnknown(memory),
        ZoneVpcRegion(),
        ZoneLabelLength(),
        ZoneReferenceOnce(memory),
        ZoneNameTaken(memory),
        ZoneNotEmpty(memory),
        CheckReference(memory),
        CheckDeleted(memory),
        TagIdPrefix(),
        TagTenIds(),
    )
    return (
        *own,
        *route53_changes.laws(conditions),
        *route53_input.laws(conditions, memory),
        *buckets.laws(conditions),
    )


class _Remembers(Lenient):
    """A law that looks at what has been seen of the account."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Learn from every answer."""
        self.memory.note(call, answer)


class ZoneVpcUnknown(_Remembers):
    """A VPC that no answer has named does not exist."""

    rule = Rule(
        id="zone-vpc-unknown",
        rows=("R4",),
        source="localstack route53/test_route53, recorded 2024-04-10",
        says="A private zone for a VPC that does not exist is refused.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse it."""
        vpc = call.params.get("VPC", {}).get("VPCId") if call.operation == "CreateHostedZone" else None
        if vpc and self.memory.vpcs and vpc not in self.memory.vpcs:
            return Refusal("InvalidVPCId", "The VPC ID is invalid.")
        return None


class ZoneVpcRegion(Lenient):
    """The Region of the VPC has the form of a Region."""

    rule = Rule(
        id="zone-vpc-region",
        rows=("R5",),
        source="cdk-preflight vpcregion, probed 2026-09",
        says="The VPC's Region is a Region, not an Availability Zone.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse it."""
        region = call.params.get("VPC", {}).get("VPCRegion") if call.operation == "CreateHostedZone" else None
        if region and not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
            return Refusal(
                "InvalidInput",
                f"1 validation error detected: Value '{region}' at 'vPC.vPCRegion' failed to satisfy constraint: "
                "Member must satisfy enum value set: [us-east-1, us-east-2, ...]",
            )
        return None


class ZoneLabelLength(Lenient):
    """DNS's limit."""

    rule = Rule(
        id="zone-label-length",
        rows=("R9",),
        source="cdk-preflight, probed 2026-09",
        says="A label of a zone's name has at most 63 characters.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse it."""
        text = problem(escaped(call.params["Name"])) if call.operation == "CreateHostedZone" else None
        return Refusal("InvalidDomainName", text) if text else None


class ZoneReferenceOnce(_Remembers):
    """There is no "return the one that is there" for zones."""

    rule = Rule(
        id="zone-reference-once",
        rows=("R6",),
        source="saltstack/salt#40655; Netflix/denominator#356; presslabs/zinc#148; openshift/release#43517",
        says="A hosted zone's CallerReference is used once: never again, whether its zone lives or not.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse a reference that was used."""
        if call.operation == "CreateHostedZone" and call.params["CallerReference"] in self.memory.zone_references:
            text = "A hosted zone has already been created with the specified caller reference."
            return Refusal("HostedZoneAlreadyExists", text, 409)
        return None


class ZoneNameTaken(_Remembers):
    """A VPC that had two zones of a name could not tell which one to ask."""

    rule = Rule(
        id="zone-name-taken-in-vpc",
        rows=("R8",),
        source="cdk-preflight, probed 2026-09-10; ansible/ansible-modules-extras#915",
        says="A VPC sees one zone of a name.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse the second one."""
        vpc = call.params.get("VPC") if call.operation == "CreateHostedZone" else None
        if not vpc:
            return None
        name = escaped(call.params["Name"])
        for zone in self.memory.zones.values():
            if zone.name == name and zone.vpc == vpc["VPCId"]:
                return Refusal(
                    "ConflictingDomainExists",
                    f"The VPC {vpc['VPCId']} in region {vpc['VPCRegion']} has already been associated with the hosted "
                    f"zone {zone.id} with the same domain name.",
                )
        return None


class ZoneNotEmpty(_Remembers):
    """A zone goes when nothing of its owner's is left in it."""

    rule = Rule(
        id="zone-not-empty",
        rows=("R14",),
        source="gruntwork-io/cloud-nuke#743, #751, 2024-07",
        says="A zone with records of a user's cannot be deleted.",
    )
    text = "The specified hosted zone contains non-required resource record sets and so cannot be deleted."

    def reword(self, _call: Call, error: dict[str, str]) -> None:
        """Put a backend's refusal as Route 53 puts it."""
        if error.get("Code") == "HostedZoneNotEmpty":
            error["Message"] = self.text

    def before(self, call: Call) -> Refusal | None:
        """Refuse to delete a zone that is known to hold records."""
        zone = self.memory.zones.get(bare(call.params["Id"])) if call.operation == "DeleteHostedZone" else None
        if zone and any(record["Type"] not in {"SOA", "NS"} for record in zone.records or ()):
            return Refusal("HostedZoneNotEmpty", self.text)
        return None


class CheckReference(_Remembers):
    """A health check's reference stands for one configuration, also when the check is gone."""

    rule = Rule(
        id="check-reference",
        rows=("R41",),
        source="documentation of CreateHealthCheck, CallerReference; hashicorp/terraform#8679; presslabs/zinc#148",
        says="A check's CallerReference with the same configuration returns that check, and is refused otherwise.",
    )

    def before(self, call: Call) -> Refusal | Raw | None:
        """Give the same answer again, or refuse the reference."""
        if call.operation != "CreateHealthCheck":
            return None
        known = self.memory.checks.get(call.params["CallerReference"])
        if known is None:
            return None
        if known.config == call.params["HealthCheckConfig"] and not known.gone:
            return known.raw
        text = "A different health check has already been created with the specified caller reference."
        return Refusal("HealthCheckAlreadyExists", text, 409)


class CheckDeleted(_Remembers):
    """What is deleted is gone."""

    rule = Rule(
        id="check-deleted-once",
        rows=("R42",),
        source="localstack test_route53::test_crud_health_check, recorded 2024-06-13",
        says="A check that has been deleted is not there to be deleted again.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse what is asked about it."""
        check = call.params.get("HealthCheckId", "") if call.service == "route53" else ""
        if check in self.memory.gone_checks:
            return Refusal("NoSuchHealthCheck", f"No health check exists with the specified ID: {check}", 404)
        return None


class TagIdPrefix(Lenient):
    """botocore strips the prefix for other calls, not for these."""

    rule = Rule(
        id="tag-id-prefix",
        rows=("R45",),
        source="moto test_route53_hosted_zone_ids, run on AWS in 2026",
        says="The tag calls do not take an id with its /hostedzone/ prefix.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse it as too long."""
        if call.service != "route53" or call.operation not in {"ChangeTagsForResource", "ListTagsForResource"}:
            return None
        identifier = call.params["ResourceId"]
        if not identifier.startswith("/"):
            return None
        text = (
            f"1 validation error detected: Value '{identifier}' at 'resourceId' failed to satisfy constraint: "
            "Member must have length less than or equal to 32"
        )
        return Refusal("InvalidInput", text)


class TagTenIds(Lenient):
    """A page of tags."""

    rule = Rule(
        id="tag-ten-ids",
        rows=("R46",),
        source="cloud-custodian/cloud-custodian#2356",
        says="ListTagsForResources takes at most ten ids.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse the eleventh."""
        if call.operation != "ListTagsForResources" or len(call.params["ResourceIds"]) <= 10:
            return None
        text = "Invalid XML ; cvc-complex-type.2.4.f: 'ResourceId' can occur a maximum of '10' times in the sequence"
        return Refusal("InvalidInput", text)
