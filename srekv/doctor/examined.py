"""What was examined of each record set, and what was not: what is not examined leaves its name's verdict open. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from srekv.doctor.facts import Facts, HealthCheck, Host, Record
from srekv.doctor.model import Examination, Finding, Wishes
from srekv.doctor.sources import CHECKERS, CHOOSES, DETERMINES, PRIVATE
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
    seen = {name: gaps for name, look in ASPECTS.items() if (gaps := look(facts, record)) is not None}
    return Examination(
        record=record.label,
        examined=tuple(name for name, gaps in seen.items() if not gaps),
        not_examined=tuple(gap.what for gaps in seen.values() for gap in gaps),
    )


def followed(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """Everything that decides about the record can be read, down to the machine."""
    for record in (*facts.records, *(one for group in facts.others for one in group.records)):
        for look in ASPECTS.values():
            yield from (gap.finding for gap in look(facts, record) or () if gap.finding)


def _gap(record: Record, id: str, what: str, *, cause: str, proof: str, fix: Advice, source: str = CHOOSES) -> Gap:  # noqa: A002 - as in Finding
    finding = Finding(
        id=id,
        severity="unchecked",
        subject=record.label,
        title=f"not examined: {what}",
        cause=cause,
        proof=proof,
        fix=fix,
        source=source,
    )
    return Gap(what=what, finding=finding)


def _policy(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """The doctor knows the decision between PRIMARY and SECONDARY only."""
    if record.failover:
        return ()
    return (
        _gap(
            record,
            "other-policy",
            f"the {record.policy} routing policy, and what is behind the record set",
            cause="srekv doctor follows failover records only: whether another record set takes over is not known",
            proof=f"a {record.policy} record set of type {record.kind} with {_health(record)}",
            fix=CommandLine(f"aws route53 list-resource-record-sets --hosted-zone-id {facts.zone.id}")
            + ", and follow it by hand",
        ),
    )


def _health(record: Record) -> str:
    """What decides about a record set's health."""
    own = f"health check {record.check_id}" if record.check_id else "no health check"
    return f"{own}, EvaluateTargetHealth {str(record.evaluates).lower()}" if record.alias else own


def _alias(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """An alias is followed no further: neither its answer nor its health is known."""
    if not record.alias or not record.failover:
        return None
    return (
        _gap(
            record,
            "alias-target",
            f"the alias target {record.alias.rstrip('.')}: what it answers, and its health",
            cause="the answer and, with EvaluateTargetHealth, the health of an alias are its target's",
            proof=f"AliasTarget {record.alias}, {_health(record)}",
            fix=CommandLine(f"aws route53 list-resource-record-sets --hosted-zone-id {facts.zone.id}")
            + ", and follow it by hand",
        ),
    )


def _check(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """The configuration of the record's health check, and whether it is about the record's machine."""
    if not record.failover or not record.check_id:
        return None
    if not facts.checks_read:
        return (Gap(what=f"the health check {record.check_id}"),)
    check = facts.check_of(record)
    if check is None:
        return ()
    if not check.requests:
        return (_indirect(record, check),)
    inside = (_private(record, check),) if facts.is_inside(check) else ()
    return (*inside, *_elsewhere(facts, record, check), *_unwatched(record, check))


def _indirect(record: Record, check: HealthCheck) -> Gap:
    seen = (
        f"{check.kind} check of {check.host or check.address}" if check.host or check.address else f"{check.kind} check"
    )
    return _gap(
        record,
        "indirect-check",
        f"what {check.id} monitors, a {seen}",
        cause="only a check of an IPv4 address can be compared with the record and followed to a machine",
        proof=f"{check.id} is a {seen}",
        fix=CommandLine(f"aws route53 get-health-check --health-check-id {check.id}") + ", and follow it by hand",
        source=PRIVATE,
    )


def _private(record: Record, check: HealthCheck) -> Gap:
    return _gap(
        record,
        "private-endpoint",
        f"whether the checkers of {check.id} reach {check.address} from inside their VPC",
        cause="only a health check source in a VPC checks such an address: its subnets and groups were not read",
        proof=f"{check.id}: IPAddress {check.address}, EndpointType {check.endpoint or 'not shown'}",
        fix=CommandLine(f"aws route53 get-health-check --health-check-id {check.id}") + ", and follow it by hand",
        source=PRIVATE,
    )


def _elsewhere(facts: Facts, record: Record, check: HealthCheck) -> Iterator[Gap]:
    """A check of another address than the record's, where one of the two machines is not known."""
    known = check.address in facts.hosts and any(one in facts.hosts for one in record.addresses)
    if check.address in record.values or known:
        return
    yield _gap(
        record,
        "check-elsewhere",
        "whether record and health check are about the same machine",
        cause="the name follows the health of the machine that is checked, not of the one that clients reach",
        proof=f"the record answers {record.alias or ', '.join(record.values)}, {check.id} checks {check.address}",
        fix="compare them by hand: " + CommandLine(f"aws route53 get-health-check --health-check-id {check.id}"),
    )


def _unwatched(record: Record, check: HealthCheck) -> Iterator[Gap]:
    """The addresses of a record with several that its one check does not request."""
    others = [one for one in record.values if one != check.address] if len(record.values) > 1 else []
    if others:
        yield _gap(
            record,
            "value-unchecked",
            f"the health of {', '.join(others)}",
            cause="a record set has one health check: when another of its machines fails, clients still get it",
            proof=f"{check.id} checks {check.address}, the record answers {', '.join(record.values)}",
            fix="one record set and health check for each address: a multivalue group, the alias of this record",
        )


def _reports(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """What the checkers report now."""
    check = facts.check_of(record)
    if check is None or not record.failover or not check.requests or check.disabled:
        return None
    if check.id not in facts.reports:
        return (Gap(what=f"the checkers' reports on {check.id}"),)
    if facts.reports[check.id]:
        return ()
    return (
        _gap(
            record,
            "check-unproven",
            f"the checkers' reports on {check.id}: there are none yet",
            cause="a new check counts as healthy until there is enough data, also on a dead machine",
            proof=f"GetHealthCheckStatus of {check.id} shows no observation",
            fix=CommandLine("srekv doctor") + " again in a minute",
            source=DETERMINES,
        ),
    )


def _machine(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """The machines behind a record's values."""
    if record.alias or not record.failover:
        return None
    unknown = [one for one in record.values if one not in facts.hosts]
    if not unknown:
        return ()
    where = ", ".join(unknown)
    if not facts.hosts_read:
        return (Gap(what=f"what is behind {where}"),)
    return (
        _gap(
            record,
            "machine-unknown",
            f"what is behind {where}, and in which zone",
            cause=f"it is no instance and no network interface of this account in {facts.region}, or not the only one",
            proof=f"the record answers {', '.join(record.values)}",
            fix="compare by hand: two machines, two Availability Zones, both open to Route 53's health checkers?",
            source=CHECKERS,
        ),
    )


def _on_machine(what: str, is_read: Callable[[Facts, Host], bool]) -> Aspect:
    """Something that decides whether the checkers reach the machine that is checked."""

    def look(facts: Facts, record: Record) -> Sequence[Gap] | None:
        check = facts.check_of(record)
        host = facts.hosts.get(check.address) if check and check.requests and not facts.is_inside(check) else None
        if host is None or not record.failover:
            return None
        return () if is_read(facts, host) else (Gap(what=f"{what} of {host.name}"),)

    return look


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
