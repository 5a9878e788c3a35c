"""The nodes' security group: the service's port for the operator, the health checkers and the nodes themselves.

The lab opened port 80 to "your IP" only: the checkers were shut out, both checks failed, and a failover could never
happen (aws-facts 10 a). Rules that srekv made carry its mark in their description; other rules are left alone.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from botocore.exceptions import ClientError

from srekv.config import Config
from srekv.errors import CommandLine, NotOursError, SrekvError
from srekv.provision.engine.answers import code_of, ignore_missing, message_of
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.holders import group_holders
from srekv.provision.inventory.marks import each, tags_of
from srekv.provision.naming import STACK_TAG, Names
from srekv.provision.step import Ops, change_or_leave, create, delete, leave
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.base import StackStep
from srekv.provision.steps.network import Network

MARK = "srekv: "
ANY = "-1"
PEERS = {"IpRanges": "CidrIp", "Ipv6Ranges": "CidrIpv6", "PrefixListIds": "PrefixListId", "UserIdGroupPairs": "GroupId"}
"""Where an IpPermission has its sources, and what names one there."""

GROUP, RULES = "security group", "security group rules"

COLLECTED = "2026-11-23"
RANGES = (
    *("15.177.0.0/18", "54.183.255.128/26", "54.228.16.0/26", "54.232.40.64/26", "54.241.32.64/26", "54.243.31.192/26"),
    *("54.244.52.192/26", "54.245.168.0/26", "54.248.220.0/26", "54.250.253.192/26", "54.251.31.128/26"),
    *("54.252.254.192/26", "54.252.79.128/26", "54.255.254.192/26", "107.23.255.0/26", "176.34.159.192/26"),
    "177.71.207.128/26",
)
"""Service ROUTE53_HEALTHCHECKS of ip-ranges.json: every checker Region and GLOBAL (aws-facts 3), for endpoints that
cannot list them. Put together on the day COLLECTED from public copies that agree with each other."""

ECHO_URL = "https://checkip.amazonaws.com"  # answers with the address that it sees the request come from

IN_USE = frozenset({"DependencyViolation", "InvalidGroup.InUse"})
UNSEEN_TIMEOUT_S = 30
"""How long EC2's parts may disagree about what it no longer lists; what it never lists, such as the group's association
with another VPC, does not go by itself."""


@dataclass(frozen=True, order=True)
class Rule:
    """One inbound rule."""

    first: int  # a port, -1 for a protocol without them
    last: int
    source: str  # a CIDR block, a prefix list's id or a security group's
    protocol: str = "tcp"  # as EC2 has it, "-1" for any

    def permission(self, description: str) -> dict[str, Any]:
        """As one of EC2's IpPermissions."""
        kind = "Ipv6Ranges" if ":" in self.source else "IpRanges"
        kind = {"pl-": "PrefixListIds", "sg-": "UserIdGroupPairs"}.get(self.source[:3], kind)
        source = [{PEERS[kind]: self.source, "Description": description}]
        ports = {} if self.protocol == ANY else {"FromPort": self.first, "ToPort": self.last}
        return {"IpProtocol": self.protocol, kind: source, **ports}


def tcp(port: int, source: str) -> Rule:
    """The rule that lets a source in to one TCP port."""
    return Rule(port, port, source)


@dataclass(eq=False)
class Firewall(StackStep):
    """The security group; `group_id` is there after ensure."""

    section = "Network"
    checking = "checking the security group"
    network: Network
    addresses: Addresses
    group_id: str = field(default="", init=False)
    _have: dict[Rule, str] | None = field(default=None, init=False)  # the rules of a group that was there before

    def fit(self) -> None:
        """Refuse a group of our name that is another's, and an operator whose address is unknown."""
        _ = self._sources
        if self.network.vpc_id:
            _ = self._at_first

    def ensure(self) -> Ops:
        """Create the group: an instance can be launched into it before it has rules."""
        group = self._at_first
        if group is None:
            yield create(GROUP, self.names.security_group, self._create)
            return
        self.group_id = group["GroupId"]
        self._have = dict(_rules(group["IpPermissions"]))
        what = (GROUP, self.names.security_group, self.group_id)
        yield from change_or_leave(*what, self._retag(*what, group, self.names.tags(self.names.security_group)))

    def settle(self) -> Ops:
        """Add the rules that are missing, take away those of ours that are not wanted any more."""
        want, have = self._wanted(), self._have or {}
        missing = {rule: text for rule, text in want.items() if rule not in have}
        surplus = {rule: text for rule, text in have.items() if text.startswith(MARK) and rule not in want}
        if missing:
            detail = _words(missing, "" if self._have is None else " missing")
            permissions = [rule.permission(text) for rule, text in sorted(missing.items())]
            yield create(RULES, self.names.security_group, partial(self._authorize, permissions), detail)
        if surplus:
            op = delete(RULES, self.names.security_group, self.group_id, "present", self._revoke, rules=surplus)
            yield replace(op, detail=_words(surplus, " not wanted"))
        if not missing and not surplus:
            yield leave(RULES, self.names.security_group, self.group_id)

    def destroy(self) -> Ops:
        """Delete our groups, in any VPC, while network interfaces of terminated instances may still hold them."""
        for group in our_groups(self.ec2, self.names):
            yield delete(GROUP, group["GroupName"], group["GroupId"], "present", self._delete, group=group)

    @cached_property
    def _sources(self) -> tuple[str, ...]:
        """The operator's CIDR blocks; to learn them the network may be asked."""
        url = self.ec2.meta.endpoint_url
        host = urlsplit(url).hostname or ""
        aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
        return operator_cidrs(self.config, None if aws else url)

    def _in_vpc(self) -> Mapping[str, Any] | None:
        """The group of our name in the VPC; names are unique in a VPC (aws-facts 3)."""
        name, vpc_id = self.names.security_group, self.network.vpc_id
        filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc_id]}]
        listed = each(self.ec2, "describe_security_groups", "SecurityGroups", Filters=filters)
        group = next((one for one in listed if (one["GroupName"], one.get("VpcId")) == (name, vpc_id)), None)
        if group is not None and not is_ours(group, self.names):
            raise NotOursError(
                f"the security group {name} in {vpc_id} is not this stack's",
                why=f"its description is not: {self.names.group_description}, or its tag {STACK_TAG} is another's",
                next_step="choose another stack name (--stack NAME), or rename that group",
            )
        return group

    _at_first = cached_property(_in_vpc)

    def _create(self) -> str:
        name = self.names.security_group
        create_group = partial(
            self.ec2.create_security_group,
            GroupName=name,
            Description=self.names.group_description,
            VpcId=self.network.vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": self.names.tags(name)}],
        )
        what, exists = f"the security group {name}", "InvalidGroup.Duplicate"
        self.group_id = self.create_or_adopt(what, create_group, exists=exists, find=self._in_vpc)["GroupId"]
        return self.group_id

    def _wanted(self) -> dict[Rule, str]:
        config, operator = self.config, self._sources
        rules = {tcp(config.port, cidr): MARK + "operator" for cidr in operator}
        if config.key_name or config.create_key:
            rules |= {tcp(22, cidr): MARK + "operator SSH" for cidr in operator}
        rules |= {tcp(config.port, source): MARK + "health checkers" for source in self._checkers()}
        return rules | {tcp(config.port, f"{ip}/32"): MARK + "node" for ip in self.addresses.public.values()}

    def _checkers(self) -> tuple[str, ...]:
        """Where the health checkers come from: AWS's prefix list, else its own answer, else the published ranges."""
        name, warn = f"com.amazonaws.{self.config.region}.route53-healthchecks", self.run.watcher.warn
        try:
            filters = [{"Name": "prefix-list-name", "Values": [name]}]
            listed = each(self.ec2, "describe_managed_prefix_lists", "PrefixLists", Filters=filters)
            if lists := [one["PrefixListId"] for one in listed if one["PrefixListName"] == name]:
                return (lists[0],)
        except ClientError as error:
            warn(f"cannot read the prefix list {name}: {message_of(error)}")
        try:
            if ranges := self.route53.get_checker_ip_ranges()["CheckerIpRanges"]:
                return tuple(ranges)
        except ClientError as error:
            warn(f"cannot ask Route 53 for its checkers' addresses: {message_of(error)}")
        warn(
            f"the checkers' addresses are those collected on {COLLECTED}: if a check stays unhealthy, compare them "
            "with ROUTE53_HEALTHCHECKS in AWS's ip-ranges.json"
        )
        return RANGES

    def _authorize(self, permissions: Sequence[Any]) -> str:
        """Add these rules; when one of them is there EC2 takes none, so then each by itself."""
        try:
            fresh = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.NotFound"})
            what = f"the new security group {self.names.security_group}"
            call = partial(self.ec2.authorize_security_group_ingress, GroupId=self.group_id)
            self.retry_while(fresh, what, call, IpPermissions=permissions)
        except ClientError as error:
            if code_of(error) != "InvalidPermission.Duplicate":
                raise
            for permission in permissions if len(permissions) > 1 else ():
                self._authorize([permission])
        return self.group_id

    def _revoke(self, rules: Mapping[Rule, str]) -> None:
        """Each by itself: one that another run has revoked meanwhile does not keep the others in."""
        for rule, text in sorted(rules.items()):
            permissions: Any = [rule.permission(text)]
            ignore_missing(self.ec2.revoke_security_group_ingress, GroupId=self.group_id, IpPermissions=permissions)

    def _delete(self, group: Mapping[str, Any]) -> None:
        group_id, now = group["GroupId"], self.run.clock.now
        unseen_since: float | None = None

        def delete_group() -> None:
            nonlocal unseen_since
            try:
                self.ec2.delete_security_group(GroupId=group_id)
            except ClientError as error:
                if code_of(error) not in IN_USE:
                    raise
                if self._ends_soon(group):
                    unseen_since = None
                elif unseen_since is None:
                    unseen_since = now()
                elif now() - unseen_since > UNSEEN_TIMEOUT_S:
                    raise _held_unseen(group_id, error) from error
                raise

        self.remove(
            f"network interfaces to let go of {group_id}",
            delete_group,
            listed=lambda: group_id in {group["GroupId"] for group in our_groups(self.ec2, self.names)},
            on=IN_USE,
            timeout_s=300,  # terminated instances' network interfaces can hold it for minutes (E30)
        )

    def _ends_soon(self, group: Mapping[str, Any]) -> bool:
        """Whether interfaces of ending instances hold it, as nothing else goes by itself; False if nothing is shown."""
        holders = group_holders(self.run.clients, [group], self.names.stack)[group["GroupId"]]
        # One that stays may be an instance that a concurrent `up` launched: a later round's.
        if any(holder.stays for holder in holders):
            held = ", ".join(holder.what for holder in holders)
            raise HeldError(f"the security group {group['GroupId']} was not deleted", why=f"held by {held}")
        return bool(holders)


def _held_unseen(group_id: str, refusal: ClientError) -> HeldError:
    associations = f"aws ec2 describe-security-group-vpc-associations --filters Name=group-id,Values={group_id}"
    return HeldError(
        f"the security group {group_id} was not deleted",
        why=f"{code_of(refusal)}: {message_of(refusal)}; EC2 lists no interface in it and no other group's rule that "
        "names it",
        next_step=CommandLine(associations) + " shows whether another VPC uses it; then " + CommandLine("srekv down"),
    )


def our_groups(ec2: Any, names: Names) -> list[Mapping[str, Any]]:
    """The stack's security groups, in any VPC; found by their description, which stays when a tag is lost."""
    filters = [{"Name": "description", "Values": [names.group_description]}]
    listed = each(ec2, "describe_security_groups", "SecurityGroups", Filters=filters)
    return [one for one in listed if is_ours(one, names)]


def is_ours(group: Mapping[str, Any], names: Names) -> bool:
    """Whether name and description, which cannot change, are the stack's, and no tag names another stack."""
    mine = (names.security_group, names.group_description, names.stack)
    return mine == (group["GroupName"], group.get("Description"), tags_of(group).get(STACK_TAG, names.stack))


def _words(rules: Mapping[Rule, str], so: str) -> str:
    """Rules for a person, grouped by why they are there; `so`: what about them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for rule, text in sorted(rules.items()):
        ports = f"{rule.first}" if rule.first == rule.last else f"{rule.first}-{rule.last}"
        what = "any protocol" if rule.protocol == ANY else f"{rule.protocol} {ports}"
        groups.setdefault((text.removeprefix(MARK), what), []).append(rule.source)
    return "; ".join(f"ingress {what} from {', '.join(sources)}{so} ({why})" for (why, what), sources in groups.items())


def _rules(permissions: Iterable[Mapping[str, Any]]) -> Iterable[tuple[Rule, str]]:
    """EC2 merges rules of equal ports into one permission (E36); here they are apart again, with their description."""
    for permission in permissions:
        ports = int(permission.get("FromPort", -1)), int(permission.get("ToPort", -1))
        for kind, member in PEERS.items():
            for peer in permission.get(kind, ()):
                rule = Rule(*ports, str(peer.get(member, "")), str(permission["IpProtocol"]))
                yield rule, peer.get("Description", "")


def operator_cidrs(config: Config, endpoint: str | None) -> tuple[str, ...]:
    """The operator's CIDR blocks: those given, else this machine's address as the endpoint, or AWS (None), sees it."""
    if config.allow_cidrs:
        # As EC2 writes them: it takes neither an address without its /32 nor a netmask.
        return tuple(str(ipaddress.ip_network(cidr)) for cidr in config.allow_cidrs)
    try:
        if endpoint:
            parts = urlsplit(endpoint)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((parts.hostname or "", parts.port or 443))  # of a UDP socket, that sends nothing
                address = str(probe.getsockname()[0])
        else:
            with urlopen(ECHO_URL, timeout=5) as answer:
                address = str(ipaddress.IPv4Address(answer.read(64).decode("ascii", "replace").strip()))
    except (OSError, ValueError) as error:
        raise SrekvError(
            "cannot learn this machine's public address",
            why=f"no route to {endpoint}: {error}" if endpoint else f"{ECHO_URL}: {error}",
            next_step="give it with --allow-cidr, e.g. 203.0.113.7/32",
        ) from error
    return (f"{address}/32",)
