"""The native listings of every kind that srekv can create.

The tagging API is only a hint: it lags, misses IAM and whatever lost its tags (aws-facts 7). So every kind is listed by
the service that owns it, every page, in every state that still costs money or is in the way, and taken only if it
carries a mark of ours: on EC2, tables and alarms the stack's tag; on roles and profiles the path; on zones and checks
the CallerReference, which a crash cannot lose; on backups the name; on dashboards the title.

Not listed: the backup that DynamoDB itself keeps of a deleted table for 35 days. It costs nothing and nobody can remove
it (aws-facts 5).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from srekv.errors import SrekvError
from srekv.provision.engine.answers import found
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.existing import LIVE
from srekv.provision.inventory.holders import instances_of
from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.marks import each, route53_tags, tagged, tags_of
from srekv.provision.lease import from_text
from srekv.provision.naming import (
    ALARM,
    DASHBOARD,
    LEASE_TAG,
    PATH,
    REGION_TAG,
    STACK_TAG,
    TABLE,
    Names,
    stack_of_backup,
    stack_of_path,
    stack_of_reference,
    stack_of_title,
    tag_map,
)
from srekv.provision.steps.dns import bare, label, readable, region_of, removable

GIB = 2**30
NOT_ENDED = LIVE | {"shutting-down"}
"""An instance that is shutting down costs nothing any more, but holds its interfaces and its group (E30)."""

CHANGING = frozenset({"CREATING", "UPDATING"})
"""A table that is so takes no deletion yet."""

Where = Literal["regional", "global"]
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """One kind's listing: the calls it always makes, and the function that makes them."""

    where: Where
    calls: tuple[str, ...]
    read: Callable[[Clients], Iterable[Leftover]]


def _tagged(one: Answer) -> dict[str, str]:
    return tag_map(one.get("Tags"))


def _lease(tags: Mapping[str, str]) -> datetime | None:
    """The lease's end; a tag that is no time is none: it must not hide what it is on."""
    try:
        return from_text(tags.get(LEASE_TAG, ""))
    except SrekvError:
        return None


def _ec2(clients: Clients, one: Answer, **members: Any) -> Leftover:
    """A thing of EC2 that carries the tag."""
    tags = tags_of(one)
    members.setdefault("name", tags.get("Name", ""))
    return Leftover(stack=tags[STACK_TAG], region=clients.region, lease=_lease(tags), **members)


def _instances(clients: Clients) -> Iterator[Leftover]:
    states = {"Name": "instance-state-name", "Values": sorted(NOT_ENDED)}
    for one in tagged(clients.ec2, "describe_instances", "Reservations", filters=(states,)):
        if one["State"]["Name"] in NOT_ENDED:
            yield _ec2(
                clients,
                one,
                kind="instance",
                id=one["InstanceId"],
                state=one["State"]["Name"],
                created=one.get("LaunchTime"),
                variant=one.get("InstanceType", ""),
            )


def _volumes(clients: Clients) -> Iterator[Leftover]:
    for one in tagged(clients.ec2, "describe_volumes", "Volumes"):
        on = instances_of(one["Attachments"])
        yield _ec2(
            clients,
            one,
            kind="volume",
            id=one["VolumeId"],
            state=one["State"],
            created=one.get("CreateTime"),
            gib=float(one["Size"]),
            note=f"on {', '.join(on)}" if on else "",
            holders=tuple(on),
        )


def _addresses(clients: Clients) -> Iterator[Leftover]:
    for one in tagged(clients.ec2, "describe_addresses", "Addresses"):
        association = one.get("AssociationId")
        yield _ec2(
            clients,
            one,
            kind="address",
            id=one["AllocationId"],
            name=one["PublicIp"],
            state="associated" if association else "idle",
            note=f"on {one.get('InstanceId') or one.get('NetworkInterfaceId')}" if association else "",
            ties=(("association", association),) if association else (),
        )


def _interfaces(clients: Clients) -> Iterator[Leftover]:
    """A service's own goes when the service lets go of it."""
    for one in tagged(clients.ec2, "describe_network_interfaces", "NetworkInterfaces"):
        on, managed = instances_of([one.get("Attachment", {})]), bool(one.get("RequesterManaged"))
        yield _ec2(
            clients,
            one,
            kind="network interface",
            id=one["NetworkInterfaceId"],
            state=one["Status"],
            note=f"on {', '.join(on)}" if on else one.get("Description", "") if managed else "",
            holders=(one["RequesterId"],) if managed else tuple(on),
            held=managed,
        )


def _groups(clients: Clients) -> Iterator[Leftover]:
    for one in tagged(clients.ec2, "describe_security_groups", "SecurityGroups"):
        yield _ec2(clients, one, kind="security group", id=one["GroupId"], name=one["GroupName"])


def _key_pairs(clients: Clients) -> Iterator[Leftover]:
    for one in tagged(clients.ec2, "describe_key_pairs", "KeyPairs"):
        yield _ec2(
            clients, one, kind="key pair", id=one["KeyPairId"], name=one["KeyName"], created=one.get("CreateTime")
        )


def _checks(clients: Clients) -> Iterator[Leftover]:
    listed = each(clients.route53, "list_health_checks", "HealthChecks")
    ours = {one["Id"]: one for one in listed if stack_of_reference(one["CallerReference"])}
    tags = route53_tags(clients.route53, "healthcheck", list(ours))
    for check_id, one in ours.items():
        config = one["HealthCheckConfig"]
        yield Leftover(
            kind="health check",
            id=check_id,
            name=f"{config.get('IPAddress', '')}:{config.get('Port', '')}",
            stack=stack_of_reference(one["CallerReference"]),
            region=tags.get(check_id, {}).get(REGION_TAG, ""),
            variant=str(config.get("RequestInterval", 30)),
        )


def _zones(clients: Clients) -> Iterator[Leftover]:
    """Each zone, and the records in it that are not its own: with them it cannot be deleted (R14)."""
    for zone in each(clients.route53, "list_hosted_zones", "HostedZones"):
        stack = stack_of_reference(zone["CallerReference"])
        if not stack:
            continue
        zone_id = bare(zone["Id"])
        region = region_of(clients.route53, zone_id)
        yield Leftover(kind="hosted zone", id=zone_id, name=zone["Name"], stack=stack, region=region)
        for record in removable(clients.route53, zone):
            yield Leftover(
                kind="record",
                id=f"{zone_id}/{label(record)}",
                name=readable(record["Name"]),
                stack=stack,
                state=record["Type"],
                region=region,
                ties=(("record set", _deletion(record)),),
            )


def _deletion(record: Answer) -> str:
    """The change that deletes a record set; it must repeat all of its members (aws-facts 2.4)."""
    return json.dumps({"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}, separators=(",", ":"))


def _tables(clients: Clients) -> Iterator[Leftover]:
    """Asked only about names that a table of ours can have: each needs two more calls."""
    for name in each(clients.dynamodb, "list_tables", "TableNames"):
        if name != TABLE and not str(name).startswith(f"{TABLE}-"):
            continue
        answer: Any = found(clients.dynamodb.describe_table, TableName=str(name))
        table = answer["Table"] if answer else None
        tags: Any = found(clients.dynamodb.list_tags_of_resource, ResourceArn=table["TableArn"]) if table else None
        stack = _tagged(tags or {}).get(STACK_TAG)
        if table and stack:
            yield Leftover(
                kind="table",
                id=table["TableArn"],
                name=str(name),
                stack=stack,
                state=table["TableStatus"],
                region=clients.region,
                created=table.get("CreationDateTime"),
                gib=table.get("TableSizeBytes", 0) / GIB,
                ties=tuple(_table_ties(table)),
            )


def _table_ties(table: Answer) -> Iterator[tuple[str, str]]:
    """A protected table cannot be deleted, nor one that is being changed: to take the protection away is a change."""
    protected = bool(table.get("DeletionProtectionEnabled"))
    if protected:
        yield "protection", ""
    if protected or table["TableStatus"] in CHANGING:
        yield "change", ""


def _backups(clients: Clients) -> Iterator[Leftover]:
    for one in each(clients.dynamodb, "list_backups", "BackupSummaries", BackupType="USER"):
        stack = stack_of_backup(one["BackupName"])
        if stack:
            yield Leftover(
                kind="backup",
                id=one["BackupArn"],
                name=one["BackupName"],
                stack=stack,
                state=one.get("BackupStatus", ""),
                region=clients.region,
                created=one.get("BackupCreationDateTime"),
                gib=one.get("BackupSizeBytes", 0) / GIB,
                note=f"of the table {one['TableName']}",
            )


def _roles(clients: Clients) -> Iterator[Leftover]:
    """ListRoles shows no tags (I3), and a role's tell where its stack is."""
    for one in each(clients.iam, "list_roles", "Roles", PathPrefix=PATH):
        if not stack_of_path(one["Path"]):
            continue
        answer: Any = found(clients.iam.list_role_tags, RoleName=one["RoleName"]) or {}
        tags = _tagged(answer)
        yield Leftover(
            kind="role",
            id=one["Arn"],
            name=one["RoleName"],
            stack=stack_of_path(one["Path"]),
            region=tags.get(REGION_TAG, ""),
            created=one.get("CreateDate"),
            lease=_lease(tags),
            ties=tuple(_policies(clients, one["RoleName"])),
        )


def _policies(clients: Clients, role: str) -> Iterator[tuple[str, str]]:
    """What a role must lose before it can go (I5)."""
    inline: Any = found(clients.iam.list_role_policies, RoleName=role) or {}
    attached: Any = found(clients.iam.list_attached_role_policies, RoleName=role) or {}
    yield from (("inline policy", name) for name in inline.get("PolicyNames", ()))
    yield from (("attached policy", one["PolicyArn"]) for one in attached.get("AttachedPolicies", ()))


def _profiles(clients: Clients) -> Iterator[Leftover]:
    for one in each(clients.iam, "list_instance_profiles", "InstanceProfiles", PathPrefix=PATH):
        stack = stack_of_path(one["Path"])
        if stack:
            yield Leftover(
                kind="instance profile",
                id=one["Arn"],
                name=one["InstanceProfileName"],
                stack=stack,
                created=one.get("CreateDate"),
                ties=tuple(("role in profile", role["RoleName"]) for role in one["Roles"]),
            )


def _alarms(client: Any, region: str) -> Iterator[Leftover]:
    for one in each(client, "describe_alarms", "MetricAlarms", AlarmNamePrefix=ALARM, AlarmTypes=["MetricAlarm"]):
        if not one["AlarmName"].startswith(ALARM):
            continue
        tags = _tagged(found(client.list_tags_for_resource, ResourceARN=one["AlarmArn"]) or {})
        if STACK_TAG in tags:
            yield Leftover(
                kind="alarm",
                id=one["AlarmArn"],
                name=one["AlarmName"],
                stack=tags[STACK_TAG],
                state=one.get("StateValue", ""),
                region=region,
                created=one.get("AlarmConfigurationUpdatedTimestamp"),
            )


def _regional_alarms(clients: Clients) -> Iterator[Leftover]:
    """Those of the global Region are the other listing's."""
    return iter(()) if clients.region == clients.global_region else _alarms(clients.cloudwatch, clients.region)


def _global_alarms(clients: Clients) -> Iterator[Leftover]:
    return _alarms(clients.cloudwatch_global, clients.global_region)


def _dashboards(clients: Clients) -> Iterator[Leftover]:
    """Dashboards are global and told by their first widget."""
    entries = each(clients.cloudwatch, "list_dashboards", "DashboardEntries", DashboardNamePrefix=DASHBOARD)
    for one in entries:
        name = one["DashboardName"]
        if not name.startswith(DASHBOARD):
            continue
        answer: Any = found(clients.cloudwatch.get_dashboard, DashboardName=name)
        stack = _stack_of_dashboard(answer["DashboardBody"]) if answer else ""
        if stack and name == Names(stack).dashboard:
            yield Leftover(
                kind="dashboard",
                id=name,
                name=name,
                stack=stack,
                region=clients.region,
                created=one.get("LastModified"),
            )


def _stack_of_dashboard(body: str) -> str:
    """The stack that the first widget names; "" for anybody else's, whatever it looks like."""
    try:
        return stack_of_title(json.loads(body)["widgets"][0]["properties"]["markdown"])
    except (ValueError, LookupError, TypeError):
        return ""


LISTINGS = (
    Listing("regional", ("ec2:DescribeInstances",), _instances),
    Listing("regional", ("ec2:DescribeVolumes",), _volumes),
    Listing("regional", ("ec2:DescribeAddresses",), _addresses),
    Listing("regional", ("ec2:DescribeNetworkInterfaces",), _interfaces),
    Listing("regional", ("ec2:DescribeSecurityGroups",), _groups),
    Listing("regional", ("ec2:DescribeKeyPairs",), _key_pairs),
    Listing("regional", ("dynamodb:ListTables",), _tables),
    Listing("regional", ("dynamodb:ListBackups",), _backups),
    Listing("regional", ("cloudwatch:DescribeAlarms",), _regional_alarms),
    Listing("global", ("route53:ListHealthChecks",), _checks),
    Listing("global", ("route53:ListHostedZones",), _zones),
    Listing("global", ("iam:ListRoles",), _roles),
    Listing("global", ("iam:ListInstanceProfiles",), _profiles),
    Listing("global", ("cloudwatch:DescribeAlarms",), _global_alarms),
    Listing("global", ("cloudwatch:ListDashboards",), _dashboards),
)
"""Every kind that srekv can create."""
