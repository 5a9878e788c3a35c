"""The native listings of every kind that srekv can create.

The tagging API is only a hint: it lags, misses IAM and whatever lost its tags (aws-facts 7). So every kind is listed by
the service that owns it, every page, in every state that still costs money or is in the way, and taken only if it
carries a mark of ours: on EC2, tables and alarms the stack's tag; on roles and profiles the path; on zones and checks
the CallerReference, which a crash cannot lose; on backups the name; on dashboards the title.

Not listed: the backup that DynamoDB itself keeps of a deleted table for 35 days. It costs nothing and cannot be removed
(aws-facts 5).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from botocore import xform_name

from srekv.errors import SrekvError
from srekv.provision import naming, queries
from srekv.provision.engine.answers import explained, or_none
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.existing import LIVE
from srekv.provision.inventory.holders import instances_of
from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.marks import Described, each, route53_tags, tagged, tags_of
from srekv.provision.lease import from_text

WORKERS = 8
"""Listings side by side."""

GIB = 2**30
NOT_ENDED = LIVE | {"shutting-down"}
"""An instance that is shutting down costs nothing any more, but holds its interfaces and its group (E30)."""

CHANGING = frozenset({"CREATING", "UPDATING"})
"""A table that is so takes no deletion yet."""

Where = Literal["regional", "global"]
Members = dict[str, Any] | None


@dataclass(frozen=True)
class Listing:
    """One kind's listing: the call it always makes, and the function that makes it."""

    where: Where
    call: str
    read: Callable[[Clients], Iterable[Leftover]]


@dataclass(frozen=True)
class Inventory:
    """What was found, by which calls ("service:Operation"), and why a Region could not be listed, by Region."""

    leftovers: tuple[Leftover, ...] = ()
    calls: tuple[str, ...] = ()
    refused: Mapping[str, SrekvError] = field(default_factory=dict)

    def of(self, stack: str) -> tuple[Leftover, ...]:
        """What there is of one stack."""
        return tuple(one for one in self.leftovers if one.stack == stack)

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks of which there is something, sorted."""
        return tuple(sorted({one.stack for one in self.leftovers}))


def take_inventory(clients: Clients, *where: Where) -> Inventory:
    """List everything of ours, concurrently: what is in the clients' Region, what is in all of them, or both.

    Raises:
        SrekvError: a listing was refused: then it is unknown what is left.
    """

    def read(listing: Listing) -> tuple[Leftover, ...]:
        with explained(f"listing what is left ({listing.call})"):
            return tuple(listing.read(clients))

    asked = [one for one in LISTINGS if one.where in (where or ("regional", "global"))]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="inventory") as pool:
        leftovers = tuple(one for part in pool.map(read, asked) for one in part)
    return Inventory(leftovers, tuple(dict.fromkeys(listing.call for listing in asked)))


def _lease(tags: Mapping[str, str]) -> datetime | None:
    """The lease's end; a tag that is no time is none: it must not hide what it is on."""
    try:
        return from_text(tags.get(naming.LEASE_TAG, ""))
    except SrekvError:
        return None


def _pick(one: Described, **members: str) -> dict[str, Any]:
    """Our members by AWS's names for them; those that an answer has."""
    return {ours: one[theirs] for ours, theirs in members.items() if theirs in one}


def _ec2(
    operation: str,
    member: str,
    kind: str,
    id_member: str,
    describe: Callable[[Described], Members],
    *,
    filters: tuple[Any, ...] = (),
) -> Listing:
    """The listing of a kind of EC2, by the tag; `describe`: what only this kind has, None to leave one out."""

    def read(clients: Clients) -> Iterator[Leftover]:
        for one in tagged(clients.ec2, xform_name(operation), member, filters=filters):
            own, tags = describe(one), tags_of(one)
            if own is None:
                continue
            own = {"name": tags.get("Name", ""), "created": one.get("LaunchTime") or one.get("CreateTime"), **own}
            marks: Any = {"stack": tags[naming.STACK_TAG], "region": clients.region, "lease": _lease(tags)}
            yield Leftover(kind=kind, id=one[id_member], **marks, **own)

    return Listing("regional", f"ec2:{operation}", read)


def _instance(one: Described) -> Members:
    state = one["State"]["Name"]
    return {"state": state, "variant": one.get("InstanceType", "")} if state in NOT_ENDED else None


def _volume(one: Described) -> Members:
    on = instances_of(one["Attachments"])
    note = f"on {', '.join(on)}" if on else ""
    return {"state": one["State"], "gib": float(one["Size"]), "note": note, "holders": tuple(on)}


def _address(one: Described) -> Members:
    association = one.get("AssociationId")
    if not association:
        return {"name": one["PublicIp"], "state": "idle"}
    note = f"on {one.get('InstanceId') or one.get('NetworkInterfaceId')}"
    return {"name": one["PublicIp"], "state": "associated", "note": note, "ties": (("association", association),)}


def _interface(one: Described) -> Members:
    """A service's own goes when the service lets go of it."""
    on, managed = instances_of([one.get("Attachment", {})]), bool(one.get("RequesterManaged"))
    note = f"on {', '.join(on)}" if on else one.get("Description", "") if managed else ""
    holders = (one["RequesterId"],) if managed else tuple(on)
    return {"state": one["Status"], "note": note, "holders": holders, "held": managed}


def _checks(clients: Clients) -> Iterator[Leftover]:
    ours = {one["Id"]: (stack, one) for stack, _, one in queries.health_checks(clients.route53)}
    tags = route53_tags(clients.route53, "healthcheck", list(ours))
    for check_id, (stack, one) in ours.items():
        config = one["HealthCheckConfig"]
        yield Leftover(
            kind="health check",
            id=check_id,
            name=f"{config.get('IPAddress', '')}:{config.get('Port', '')}",
            stack=stack,
            region=tags.get(check_id, {}).get(naming.REGION_TAG, ""),
            variant=str(config.get("RequestInterval", 30)),
        )


def _zones(clients: Clients) -> Iterator[Leftover]:
    """Each zone, and the records in it that are not its own: with them it cannot be deleted (R14)."""
    for stack, zone in queries.hosted_zones(clients.route53):
        zone_id = queries.strip_prefix(zone["Id"])
        region = queries.region_of_zone(clients.route53, zone_id)
        yield Leftover(kind="hosted zone", id=zone_id, name=zone["Name"], stack=stack, region=region)
        for record in queries.removable_records(clients.route53, zone):
            # The change that deletes a record set must repeat all of its members (aws-facts 2.4).
            deletion = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
            yield Leftover(
                kind="record",
                id=f"{zone_id}/{queries.label(record)}",
                name=queries.readable(record["Name"]),
                stack=stack,
                state=record["Type"],
                region=region,
                ties=(("record set", json.dumps(deletion, separators=(",", ":"))),),
            )


def _tables(clients: Clients) -> Iterator[Leftover]:
    """Asked only about names that a table of ours can have: each needs two more calls."""
    for name in each(clients.dynamodb, "list_tables", "TableNames"):
        if name != naming.TABLE and not name.startswith(f"{naming.TABLE}-"):
            continue
        answer: Any = or_none(clients.dynamodb.describe_table, TableName=name)
        table = answer["Table"] if answer else None
        tags: Any = or_none(clients.dynamodb.list_tags_of_resource, ResourceArn=table["TableArn"]) if table else None
        stack = naming.tag_map(tags["Tags"]).get(naming.STACK_TAG) if tags else None
        if not table or not stack:
            continue
        # A protected table cannot be deleted, nor one that is being changed: to take the protection away is a change.
        protected = bool(table.get("DeletionProtectionEnabled"))
        changes = protected or table["TableStatus"] in CHANGING
        ties = (*((("protection", ""),) if protected else ()), *((("change", ""),) if changes else ()))
        own = _pick(table, id="TableArn", name="TableName", state="TableStatus", created="CreationDateTime")
        gib = table.get("TableSizeBytes", 0) / GIB
        yield Leftover(kind="table", stack=stack, region=clients.region, gib=gib, ties=ties, **own)


def _backups(clients: Clients) -> Iterator[Leftover]:
    for one in each(clients.dynamodb, "list_backups", "BackupSummaries", BackupType="USER"):
        stack = naming.stack_of_backup(one["BackupName"])
        if stack:
            own = _pick(one, id="BackupArn", name="BackupName", state="BackupStatus", created="BackupCreationDateTime")
            gib, note = one.get("BackupSizeBytes", 0) / GIB, f"of the table {one['TableName']}"
            yield Leftover(kind="backup", stack=stack, region=clients.region, gib=gib, note=note, **own)


def _roles(clients: Clients) -> Iterator[Leftover]:
    """ListRoles shows no tags (I3), and a role's name its stack's Region; its policies must go before it (I5)."""
    iam = clients.iam
    for one in each(iam, "list_roles", "Roles", PathPrefix=naming.PATH):
        stack, name = naming.stack_of_path(one["Path"]), one["RoleName"]
        if not stack:
            continue
        answers: Any = [
            or_none(call, RoleName=name) or {}
            for call in (iam.list_role_tags, iam.list_role_policies, iam.list_attached_role_policies)
        ]
        tagging, inline, attached = answers
        tags = naming.tag_map(tagging.get("Tags"))
        ties = [("inline policy", policy) for policy in inline.get("PolicyNames", ())]
        ties += [("attached policy", policy["PolicyArn"]) for policy in attached.get("AttachedPolicies", ())]
        where: Any = {"stack": stack, "region": tags.get(naming.REGION_TAG, ""), "lease": _lease(tags)}
        own = _pick(one, id="Arn", name="RoleName", created="CreateDate")
        yield Leftover(kind="role", ties=tuple(ties), **where, **own)


def _profiles(clients: Clients) -> Iterator[Leftover]:
    for one in each(clients.iam, "list_instance_profiles", "InstanceProfiles", PathPrefix=naming.PATH):
        stack = naming.stack_of_path(one["Path"])
        if stack:
            ties = tuple(("role in profile", role["RoleName"]) for role in one["Roles"])
            own = _pick(one, id="Arn", name="InstanceProfileName", created="CreateDate")
            yield Leftover(kind="instance profile", stack=stack, ties=ties, **own)


def _alarms(client: Any, region: str) -> Iterator[Leftover]:
    for one in each(
        client, "describe_alarms", "MetricAlarms", AlarmNamePrefix=naming.ALARM, AlarmTypes=["MetricAlarm"]
    ):
        stack = queries.stack_of_alarm(client, one) if one["AlarmName"].startswith(naming.ALARM) else ""
        if stack:
            own = _pick(one, id="AlarmArn", name="AlarmName", state="StateValue")
            created = one.get("AlarmConfigurationUpdatedTimestamp")
            yield Leftover(kind="alarm", stack=stack, region=region, created=created, **own)


def _regional_alarms(clients: Clients) -> Iterable[Leftover]:
    """Those of the global Region are the other listing's."""
    return () if clients.region == clients.global_region else _alarms(clients.cloudwatch, clients.region)


def _dashboards(clients: Clients) -> Iterator[Leftover]:
    """Dashboards are global, and their first widget names the stack."""
    for one in each(clients.cloudwatch, "list_dashboards", "DashboardEntries", DashboardNamePrefix=naming.DASHBOARD):
        name = one["DashboardName"]
        if not name.startswith(naming.DASHBOARD):
            continue
        answer: Any = or_none(clients.cloudwatch.get_dashboard, DashboardName=name)
        stack = queries.stack_of_dashboard(answer["DashboardBody"]) if answer else ""
        if stack and name == naming.Names(stack).dashboard:
            created = one.get("LastModified")
            yield Leftover(kind="dashboard", id=name, name=name, stack=stack, region=clients.region, created=created)


_NOT_ENDED = ({"Name": "instance-state-name", "Values": sorted(NOT_ENDED)},)

LISTINGS = (
    _ec2("DescribeInstances", "Reservations", "instance", "InstanceId", _instance, filters=_NOT_ENDED),
    _ec2("DescribeVolumes", "Volumes", "volume", "VolumeId", _volume),
    _ec2("DescribeAddresses", "Addresses", "address", "AllocationId", _address),
    _ec2("DescribeNetworkInterfaces", "NetworkInterfaces", "network interface", "NetworkInterfaceId", _interface),
    _ec2("DescribeSecurityGroups", "SecurityGroups", "security group", "GroupId", lambda it: {"name": it["GroupName"]}),
    _ec2("DescribeKeyPairs", "KeyPairs", "key pair", "KeyPairId", lambda it: {"name": it["KeyName"]}),
    Listing("regional", "dynamodb:ListTables", _tables),
    Listing("regional", "dynamodb:ListBackups", _backups),
    Listing("regional", "cloudwatch:DescribeAlarms", _regional_alarms),
    Listing("global", "route53:ListHealthChecks", _checks),
    Listing("global", "route53:ListHostedZones", _zones),
    Listing("global", "iam:ListRoles", _roles),
    Listing("global", "iam:ListInstanceProfiles", _profiles),
    Listing("global", "cloudwatch:DescribeAlarms", lambda it: _alarms(it.cloudwatch_global, it.global_region)),
    Listing("global", "cloudwatch:ListDashboards", _dashboards),
)
"""Every kind that srekv can create."""
