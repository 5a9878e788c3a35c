"""Everything in an account as its services describe it, and how many of each kind `up` makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore import xform_name

EMPTY = {"security groups": 1, "security group rules": 1, "vpcs": 1, "subnets": 6, "route tables": 1}
WHOLE = EMPTY | {
    "security groups": 2,
    # egress of two groups, the operator, two nodes, and the seventeen published ranges of the checkers
    "security group rules": 22,
    "addresses": 2,
    "check tags": 6,
    "checks": 2,
    "instances": 2,
    "interfaces": 2,
    "profiles": 1,
    "records": 4,
    "recovery": 1,
    "role policies": 1,
    "roles": 1,
    "table tags": 1,
    "tables": 1,
    "volumes": 2,
    "zone tags": 3,
    "zones": 1,
}
"""How many of each kind there are in a moto account without and with a stack: anything doubled or lost shows."""

EC2 = {
    "volumes": "Volumes",
    "addresses": "Addresses",
    "security groups": "SecurityGroups",
    "security group rules": "SecurityGroupRules",
    "key pairs": "KeyPairs",
    "interfaces": "NetworkInterfaces",
    "vpcs": "Vpcs",
    "subnets": "Subnets",
    "route tables": "RouteTables",
}
"""Kind -> the member of the answer that lists it, after which the call is named."""

LIVE = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]


def listing(client: Callable[[str], Any]) -> dict[str, Any]:
    """Everything there is, asked by the clients of a service that `client` makes; what has ended is left out."""
    ec2, dynamodb, cloudwatch = client("ec2"), client("dynamodb"), client("cloudwatch")
    groups = ec2.describe_instances(Filters=LIVE)["Reservations"]
    tables = [dynamodb.describe_table(TableName=name)["Table"] for name in dynamodb.list_tables()["TableNames"]]
    dashboards = [one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]]
    return {
        "instances": [one for group in groups for one in group["Instances"]],
        **{kind: getattr(ec2, f"describe_{xform_name(member)}")()[member] for kind, member in EC2.items()},
        **_iam(client("iam")),
        "tables": tables,
        "table tags": [dynamodb.list_tags_of_resource(ResourceArn=one["TableArn"])["Tags"] for one in tables],
        "recovery": [_recovery(dynamodb, one["TableName"]) for one in tables],
        **_route53(client("route53")),
        "alarms": cloudwatch.describe_alarms()["MetricAlarms"],
        "dashboards": [_said(cloudwatch.get_dashboard(DashboardName=name)) for name in dashboards],
    }


def _iam(iam: Any) -> dict[str, Any]:
    names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    profiles = [one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]]
    inline = [(name, one) for name in names for one in iam.list_role_policies(RoleName=name)["PolicyNames"]]
    return {
        "roles": [iam.get_role(RoleName=name)["Role"] for name in names],
        "role policies": [_said(iam.get_role_policy(RoleName=name, PolicyName=policy)) for name, policy in inline],
        "attached policies": [
            (name, policy)
            for name in names
            for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        ],
        "profiles": [iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"] for name in profiles],
    }


def _recovery(dynamodb: Any, table: str) -> str:
    described = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    return str(described["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])


def _route53(route53: Any) -> dict[str, Any]:
    zones = [_said(route53.get_hosted_zone(Id=one["Id"])) for one in route53.list_hosted_zones()["HostedZones"]]
    ids = [zone["HostedZone"]["Id"].rpartition("/")[2] for zone in zones]
    checks = route53.list_health_checks()["HealthChecks"]
    records = [route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"] for zone in ids]
    return {
        "zones": zones,
        "zone tags": _tags(route53, "hostedzone", ids),
        "records": [record for listed in records for record in listed],
        "checks": checks,
        "check tags": _tags(route53, "healthcheck", [check["Id"] for check in checks]),
    }


def _tags(route53: Any, kind: str, ids: list[str]) -> list[tuple[str, str, str]]:
    """Every tag of every one of these."""
    sets = route53.list_tags_for_resources(ResourceType=kind, ResourceIds=ids)["ResourceTagSets"] if ids else []
    return sorted((one["ResourceId"], tag["Key"], tag["Value"]) for one in sets for tag in one["Tags"])


def _said(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}
