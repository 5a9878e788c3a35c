"""What cases ask about: each made when it is first needed, once a run, and removed when the run is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from srekv.conformance.cases.answer import NotAskedError
from srekv.conformance.cases.desk import Desk

T = TypeVar("T")

HOST = "example.com"
"""Where a disabled health check points: it is never asked for anything (aws-facts 1.1)."""

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    }
)
KEY = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
"""A table's shape."""

CHECK = {"Type": "HTTP", "FullyQualifiedDomainName": HOST, "Disabled": True}
"""The configuration of a health check."""

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def vpc(desk: Desk) -> str:
    """The id of the default VPC; nothing in it is changed."""

    def find() -> str:
        found = desk.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if not found:
            raise NotAskedError("this Region has no default VPC")
        return str(found[0]["VpcId"])

    return _once(desk, "vpc", find)


def within(desk: Desk) -> dict[str, str]:
    """The VPC as CreateHostedZone wants it."""
    return {"VPCRegion": desk.region, "VPCId": vpc(desk)}


def drop_zone(desk: Desk, answer: Mapping[str, Any]) -> None:
    """Remove a hosted zone later; its own records have gone by then."""
    zone_id = answer["HostedZone"]["Id"].rpartition("/")[2]
    desk.later(f"hosted zone {zone_id}", desk.route53.delete_hosted_zone, Id=zone_id)


def drop_check(desk: Desk, answer: Mapping[str, Any]) -> None:
    """Remove a health check later."""
    check_id = answer["HealthCheck"]["Id"]
    desk.later(f"health check {check_id}", desk.route53.delete_health_check, HealthCheckId=check_id)


def new_zone(desk: Desk, name: str = "", reference: str = "") -> tuple[str, str]:
    """The id and the name of a private zone made for one question."""
    answer = desk.surely(
        desk.route53.create_hosted_zone,
        Name=name or f"{desk.name('zone')}.test",
        CallerReference=reference or desk.name("ref"),
        VPC=within(desk),
        HostedZoneConfig={"Comment": "made by srekv conformance, to be removed", "PrivateZone": True},
    )
    drop_zone(desk, answer)
    zone_id = answer["HostedZone"]["Id"].rpartition("/")[2]
    desk.surely(desk.route53.change_tags_for_resource, ResourceType="hostedzone", ResourceId=zone_id, AddTags=desk.tags)
    return zone_id, answer["HostedZone"]["Name"]


def zone(desk: Desk) -> tuple[str, str]:
    """The id and the name of a private zone that holds no record of a user's."""
    return _once(desk, "zone", lambda: new_zone(desk.home))


def batch(*changes: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A change batch of actions and record sets."""
    return {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}


def new_record(desk: Desk, zone_id: str, record: Mapping[str, Any]) -> None:
    """Create a record for one question, and wait until its change has been made."""
    made = desk.surely(
        desk.route53.change_resource_record_sets, HostedZoneId=zone_id, ChangeBatch=batch(("CREATE", record))
    )
    drop_record(desk, zone_id, record)
    change_id = made["ChangeInfo"]["Id"]
    desk.until(
        f"record {record['Name']}", lambda: desk.route53.get_change(Id=change_id)["ChangeInfo"]["Status"] == "INSYNC"
    )


def drop_record(desk: Desk, zone_id: str, record: Mapping[str, Any]) -> None:
    """Remove a record later."""
    desk.later(
        f"record {record['Name']} in zone {zone_id}",
        desk.route53.change_resource_record_sets,
        HostedZoneId=zone_id,
        ChangeBatch=batch(("DELETE", record)),
    )


def new_check(desk: Desk, reference: str = "") -> str:
    """The id of a disabled health check made for one question."""
    answer = desk.surely(
        desk.route53.create_health_check, CallerReference=reference or desk.name("ref"), HealthCheckConfig=CHECK
    )
    drop_check(desk, answer)
    check_id = str(answer["HealthCheck"]["Id"])
    desk.surely(
        desk.route53.change_tags_for_resource, ResourceType="healthcheck", ResourceId=check_id, AddTags=desk.tags
    )
    return check_id


def check(desk: Desk) -> str:
    """The id of a disabled health check."""
    return _once(desk, "check", lambda: new_check(desk.home))


def group(desk: Desk) -> tuple[str, str]:
    """The id and the name of a security group without inbound rules."""

    def make() -> tuple[str, str]:
        home, name = desk.home, desk.name("group")
        answer = home.surely(
            home.ec2.create_security_group,
            GroupName=name,
            Description="made by srekv conformance",
            VpcId=vpc(home),
            TagSpecifications=home.tagged("security-group"),
        )
        home.later(f"security group {name}", home.ec2.delete_security_group, GroupId=answer["GroupId"])
        return str(answer["GroupId"]), name

    return _once(desk, "group", make)


def new_role(desk: Desk) -> str:
    """The name of a role without policies made for one question; nobody assumes it."""
    name = desk.name("role")
    desk.surely(desk.iam.create_role, RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=desk.tags)
    desk.later(f"role {name}", desk.iam.delete_role, RoleName=name)
    return name


def role(desk: Desk) -> str:
    """The name of a role without policies."""
    return _once(desk, "role", lambda: new_role(desk.home))


def new_profile(desk: Desk, *roles: str) -> str:
    """The name of an instance profile with these roles, made for one question."""
    name = desk.name("profile")
    desk.surely(desk.iam.create_instance_profile, InstanceProfileName=name, Tags=desk.tags)
    desk.later(f"instance profile {name}", desk.iam.delete_instance_profile, InstanceProfileName=name)
    for one in roles:
        desk.surely(desk.iam.add_role_to_instance_profile, InstanceProfileName=name, RoleName=one)
        desk.later(
            f"{one} in instance profile {name}",
            desk.iam.remove_role_from_instance_profile,
            InstanceProfileName=name,
            RoleName=one,
        )
    return name


def new_table(desk: Desk, *, wait: bool = True, **settings: Any) -> str:
    """The name of a table made for one question, ready unless it is not waited for."""
    name = desk.name("table")
    desk.surely(desk.dynamodb.create_table, TableName=name, Tags=desk.tags, **{**KEY, **settings})
    desk.later(f"table {name}", desk.dynamodb.delete_table, TableName=name)
    if wait:
        desk.until(f"table {name} to be ready", lambda: table_status(desk, name) == "ACTIVE")
    return name


def table_status(desk: Desk, name: str) -> str:
    """The state of a table."""
    return str(desk.dynamodb.describe_table(TableName=name)["Table"]["TableStatus"])


def table(desk: Desk) -> str:
    """The name of an empty table, ready."""
    return _once(desk, "table", lambda: new_table(desk.home))


def drop_instance(desk: Desk, instance: str) -> None:
    """End an instance later, and wait until it has ended: what it uses cannot be removed before."""

    def state() -> str:
        groups = desk.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return str(groups[0]["Instances"][0]["State"]["Name"])

    def end() -> None:
        desk.ec2.terminate_instances(InstanceIds=[instance])
        desk.until(f"instance {instance} to end", lambda: state() == "terminated")

    desk.later(f"instance {instance}", end)


def image(desk: Desk) -> str:
    """The newest Amazon Linux."""
    return _once(desk, "image", lambda: str(desk.ssm.get_parameter(Name=IMAGE)["Parameter"]["Value"]))


def _once(desk: Desk, what: str, make: Callable[[], T]) -> T:
    """What the run has by this name, made if need be."""
    if what not in desk.shared:
        desk.shared[what] = make()
    return cast("T", desk.shared[what])
