"""Whether the health checkers get through to the machines and their answers back; where the machines live. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from srekv.doctor.facts import LAST, AclEntry, Checkers, Facts, HealthCheck, Host, Record, Subnet
from srekv.doctor.model import Finding, Severity, Wishes
from srekv.doctor.reach import Passage, inwards, open_ports, outwards, through_groups
from srekv.doctor.sources import ACLS, ADDRESSES, CHECKERS, PRIVATE, ZONES
from srekv.errors import CommandLine

SLIGHT = 0.005
"""A share of the checkers' addresses that never holds enough checkers: a /26, as some of the eight checker Regions have
for themselves, is 0.4 % of the addresses and at most an eighth of the checkers; more than 18 % must get through."""


def _watched(facts: Facts) -> Iterator[tuple[Record, HealthCheck, Host]]:
    """Each record whose check is of a machine of this account, by checkers on the internet."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.requests and not facts.is_inside(check) and check.address in facts.hosts:
            yield record, check, facts.hosts[check.address]


def groups_open(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """The security groups let the checkers in to the port of the check."""
    if facts.checkers is None:
        return
    for record, check, host in _watched(facts):
        if not host.groups or not all(group in facts.groups for group in host.groups):
            continue
        rules = [rule for group in host.groups for rule in facts.groups[group]]
        passage = through_groups(rules, facts.checkers, check.port)
        if passage.share == 1.0:
            continue
        others = open_ports(rules, facts.checkers)
        groups = ", ".join(host.groups)
        if passage.share <= SLIGHT and others:
            title, proof = f"port {check.port} is closed", f"{groups} open {', '.join(others)} to the checkers"
            identity = "wrong-port"
        else:
            title, identity = "the security group shuts health checkers out", "group-shuts-checkers-out"
            proof = f"port {check.port} of {groups} is open to {_part(passage)} checkers' addresses"
        yield Finding(
            id=identity,
            severity=_severity(passage),
            subject=record.label,
            title=title,
            cause="a check that no checker reaches is unhealthy: both unhealthy means that the PRIMARY is answered",
            proof=proof,
            fix=facts.fix(_admit(host.groups[0], check.port, facts.checkers)),
            source=CHECKERS,
        )


def _severity(passage: Passage) -> Severity:
    """More than 18 % of the checkers must get through: a part of their addresses may hold so many, or not."""
    return "risk" if passage.share > SLIGHT else "prevents"


def _part(passage: Passage) -> str:
    """So much of all, rounded down, and "none" of it only where nothing at all gets through."""
    if not passage.share:
        return "none of the"
    return f"{int(passage.share * 100)} % of the" if passage.share >= 0.01 else "less than 1 % of the"


def _admit(group: str, port: int, checkers: Checkers) -> CommandLine:
    base = f"aws ec2 authorize-security-group-ingress --group-id {group}"
    if checkers.prefix_lists:
        peer = f"PrefixListIds=[{{PrefixListId={checkers.prefix_lists[0]}}}]"
    else:
        peer = "IpRanges=[" + ",".join(f"{{CidrIp={cidr}}}" for cidr in checkers.ranges) + "]"
    return CommandLine(f"{base} --ip-permissions 'IpProtocol=tcp,FromPort={port},ToPort={port},{peer}'")


def acls_open(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """The network ACLs let the checkers in, and the answers out."""
    if facts.checkers is None:
        return
    for record, check, host in _watched(facts):
        if host.subnet_id in facts.subnets:
            yield from acl_findings(facts.subnets[host.subnet_id], facts.checkers, check.port, subject=record.label)


def acl_findings(subnet: Subnet, checkers: Checkers, port: int, *, subject: str) -> Iterator[Finding]:
    """What a subnet's network ACL stops of the checkers' traffic."""
    if subnet.acl is None:
        return
    for way, passage, what, ports in (
        ("ingress", inwards(subnet.acl, checkers.ranges, port), f"requests to port {port}", f"{port}"),
        ("egress", outwards(subnet.acl, checkers.ranges), "answers to the ports 1024-65535", "1024-65535"),
    ):
        if passage.share == 1.0:
            continue
        stopped = passage.stopped_by
        yield Finding(
            id="acl-stops-checkers" if way == "ingress" else "acl-stops-answers",
            severity=_severity(passage),
            subject=subject,
            title=f"a network ACL stops the checkers' {'requests' if way == 'ingress' else 'answers'}",
            cause="network ACLs keep no state: requests in and answers out must both be allowed",
            proof=f"{subnet.acl_id} of {subnet.id} passes {_part(passage)} {what}: "
            + (str(stopped) if stopped else "no rule allows the others"),
            fix=_allow(subnet, way, ports, stopped),
            source=ACLS,
        )


def _allow(subnet: Subnet, way: str, ports: str, stopped: AclEntry | None) -> CommandLine:
    """The command that lets everything of that kind pass before the rule that stops it, or takes that rule away."""
    taken = {one.number for one in subnet.acl or () if one.egress is (way == "egress")}
    last = stopped.number if stopped else LAST
    free = (one for one in (*range(min(last - 1, 100), 0, -1), *range(101, last)) if one not in taken)
    number = next(free, None)
    base = f"--network-acl-id {subnet.acl_id} --{way} --rule-number"
    if number is None:
        return CommandLine(f"aws ec2 delete-network-acl-entry {base} {last}")
    low, _, high = ports.partition("-")
    return CommandLine(
        f"aws ec2 create-network-acl-entry {base} {number} --protocol tcp "
        f"--port-range From={low},To={high or low} --cidr-block 0.0.0.0/0 --rule-action allow"
    )


def routed(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """The machines' subnets have a route to an internet gateway."""
    for record, _check, host in _watched(facts):
        subnet = facts.subnets.get(host.subnet_id)
        if subnet and subnet.is_public is False:
            yield Finding(
                id="no-internet-route",
                severity="prevents",
                subject=record.label,
                title="no route to an internet gateway",
                cause="the checkers are outside the VPC: neither they nor the answers to them get through",
                proof=f"the route table of {subnet.id} has no active 0.0.0.0/0 to an igw-",
                fix=CommandLine(
                    "aws ec2 create-route --route-table-id TABLE --destination-cidr-block 0.0.0.0/0 --gateway-id IGW"
                ),
                source=PRIVATE,
            )


def lasting(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """Machines that run, under addresses that survive a stop."""
    for record in facts.records:
        hosts = facts.hosts_of(record.addresses)
        down = [host for host in hosts if host.instance_id and host.state not in {"running", "pending"}]
        if down and len(down) == len(record.values):
            yield _not_running(facts, record, down[0])
    for record, check, host in _watched(facts):
        if host.instance_id and check.address == host.public and not host.elastic:
            yield _not_elastic(record, check, host)


def _not_running(facts: Facts, record: Record, host: Host) -> Finding:
    second = record.failover == "SECONDARY"
    return Finding(
        id="not-running",
        severity="prevents" if second else "risk",
        subject=record.label,
        title=f"its machine is {host.state}",
        cause="there is nothing to fail over to" if second else "there is no PRIMARY to lose, and none to go back to",
        proof=f"{host.name} is {host.state}",
        fix=facts.fix(CommandLine(f"aws ec2 start-instances --instance-ids {host.instance_id}")),
        source=ZONES,
    )


def _not_elastic(record: Record, check: HealthCheck, host: Host) -> Finding:
    return Finding(
        id="address-not-elastic",
        severity="risk",
        subject=record.label,
        title="the checked address is not an Elastic IP",
        cause="a stop gives it up: the check then probes the next owner, and failback never comes",
        proof=f"{check.address} of {host.name} was assigned automatically",
        fix=CommandLine("aws ec2 allocate-address")
        + ", "
        + CommandLine(f"aws ec2 associate-address --instance-id {host.instance_id}")
        + ", and put the new address into the record and the check",
        source=ADDRESSES,
    )
