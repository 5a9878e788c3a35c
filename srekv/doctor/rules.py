"""Every question the doctor asks, and the findings that answer it. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from srekv.doctor import rules_checks, rules_names, rules_network, rules_records, rules_stack
from srekv.doctor.facts import Facts, Unread
from srekv.doctor.model import Diagnosis, Finding, Wishes
from srekv.doctor.sources import PERMISSIONS

Rule = Callable[[Facts, Wishes], Iterator[Finding]]

QUESTIONS: Mapping[str, Rule] = {
    "a PRIMARY and a SECONDARY": rules_records.complete,
    "a health check on each record": rules_records.checked,
    "checks neither disabled nor inverted": rules_checks.switched_on,
    "checks that look at the record's machine": rules_checks.looked_at,
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
}
"""In the order in which they are asked: what a person reads as the list of what was looked at."""


def diagnose(facts: Facts, wishes: Wishes, *, more: Iterable[Finding] = ()) -> Diagnosis:
    """Ask every question.

    Args:
        facts: all that was read.
        wishes: what the failover is held to.
        more: findings that follow from something else than these facts.
    """
    findings = [finding for rule in QUESTIONS.values() for finding in rule(facts, wishes)]
    unread = [not_checked(one) for one in facts.unread]
    return Diagnosis.of(facts.zone.name.rstrip("."), [*findings, *unread, *more], QUESTIONS)


def not_checked(unread: Unread) -> Finding:
    """What could not be read, as a finding that names the permission if that is what lacks."""
    lack = f"allow {unread.action} for these credentials" if unread.denied else "srekv doctor again"
    return Finding(
        id="permission-missing" if unread.denied else "not-read",
        severity="unchecked",
        subject=unread.action,
        title=f"not checked: {unread.what}",
        cause="the credentials lack a permission" if unread.denied else "AWS did not answer the question",
        proof=unread.why,
        fix=lack,
        source=PERMISSIONS,
    )
