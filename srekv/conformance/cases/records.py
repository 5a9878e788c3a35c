"""Records: changes that Route 53 refuses (aws-recorded, section 2). None of them takes effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from srekv.conformance.cases import things
from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk
from srekv.conformance.cases.model import Case, case

Changes = Callable[[Desk, str], list[tuple[str, dict[str, Any]]]]
"""Action and record set of each change, for the zone of that name."""

_ADDRESS = {"Type": "A", "TTL": 10, "ResourceRecords": [{"Value": "192.0.2.1"}]}


def refused(
    name: str,
    rows: str,
    says: str,
    answer: Answer,
    changes: Changes,
    *,
    source: str,
    check: bool = False,
    law: str = "",
) -> Case:
    """A case that sends one batch to the shared zone. What takes effect against the record is removed again."""

    def ask(desk: Desk) -> Seen:
        zone_id, zone = things.zone(desk)
        wanted = changes(desk, zone)

        def undo(_: object) -> None:
            for _action, one in wanted:
                things.drop_record(desk, zone_id, one)

        return desk.ask(
            desk.route53.change_resource_record_sets, made=undo, HostedZoneId=zone_id, ChangeBatch=things.batch(*wanted)
        )

    needs = "a private zone and a disabled health check" if check else "a private zone"
    return case(name, rows, says, answer, source=source, needs=needs, law=law)(ask)


def record(zone: str, name: str, **members: Any) -> dict[str, Any]:
    """A record set of the zone, an A record unless `members` say otherwise."""
    return {"Name": f"{name}.{zone}", **_ADDRESS, **members}


def invalid_batch(text: str) -> Answer:
    """An InvalidChangeBatch whose message has this in it."""
    return Answer(400, "InvalidChangeBatch", text)


def _invalid_input(text: str) -> Answer:
    return Answer(400, "InvalidInput", text)


PRIMARY_NEEDS_CHECK = refused(
    "record-primary-needs-check",
    "R20",
    "A PRIMARY record that is no alias must have a health check.",
    invalid_batch(r"A non-alias primary ResourceRecordSet must have an associated health check\. No changes made\."),
    lambda _, zone: [("CREATE", record(zone, "r20", SetIdentifier="az1", Failover="PRIMARY"))],
    source="cdk-preflight, probed 2026-09-10; kubernetes-sigs/external-dns#2362, #1420",
)

ALIAS_PRIMARY = refused(
    "record-alias-primary",
    "R21",
    "A PRIMARY alias evaluates its target's health or has a health check.",
    invalid_batch("cannot be a primary without EvaluateTargetHealth set to true or an associated health check"),
    lambda desk, zone: [
        (
            "CREATE",
            {
                "Name": f"r21.{zone}",
                "Type": "A",
                "SetIdentifier": "az1",
                "Failover": "PRIMARY",
                "AliasTarget": {
                    "HostedZoneId": things.zone(desk)[0],
                    "DNSName": f"target.{zone}",
                    "EvaluateTargetHealth": False,
                },
            },
        )
    ],
    source="cdk-preflight, probed 2026-09",
)

TTL_MISSING = refused(
    "record-ttl-missing",
    "R22",
    "A record that is no alias has a TTL.",
    _invalid_input(
        r"Expected exactly one of \[AliasTarget, all of \[TTL, and ResourceRecords\], or TrafficPolicyInstanceId\], "
        r"but found none in Change with \[Action=CREATE, Name=r22\."
    ),
    lambda _, zone: [("CREATE", {"Name": f"r22.{zone}", "Type": "A", "ResourceRecords": _ADDRESS["ResourceRecords"]})],
    source="cdk-preflight, probed 2026-09-02; boto/boto3#612; aws/aws-sdk-go-v2#118",
)

IDENTIFIER_MISSING = refused(
    "record-identifier-missing",
    "R23",
    "A record of a routing policy has a SetIdentifier.",
    _invalid_input(r"Missing field 'SetIdentifier' in Change with \[Action=UPSERT, Name=r23\."),
    lambda _, zone: [("UPSERT", record(zone, "r23", Failover="SECONDARY"))],
    source="cdk-preflight, probed 2026-09; ansible-collections/community.aws#615",
)

POLICY_MISSING = refused(
    "record-policy-missing",
    "R24",
    "A record with a SetIdentifier has one routing policy.",
    _invalid_input(r"Expected exactly one of \[Weight, Region, Failover, .*\], but found none"),
    lambda _, zone: [("UPSERT", record(zone, "r24", SetIdentifier="az1"))],
    source="cdk-preflight, probed 2026-09",
)

TWICE_IN_BATCH = refused(
    "record-twice-in-batch",
    "R25",
    "A batch names a record set once.",
    invalid_batch("The request contains an invalid set of changes for a resource record set 'A r25"),
    lambda _, zone: [("UPSERT", record(zone, "r25")), ("UPSERT", record(zone, "r25", TTL=20))],
    source="cdk-preflight, probed 2026-09; kubernetes-sigs/external-dns#4241",
)

CHECK_WITHOUT_POLICY = refused(
    "record-check-without-policy",
    "R30",
    "A record without a routing policy cannot have a health check.",
    invalid_batch("DNS name must have alternate ResourceRecordSet responses configured via a routing policy"),
    lambda desk, zone: [("UPSERT", record(zone, "r30", HealthCheckId=things.check(desk)))],
    source="cdk-preflight, probed 2026-09",
    check=True,
)

FAILOVER_WORD = refused(
    "record-failover-word",
    "R31",
    "Failover is PRIMARY or SECONDARY.",
    _invalid_input(r"Invalid XML ; .*Value 'BACKUP' is not facet-valid with respect to enumeration"),
    lambda _, zone: [("UPSERT", record(zone, "r31", SetIdentifier="az1", Failover="BACKUP"))],
    source="cdk-preflight, probed 2026-09",
)

MISSING = refused(
    "record-delete-missing",
    "R32",
    "A record that is not there cannot be deleted.",
    invalid_batch(r"^\[Tried to delete resource record set \[name='r32\..*', type='A'\] but it was not found"),
    lambda _, zone: [("DELETE", record(zone, "r32"))],
    source="boto/boto#2887; airbnb/zonify#23",
)

LARGEST_TTL = refused(
    "record-ttl-largest",
    "R33",
    "A TTL has at most 31 bits.",
    _invalid_input(
        r"Value '2147483648' at 'changeBatch\.changes\.1\.member\.resourceRecordSet\.tTL' failed to satisfy"
    ),
    lambda _, zone: [("UPSERT", record(zone, "r33", TTL=2147483648))],
    source="cdk-preflight, probed 2026-09",
)

WEIGHT_LARGEST = refused(
    "record-weight-largest",
    "R33",
    "A weight is 255 at most.",
    _invalid_input(r"Value '256' at 'changeBatch\.changes\.1\.member\.resourceRecordSet\.weight' failed to satisfy"),
    lambda _, zone: [("UPSERT", record(zone, "r33", SetIdentifier="one", Weight=256))],
    source="cdk-preflight, probed 2026-09-13",
)

CNAME_AT_APEX = refused(
    "record-cname-at-apex",
    "R33",
    "The zone's own name cannot be a CNAME.",
    invalid_batch(r"RRSet of type CNAME with DNS name .* is not permitted at apex in zone"),
    lambda _, zone: [
        ("UPSERT", {"Name": zone, "Type": "CNAME", "TTL": 10, "ResourceRecords": [{"Value": "target.test"}]})
    ],
    source="cdk-preflight, probed 2026-09",
)


def _with_record(desk: Desk, name: str) -> tuple[str, dict[str, Any]]:
    """The shared zone's id, and a record in it that is removed when the question has been answered."""
    zone_id, zone = things.zone(desk)
    made = record(zone, name)
    things.new_record(desk, zone_id, made)
    return zone_id, made


@case(
    "record-create-existing",
    "R32",
    "A record that exists cannot be created.",
    invalid_batch(r"^\[Tried to create resource record set \[name='exists\..*', type='A'\] but it already exists\]$"),
    source="boto/boto#2887; hashicorp/terraform-provider-aws#13012",
    needs="a private zone with a record",
)
def create_existing(desk: Desk) -> Seen:
    """Create it a second time."""
    zone_id, made = _with_record(desk, "exists")
    return desk.ask(
        desk.route53.change_resource_record_sets, HostedZoneId=zone_id, ChangeBatch=things.batch(("CREATE", made))
    )


@case(
    "record-delete-other-values",
    "R32",
    "A DELETE repeats every value of the record.",
    invalid_batch("but the values provided do not match the current values"),
    source="boto/boto#2887; airbnb/zonify#23",
    needs="a private zone with a record",
)
def delete_other_values(desk: Desk) -> Seen:
    """Delete it with another TTL."""
    zone_id, made = _with_record(desk, "other")
    return desk.ask(
        desk.route53.change_resource_record_sets,
        HostedZoneId=zone_id,
        ChangeBatch=things.batch(("DELETE", {**made, "TTL": 60})),
    )
