"""Security groups: ids that are unknown at first, rules that exist already, groups that something still uses."""

from __future__ import annotations

import contextlib
import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from srekv.conformance.machines import ENDED, Machines
from srekv.conformance.model import Answer, Call, Refusal, ResponseRule, ServiceRules, hide_new, named_ids, param

MOST_REFUSALS = 8
"""So many refusals rest on what was seen of others; after that the backend is believed, which knows more."""


class Entry(NamedTuple):
    """One rule of a group, in EC2's sense: one peer."""

    egress: bool
    protocol: str
    first: int
    last: int
    peer: str


class Groups(ServiceRules):
    """What has been seen of the groups' rules, and of the instances that use the groups."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._entries: dict[str, set[Entry]] = defaultdict(set)
        self._deleted: set[str] = set()
        self._refusals_left: dict[str, int] = defaultdict(lambda: MOST_REFUSALS)
        self.rules = (
            ResponseRule("group-not-seen", "RunInstances", refuse=self._refuse_deleted),
            *hide_new(
                "group-not-seen",
                machines.conditions,
                _not_found,
                made_by="CreateSecurityGroup",
                things=lambda _, answer: [answer["GroupId"]],
                hidden_from="ec2",
                named=lambda call: named_ids(call.params, "sg-"),
            ),
            ResponseRule("group-not-seen", "ec2", reword=_name_group),
            ResponseRule("group-duplicate", "CreateSecurityGroup", refuse=_refuse_name, reword=_name_vpc),
            ResponseRule(
                "rule-duplicate",
                "AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress",
                refuse=self._refuse_duplicate,
                reword=_name_first_rule,
            ),
            ResponseRule("group-in-use", "DeleteSecurityGroup", refuse=self._refuse_used),
            *hide_new(
                "group-in-use",
                machines.conditions,
                _in_use,
                made_by="TerminateInstances",
                things=self._of_ending,
                hidden_from="DeleteSecurityGroup",
                named=param("GroupId"),
            ),
        )

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn from an answer."""
        group, change = call.params.get("GroupId", ""), set(entries(call))
        if call.operation.startswith("AuthorizeSecurityGroup"):
            self._entries[group] |= change
        elif call.operation.startswith("RevokeSecurityGroup"):
            # Rules can be revoked by their own ids too: nothing is known of the group until it is listed again.
            self._entries[group] = self._entries[group] - change if change else set()
        elif call.operation == "DeleteSecurityGroup":
            self._entries.pop(group, None)
            self._deleted.add(group)
        elif call.operation == "DescribeSecurityGroups":
            for one in answer["SecurityGroups"]:
                inward = _flat(one.get("IpPermissions", ()), egress=False)
                self._entries[one["GroupId"]] = {*inward, *_flat(one.get("IpPermissionsEgress", ()), egress=True)}
        elif call.operation == "DescribeSecurityGroupRules":
            filters = call.params.get("Filters", [])
            if len(filters) == 1 and filters[0]["Name"] == "group-id" and "NextToken" not in call.params:
                self._entries.update({listed: set() for listed in filters[0]["Values"]})
            for one in answer["SecurityGroupRules"]:
                referenced = one.get("ReferencedGroupInfo", {}).get("GroupId")
                peer = one.get("CidrIpv4") or one.get("CidrIpv6") or one.get("PrefixListId") or referenced or ""
                self._entries[one["GroupId"]].add(_entry(one, peer, egress=bool(one.get("IsEgress"))))

    def _refuse_deleted(self, call: Call) -> Refusal | None:
        return next((_not_found(one) for one in named_ids(call.params, "sg-") if one in self._deleted), None)

    def _refuse_duplicate(self, call: Call) -> Refusal | None:
        """All of the batch is checked before any of it is added."""
        known = set(self._entries.get(call.params.get("GroupId", ""), ()))
        for entry in entries(call):
            if entry in known:
                return Refusal("InvalidPermission.Duplicate", _exists(entry))
            known.add(entry)
        return None

    def _refuse_used(self, call: Call) -> Refusal | None:
        group = call.params.get("GroupId", "")
        if self._refusals_left[group] == 0:
            return None
        named = any(
            entry.peer == group for other, listed in self._entries.items() if other != group for entry in listed
        )
        machines = self._machines.known.values()
        used = named or any(group in one.groups and one.state not in ENDED for one in machines)
        self._refusals_left[group] = self._refusals_left[group] - 1 if used else MOST_REFUSALS
        return _in_use(group) if used else None

    def _of_ending(self, call: Call, _answer: Answer) -> set[str]:
        """The groups of instances that end: their interfaces go a little later."""
        machines = (self._machines.known.get(one) for one in call.params["InstanceIds"])
        return {group for one in machines if one for group in one.groups}


def entries(call: Call) -> Iterator[Entry]:
    """The rules that a call adds or removes, one for each peer."""
    if "SecurityGroup" not in call.operation or not call.operation.startswith(("Authorize", "Revoke")):
        return
    params, egress = call.params, call.operation.endswith("Egress")
    yield from _flat(params.get("IpPermissions", ()), egress=egress)
    if "CidrIp" in params:
        yield _entry(params, params["CidrIp"], egress=egress)


def _flat(permissions: Any, *, egress: bool) -> Iterator[Entry]:
    peers = {"IpRanges": "CidrIp", "Ipv6Ranges": "CidrIpv6", "PrefixListIds": "PrefixListId"}
    for one in permissions:
        for members, key in {**peers, "UserIdGroupPairs": "GroupId"}.items():
            for peer in one.get(members, ()):
                yield _entry(one, peer.get(key) or "", egress=egress)


def _entry(permission: Mapping[str, Any], peer: str, *, egress: bool) -> Entry:
    protocol = str(permission.get("IpProtocol", "-1")).lower()
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    with contextlib.suppress(ValueError):
        peer = str(ipaddress.ip_network(peer, strict=False))  # EC2 keeps the network, whatever host bits were given
    return Entry(egress, protocol, *((-1, -1) if protocol == "-1" else (int(first), int(last))), peer)


def _not_found(group: str) -> Refusal:
    return Refusal("InvalidGroup.NotFound", f"The security group '{group}' does not exist")


def _in_use(group: str) -> Refusal:
    return Refusal("DependencyViolation", f"resource {group} has a dependent object")


def _exists(entry: Entry) -> str:
    ports = f", from port: {entry.first}, to port: {entry.last}"
    what = "ALL" if entry.protocol == "-1" else f"{entry.protocol.upper()}{ports}"
    return f'the specified rule "peer: {entry.peer}, {what}, ALLOW" already exists'


def _refuse_name(call: Call) -> Refusal | None:
    name = call.params.get("GroupName", "")
    if not name.startswith("sg-"):
        return None
    text = f"Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
    return Refusal("InvalidParameterValue", text)


def _name_group(call: Call, error: dict[str, str]) -> None:
    group = next(named_ids(call.params, "sg-"), "")
    if error.get("Code") in {"InvalidGroup.NotFound", "InvalidGroupId.NotFound"} and group:
        error.update(Code="InvalidGroup.NotFound", Message=_not_found(group).message)


def _name_vpc(call: Call, error: dict[str, str]) -> None:
    if error.get("Code") == "InvalidGroup.Duplicate":
        name, vpc = call.params["GroupName"], call.params.get("VpcId", "")
        error["Message"] = f"The security group '{name}' already exists" + (f" for VPC '{vpc}'" if vpc else "")


def _name_first_rule(call: Call, error: dict[str, str]) -> None:
    """The first rule of the batch stands for a backend that does not report which one exists."""
    first = next(entries(call), None)
    if error.get("Code") == "InvalidPermission.Duplicate" and first:
        error["Message"] = _exists(first)
