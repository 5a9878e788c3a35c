"""Security groups: ids that are unknown for a moment, rules that exist already, groups that something still uses."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from srekv.conformance.machines import ENDED, MachineLaw, Machines, named
from srekv.conformance.model import Call, Moments, Refusal, Rule

PATIENCE = 8
"""So many refusals rest on what was seen of others; after that the backend is believed, which knows more."""


class Entry(NamedTuple):
    """One rule of a group, in EC2's sense: one peer."""

    egress: bool
    protocol: str
    first: int
    last: int
    peer: str


@dataclass
class Groups:
    """What has been seen of the groups' rules."""

    rules: dict[str, set[Entry]] = field(default_factory=lambda: defaultdict(set))
    _noted: tuple[Call, int] | None = None

    def note(self, call: Call, answer: Mapping[str, Any]) -> None:
        """Learn from an answer, once."""
        if call.service != "ec2" or (call, call.attempt) == self._noted:
            return
        self._noted = (call, call.attempt)
        group, change = call.params.get("GroupId", ""), set(entries(call))
        if call.operation.startswith("AuthorizeSecurityGroup"):
            self.rules[group] |= change
        elif call.operation.startswith("RevokeSecurityGroup"):
            # Rules can be revoked by their own ids too: nothing is known of the group until it is listed again.
            self.rules[group] = self.rules[group] - change if change else set()
        elif call.operation == "DeleteSecurityGroup":
            self.rules.pop(group, None)
        elif call.operation == "DescribeSecurityGroups":
            for one in answer["SecurityGroups"]:
                inward = _flat(one.get("IpPermissions", ()), egress=False)
                self.rules[one["GroupId"]] = {*inward, *_flat(one.get("IpPermissionsEgress", ()), egress=True)}
        elif call.operation == "DescribeSecurityGroupRules":
            self._listed(call, answer["SecurityGroupRules"])

    def _listed(self, call: Call, rules: list[Mapping[str, Any]]) -> None:
        filters = call.params.get("Filters", [])
        if len(filters) == 1 and filters[0]["Name"] == "group-id" and "NextToken" not in call.params:
            for group in filters[0]["Values"]:
                self.rules[group] = set()
        for one in rules:
            self.rules[one["GroupId"]].add(_entry_of_rule(one))

    def referring(self, group: str) -> bool:
        """Whether another group's rule names this one."""
        return any(
            entry.peer == group for other, entries_ in self.rules.items() if other != group for entry in entries_
        )


class GroupLaw(MachineLaw):
    """A law that looks at groups."""

    def __init__(self, machines: Machines, groups: Groups) -> None:
        super().__init__(machines)
        self.groups = groups

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Learn from every answer."""
        super().after(call, answer)
        self.groups.note(call, answer)


class GroupNotSeen(GroupLaw):
    """A new group's id is unknown for one or two looks."""

    rule = Rule(
        id="group-not-seen",
        rows=("E35", "E15"),
        source="getmoto/moto test_security_groups (aws_verified); EC2 API: eventual consistency",
        says="Right after CreateSecurityGroup, calls that name the group answer InvalidGroup.NotFound; so does a "
        "launch into a group that is deleted.",
    )

    def __init__(self, machines: Machines, groups: Groups) -> None:
        super().__init__(machines, groups)
        self._unseen = Moments()
        self._deleted: set[str] = set()

    def before(self, call: Call) -> Refusal | None:
        """Any call that names it."""
        for group in named(call.params, "sg-") if call.service == "ec2" else ():
            if self._unseen.look(group) or (call.operation == "RunInstances" and group in self._deleted):
                return Refusal("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A creation begins the moment."""
        super().after(call, answer)
        if call.operation == "CreateSecurityGroup":
            self._unseen.begin(answer["GroupId"], self.moment(self.rule, call, 1, 2))
        if call.operation == "DeleteSecurityGroup":
            self._deleted.add(call.params.get("GroupId", ""))

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """As EC2 says that a group does not exist."""
        group = next(named(call.params, "sg-"), "") if call.service == "ec2" else ""
        if error.get("Code") in {"InvalidGroup.NotFound", "InvalidGroupId.NotFound"} and group:
            error.update(Code="InvalidGroup.NotFound", Message=f"The security group '{group}' does not exist")


class GroupDuplicate(GroupLaw):
    """A group's name is taken once in a VPC."""

    rule = Rule(
        id="group-duplicate",
        rows=("E33",),
        source="dask/dask-cloudprovider#198; cdk-preflight",
        says="CreateSecurityGroup with a name that the VPC has is refused with InvalidGroup.Duplicate; a name that "
        "starts with sg- with InvalidParameterValue.",
    )

    def before(self, call: Call) -> Refusal | None:
        """The form of the name."""
        name = call.params.get("GroupName", "")
        if call.operation != "CreateSecurityGroup" or not name.startswith("sg-"):
            return None
        return Refusal(
            "InvalidParameterValue",
            f"Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*.",
        )

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """EC2 tells the VPC too."""
        if call.operation == "CreateSecurityGroup" and error.get("Code") == "InvalidGroup.Duplicate":
            name, vpc = call.params["GroupName"], call.params.get("VpcId", "")
            error["Message"] = f"The security group '{name}' already exists" + (f" for VPC '{vpc}'" if vpc else "")


class RuleDuplicate(GroupLaw):
    """A rule can be added once, and a batch is taken whole or not at all."""

    rule = Rule(
        id="rule-duplicate",
        rows=("E34",),
        source="terraform-aws-modules/terraform-aws-security-group#351; ansible#19759",
        says="One rule that exists makes the whole AuthorizeSecurityGroupIngress fail: InvalidPermission.Duplicate.",
    )

    def before(self, call: Call) -> Refusal | None:
        """All of the batch is looked at before any of it is added."""
        if not call.operation.startswith("AuthorizeSecurityGroup"):
            return None
        known = set(self.groups.rules.get(call.params.get("GroupId", ""), ()))
        for entry in entries(call):
            if entry in known:
                return Refusal("InvalidPermission.Duplicate", _says_exists(entry))
            known.add(entry)
        return None

    def reword(self, call: Call, error: dict[str, str]) -> None:
        """EC2 names the rule: the first of the batch stands for a backend that does not say which."""
        first = next(entries(call), None)
        if error.get("Code") == "InvalidPermission.Duplicate" and first:
            error["Message"] = _says_exists(first)


class GroupInUse(GroupLaw):
    """A group stays while an interface or another group's rule uses it, and a while longer."""

    rule = Rule(
        id="group-in-use",
        rows=("E30",),
        source="terraform-provider-aws#32745; cloud-barista/cb-spider#460; EC2 API: DeleteSecurityGroup",
        says="DeleteSecurityGroup is refused with DependencyViolation while an instance's interface uses the group, "
        "also for a while after the instance's end, and while another group's rule names it.",
    )

    def __init__(self, machines: Machines, groups: Groups) -> None:
        super().__init__(machines, groups)
        self._lingering = Moments()
        self._patience: dict[str, int] = defaultdict(lambda: PATIENCE)

    def before(self, call: Call) -> Refusal | None:
        """At deletion."""
        group = call.params.get("GroupId", "")
        if call.operation != "DeleteSecurityGroup" or not (self._used(group) or self._lingering.look(group)):
            return None
        return Refusal("DependencyViolation", f"resource {group} has a dependent object")

    def _used(self, group: str) -> bool:
        machines = (one for one in self.machines.known.values() if group in one.groups)
        if self._patience[group] == 0:
            return False
        used = self.groups.referring(group) or any(one.state not in ENDED for one in machines)
        self._patience[group] = self._patience[group] - 1 if used else PATIENCE
        return used

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """The end of an instance begins the moment in which its interfaces go."""
        super().after(call, answer)
        if call.operation == "TerminateInstances":
            machines = (self.machines.known.get(one) for one in call.params["InstanceIds"])
            for group in {group for one in machines if one for group in one.groups}:
                self._lingering.begin(group, self.moment(self.rule, call, 1, 2))


def entries(call: Call) -> Iterator[Entry]:
    """The rules that a call adds or removes, one for each peer."""
    if "SecurityGroup" not in call.operation or not call.operation.startswith(("Authorize", "Revoke")):
        return
    params = call.params
    yield from _flat(params.get("IpPermissions", ()), egress=call.operation.endswith("Egress"))
    if "CidrIp" in params:
        yield _entry(params, params["CidrIp"], egress=call.operation.endswith("Egress"))


def _flat(permissions: Any, *, egress: bool) -> Iterator[Entry]:
    for one in permissions:
        for members, key in (
            ("IpRanges", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId"),
            ("UserIdGroupPairs", "GroupId"),
        ):
            for peer in one.get(members, ()):
                yield _entry(one, peer.get(key) or "", egress=egress)


def _entry(permission: Mapping[str, Any], peer: str, *, egress: bool) -> Entry:
    protocol = str(permission.get("IpProtocol", "-1")).lower()
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    return Entry(egress, protocol, *((-1, -1) if protocol == "-1" else (int(first), int(last))), _canonical(peer))


def _entry_of_rule(rule: Mapping[str, Any]) -> Entry:
    group = rule.get("ReferencedGroupInfo", {}).get("GroupId")
    peer = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId") or group or ""
    return _entry(rule, peer, egress=bool(rule.get("IsEgress")))


def _canonical(peer: str) -> str:
    """EC2 keeps the network, whatever host bits were given."""
    try:
        return str(ipaddress.ip_network(peer, strict=False))
    except ValueError:
        return peer


def _says_exists(entry: Entry) -> str:
    if entry.protocol == "-1":
        return f'the specified rule "peer: {entry.peer}, ALL, ALLOW" already exists'
    return (
        f'the specified rule "peer: {entry.peer}, {entry.protocol.upper()}, from port: {entry.first}, '
        f'to port: {entry.last}, ALLOW" already exists'
    )
