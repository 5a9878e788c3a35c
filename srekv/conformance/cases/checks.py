"""Health checks and Route 53's tags (aws-recorded, section 3). Every check is disabled: nobody is probed."""

from __future__ import annotations

import json
from typing import Any

from srekv.conformance.cases import things
from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk
from srekv.conformance.cases.model import Case, case

_PROBED = "cdk-preflight, probed 2026-09-10"


def _create(desk: Desk, config: dict[str, Any], reference: str = "") -> Seen:
    """What CreateHealthCheck answers; a check that it makes is removed."""
    return desk.ask(
        desk.route53.create_health_check,
        made=lambda answer: things.drop_check(desk, answer),
        CallerReference=reference or desk.name("ref"),
        HealthCheckConfig=config,
    )


def _refused(name: str, rows: str, says: str, text: str, *, source: str = _PROBED, **config: Any) -> Case:
    """A case that asks for a check that Route 53 refuses."""
    answer = Answer(400, "InvalidInput", text)
    return case(name, rows, says, answer, source=source)(lambda desk: _create(desk, {**config, "Disabled": True}))


PRIVATE_ADDRESS = _refused(
    "check-address-private",
    "R34",
    "A health check of a private address is refused.",
    r"IPv4 address 10\.0\.0\.10 is forbidden\.",
    Type="HTTP",
    IPAddress="10.0.0.10",
)
DOCUMENTATION_ADDRESS = _refused(
    "check-address-documentation",
    "R34",
    "A health check of an address for documentation is refused.",
    r"IPv4 address 203\.0\.113\.10 is forbidden\.",
    Type="HTTP",
    IPAddress="203.0.113.10",
)
INTERVAL = _refused(
    "check-interval",
    "R35",
    "A check's interval is 10 or 30 s.",
    r"Invalid XML ; .*Value '20' is not facet-valid with respect to enumeration '\[10, 30\]'",
    Type="HTTP",
    FullyQualifiedDomainName=things.HOST,
    RequestInterval=20,
)
ENDPOINT = _refused(
    "check-endpoint",
    "R36",
    "A check has an address or a name.",
    r"IP address and fully qualified domain name can not be both empty",
    Type="HTTP",
)
TCP_PATH = _refused(
    "check-tcp-path",
    "R37",
    "A TCP check has no path.",
    r"TCP health checks must not have a resource path specified",
    source="cdk-preflight, probed 2026-09; aws/aws-sdk-php#1527",
    Type="TCP",
    FullyQualifiedDomainName=things.HOST,
    Port=80,
    ResourcePath="/",
)
SNI = _refused(
    "check-sni-http",
    "R38",
    "An HTTP check has no SNI.",
    r"Health checks with HTTP type must not enable SNI support",
    Type="HTTP",
    FullyQualifiedDomainName=things.HOST,
    EnableSNI=True,
)
SEARCH_STRING = _refused(
    "check-search-string",
    "R38",
    "A check for a string has the string.",
    r"String match health checks must have a search string specified",
    Type="HTTP_STR_MATCH",
    FullyQualifiedDomainName=things.HOST,
)


@case(
    "check-reference-other-config",
    "R41",
    "A check's CallerReference with another configuration is refused.",
    Answer(409, "HealthCheckAlreadyExists", "A different health check has already been created with the specified"),
    source="hashicorp/terraform#8679; presslabs/zinc#148",
    needs="a disabled health check",
    law="check-reference",
)
def reference_other_config(desk: Desk) -> Seen:
    """Create a check with the reference of another."""
    reference = desk.name("ref")
    things.new_check(desk, reference)
    return _create(desk, {**things.CHECK, "Port": 8080}, reference)


@case(
    "check-reference-same-config",
    "R41",
    "A check's CallerReference with the same configuration returns the check that is there.",
    Answer(201, "", "^same$"),
    Answer(200, "", "^same$"),
    source="hashicorp/terraform#8679; presslabs/zinc#148",
    needs="a disabled health check",
    law="check-reference",
)
def reference_same_config(desk: Desk) -> Seen:
    """Create a check twice."""
    reference = desk.name("ref")
    first = things.new_check(desk, reference)
    again = desk.surely(desk.route53.create_health_check, CallerReference=reference, HealthCheckConfig=things.CHECK)
    same = again["HealthCheck"]["Id"] == first
    if not same:
        things.drop_check(desk, again)
    return Seen(status=again["ResponseMetadata"]["HTTPStatusCode"], text="same" if same else "another one")


@case(
    "check-reference-deleted",
    "R41",
    "The CallerReference of a deleted check is refused, whatever the configuration.",
    Answer(409, "HealthCheckAlreadyExists"),
    source="documentation of CreateHealthCheck, CallerReference; hashicorp/terraform#8679",
    needs="a disabled health check",
    law="check-reference",
)
def reference_deleted(desk: Desk) -> Seen:
    """Create a check with the reference of one that has been deleted."""
    reference = desk.name("ref")
    check = things.new_check(desk, reference)
    desk.surely(desk.route53.delete_health_check, HealthCheckId=check)
    return _create(desk, things.CHECK, reference)


@case(
    "check-deleted-once",
    "R42",
    "A check that has been deleted is not there to be deleted again.",
    Answer(404, "NoSuchHealthCheck"),
    source="localstack test_route53::test_crud_health_check, recorded 2024-06-13",
    needs="a disabled health check",
)
def deleted_once(desk: Desk) -> Seen:
    """Delete it twice."""
    check = things.new_check(desk)
    desk.surely(desk.route53.delete_health_check, HealthCheckId=check)
    return desk.ask(desk.route53.delete_health_check, HealthCheckId=check)


@case(
    "check-defaults",
    "R43",
    "A check shows the defaults of what was left out, and no Regions.",
    Answer(
        200,
        "",
        '^{"EnableSNI": false, "FailureThreshold": 3, "HealthCheckVersion": 1, "Inverted": false, '
        '"MeasureLatency": false, "Regions": null, "RequestInterval": 30}$',
    ),
    source="localstack resource_providers healthcheck, recorded 2023-09-22",
    needs="a disabled health check",
)
def defaults(desk: Desk) -> Seen:
    """Read a check of which only the host was given."""
    answer = desk.surely(desk.route53.get_health_check, HealthCheckId=things.check(desk))
    config = answer["HealthCheck"]["HealthCheckConfig"]
    members = ("Inverted", "EnableSNI", "MeasureLatency", "FailureThreshold", "RequestInterval", "Regions")
    shown = {
        **{member: config.get(member) for member in members},
        "HealthCheckVersion": answer["HealthCheck"]["HealthCheckVersion"],
    }
    return Seen(status=answer["ResponseMetadata"]["HTTPStatusCode"], text=json.dumps(shown, sort_keys=True))


@case(
    "check-deleted-in-use",
    "R44",
    "A check can be deleted while a record names it.",
    Answer(200),
    source="presslabs/zinc#236; documentation of DeleteHealthCheck",
    needs="a private zone, a disabled health check and a record",
)
def deleted_in_use(desk: Desk) -> Seen:
    """Delete the check of a PRIMARY record."""
    zone_id, zone = things.zone(desk)
    check = things.new_check(desk)
    record = {
        "Name": f"used.{zone}",
        "Type": "A",
        "SetIdentifier": "az1",
        "Failover": "PRIMARY",
        "TTL": 10,
        "ResourceRecords": [{"Value": "192.0.2.1"}],
        "HealthCheckId": check,
    }
    things.new_record(desk, zone_id, record)
    return desk.ask(desk.route53.delete_health_check, HealthCheckId=check)


@case(
    "tag-id-prefix",
    "R45",
    "The tag calls do not take an id with its /hostedzone/ prefix.",
    Answer(
        400, "InvalidInput", r"at 'resourceId' failed to satisfy constraint: Member must have length less than or equal"
    ),
    Answer(404, "NoSuchHostedZone", r"^No hosted zone found with ID: /hostedzone/Z"),
    source="moto test_route53_hosted_zone_ids, run on AWS in 2026",
    needs="a private zone",
)
def id_prefix(desk: Desk) -> Seen:
    """Ask for tags of /hostedzone/Z..."""
    return desk.ask(
        desk.route53.list_tags_for_resource, ResourceType="hostedzone", ResourceId=f"/hostedzone/{things.zone(desk)[0]}"
    )


@case(
    "tag-ten-ids",
    "R46",
    "ListTagsForResources takes at most ten ids.",
    Answer(400, "InvalidInput", r"'ResourceId' can occur a maximum of '10' times"),
    source="cloud-custodian/cloud-custodian#2356",
    needs="a disabled health check",
)
def ten_ids(desk: Desk) -> Seen:
    """Ask for the tags of one check eleven times."""
    return desk.ask(
        desk.route53.list_tags_for_resources, ResourceType="healthcheck", ResourceIds=[things.check(desk)] * 11
    )
