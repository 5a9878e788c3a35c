"""Reads what stands behind addresses: instances, their subnets, security groups, network ACLs, routes and VPCs."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from srekv.doctor.facts import AclEntry, Checkers, GroupRule, Host, Subnet, Vpc, is_address
from srekv.doctor.reader import Reader
from srekv.provision.engine.clients import Clients
from srekv.provision.naming import tag_map
from srekv.provision.steps.firewall import RANGES
from srekv.provision.steps.network import is_public

LARGEST_USER_DATA = 16 * 1024 * 1024
"""Bytes of user data that are read, unpacked."""

WHO = "what stands behind the addresses"


class Hosts:
    """Finds the machines behind addresses, by what each answer lists: an endpoint may ignore a filter.

    `vpcs` narrow what a private address means; `zone_name` is what the machines' resolvers should know. `public` are
    the addresses that an answer lists as public; `complete` is whether everything could be listed.
    """

    def __init__(self, reader: Reader, clients: Clients, *, vpcs: Sequence[str], zone_name: str) -> None:
        self._reader = reader
        self._ec2: Any = clients.ec2
        self._vpcs = vpcs
        self._zone_name = zone_name.rstrip(".")
        answer = reader.ask(WHO, self._ec2, "describe_addresses")
        self._elastic: list[Mapping[str, Any]] = answer["Addresses"] if answer else []
        self.public = frozenset(one["PublicIp"] for one in self._elastic)
        self.complete = answer is not None

    def behind(self, addresses: Iterable[str]) -> dict[str, Host]:
        """The machine behind each of these addresses, as far as it is in this account and Region and the only one."""
        wanted = {one for one in addresses if is_address(one)}
        found: dict[str, dict[str, Host]] = {}
        for find in (self._instances, self._interfaces):
            rest = wanted - found.keys()
            for host, its in find(rest) if rest else ():
                for address in its & rest:
                    found.setdefault(address, {})[host.identity] = host
        return {address: next(iter(hosts.values())) for address, hosts in found.items() if len(hosts) == 1}

    def _instances(self, wanted: set[str]) -> Iterator[tuple[Host, set[str]]]:
        """Instances, once for each network interface, and its addresses; those of no interface are the first one's."""
        vpcs = [{"Name": "vpc-id", "Values": list(self._vpcs)}] if self._vpcs else []
        ids = {one["InstanceId"] for one in self._elastic if one["PublicIp"] in wanted and one.get("InstanceId")}
        queries: list[dict[str, Any]] = [
            {"Filters": [{"Name": "ip-address", "Values": sorted(wanted)}]},
            {"Filters": [{"Name": "private-ip-address", "Values": sorted(wanted)}, *vpcs]},
        ]
        for instance in self._described(*queries, *([{"InstanceIds": sorted(ids)}] if ids else [])):
            alone = {key: value for key, value in instance.items() if key != "NetworkInterfaces"}
            for number, interface in enumerate(instance.get("NetworkInterfaces") or [{}]):
                its = self._addresses_of(interface) | (set() if number else self._addresses_of(alone))
                if its & wanted:
                    yield self._host(instance, interface), its

    def _interfaces(self, wanted: set[str]) -> Iterator[tuple[Host, set[str]]]:
        """Network interfaces and their addresses: a load balancer's, or one that the instances' filters miss."""
        for interface in self._pages("describe_network_interfaces", "NetworkInterfaces"):
            its = self._addresses_of(interface)
            if its & wanted:
                yield self._holder(interface), its

    def _described(self, *queries: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        found = [one for query in queries for one in self._pages("describe_instances", "Reservations", **query)]
        return list({one["InstanceId"]: one for one in found}.values())

    def _pages(self, operation: str, member: str, **query: Any) -> list[Any]:
        answer = self._reader.pages(WHO, self._ec2, operation, member, **query)
        self.complete = self.complete and answer is not None
        return answer or []

    def _addresses_of(self, one: Mapping[str, Any]) -> set[str]:
        """Of an instance or an interface, the private ones in the zone's VPCs only; what is associated is public."""
        places = [one, *one.get("PrivateIpAddresses", ())]
        public = {place.get("Association", {}).get("PublicIp", "") for place in places}
        public |= {one.get("PublicIpAddress", "")} | self._elastic_of(one)
        self.public |= public - {""}
        near = not self._vpcs or one.get("VpcId") in self._vpcs
        return (public | {place.get("PrivateIpAddress", "") for place in places if near}) - {""}

    def _elastic_of(self, one: Mapping[str, Any]) -> set[str]:
        """The Elastic IPs of an interface, or those of an instance that name no interface."""
        interface, instance = one.get("NetworkInterfaceId"), one.get("InstanceId")
        return {
            own["PublicIp"]
            for own in self._elastic
            if (interface and own.get("NetworkInterfaceId") == interface)
            or (instance and own.get("InstanceId") == instance and not own.get("NetworkInterfaceId"))
        }

    def _host(self, instance: Mapping[str, Any], interface: Mapping[str, Any]) -> Host:
        instance_id = instance["InstanceId"]
        elastic = [one["PublicIp"] for one in self._elastic if one.get("InstanceId") == instance_id]
        name = tag_map(instance.get("Tags")).get("Name", "")
        return Host(
            instance_id=instance_id,
            state=instance["State"]["Name"],
            zone=instance["Placement"]["AvailabilityZone"],
            vpc_id=instance.get("VpcId", ""),
            subnet_id=interface.get("SubnetId") or instance.get("SubnetId", ""),
            groups=_groups(interface) or _groups(instance),
            public=elastic[0] if elastic else instance.get("PublicIpAddress", ""),
            elastic=bool(elastic),
            name=f"{name} ({instance_id})" if name else instance_id,
            resolves=self._resolves(instance_id),
        )

    def _resolves(self, instance_id: str) -> bool | None:
        """Whether the user data makes a .local zone known to systemd-resolved; None for other zones (aws-facts 2.8)."""
        if not self._zone_name.endswith("local"):
            return None
        request = {"InstanceId": instance_id, "Attribute": "userData"}
        answer = self._reader.ask("the machines' resolvers", self._ec2, "describe_instance_attribute", **request)
        if answer is None:
            return None
        text = _text(answer.get("UserData", {}).get("Value", ""))
        return any(f"Domains={mark}" in text for mark in (f"~{self._zone_name}", "~local", self._zone_name))

    def _holder(self, interface: Mapping[str, Any]) -> Host:
        """The instance that a network interface is attached to; else the interface itself."""
        instance_id = interface.get("Attachment", {}).get("InstanceId")
        for instance in self._described({"InstanceIds": [instance_id]}) if instance_id else ():
            return self._host(instance, interface)
        return Host(
            instance_id="",
            state=interface.get("Status", ""),
            zone=interface["AvailabilityZone"],
            vpc_id=interface["VpcId"],
            subnet_id=interface["SubnetId"],
            groups=_groups(interface),
            public=interface.get("Association", {}).get("PublicIp", ""),
            elastic=bool(self._elastic_of(interface)),
            name=interface["NetworkInterfaceId"],
        )


def _groups(one: Mapping[str, Any]) -> tuple[str, ...]:
    """The security groups of an interface, or of an instance, which calls them otherwise."""
    return tuple(group["GroupId"] for group in (*one.get("Groups", ()), *one.get("SecurityGroups", ())))


def _text(user_data: str) -> str:
    """User data as EC2 shows it, in base64 and perhaps in gzip, as text."""
    try:
        data = base64.b64decode(user_data)
        if data.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                data = stream.read(LARGEST_USER_DATA)
    except (binascii.Error, OSError, EOFError, zlib.error):
        return ""
    return data.decode("utf-8", "replace")


def read_groups(
    reader: Reader, clients: Clients, ids: Iterable[str], checkers: Checkers
) -> dict[str, tuple[GroupRule, ...]]:
    """The inbound rules of security groups, with every prefix list but the checkers' replaced by its blocks."""
    wanted, ec2 = sorted(set(ids)), clients.ec2
    if not wanted:
        return {}
    found = reader.pages("the security groups", ec2, "describe_security_groups", "SecurityGroups", GroupIds=wanted)
    groups = {group["GroupId"]: [_group_rule(one) for one in group["IpPermissions"]] for group in found or ()}
    lists = {one for rules in groups.values() for rule in rules for one in rule.prefix_lists}
    blocks: dict[str, list[str]] = {}
    for one in sorted(lists - set(checkers.prefix_lists)):
        what, operation = f"the prefix list {one}", "get_managed_prefix_list_entries"
        entries = reader.pages(what, ec2, operation, "Entries", PrefixListId=one)
        blocks[one] = [entry["Cidr"] for entry in entries or ()]
    for rules in groups.values():
        for number, rule in enumerate(rules):
            more = [cidr for one in rule.prefix_lists for cidr in blocks.get(one, ())]
            known = tuple(one for one in rule.prefix_lists if one not in blocks)
            rules[number] = replace(rule, cidrs=(*rule.cidrs, *more), prefix_lists=known)
    return {group: tuple(rules) for group, rules in groups.items()}


def _group_rule(permission: Mapping[str, Any]) -> GroupRule:
    """A rule; a reference to another group matches private addresses only, so never a checker (aws-facts 3)."""
    return GroupRule(
        protocol=permission["IpProtocol"],
        low=permission.get("FromPort", 0),
        high=permission.get("ToPort", 65535),
        cidrs=tuple(one["CidrIp"] for one in permission.get("IpRanges", ())),
        prefix_lists=tuple(one["PrefixListId"] for one in permission.get("PrefixListIds", ())),
    )


def read_subnets(reader: Reader, clients: Clients, hosts: Iterable[Host]) -> dict[str, Subnet]:
    """The machines' subnets, their network ACLs and whether they reach the internet."""
    homes = {host.subnet_id: host.vpc_id for host in hosts if host.subnet_id}
    if not homes:
        return {}
    filters = [{"Name": "vpc-id", "Values": sorted(set(homes.values()))}]
    what, operation = "routes to the internet", "describe_route_tables"
    tables = reader.pages(what, clients.ec2, operation, "RouteTables", Filters=filters)
    acls = read_acls(reader, clients, sorted(homes))
    subnets = {}
    for subnet, vpc in homes.items():
        acl_id, acl = acls.get(subnet, ("", None))
        routes = None if tables is None else is_public(subnet, [one for one in tables if one["VpcId"] == vpc])
        subnets[subnet] = Subnet(id=subnet, acl_id=acl_id, acl=acl, is_public=routes)
    return subnets


def read_acls(reader: Reader, clients: Clients, subnets: Sequence[str]) -> dict[str, tuple[str, tuple[AclEntry, ...]]]:
    """By subnet: its network ACL's id and rules."""
    filters = [{"Name": "association.subnet-id", "Values": list(subnets)}]
    acls = reader.pages("network ACLs", clients.ec2, "describe_network_acls", "NetworkAcls", Filters=filters)
    return {
        link["SubnetId"]: (acl["NetworkAclId"], tuple(_acl_entry(one) for one in acl["Entries"] if "CidrBlock" in one))
        for acl in acls or ()
        for link in acl["Associations"]
        if link["SubnetId"] in subnets
    }


def _acl_entry(entry: Mapping[str, Any]) -> AclEntry:
    ports = entry.get("PortRange") or {}
    return AclEntry(
        number=int(entry["RuleNumber"]),
        egress=bool(entry["Egress"]),
        allows=entry["RuleAction"] == "allow",
        protocol=str(entry["Protocol"]),
        cidr=entry["CidrBlock"],
        low=ports.get("From", 0),
        high=ports.get("To", 65535),
    )


def read_vpcs(reader: Reader, clients: Clients, ids: Sequence[str]) -> dict[str, Vpc]:
    """The two DNS attributes of each VPC; a zone may name one that is gone (aws-recorded R13)."""
    if not ids:
        return {}
    what, ec2 = "the VPC's DNS attributes", clients.ec2
    there = reader.pages(what, ec2, "describe_vpcs", "Vpcs", Filters=[{"Name": "vpc-id", "Values": list(ids)}])
    living = ids if there is None else [one["VpcId"] for one in there]
    vpcs = {}
    for vpc_id in ids:
        attributes: dict[str, bool] = {}
        for name in ("enableDnsSupport", "enableDnsHostnames") if vpc_id in living else ():
            answer = reader.ask(what, ec2, "describe_vpc_attribute", VpcId=vpc_id, Attribute=name)
            if answer:
                attributes[name] = bool(answer[name[0].upper() + name[1:]]["Value"])
        vpcs[vpc_id] = Vpc(id=vpc_id, attributes=attributes, exists=vpc_id in living)
    return vpcs


def read_checkers(reader: Reader, clients: Clients) -> Checkers:
    """The Region's prefix list, and the ranges: Route 53's answer, or the published ones, which need no permission."""
    name = f"com.amazonaws.{clients.region}.route53-healthchecks"
    filters = [{"Name": "prefix-list-name", "Values": [name]}]
    lists = reader.ask("the checkers' prefix list", clients.ec2, "describe_managed_prefix_lists", Filters=filters) or {}
    ranges = Reader().ask("", clients.route53, "get_checker_ip_ranges") or {}
    blocks = tuple(one for one in ranges.get("CheckerIpRanges", ()) if ":" not in one)
    found = tuple(one["PrefixListId"] for one in lists.get("PrefixLists", ()) if one["PrefixListName"] == name)
    return Checkers(prefix_lists=found, ranges=blocks or RANGES)
