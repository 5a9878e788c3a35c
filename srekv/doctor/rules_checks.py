"""What the health checks request, whether the checkers reach it, and what they report now. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from srekv.doctor.cures import last_failure, new_check, update_check
from srekv.doctor.facts import HTTP, Facts, HealthCheck, Pair, Record
from srekv.doctor.model import Finding, Wishes
from srekv.doctor.sources import CHOOSES, DETERMINES, PRIVATE, VALUES
from srekv.errors import Advice
from srekv.route53 import verdict

DEEP = re.compile(r"deep|ready|readiness|depend|database|dynamo|(?:^|[/_.-])(?:db|full|all)(?:$|[/_.-])", re.IGNORECASE)
"""Paths that are likely to ask what both machines depend on."""


def switched_on(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """Neither disabled nor inverted."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.disabled:
            yield _disabled(facts, record, check)
        elif check and check.inverted and _is_own(facts, record, check):
            yield _inverted(facts, record, check)


def _disabled(facts: Facts, record: Record, check: HealthCheck) -> Finding:
    primary = record.failover == "PRIMARY"
    return Finding(
        id="check-disabled",
        severity="prevents" if primary else "risk",
        subject=record.label,
        title="the health check is disabled",
        cause="a disabled check counts as healthy for ever, so "
        + ("the SECONDARY is never answered" if primary else "the SECONDARY is answered even if it is dead"),
        proof=f"{check.id}: Disabled true",
        fix=facts.fix(update_check(check.id, "--no-disabled")),
        source=VALUES,
    )


def _inverted(facts: Facts, record: Record, check: HealthCheck) -> Finding:
    return Finding(
        id="check-inverted",
        severity="prevents",
        subject=record.label,
        title="the health check is inverted",
        cause="it reports unhealthy while the machine is well, and healthy when it is dead",
        proof=f"{check.id}: Inverted true",
        fix=facts.fix(update_check(check.id, "--no-inverted")),
        source=VALUES,
    )


def _is_own(facts: Facts, record: Record, check: HealthCheck) -> bool:
    """Whether a check requests the machine of its record; others are inverted on purpose, to move traffic by hand."""
    checked = facts.hosts.get(check.address)
    answered = {host.identity for host in facts.hosts_of(record.addresses)}
    return check.requests and (
        check.address in record.addresses or (checked is not None and checked.identity in answered)
    )


def aimed(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """At the machine of the record, at an address that checkers reach, on a path that tells its health."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.requests:
            yield from _private(facts, record, check)
            yield from _elsewhere(facts, record, check)
            yield from _path(record, check)


def _private(facts: Facts, record: Record, check: HealthCheck) -> Iterator[Finding]:
    """Checkers on the internet reach no such address."""
    if facts.is_inside(check) or not facts.is_internal(check.address):
        return
    host = facts.hosts.get(check.address)
    yield Finding(
        id="private-address",
        severity="prevents",
        subject=record.label,
        title="the health check is of an address that is not on the internet",
        cause="the checkers are outside the VPC: they never reach it, so the check shows nothing about the machine",
        proof=f"{check.id}: IPAddress {check.address}",
        fix=facts.fix(update_check(check.id, "--ip-address", (host and host.public) or "PUBLIC_ADDRESS")),
        source=PRIVATE,
    )


def _elsewhere(facts: Facts, record: Record, check: HealthCheck) -> Iterator[Finding]:
    """Route 53 checks the endpoint in the check, not the value of the record."""
    known = check.address in facts.hosts and facts.hosts_of(record.addresses)
    if not known or _is_own(facts, record, check):
        return
    proof = f"the record answers {_with_host(facts, record.addresses[0])}, "
    proof += f"{check.id} checks {_with_host(facts, check.address)}"
    yield Finding(
        id="check-elsewhere",
        severity="prevents",
        subject=record.label,
        title="record and health check are about different machines",
        cause="the name follows the health of another machine than the one that clients reach",
        proof=proof,
        fix=facts.fix(update_check(check.id, "--ip-address", _public(facts, record))),
        source=CHOOSES,
    )


def _with_host(facts: Facts, address: str) -> str:
    host = facts.hosts.get(address)
    return f"{address} ({host.name if host else 'nothing in this account'})"


def _public(facts: Facts, record: Record) -> str:
    """The address under which the checkers would reach the record's machine."""
    host = next(iter(facts.hosts_of(record.addresses)), None)
    return host.public if host and host.public else record.addresses[0]


def _path(record: Record, check: HealthCheck) -> Iterator[Finding]:
    page = update_check(check.id, "--resource-path /health") + ", a page that asks this machine alone"
    if check.kind not in HTTP:  # its type cannot be changed, and TCP takes no path (aws-recorded R37)
        title, cause = "the health check only opens a connection", "a process that hangs still accepts connections"
        proof = f"{check.id}: Type {check.kind}, no path"
        yield _path_finding("shallow-check", record, title, cause, proof=proof, fix=new_check(record, check))
    elif check.path == "/" and not check.kind.endswith("STR_MATCH"):
        title, cause = "the health check asks for the front page", "any 2xx or 3xx counts, also a redirect to a login"
        proof = f"{check.id}: ResourcePath {check.path or '/'}"
        yield _path_finding("shallow-check", record, title, cause, proof=proof, fix=page)
    elif DEEP.search(check.path):
        title = "the health check seems to ask for what both machines depend on"
        cause = "when that fails, both checks fail at once, and Route 53 answers the PRIMARY: nothing is gained"
        proof = f"{check.id}: ResourcePath {check.path}"
        yield _path_finding("deep-check", record, title, cause, proof=proof, fix=page)


def _path_finding(id: str, record: Record, title: str, cause: str, *, proof: str, fix: Advice) -> Finding:  # noqa: A002 - as in Finding
    return Finding(
        id=id,
        severity="risk",
        subject=record.label,
        title=title,
        cause=cause,
        proof=proof,
        fix=fix,
        source=DETERMINES,
    )


def healthy(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """What the checkers report now, and what that means for the answer."""
    for pair in facts.pairs:
        primary, secondary = _says(facts, pair.primary), _says(facts, pair.secondary)
        if primary is False and secondary is False:
            yield _both_down(pair, facts)
        elif secondary is False and pair.secondary:
            yield _down(facts, pair.secondary, "prevents", "Route 53 keeps answering the PRIMARY when it fails")
        elif primary is False and pair.primary:
            yield _down(facts, pair.primary, "risk", "the name answers the SECONDARY already: there is no other left")


def _says(facts: Facts, record: Record | None) -> bool | None:
    """The verdict of a record's check now, None where it cannot be known."""
    check = facts.check_of(record)
    reports = facts.reports.get(check.id) if check else None
    if check is None or not reports or check.disabled:
        return None
    return verdict([one.healthy for one in reports], inverted=check.inverted)


def _tally(facts: Facts, record: Record) -> str:
    reports = facts.reports.get(record.check_id, ())
    well = sum(one.healthy for one in reports)
    failure = next((one.status for one in reports if not one.healthy), "")
    check = facts.check_of(record)
    upside_down = ", and the check is inverted" if check and check.inverted else ""
    said = f"{well} of {len(reports)} checkers of {record.check_id} succeed{upside_down}"
    return said + (f"; {failure}" if failure else "")


def _both_down(pair: Pair, facts: Facts) -> Finding:
    return Finding(
        id="both-unhealthy",
        severity="prevents",
        subject=pair.name.rstrip("."),
        title="both health checks are unhealthy",
        cause="as a last resort Route 53 answers the PRIMARY, whatever happens to it",
        proof="; ".join(_tally(facts, record) for record in pair.records),
        fix=facts.fix(last_failure(pair.records[0].check_id)),
        source=CHOOSES,
    )


def _down(facts: Facts, record: Record, severity: str, cause: str) -> Finding:
    return Finding(
        id=f"{record.failover.lower()}-unhealthy",
        severity="prevents" if severity == "prevents" else "risk",
        subject=record.label,
        title=f"the {record.failover} is unhealthy now",
        cause=cause,
        proof=_tally(facts, record),
        fix=facts.fix(last_failure(record.check_id)),
        source=CHOOSES,
    )
