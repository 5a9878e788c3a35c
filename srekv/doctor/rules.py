"""The doctor's questions, the findings that answer them, and the verdict for each name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from srekv.doctor import examined, rules_checks, rules_names, rules_network, rules_records, rules_stack
from srekv.doctor.facts import REPORTS, Facts, Group, Pair, Unread
from srekv.doctor.model import Diagnosis, Finding, NameVerdict, Wishes
from srekv.doctor.sources import PERMISSIONS
from srekv.errors import CommandLine

Rule = Callable[[Facts, Wishes], Iterator[Finding]]

QUESTIONS: Mapping[str, Rule] = {
    "a PRIMARY and a SECONDARY": rules_records.complete,
    "a health check on each record": rules_records.checked,
    "checks neither disabled nor inverted": rules_checks.switched_on,
    "checks of the record's machine": rules_checks.aimed,
    "healthy now": rules_checks.healthy,
    "two machines in two zones": rules_records.apart,
    "machines that run under lasting addresses": rules_network.lasting,
    "security groups that admit the checkers": rules_network.groups_open,
    "network ACLs that pass requests and answers": rules_network.acls_open,
    "routes to the internet": rules_network.routed,
    "the VPC's DNS attributes": rules_names.attributes,
    "the zone in the clients' VPC": rules_names.associated,
    "no other zone or rule for the name": rules_names.unrivalled,
    ".local and the resolver": rules_names.unicast,
    "TTL, interval and threshold": rules_records.quick,
    "the nodes' permissions": rules_stack.permitted,
    "no drill's fault": rules_stack.undisturbed,
    "all that decides examined": examined.followed,
}
"""In the order in which they are asked."""


def diagnose(facts: Facts, wishes: Wishes, *, more: Iterable[Finding] = ()) -> Diagnosis:
    """Ask every question.

    Args:
        facts: all that was read.
        wishes: what the failover is held to.
        more: findings that follow from something else than these facts.
    """
    parts = [facts.of(pair) for pair in facts.pairs] or [facts]
    found = [[finding for rule in QUESTIONS.values() for finding in rule(part, wishes)] for part in parts]
    names = [_name(facts, pair, own) for pair, own in zip(facts.pairs, found, strict=False)]
    names += [_other(facts, group) for group in facts.others]
    findings = [finding for own in found for finding in own]
    findings += examined.followed(replace(facts, pairs=()), wishes)
    findings += [not_examined(one) for one in facts.unread]
    return Diagnosis.of(facts.zone.name.rstrip("."), [*findings, *more], QUESTIONS, names=names, fixed=facts.fixed)


def _name(facts: Facts, pair: Pair, findings: Iterable[Finding]) -> NameVerdict:
    """The verdict for a failover name. Reports are read check by check: each record knows of its own."""
    unread = [f"{one.what} ({one.action})" for one in facts.unread if one.action != REPORTS]
    far = [f"the DNS attributes and the zones of {one}" for one in facts.zone.elsewhere]
    return NameVerdict(
        name=pair.name.rstrip("."),
        kind=pair.kind,
        policy="failover",
        prevented=any(one.severity == "prevents" for one in findings),
        records=tuple(examined.examination(facts, record) for record in pair.records),
        not_examined=(*unread, *far),
    )


def _other(facts: Facts, group: Group) -> NameVerdict:
    """The verdict for a name under another policy."""
    return NameVerdict(
        name=group.name.rstrip("."),
        kind=group.kind,
        policy=group.records[0].policy,
        prevented=False,
        records=tuple(examined.examination(facts, record) for record in group.records),
    )


def not_examined(unread: Unread) -> Finding:
    """What could not be read, as a finding that names the permission if that is what lacks."""
    lack = f"allow {unread.action} for these credentials" if unread.denied else CommandLine("srekv doctor") + " again"
    return Finding(
        id="permission-missing" if unread.denied else "not-read",
        severity="unchecked",
        subject=unread.action,
        title=f"not examined: {unread.what}",
        cause="the credentials lack a permission" if unread.denied else "AWS did not answer the question",
        proof=unread.why,
        fix=lack,
        source=PERMISSIONS,
    )
