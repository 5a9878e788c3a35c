"""What was examined of each record set, and what was not: what is not examined leaves its name's verdict open. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from srekv.doctor.facts import Facts, HealthCheck, Host, Record
from srekv.doctor.model import Examination, Finding, Objectives, find


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


def _gap(kind: str, record: Record, what: str, **words: Any) -> Gap:
    return Gap(what=what, finding=find(kind, record.label, what=what, **words))


def _policy(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """The doctor knows the decision between PRIMARY and SECONDARY only."""
    if record.failover:
        return ()
    what = f"the {record.policy} routing policy, and what is behind the record set"
    about = {"policy": record.policy, "type": record.kind, "health": _health(record)}
    return (_gap("other-policy", record, what, zone=facts.zone.id, **about),)


def _health(record: Record) -> str:
    own = f"health check {record.check_id}" if record.check_id else "no health check"
    return f"{own}, EvaluateTargetHealth {str(record.evaluates).lower()}" if record.alias else own


def _alias(facts: Facts, record: Record) -> Sequence[Gap] | None:
    """An alias is followed no further: neither its answer nor its health is known."""
    if not record.alias or not record.failover:
        return None
    what = f"the alias target {record.alias.rstrip('.')}: what it answers, and its health"
    return (_gap("alias-target", record, what, zone=facts.zone.id, alias=record.alias, health=_health(record)),)


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
        target = check.host or check.address
        seen = f"{check.kind} check of {target}" if target else f"{check.kind} check"
        return (_gap("indirect-check", record, f"what {check.id} monitors, a {seen}", check=check.id, seen=seen),)
    return tuple(_check_gaps(facts, record, check))


def _check_gaps(facts: Facts, record: Record, check: HealthCheck) -> Iterator[Gap]:
    """Checkers in a VPC; a check of another address than the record's, and addresses without a check."""
    asked = {"check": check.id, "address": check.address}
    if facts.is_inside(check):
        what = f"whether the checkers of {check.id} reach {check.address} from inside their VPC"
        yield _gap("private-endpoint", record, what, **asked, endpoint=check.endpoint or "not shown")
    values = ", ".join(record.values)
    known = check.address in facts.hosts and any(one in facts.hosts for one in record.addresses)
    if check.address not in record.values and not known:
        what = "whether record and health check are about the same machine"
        yield _gap("check-elsewhere-unknown", record, what, **asked, values=record.alias or values)
    others = [one for one in record.values if one != check.address]
    if others and len(record.values) > 1:
        yield _gap("value-unchecked", record, f"the health of {', '.join(others)}", **asked, values=values)


def _reports(facts: Facts, record: Record) -> Sequence[Gap] | None:
    check = facts.check_of(record)
    if check is None or not record.failover or not check.requests or check.disabled:
        return None
    what = f"the checkers' reports on {check.id}"
    if check.id not in facts.reports:
        return (Gap(what=what),)
    if facts.reports[check.id]:
        return ()
    return (_gap("check-unproven", record, f"{what}: there are none yet", check=check.id),)


def _machine(facts: Facts, record: Record) -> Sequence[Gap] | None:
    if record.alias or not record.failover:
        return None
    unknown = ", ".join(one for one in record.values if one not in facts.hosts)
    if not unknown:
        return ()
    if not facts.hosts_read:
        return (Gap(what=f"what is behind {unknown}"),)
    what, values = f"what is behind {unknown}, and in which zone", ", ".join(record.values)
    return (_gap("machine-unknown", record, what, values=values, region=facts.region),)


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
