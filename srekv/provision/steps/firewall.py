"""The nodes' security group: the service's port for the operator, the health checkers and the nodes themselves.

The lab opened port 80 to "your IP" only: the checkers were shut out, both checks failed, and a failover could never
happen (aws-facts 10 a). Rules that srekv made carry its mark in their description; other rules are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, NotOursError
from srekv.provision.engine.answers import code_of, gone, message_of
from srekv.provision.engine.run import HeldError, Op, Ops, Run, Step, leave
from srekv.provision.inventory.holders import group_holders
from srekv.provision.inventory.marks import each, tags_of
from srekv.provision.model import Resource
from srekv.provision.naming import STACK_TAG, Names, lost_tags, tag_map
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.checker_ranges import COLLECTED, RANGES
from srekv.provision.steps.network import Network

MARK = "srekv: "
ANY = "-1"
PEERS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)
"""Where an IpPermission has its sources, and what names one there."""

IN_USE = frozenset({"DependencyViolation", "InvalidGroup.InUse"})
FRESH = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.NotFound"})
INTERFACES_TIMEOUT_S = 300
"""Terminated instances' network interfaces can hold the group for minutes (E30)."""

UNSEEN_TIMEOUT_S = 30
"""How long EC2's parts may disagree about what it no longer lists; what it never lists, such as the group's association
with another VPC, does not go by itself."""


@dataclass(frozen=True, order=True)
class Rule:
    """One inbound rule.

    Attributes:
        first: the lowest port, -1 for a protocol without ports.
        last: the highest.
        source: where from: a CIDR block, a prefix list's id or a security group's.
        protocol: as EC2 has it, "-1" for any.
    """

    first: int
    last: int
    source: str
    protocol: str = "tcp"

    def permission(self, description: str) -> dict[str, Any]:
        """As one of EC2's IpPermissions."""
        kind, member = next(peer for peer in PEERS if peer[0] == self._kind)
        permission: dict[str, Any] = {
            "IpProtocol": self.protocol,
            kind: [{member: self.source, "Description": description}],
        }
        return permission if self.protocol == ANY else {**permission, "FromPort": self.first, "ToPort": self.last}

    @property
    def _kind(self) -> str:
        """Where an IpPermission has such a source."""
        if self.source.startswith("pl-"):
            return "PrefixListIds"
        if self.source.startswith("sg-"):
            return "UserIdGroupPairs"
        return "Ipv6Ranges" if ":" in self.source else "IpRanges"

    @property
    def what(self) -> str:
        """Protocol and ports, for a person."""
        if self.protocol == ANY:
            return "any protocol"
        return f"{self.protocol} {self.first}" + ("" if self.first == self.last else f"-{self.last}")


def tcp(port: int, source: str) -> Rule:
    """The rule that lets a source in to one TCP port."""
    return Rule(port, port, source)


class Firewall:
    """The security group; `group_id` is there after ensure."""

    section = "Network"

    def __init__(
        self, run: Run, network: Network, addresses: Addresses, *, operator: Callable[[], tuple[str, ...]]
    ) -> None:
        """`operator` tells the operator's CIDR blocks; it may ask the network, so it is called only when needed."""
        self._run = run
        self._ec2 = run.clients.ec2
        self._network = network
        self._addresses = addresses
        self._operator = operator
        self.needs: tuple[Step, ...] = (network, addresses)
        self.group_id = ""
        self._stands = False
        self._have: dict[Rule, str] = {}

    @property
    def _name(self) -> str:
        return self._run.names.security_group

    def observe(self) -> tuple[Resource, ...]:
        """Our groups, in any VPC."""
        return tuple(
            Resource(kind="security group", id=group["GroupId"], name=group["GroupName"], state="present")
            for group in self._ours()
        )

    def fit(self) -> None:
        """Refuse a group of our name that is another's, and an operator whose address nobody knows."""
        _ = self._sources
        if self._network.vpc_id:
            _ = self._at_first

    def ensure(self) -> Ops:
        """Create the group: an instance can be launched into it before it has rules."""
        group = self._at_first
        if group is None:
            yield Op(kind="security group", name=self._name, action="create", call=self._create)
            return
        self.group_id = group["GroupId"]
        self._stands = True
        self._have = dict(_rules(group["IpPermissions"]))
        yield self._keep(group)

    def _keep(self, group: Mapping[str, Any]) -> Op:
        """Leave it alone, or give it back the tags that it has lost."""
        tags: Any = self._run.names.tags(self._name)
        lost = lost_tags(tag_map(group.get("Tags")), tags)
        if not lost:
            return leave("security group", self._name, self.group_id)

        def tag() -> None:
            self._ec2.create_tags(Resources=[self.group_id], Tags=tags)

        return Op(kind="security group", name=self._name, id=self.group_id, action="change", detail=lost, call=tag)

    def settle(self) -> Ops:
        """Add the rules that are missing, take away those of ours that are not wanted any more."""
        want, have = self._wanted(), self._have
        missing = {rule: text for rule, text in want.items() if rule not in have}
        surplus = [rule for rule, text in have.items() if text.startswith(MARK) and rule not in want]
        if missing:
            yield self._authorize(missing)
        if surplus:
            yield self._revoke({rule: have[rule] for rule in surplus})
        if not missing and not surplus:
            yield leave("security group rules", self._name, self.group_id)

    def destroy(self) -> Ops:
        """Delete the group, again and again while network interfaces of terminated instances still hold it."""
        for group in self._ours():
            yield Op(
                kind="security group",
                name=group["GroupName"],
                id=group["GroupId"],
                action="delete",
                call=partial(self._delete, group),
            )

    def _ours(self) -> list[Mapping[str, Any]]:
        return our_groups(self._ec2, self._run.names)

    @cached_property
    def _at_first(self) -> Mapping[str, Any] | None:
        """The group in the VPC when it was first asked for."""
        return self._in_vpc()

    @cached_property
    def _sources(self) -> tuple[str, ...]:
        """The operator's CIDR blocks."""
        return self._operator()

    def _in_vpc(self) -> Mapping[str, Any] | None:
        """The group of our name in the VPC; names are unique in a VPC (aws-facts 3)."""
        there = (self._name, self._network.vpc_id)
        filters = [
            {"Name": "group-name", "Values": [self._name]},
            {"Name": "vpc-id", "Values": [self._network.vpc_id]},
        ]
        listed = each(self._ec2, "describe_security_groups", "SecurityGroups", Filters=filters)
        group = next((one for one in listed if (one["GroupName"], one.get("VpcId")) == there), None)
        if group is not None and not is_ours(group, self._run.names):
            raise NotOursError(
                f"the security group {self._name} in {self._network.vpc_id} is not this stack's",
                why=f"its description is not: {self._run.names.group_description}, or its tag {STACK_TAG} is another's",
                next_step="choose another stack name (--stack NAME), or rename that group",
            )
        return group

    def _create(self) -> str:
        tags: Any = self._run.names.tags(self._name)
        self.group_id = self._run.made(
            self.section,
            f"the security group {self._name}",
            lambda: self._ec2.create_security_group(
                GroupName=self._name,
                Description=self._run.names.group_description,
                VpcId=self._network.vpc_id,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
            )["GroupId"],
            exists="InvalidGroup.Duplicate",
            look=lambda: (self._in_vpc() or {}).get("GroupId"),
        )
        return self.group_id

    def _wanted(self) -> dict[Rule, str]:
        """Every rule and the description that says why it is there."""
        config = self._run.config
        operator = self._sources
        rules = {tcp(config.port, cidr): MARK + "operator" for cidr in operator}
        if config.key_name or config.create_key:
            rules |= {tcp(22, cidr): MARK + "operator SSH" for cidr in operator}
        rules |= {tcp(config.port, source): MARK + "health checkers" for source in self._checkers()}
        return rules | {tcp(config.port, f"{ip}/32"): MARK + "node" for ip in self._addresses.public_addresses}

    def _checkers(self) -> tuple[str, ...]:
        """Where the health checkers come from: AWS's prefix list, else its own answer, else the published ranges."""
        return self._prefix_list() or self._told_ranges() or self._published_ranges()

    def _prefix_list(self) -> tuple[str, ...]:
        name = f"com.amazonaws.{self._run.config.region}.route53-healthchecks"
        try:
            filters = [{"Name": "prefix-list-name", "Values": [name]}]
            lists = list(each(self._ec2, "describe_managed_prefix_lists", "PrefixLists", Filters=filters))
        except ClientError as error:
            self._run.watcher.warn(f"cannot read the prefix list {name}: {message_of(error)}")
            return ()
        return tuple(one["PrefixListId"] for one in lists if one["PrefixListName"] == name)[:1]

    def _told_ranges(self) -> tuple[str, ...]:
        try:
            return tuple(self._run.clients.route53.get_checker_ip_ranges()["CheckerIpRanges"])
        except ClientError as error:
            self._run.watcher.warn(f"cannot ask Route 53 for its checkers' addresses: {message_of(error)}")
            return ()

    def _published_ranges(self) -> tuple[str, ...]:
        self._run.watcher.warn(
            f"the checkers' addresses are those collected on {COLLECTED}: if a check stays unhealthy, compare them "
            "with ROUTE53_HEALTHCHECKS in AWS's ip-ranges.json"
        )
        return RANGES

    def _authorize(self, rules: Mapping[Rule, str]) -> Op:
        def authorize() -> str:
            permissions = [rule.permission(text) for rule, text in sorted(rules.items())]
            if not self._added(permissions):
                # One of them is there, so EC2 took none.
                for permission in permissions:
                    self._added([permission])
            return self.group_id

        return Op(
            kind="security group rules",
            name=self._name,
            action="create",
            detail=_words(rules, " missing" if self._stands else ""),
            call=authorize,
        )

    def _added(self, permissions: Any) -> bool:
        """Add all of them, or none when one exists: then False."""
        try:
            self._run.persist(
                self.section,
                f"the new security group {self._name}",
                self._ec2.authorize_security_group_ingress,
                on=FRESH,
                GroupId=self.group_id,
                IpPermissions=permissions,
            )
        except ClientError as error:
            if code_of(error) != "InvalidPermission.Duplicate":
                raise
            return False
        return True

    def _revoke(self, rules: Mapping[Rule, str]) -> Op:
        def revoke() -> str:
            # Each by itself: one that another run has revoked meanwhile does not keep the others in.
            for rule, text in sorted(rules.items()):
                permissions: Any = [rule.permission(text)]
                gone(self._ec2.revoke_security_group_ingress, GroupId=self.group_id, IpPermissions=permissions)
            return self.group_id

        return Op(
            kind="security group rules",
            name=self._name,
            id=self.group_id,
            action="delete",
            detail=_words(rules, " not wanted"),
            call=revoke,
        )

    def _delete(self, group: Mapping[str, Any]) -> None:
        group_id = group["GroupId"]
        unseen_since: float | None = None

        def delete() -> None:
            nonlocal unseen_since
            try:
                self._ec2.delete_security_group(GroupId=group_id)
            except ClientError as error:
                if code_of(error) not in IN_USE:
                    raise
                if self._ends_soon(group):
                    unseen_since = None
                elif unseen_since is None:
                    unseen_since = self._run.clock.now()
                elif self._run.clock.now() - unseen_since > UNSEEN_TIMEOUT_S:
                    raise _held_unseen(group_id, error) from error
                raise

        self._run.remove(
            self.section,
            f"network interfaces to let go of {group_id}",
            delete,
            listed=lambda: group_id in {group["GroupId"] for group in self._ours()},
            on=IN_USE,
            timeout_s=INTERFACES_TIMEOUT_S,
        )

    def _ends_soon(self, group: Mapping[str, Any]) -> bool:
        """Whether interfaces of ending instances hold it, as nothing else goes by itself; False if nothing is shown.

        Raises:
            HeldError: something else uses it, perhaps an instance that an `up` beside us launched: a later round's.
        """
        holders = group_holders(self._run.clients, [group], self._run.names.stack)[group["GroupId"]]
        if any(holder.stays for holder in holders):
            held = ", ".join(holder.what for holder in holders)
            raise HeldError(f"the security group {group['GroupId']} was not deleted", why=f"held by {held}")
        return bool(holders)


def _held_unseen(group_id: str, refusal: ClientError) -> HeldError:
    return HeldError(
        f"the security group {group_id} was not deleted",
        why=f"{code_of(refusal)}: {message_of(refusal)}; EC2 lists no interface in it and no other group's rule that "
        "names it",
        next_step=CommandLine(
            f"aws ec2 describe-security-group-vpc-associations --filters Name=group-id,Values={group_id}"
        )
        + " shows whether another VPC uses it; then "
        + CommandLine("srekv down"),
    )


def our_groups(ec2: Any, names: Names) -> list[Mapping[str, Any]]:
    """The stack's security groups, in any VPC; found by their description, which stays when a tag is lost."""
    filters = [{"Name": "description", "Values": [names.group_description]}]
    listed = each(ec2, "describe_security_groups", "SecurityGroups", Filters=filters)
    return [one for one in listed if is_ours(one, names)]


def is_ours(group: Mapping[str, Any], names: Names) -> bool:
    """Whether name and description, which nobody can change, are the stack's, and no tag says that it is another's."""
    mine = (names.security_group, names.group_description, names.stack)
    return mine == (group["GroupName"], group.get("Description"), tags_of(group).get(STACK_TAG, names.stack))


def _words(rules: Mapping[Rule, str], so: str = "") -> str:
    """Rules for a person, grouped by why they are there; `so`: what about them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for rule, text in sorted(rules.items()):
        groups.setdefault((text.removeprefix(MARK), rule.what), []).append(rule.source)
    return "; ".join(f"ingress {what} from {', '.join(sources)}{so} ({why})" for (why, what), sources in groups.items())


def _rules(permissions: Iterable[Mapping[str, Any]]) -> Iterable[tuple[Rule, str]]:
    """EC2 merges rules of equal ports into one permission (E36); here they are apart again, with their description."""
    for permission in permissions:
        ports = int(permission.get("FromPort", -1)), int(permission.get("ToPort", -1))
        for kind, member in PEERS:
            for peer in permission.get(kind, ()):
                rule = Rule(*ports, str(peer.get(member, "")), str(permission["IpProtocol"]))
                yield rule, peer.get("Description", "")
