"""The doctor's questions, the findings that answer them, and the verdict for each name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from srekv.doctor import examined, rules_network, rules_records
from srekv.doctor.facts import REPORTS, Facts, Group, Unread
from srekv.doctor.model import Diagnosis, Finding, NameVerdict, Objectives, find

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
    "all that decides examined": examined.followed,
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
    findings += examined.followed(replace(facts, pairs=()), objectives)
    findings += [not_examined(one) for one in facts.unread]
    return Diagnosis.of(facts.zone.label, [*findings, *more], QUESTIONS, names=names, fixed=facts.fixed)


def _name(facts: Facts, group: Group, *, prevented: bool, not_examined: Iterable[str]) -> NameVerdict:
    return NameVerdict(
        name=group.label,
        kind=group.kind,
        policy=group.records[0].policy,
        prevented=prevented,
        records=tuple(examined.examination(facts, record) for record in group.records),
        not_examined=tuple(not_examined),
    )


def not_examined(unread: Unread) -> Finding:
    """What could not be read, as a finding that names the permission if that is what lacks."""
    kind = "permission-missing" if unread.denied else "not-read"
    return find(kind, unread.action, what=unread.what, why=unread.why, action=unread.action)
