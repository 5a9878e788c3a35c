"""Whether checkers get through to the machines, and clients to the zone's answers; what only stacks have. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from srekv.doctor.facts import LAST, AclEntry, Checkers, Facts, HealthCheck, Host, Record, Subnet, covers
from srekv.doctor.model import Finding, Objectives, Severity, find
from srekv.doctor.reach import EPHEMERAL, Passage, allows, inwards, open_ports, outwards, through_groups
from srekv.errors import CommandLine
from srekv.provision.permissions import AGENT_ACTIONS, TABLE_ACTIONS

SLIGHT = 0.005
"""A share of the checkers' addresses that never holds enough checkers: a /26, as some of the eight checker Regions have
for themselves, is 0.4 % of the addresses and at most an eighth of the checkers; more than 18 % must get through."""

DROP_IN = "/etc/systemd/resolved.conf.d/"


def _watched(facts: Facts) -> Iterator[tuple[Record, HealthCheck, Host]]:
    """Each record whose check is of a machine of this account, by checkers on the internet."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.requests and not facts.is_inside(check) and check.address in facts.hosts:
            yield record, check, facts.hosts[check.address]


def groups_open(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """The security groups let the checkers in to the port of the check."""
    checkers = facts.checkers
    for record, check, host in _watched(facts):
        if checkers is None or not host.groups or not all(group in facts.groups for group in host.groups):
            continue
        rules = [rule for group in host.groups for rule in facts.groups[group]]
        passage = through_groups(rules, checkers, check.port)
        if passage.share == 1.0:
            continue
        others, fix = ", ".join(open_ports(rules, checkers)), _admit(host.groups[0], check.port, checkers)
        kind = "wrong-port" if passage.share <= SLIGHT and others else "group-shuts-checkers-out"
        seen = {"port": check.port, "groups": ", ".join(host.groups), "others": others, "part": _part(passage)}
        yield facts.find(kind, record.label, severity=_severity(passage), fix=fix, **seen)


def _severity(passage: Passage) -> Severity:
    """More than 18 % of the checkers must get through: a part of their addresses may hold so many, or not."""
    return "risk" if passage.share > SLIGHT else "prevents"


def _part(passage: Passage) -> str:
    """So much of all, rounded down, and "none" of it only where nothing at all gets through."""
    if not passage.share:
        return "none of the"
    return f"{int(passage.share * 100)} % of the" if passage.share >= 0.01 else "less than 1 % of the"


def _admit(group: str, port: int, checkers: Checkers) -> CommandLine:
    if checkers.prefix_lists:
        peer = f"PrefixListIds=[{{PrefixListId={checkers.prefix_lists[0]}}}]"
    else:
        peer = "IpRanges=[" + ",".join(f"{{CidrIp={cidr}}}" for cidr in checkers.ranges) + "]"
    return CommandLine(
        f"aws ec2 authorize-security-group-ingress --group-id {group} "
        f"--ip-permissions 'IpProtocol=tcp,FromPort={port},ToPort={port},{peer}'"
    )


def acls_open(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """The network ACLs let the checkers in, and the answers out."""
    for record, check, host in _watched(facts):
        if facts.checkers and host.subnet_id in facts.subnets:
            yield from acl_findings(facts.subnets[host.subnet_id], facts.checkers, check.port, subject=record.label)


def acl_findings(subnet: Subnet, checkers: Checkers, port: int, *, subject: str) -> Iterator[Finding]:
    """What a subnet's network ACL stops of the checkers' traffic."""
    if subnet.acl is None:
        return
    for kind, way, passage, ports in (
        ("acl-stops-checkers", "ingress", inwards(subnet.acl, checkers.ranges, port), (port, port)),
        ("acl-stops-answers", "egress", outwards(subnet.acl, checkers.ranges), EPHEMERAL),
    ):
        if passage.share < 1.0:
            fix = _allow(subnet, way, ports, passage.stopped_by)
            rule = passage.stopped_by or "no rule allows the others"
            seen: dict[str, Any] = {"acl": subnet.acl_id, "subnet": subnet.id, "part": _part(passage), "rule": rule}
            yield find(kind, subject, severity=_severity(passage), fix=fix, port=port, **seen)


def _allow(subnet: Subnet, way: str, ports: tuple[int, int], stopped: AclEntry | None) -> CommandLine:
    """The command that lets everything of that kind pass before the rule that stops it, or takes that rule away."""
    taken = {one.number for one in subnet.acl or () if one.egress is (way == "egress")}
    last = stopped.number if stopped else LAST
    free = [one for one in (*range(min(last - 1, 100), 0, -1), *range(101, last)) if one not in taken]
    base = f"--network-acl-id {subnet.acl_id} --{way} --rule-number"
    if not free:
        return CommandLine(f"aws ec2 delete-network-acl-entry {base} {last}")
    return CommandLine(
        f"aws ec2 create-network-acl-entry {base} {free[0]} --protocol tcp "
        f"--port-range From={ports[0]},To={ports[1]} --cidr-block 0.0.0.0/0 --rule-action allow"
    )


def routed(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """The machines' subnets have a route to an internet gateway."""
    for record, _check, host in _watched(facts):
        subnet = facts.subnets.get(host.subnet_id)
        if subnet and subnet.is_public is False:
            yield facts.find("no-internet-route", record.label, subnet=subnet.id)


def lasting(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Machines that run, under addresses that survive a stop."""
    for record in facts.records:
        hosts = facts.hosts_of(record.addresses)
        down = [host for host in hosts if host.instance_id and host.state not in {"running", "pending"}]
        if down and len(down) == len(record.values):
            first = {"machine": down[0].name, "state": down[0].state, "instance": down[0].instance_id}
            severity, why = None, "there is no PRIMARY to lose, and none to go back to"
            if record.failover == "SECONDARY":
                severity, why = "prevents", "there is nothing to fail over to"
            yield facts.find("not-running", record.label, severity=severity, why=why, **first)
    for record, check, host in _watched(facts):
        if host.instance_id and check.address == host.public and not host.elastic:
            associate = CommandLine(f"aws ec2 associate-address --instance-id {host.instance_id}")
            fix = CommandLine("aws ec2 allocate-address") + ", " + associate
            fix += ", and put the new address into the record and the check"
            yield facts.find("address-not-elastic", record.label, address=check.address, machine=host.name, fix=fix)


def attributes(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Both DNS attributes of every VPC of a private zone are on."""
    options = {"enableDnsSupport": "--enable-dns-support", "enableDnsHostnames": "--enable-dns-hostnames"}
    for vpc in facts.vpcs.values() if facts.zone.private else ():
        for name, value in vpc.attributes.items():
            if not value:
                yield facts.find("dns-attribute-off", vpc.id, vpc=vpc.id, attribute=name, option=options[name])


def associated(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """A private zone answers in the VPC of its machines, where the clients are taken to be."""
    zone = facts.zone
    if not zone.private:
        return
    where = {"zone": zone.id, "region": facts.region, "vpcs": ", ".join((*zone.vpcs, *zone.elsewhere)) or "nothing"}
    for vpc_id in sorted({host.vpc_id for host in facts.hosts.values() if host.vpc_id} - set(zone.vpcs)):
        severity = "prevents" if facts.stack else "risk"
        yield facts.find("zone-not-associated", zone.label, severity=severity, vpc=vpc_id, **where)
    last = not zone.elsewhere and not any(one.exists for one in facts.vpcs.values())
    for vpc in facts.vpcs.values():
        if not vpc.exists:
            yield facts.find("vpc-gone", zone.label, severity="prevents" if last else "risk", vpc=vpc.id, **where)


def unrivalled(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Nothing more specific answers for the name: a match never falls through to a wider zone."""
    for rival in facts.rivals:
        seen = {"rival": rival.kind, "id": rival.id, "domain": rival.name.rstrip("."), "vpc": rival.vpc_id}
        if rival.kind == "forwarding rule":
            cure = f"route53resolver disassociate-resolver-rule --resolver-rule-id {rival.id} --vpc-id {rival.vpc_id}"
        else:
            vpc = f"VPCRegion={facts.region},VPCId={rival.vpc_id}"
            cure = f"route53 disassociate-vpc-from-hosted-zone --hosted-zone-id {rival.id} --vpc {vpc}"
        for pair in facts.pairs:
            if covers(rival.name, pair.name):
                yield facts.find("name-answered-elsewhere", pair.label, fix=CommandLine(f"aws {cure}"), **seen)


def unicast(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Machines whose resolver takes .local for multicast DNS know the zone."""
    zone, hosts = facts.zone.label, facts.hosts.values()
    untold = ", ".join(sorted({host.name for host in hosts if host.resolves is False}))
    if covers("local", zone) and (untold or all(host.resolves is None for host in hosts)):
        seen = f"no {DROP_IN} file for the zone in the user data of {untold}"
        seen = seen if untold else "no machine is known whose user data could be read"
        yield facts.find("local-is-multicast", zone, seen=seen, zone=zone, folder=DROP_IN)


def permitted(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """The nodes may use the table, and take a drill's commands."""
    stack = facts.stack
    if stack is None or stack.policies is None:
        return
    for kind, actions, resource in (
        ("role-lacks-table", TABLE_ACTIONS, stack.table_arn),
        ("role-lacks-agent", AGENT_ACTIONS, "*"),
    ):
        if lacking := [action for action in actions if not allows(stack.policies, action, resource)]:
            yield facts.find(kind, stack.role, role=stack.role, actions=", ".join(lacking), resource=resource)


def undisturbed(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """No drill left its fault in the primary."""
    if facts.stack and facts.stack.fault:
        yield facts.find("drill-fault", facts.stack.name, fault=facts.stack.fault)
