"""What was examined of each record set, and what was not: what is not examined leaves its name's verdict open. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from srekv.doctor.catalogue import find
from srekv.doctor.facts import Facts, HealthCheck, Host, Record
from srekv.doctor.model import Examination, Finding, Objectives
from srekv.errors import Advice, CommandLine


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that was not examined; the finding about it, unless it is one about a call that failed."""

    what: str
    finding: Finding | None = None


Aspect = Callable[[Facts, Record], Sequence[Gap] | None]
"""None: the record has nothing of that kind; else what was not examined of it."""


def examination(facts: Facts, record: Record) -> Examination:
    """What was examined of one record set, and what was not."""
    seen = {name: gaps for name, aspect in ASPECTS.items() if (gaps := aspect(facts, record)) is not None}
    return Examination(
        record=record.label,
        examined=tuple(name for name, gaps in seen.items() if not gaps),
        not_examined=tuple(gap.what for gaps in seen.values() for gap in gaps),
    )


def followed(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Everything that decides about the record can be read, down to the machine."""
    for record in (*facts.records, *(one for group in facts.others for one in group.records)):
        for aspect in ASPECTS.values():
            yield from (gap.finding for gap in aspect(facts, record) or () if gap.finding)


def _gap(kind: str, record: Record, what: str, *, proof: str, fix: Advice, region: str = "") -> Gap:
    return Gap(what=what, finding=find(kind, subject=record.label, proof=proof, fix=fix, what=what, region=region))


def _by_hand(kind: str, record: Record, what: str, *, proof: str, command: str) -> Gap:
    """A gap that a person can close."""
    return _gap(kind, record, what, proof=proof, fix=CommandLine(f"aws route53 {command}") + ", and follow it by hand")


def _policy(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """The doctor knows the decision between PRIMARY and SECONDARY only."""
    if record.failover:
        return ()
    proof = f"a {record.policy} record set of type {record.kind} with {_health(record)}"
    what = f"the {record.policy} routing policy, and what is behind the record set"
    command = f"list-resource-record-sets --hosted-zone-id {facts.zone.id}"
    return (_by_hand("other-policy", record, what, proof=proof, command=command),)


def _health(record: Record) -> str:
    """What decides about a record set's health."""
    own = f"health check {record.check_id}" if record.check_id else "no health check"
    return f"{own}, EvaluateTargetHealth {str(record.evaluates).lower()}" if record.alias else own


def _alias(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """An alias is followed no further: neither its answer nor its health is known."""
    if not record.alias or not record.failover:
        return None
    what = f"the alias target {record.alias.rstrip('.')}: what it answers, and its health"
    proof = f"AliasTarget {record.alias}, {_health(record)}"
    command = f"list-resource-record-sets --hosted-zone-id {facts.zone.id}"
    return (_by_hand("alias-target", record, what, proof=proof, command=command),)


def _check(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """The configuration of the record's health check, and whether it is about the record's machine."""
    if not record.failover or not record.check_id:
        return None
    if not facts.checks_read:
        return (Gap(what=f"the health check {record.check_id}"),)
    check = facts.check_of(record)
    if check is None:
        return ()
    command = f"get-health-check --health-check-id {check.id}"
    if not check.requests:
        target = check.host or check.address
        seen = f"{check.kind} check of {target}" if target else f"{check.kind} check"
        what, proof = f"what {check.id} monitors, a {seen}", f"{check.id} is a {seen}"
        return (_by_hand("indirect-check", record, what, proof=proof, command=command),)
    inside = []
    if facts.is_inside(check):
        what = f"whether the checkers of {check.id} reach {check.address} from inside their VPC"
        proof = f"{check.id}: IPAddress {check.address}, EndpointType {check.endpoint or 'not shown'}"
        inside = [_by_hand("private-endpoint", record, what, proof=proof, command=command)]
    return (*inside, *_other_addresses(facts, record, check))


def _other_addresses(facts: Facts, record: Record, check: HealthCheck) -> Iterator[Gap]:
    """A check of another address than the record's, with a machine that is not known; addresses without a check."""
    known = check.address in facts.hosts and any(one in facts.hosts for one in record.addresses)
    if check.address not in record.values and not known:
        yield _gap(
            "check-elsewhere-unknown",
            record,
            "whether record and health check are about the same machine",
            proof=f"the record answers {record.alias or ', '.join(record.values)}, {check.id} checks {check.address}",
            fix="compare them by hand: " + CommandLine(f"aws route53 get-health-check --health-check-id {check.id}"),
        )
    others = [one for one in record.values if one != check.address]
    if others and len(record.values) > 1:
        yield _gap(
            "value-unchecked",
            record,
            f"the health of {', '.join(others)}",
            proof=f"{check.id} checks {check.address}, the record answers {', '.join(record.values)}",
            fix="one record set and health check for each address: a multivalue group, the alias of this record",
        )


def _reports(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """What the checkers report now."""
    check = facts.check_of(record)
    if check is None or not record.failover or not check.requests or check.disabled:
        return None
    what = f"the checkers' reports on {check.id}"
    if check.id not in facts.reports:
        return (Gap(what=what),)
    if facts.reports[check.id]:
        return ()
    proof, fix = f"GetHealthCheckStatus of {check.id} shows no observation", CommandLine("srekv doctor")
    return (_gap("check-unproven", record, f"{what}: there are none yet", proof=proof, fix=fix + " again in a minute"),)


def _machine(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """The machines behind a record's values."""
    if record.alias or not record.failover:
        return None
    unknown = ", ".join(one for one in record.values if one not in facts.hosts)
    if not unknown:
        return ()
    if not facts.hosts_read:
        return (Gap(what=f"what is behind {unknown}"),)
    return (
        _gap(
            "machine-unknown",
            record,
            f"what is behind {unknown}, and in which zone",
            proof=f"the record answers {', '.join(record.values)}",
            fix="compare by hand: two machines, two Availability Zones, both open to Route 53's health checkers?",
            region=facts.region,
        ),
    )


def _on_machine(what: str, is_read: Callable[[Facts, Host], bool]) -> Aspect:
    """Something that decides whether the checkers reach the machine that is checked."""

    def aspect(facts: Facts, record: Record) -> Sequence[Gap] | None:
        check = facts.check_of(record)
        host = facts.hosts.get(check.address) if check and check.requests and not facts.is_inside(check) else None
        if host is None or not record.failover:
            return None
        return () if is_read(facts, host) else (Gap(what=f"{what} of {host.name}"),)

    return aspect


def _groups_read(facts: Facts, host: Host) -> bool:
    return facts.checkers is not None and all(group in facts.groups for group in host.groups)


def _acl_read(facts: Facts, host: Host) -> bool:
    subnet = facts.subnets.get(host.subnet_id)
    return facts.checkers is not None and subnet is not None and subnet.acl is not None


def _route_read(facts: Facts, host: Host) -> bool:
    subnet = facts.subnets.get(host.subnet_id)
    return subnet is not None and subnet.is_public is not None


ASPECTS: dict[str, Aspect] = {
    "routing policy": _policy,
    "alias target": _alias,
    "health check": _check,
    "checkers' reports": _reports,
    "machine": _machine,
    "security groups": _on_machine("the security groups", _groups_read),
    "network ACL": _on_machine("the network ACL", _acl_read),
    "route to the internet": _on_machine("the route to the internet", _route_read),
}
"""What there is to examine of a record set."""
