"""The doctor's questions, the findings that answer them, what was examined, and the verdict for each name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from srekv.doctor import rules_network, rules_records
from srekv.doctor.facts import REPORTS, Facts, Group, HealthCheck, Host, Record, Unread
from srekv.doctor.model import Diagnosis, Examination, Finding, NameVerdict, Objectives, find


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


QUESTIONS: Mapping[str, Callable[[Facts, Objectives], Iterator[Finding]]] = {
    "a PRIMARY and a SECONDARY": rules_records.complete,
    "a health check on each record": rules_records.checked,
    "checks neither disabled nor inverted": rules_records.switched_on,
    "checks of the record's machine": rules_records.aimed,
    "healthy now": rules_records.healthy,
    "two machines in two zones": rules_records.apart,
    "machines that run under lasting addresses": rules_network.lasting,
    "security groups that admit the checkers": rules_network.groups_open,
    "network ACLs that pass requests and answers": rules_network.acls_open,
    "routes to the internet": rules_network.routed,
    "the VPC's DNS attributes": rules_network.attributes,
    "the zone in the clients' VPC": rules_network.associated,
    "no other zone or rule for the name": rules_network.unrivalled,
    ".local and the resolver": rules_network.unicast,
    "TTL, interval and threshold": rules_records.quick,
    "the nodes' permissions": rules_network.permitted,
    "no drill's fault": rules_network.undisturbed,
    "all that decides examined": followed,
}
"""In the order in which they are asked."""


def diagnose(facts: Facts, objectives: Objectives, *, more: Iterable[Finding] = ()) -> Diagnosis:
    """Ask every question; `more` are findings that follow from something else than these facts."""
    parts = [facts.of(pair) for pair in facts.pairs] or [facts]
    found = [[finding for rule in QUESTIONS.values() for finding in rule(part, objectives)] for part in parts]
    # Reports are read check by check: each record knows of its own.
    unread = [f"{one.what} ({one.action})" for one in facts.unread if one.action != REPORTS]
    unread += [f"the DNS attributes and the zones of {one}" for one in facts.zone.elsewhere]
    names = [
        _name(facts, pair, prevented=any(one.severity == "prevents" for one in own), not_examined=unread)
        for pair, own in zip(facts.pairs, found, strict=False)
    ]
    names += [_name(facts, group, prevented=False, not_examined=()) for group in facts.others]
    findings = [finding for own in found for finding in own]
    findings += followed(replace(facts, pairs=()), objectives)
    findings += [not_examined(one) for one in facts.unread]
    return Diagnosis.of(facts.zone.label, [*findings, *more], QUESTIONS, names=names, fixed=facts.fixed)


def _name(facts: Facts, group: Group, *, prevented: bool, not_examined: Iterable[str]) -> NameVerdict:
    return NameVerdict(
        name=group.label,
        kind=group.kind,
        policy=group.records[0].policy,
        prevented=prevented,
        records=tuple(examination(facts, record) for record in group.records),
        not_examined=tuple(not_examined),
    )


def not_examined(unread: Unread) -> Finding:
    """What could not be read, as a finding that names the permission if that is what lacks."""
    kind = "permission-missing" if unread.denied else "not-read"
    return find(kind, unread.action, what=unread.what, why=unread.why, action=unread.action)
