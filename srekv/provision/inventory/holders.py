"""Finds what uses a stack's resources and so keeps them from being deleted, and whether waiting can help.

An interface or a disk of an instance that is ending goes with it, after minutes at times (E30). A live instance that is
not the stack's, an interface on no instance and another group's rule stay until they are changed by hand.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from srekv.provision.engine.answers import explained
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.leftover import COMMAND, Leftover
from srekv.provision.inventory.marks import Described, each, instances, tagged, tags_of
from srekv.provision.naming import STACK_TAG, Names

ON_INSTANCES = frozenset({"volume", "network interface"})
"""The kinds that are on instances; their ids are the holders that the listing shows."""

ENDED = frozenset({"shutting-down", "terminated"})
"""The states of instances that take their interfaces and disks with them."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One thing that uses a resource: its ids for a person, and whether it stays, as it does not go by itself.

    `first` is the id of what must go before the resource can, "" where `command` (without "aws") takes it off that.
    """

    what: str
    first: str = ""
    stays: bool = False
    command: str = ""


def name_holders(clients: Clients, left: Sequence[Leftover]) -> tuple[Leftover, ...]:
    """Leftovers of any stack, all of one Region or of none, each with what uses it and with what frees it.

    No call is made for kinds that are not among them.

    Raises:
        SrekvError: a listing was refused.
    """
    with explained("listing what holds the leftovers"):
        on_instances = [one for one in left if one.kind in ON_INSTANCES]
        alive = _alive(clients, {on for one in on_instances for on in one.holders})
        ids = {one.id for one in left if one.kind == "security group"}
        listed = tagged(clients.ec2, "describe_security_groups", "SecurityGroups") if ids else []
        groups = group_holders(clients, [one for one in listed if one["GroupId"] in ids])
        has_role = any(one.kind == "role" for one in left)
        profiles = [*each(clients.iam, "list_instance_profiles", "InstanceProfiles")] if has_role else []
    named = []
    for one in left:
        if one.kind in ON_INSTANCES:
            named.append(_on_instances(one, [on for on in one.holders if alive.get(on, one.stack) != one.stack]))
        elif one.kind == "role":
            named.append(_in_profiles(one, foreign_profiles(profiles, one.name, Names(one.stack).path)))
        else:
            named.append(_in_use(one, groups.get(one.id, ())))
    return tuple(named)


def _alive(clients: Clients, ids: Collection[str]) -> dict[str, str]:
    """Those of these instances that are not ending, which EC2 shows, each with its stack, "" if it has none."""
    filters = [{"Name": "instance-id", "Values": sorted(ids)}]
    listed = instances(clients.ec2, Filters=filters) if ids else ()
    return {
        one["InstanceId"]: tags_of(one).get(STACK_TAG, "")
        for one in listed
        if one["InstanceId"] in ids and one["State"]["Name"] not in ENDED
    }


def _on_instances(one: Leftover, foreign: Sequence[str]) -> Leftover:
    """Those of others do not end with the stack: a disk is taken off them, an interface cannot be."""
    if not foreign:
        return one
    if one.kind == "network interface":
        return replace(one, held=True)
    own = tuple(instance for instance in one.holders if instance not in foreign)
    ties = (*(("attachment", instance) for instance in foreign), ("detaching", ""))
    return replace(one, held=True, holders=own, ties=ties)


def _in_use(one: Leftover, holders: Sequence[Holder]) -> Leftover:
    """The security group with what uses it."""
    if not holders:
        return one
    return replace(
        one,
        note=f"held by {', '.join(holder.what for holder in holders)}",
        holders=tuple(dict.fromkeys(holder.first for holder in holders if holder.first)),
        held=any(holder.stays for holder in holders),
        ties=tuple((COMMAND, holder.command) for holder in holders if holder.command),
    )


def _in_profiles(one: Leftover, profiles: Sequence[str]) -> Leftover:
    """The role with the instance profiles of others that have it."""
    if not profiles:
        return one
    ties = (*(("profile of role", profile) for profile in profiles), *one.ties)
    return replace(one, note=f"held by the instance profile {', '.join(profiles)}", held=True, ties=ties)


def instances_of(attachments: Iterable[Described]) -> list[str]:
    """The instances that a disk or an interface is attached to."""
    return [one["InstanceId"] for one in attachments if one.get("InstanceId")]


def group_holders(clients: Clients, groups: Sequence[Described], stack: str = "") -> dict[str, list[Holder]]:
    """By security group: the interfaces in it, ours or not, and the rules of other groups that name it.

    `stack` is whose the groups are that have lost their tag.
    """
    if not groups:
        return {}
    ids = {group["GroupId"] for group in groups}
    filters = [{"Name": "group-id", "Values": sorted(ids)}]
    listed = each(clients.ec2, "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
    interfaces = [one for one in listed if not ids.isdisjoint(_groups_of(one))]
    alive = _alive(clients, {id_ for one in interfaces for id_ in instances_of([one.get("Attachment", {})])})
    filters = [{"Name": "vpc-id", "Values": sorted({group["VpcId"] for group in groups})}]
    neighbours = list(each(clients.ec2, "describe_security_groups", "SecurityGroups", Filters=filters))
    return {
        group["GroupId"]: [
            *(
                _in_it(group, tags_of(group).get(STACK_TAG, stack), one, alive, neighbours)
                for one in interfaces
                if group["GroupId"] in _groups_of(one)
            ),
            *(holder for other in neighbours for holder in _rules(group["GroupId"], other)),
        ]
        for group in groups
    }


def _groups_of(interface: Described) -> list[str]:
    return [group["GroupId"] for group in interface["Groups"]]


def _in_it(
    group: Described, stack: str, one: Described, alive: dict[str, str], neighbours: Iterable[Described]
) -> Holder:
    """An interface in a stack's group."""
    interface, instance = one["NetworkInterfaceId"], next(iter(instances_of([one.get("Attachment", {})])), "")
    what = f"{interface} on {instance}" if instance else interface
    if instance and alive.get(instance, stack) == stack:
        return Holder(what=what, first=instance, stays=instance in alive)
    if one.get("RequesterManaged") or (not instance and tags_of(one).get(STACK_TAG) == stack):
        about = f" ({one['Description']})" if one.get("Description") else ""
        return Holder(what=what + about, first=interface, stays=True)
    # An interface is always in a group, so at last in the VPC's own.
    own = [it["GroupId"] for it in neighbours if (it["GroupName"], it.get("VpcId")) == ("default", group["VpcId"])]
    others = [it for it in _groups_of(one) if it != group["GroupId"]]
    change = f"ec2 modify-network-interface-attribute --network-interface-id {interface} --groups"
    return Holder(what=what, stays=True, command=" ".join((change, *(others or own))))


def _rules(group_id: str, other: Described) -> Iterator[Holder]:
    """The rules of another group that name this one."""
    if other["GroupId"] == group_id:
        return
    for way, member in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        for permission in other.get(member, ()):
            # A rule is revoked by all of its members, as it is listed: a description too.
            pairs = [pair for pair in permission.get("UserIdGroupPairs", ()) if pair.get("GroupId") == group_id]
            if not pairs:
                continue
            ports = {key: permission[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in permission}
            rule = json.dumps([{**ports, "UserIdGroupPairs": pairs}], separators=(",", ":"))
            revoke = f"ec2 revoke-security-group-{way} --group-id {other['GroupId']} --ip-permissions"
            yield Holder(
                what=f"the rule {way} {_words(permission)} of {other['GroupId']} ({other['GroupName']})",
                stays=True,
                command=f"{revoke} {shlex.quote(rule)}",
            )


def _words(permission: Described) -> str:
    """Protocol and ports, for a person."""
    protocol = "all traffic" if permission["IpProtocol"] == "-1" else str(permission["IpProtocol"])
    ports = dict.fromkeys(permission[key] for key in ("FromPort", "ToPort") if permission.get(key, -1) != -1)
    return f"{protocol} {'-'.join(map(str, ports))}".rstrip()


def foreign_profiles(profiles: Iterable[Described], role: str, path: str) -> list[str]:
    """The names of the instance profiles that have a role of a stack and are not at the stack's path."""
    return [
        one["InstanceProfileName"]
        for one in profiles
        if one["Path"] != path and role in {each_["RoleName"] for each_ in one["Roles"]}
    ]
