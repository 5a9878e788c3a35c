"""Finds what uses a stack's resources and so keeps them from being deleted, and whether waiting can help.

An interface or a disk of an instance that is ending goes with it, after minutes at times (E30). A live instance that is
not the stack's, an interface on no instance and another group's rule stay until they are changed by hand.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from srekv.provision.engine.answers import FAILURES, explain
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.leftover import COMMAND, Leftover
from srekv.provision.inventory.marks import each, instances, tagged, tags_of
from srekv.provision.naming import STACK_TAG, Names

Described = Mapping[str, Any]

ON_INSTANCES = frozenset({"volume", "network interface"})
"""The kinds that are on instances; their ids are the holders that the listing shows."""

ENDED = frozenset({"shutting-down", "terminated"})
"""The states of instances that take their interfaces and disks with them."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One thing that uses a resource.

    Attributes:
        what: its ids, for a person.
        first: the id of what must go before the resource can, "" where `command` frees it.
        stays: whether it does not go by itself.
        command: takes it off the resource, without the leading "aws".
    """

    what: str
    first: str = ""
    stays: bool = False
    command: str = ""


@dataclass(frozen=True)
class Machines:
    """The instances that hold something; one that EC2 does not show has ended."""

    known: Mapping[str, Described]

    @classmethod
    def of(cls, clients: Clients, ids: Collection[str]) -> Machines:
        """Ask for these, if there are any."""
        if not ids:
            return cls({})
        filters = [{"Name": "instance-id", "Values": sorted(ids)}]
        found = instances(clients.ec2, Filters=filters)
        return cls({one["InstanceId"]: one for one in found if one["InstanceId"] in ids})

    def lives(self, instance_id: str) -> bool:
        """Whether it is not ending."""
        one = self.known.get(instance_id)
        return one is not None and one["State"]["Name"] not in ENDED

    def foreign(self, ids: Iterable[str], stack: str) -> list[str]:
        """Those that live and are not the stack's, whose own instances are removed before anything else."""
        return [one for one in ids if self.lives(one) and tags_of(self.known[one]).get(STACK_TAG) != stack]


def name_holders(clients: Clients, left: Sequence[Leftover]) -> tuple[Leftover, ...]:
    """Leftovers of any stack, all of one Region or of none, each with what uses it and with what frees it.

    No call is made for kinds that are not among them.

    Raises:
        SrekvError: a listing was refused.
    """
    try:
        return tuple(_named(clients, left))
    except FAILURES as error:
        raise explain(error, "listing what holds the leftovers") from error


def _named(clients: Clients, left: Sequence[Leftover]) -> Iterator[Leftover]:
    machines = Machines.of(clients, {on for one in left if one.kind in ON_INSTANCES for on in one.holders})
    groups = _groups_left(clients, {one.id: one.stack for one in left if one.kind == "security group"})
    has_role = any(one.kind == "role" for one in left)
    profiles = list(each(clients.iam, "list_instance_profiles", "InstanceProfiles")) if has_role else []
    for one in left:
        match one.kind:
            case "volume" | "network interface":
                yield _on_instances(one, machines.foreign(one.holders, one.stack))
            case "security group":
                yield _in_use(one, groups.get(one.id, ()))
            case "role":
                yield _in_profiles(one, foreign_profiles(profiles, one.name, Names(one.stack).path))
            case _:
                yield one


def _on_instances(one: Leftover, foreign: Sequence[str]) -> Leftover:
    """Those of somebody else do not end with the stack: a disk is taken off them, an interface cannot be."""
    if not foreign:
        return one
    if one.kind == "network interface":
        return replace(one, held=True)
    own = tuple(instance for instance in one.holders if instance not in foreign)
    ties = (*(("attachment", instance) for instance in foreign), ("detaching", ""))
    return replace(one, held=True, holders=own, ties=ties)


def _groups_left(clients: Clients, stacks: Mapping[str, str]) -> dict[str, list[Holder]]:
    """The holders of these security groups, which are of these stacks."""
    if not stacks:
        return {}
    listed = tagged(clients.ec2, "describe_security_groups", "SecurityGroups")
    return group_holders(clients, [one for one in listed if one["GroupId"] in stacks])


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
    return replace(
        one,
        note=f"held by the instance profile {', '.join(profiles)}",
        held=True,
        ties=(*(("profile of role", profile) for profile in profiles), *one.ties),
    )


def instances_of(attachments: Iterable[Described]) -> list[str]:
    """The instances that a disk or an interface is attached to."""
    return [one["InstanceId"] for one in attachments if one.get("InstanceId")]


def group_holders(clients: Clients, groups: Sequence[Described], stack: str = "") -> dict[str, list[Holder]]:
    """By security group: the interfaces in it, ours or not, and the rules of other groups that name it.

    `stack` is whose the groups are that have lost their tag.
    """
    if not groups:
        return {}
    ids = [group["GroupId"] for group in groups]
    filters = [{"Name": "group-id", "Values": ids}]
    listed = each(clients.ec2, "describe_network_interfaces", "NetworkInterfaces", Filters=filters)
    interfaces = [one for one in listed if not {*ids}.isdisjoint(_groups_of(one))]
    machines = Machines.of(clients, {id_ for one in interfaces for id_ in instances_of([one.get("Attachment", {})])})
    filters = [{"Name": "vpc-id", "Values": sorted({group["VpcId"] for group in groups})}]
    neighbours = list(each(clients.ec2, "describe_security_groups", "SecurityGroups", Filters=filters))
    return {
        group["GroupId"]: [
            *_in_it(group, tags_of(group).get(STACK_TAG, stack), interfaces, machines, neighbours),
            *(holder for other in neighbours for holder in _rules(group["GroupId"], other)),
        ]
        for group in groups
    }


def _groups_of(interface: Described) -> list[str]:
    return [group["GroupId"] for group in interface["Groups"]]


def _in_it(
    group: Described,
    stack: str,
    interfaces: Iterable[Described],
    machines: Machines,
    neighbours: Iterable[Described],
) -> Iterator[Holder]:
    """The interfaces in a stack's group."""
    for one in interfaces:
        if group["GroupId"] not in _groups_of(one):
            continue
        interface = one["NetworkInterfaceId"]
        instance = next(iter(instances_of([one.get("Attachment", {})])), "")
        what = f"{interface} on {instance}" if instance else interface
        if instance and not machines.foreign([instance], stack):
            yield Holder(what=what, first=instance, stays=machines.lives(instance))
        elif one.get("RequesterManaged") or (not instance and tags_of(one).get(STACK_TAG) == stack):
            about = f" ({one['Description']})" if one.get("Description") else ""
            yield Holder(what=what + about, first=interface, stays=True)
        else:
            yield Holder(what=what, stays=True, command=_out_of(group, one, neighbours))


def _out_of(group: Described, interface: Described, neighbours: Iterable[Described]) -> str:
    """The command that takes an interface out of a group; it must be in one, so at last in the VPC's own."""
    others = [one for one in _groups_of(interface) if one != group["GroupId"]]
    change = f"ec2 modify-network-interface-attribute --network-interface-id {interface['NetworkInterfaceId']} --groups"
    return " ".join((change, *(others or _default(neighbours, group["VpcId"]))))


def _default(groups: Iterable[Described], vpc_id: str) -> list[str]:
    """The VPC's own group: an interface is always in one."""
    return [one["GroupId"] for one in groups if (one["GroupName"], one.get("VpcId")) == ("default", vpc_id)]


def _rules(group_id: str, other: Described) -> Iterator[Holder]:
    """The rules of another group that name this one."""
    if other["GroupId"] == group_id:
        return
    for way, member in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        for permission in other.get(member, ()):
            if group_id not in {pair.get("GroupId") for pair in permission.get("UserIdGroupPairs", ())}:
                continue
            # A rule is revoked by all of its members, as it is listed: a description too.
            pairs = [pair for pair in permission["UserIdGroupPairs"] if pair.get("GroupId") == group_id]
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
