"""Hosted zones (aws-recorded, section 1)."""

from __future__ import annotations

from srekv.conformance.cases import things
from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk
from srekv.conformance.cases.model import case

_UNKNOWN_ZONE = "Z0123456789ABCDEFGHIJ"


def _create(desk: Desk, name: str, reference: str = "", **vpc: str) -> Seen:
    """What CreateHostedZone answers; a zone that it makes is removed."""
    return desk.ask(
        desk.route53.create_hosted_zone,
        made=lambda answer: things.drop_zone(desk, answer),
        Name=name,
        CallerReference=reference or desk.name("ref"),
        VPC={**things.within(desk), **vpc},
    )


@case(
    "zone-vpc-unknown",
    "R4",
    "A private zone for a VPC that does not exist is refused.",
    Answer(400, "InvalidVPCId", r"^The VPC ID is invalid\.$"),
    source="localstack route53/test_route53, recorded 2024-04-10",
)
def vpc_unknown(desk: Desk) -> Seen:
    """Create a zone in a VPC of nobody."""
    return _create(desk, f"{desk.name('zone')}.test", VPCId="vpc-0123456789abcdef0")


@case(
    "zone-vpc-region",
    "R5",
    "The VPC's Region is a Region, not an Availability Zone.",
    Answer(
        400, "InvalidInput", r"Value '.*' at 'vPC\.vPCRegion' failed to satisfy constraint: Member must satisfy enum"
    ),
    source="cdk-preflight vpcregion, probed 2026-09",
)
def vpc_region(desk: Desk) -> Seen:
    """Create a zone whose VPC is in a zone's name."""
    return _create(desk, f"{desk.name('zone')}.test", VPCRegion=f"{desk.region}a")


@case(
    "zone-reference-once",
    "R6",
    "A hosted zone's CallerReference is used once: never again, whether its zone lives or not.",
    Answer(
        409, "HostedZoneAlreadyExists", r"^A hosted zone has already been created with the specified caller reference"
    ),
    source="saltstack/salt#40655; Netflix/denominator#356; presslabs/zinc#148; openshift/release#43517",
    needs="a private zone",
)
def reference_once(desk: Desk) -> Seen:
    """Create two zones with one reference."""
    reference = desk.name("ref")
    things.new_zone(desk, reference=reference)
    return _create(desk, f"{desk.name('zone')}.test", reference)


@case(
    "zone-single-label",
    "R7",
    "A private zone's name may be a single label.",
    Answer(201),
    source="localstack route53/test_route53, recorded 2024-04",
    needs="a private zone",
)
def single_label(desk: Desk) -> Seen:
    """Create a zone without a dot in its name."""
    return _create(desk, desk.name("zone"))


@case(
    "zone-name-taken-in-vpc",
    "R8",
    "A VPC sees one zone of a name.",
    Answer(400, "ConflictingDomainExists"),
    source="cdk-preflight, probed 2026-09-10; ansible/ansible-modules-extras#915",
    needs="a private zone",
)
def name_taken(desk: Desk) -> Seen:
    """Create a second zone of that name in the same VPC."""
    return _create(desk, things.zone(desk)[1])


@case(
    "zone-label-length",
    "R9",
    "A label of a zone's name has at most 63 characters.",
    Answer(400, "InvalidDomainName", r"DomainLabelTooLong \(Domain label is too long\) encountered with"),
    source="cdk-preflight, probed 2026-09",
)
def label_length(desk: Desk) -> Seen:
    """Create a zone with a label of 64 characters."""
    return _create(desk, "x" * 64 + ".test")


@case(
    "zone-unknown",
    "R12",
    "What is asked about a zone that does not exist is refused with the id.",
    Answer(404, "NoSuchHostedZone", rf"^No hosted zone found with ID: {_UNKNOWN_ZONE}$"),
    source="localstack route53/test_route53, recorded 2026-01-12",
)
def unknown(desk: Desk) -> Seen:
    """Delete a zone that nobody has."""
    return desk.ask(desk.route53.delete_hosted_zone, Id=_UNKNOWN_ZONE)


@case(
    "zone-not-empty",
    "R14",
    "A zone with records of a user's cannot be deleted.",
    Answer(400, "HostedZoneNotEmpty", r"contains non-required resource record sets +and so cannot be deleted"),
    source="gruntwork-io/cloud-nuke#743, #751, 2024-07",
    needs="a private zone with a record",
)
def not_empty(desk: Desk) -> Seen:
    """Delete a zone with a record."""
    zone_id, name = things.new_zone(desk)
    record = {"Name": f"a.{name}", "Type": "A", "TTL": 10, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    things.new_record(desk, zone_id, record)
    return desk.ask(desk.route53.delete_hosted_zone, Id=zone_id)


@case(
    "change-pending",
    "R1",
    "A new zone's change is PENDING at first.",
    Answer(201, "", "^PENDING$"),
    source="localstack route53/test_route53, recorded 2024-04-11",
    needs="a private zone",
)
def pending(desk: Desk) -> Seen:
    """Create a zone and read the state of its change."""
    answer = desk.surely(
        desk.route53.create_hosted_zone,
        Name=f"{desk.name('zone')}.test",
        CallerReference=desk.name("ref"),
        VPC=things.within(desk),
    )
    things.drop_zone(desk, answer)
    return Seen(status=answer["ResponseMetadata"]["HTTPStatusCode"], text=answer["ChangeInfo"]["Status"])
