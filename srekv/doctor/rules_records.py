"""What records and health checks say: is there a pair, has each a check of its own machine, is it healthy now? Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from srekv.doctor.catalogue import find
from srekv.doctor.facts import ENDPOINTS, HTTP, Facts, Group, HealthCheck, Record, Zone
from srekv.doctor.model import Finding, Objectives
from srekv.errors import CommandLine
from srekv.route53 import verdict

ADVISED_TTL_S = 60
"""The longest TTL that Route 53 advises for records with health checks (aws-facts 2.1)."""

DEEP = re.compile(r"deep|ready|readiness|depend|database|dynamo|(?:^|[/_.-])(?:db|full|all)(?:$|[/_.-])", re.IGNORECASE)
"""Paths that are likely to ask what both machines depend on."""

EXAMPLE = Record(
    name="NAME", kind="A", failover="PRIMARY", set_id="primary", ttl=10, values=("ADDRESS",), check_id="HEALTH_CHECK"
)


def complete(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """A PRIMARY and a SECONDARY for each name."""
    if not facts.pairs and not facts.others:
        yield find(
            "no-failover-record",
            subject=facts.zone.label,
            proof=f"no record set of {facts.zone.id} has a routing policy or a health check",
            fix=facts.fix(put_record(facts.zone, EXAMPLE) + ", and the same for a SECONDARY in one batch"),
        )
    for pair in facts.pairs:
        for missing, there in (("PRIMARY", pair.secondary), ("SECONDARY", pair.primary)):
            if there and len(pair.records) == 1:
                other = {"Failover": missing, "SetIdentifier": f"{there.set_id}-2", "HealthCheckId": "OTHER_CHECK"}
                yield find(
                    f"no-{missing.lower()}-record",
                    subject=pair.label,
                    proof=f"the only failover record set of this name is {there.label} ({there.set_id})",
                    fix=facts.fix(put_record(facts.zone, there, ResourceRecords=OTHER_ADDRESS, **other)),
                )


OTHER_ADDRESS = [{"Value": "OTHER_ADDRESS"}]


def put_record(zone: Zone, *records: Record, **changes: Any) -> CommandLine:
    """The command that writes record sets with other values for some members."""
    batch = json.dumps(
        {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record.to_api(**changes)} for record in records]},
        separators=(",", ":"),
    )
    return CommandLine(f"aws route53 change-resource-record-sets --hosted-zone-id {zone.id} --change-batch '{batch}'")


def checked(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """A check on each record, one that exists, and not the same one."""
    for pair in facts.pairs:
        for record, other in ((pair.primary, pair.secondary), (pair.secondary, pair.primary)):
            if record and not record.check_id and not record.evaluates:
                primary = record.failover == "PRIMARY"
                alias = ", EvaluateTargetHealth: false" if primary and record.alias else ""
                yield find(
                    "primary-unchecked" if primary else "secondary-unchecked",
                    subject=record.label,
                    proof=f"HealthCheckId: none{alias} ({record.set_id})",
                    fix=facts.fix(new_check(record, facts.check_of(other))),
                )
        for record in pair.records:
            if record.check_id and facts.checks_read and record.check_id not in facts.checks:
                proof = f"HealthCheckId {record.check_id} is not among the account's health checks"
                fix = facts.fix(new_check(record, None))
                yield find("check-gone", subject=record.label, proof=proof, fix=fix)
        first, second = pair.primary, pair.secondary
        if first and second and first.check_id and first.check_id == second.check_id:
            proof = f"both have HealthCheckId {first.check_id}"
            fix = facts.fix(new_check(second, facts.check_of(first)))
            yield find("shared-check", subject=pair.label, proof=proof, fix=fix)


def new_check(record: Record, like: HealthCheck | None) -> CommandLine:
    """The command that makes a health check of a page for a record's endpoint; the record then needs its id.

    Scheme, port and page are taken from the check `like`, as far as it has them.
    """
    address = next(iter(record.addresses), "PUBLIC_ADDRESS")
    kind, path = "HTTP", "/health"
    if like and like.kind in HTTP:
        kind, path = like.kind.removesuffix("_STR_MATCH"), like.path
    port = like.port if like and like.kind in ENDPOINTS else 80
    command = CommandLine(
        "aws route53 create-health-check --caller-reference $(date +%s) --health-check-config "
        f"Type={kind},IPAddress={address},Port={port},ResourcePath={path},RequestInterval=10,FailureThreshold=3"
    )
    return command + f"; then put its id into the {record.failover} record"


def _update_check(check: HealthCheck, options: str) -> CommandLine:
    return CommandLine(f"aws route53 update-health-check --health-check-id {check.id} {options}")


def apart(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Two machines in two Availability Zones."""
    for pair in facts.pairs:
        if not (pair.primary and pair.secondary):
            continue
        first, second = (set(record.values) or {record.alias} for record in pair.records)
        hosts = [facts.hosts_of(record.addresses) for record in pair.records]
        known = all(len(found) == len(record.values) > 0 for found, record in zip(hosts, pair.records, strict=True))
        here, there = ({host.identity for host in found} for found in hosts)
        if first == second or (known and here == there):
            same = f"answer {', '.join(sorted(first))}" if first == second else f"lead to {hosts[0][0].name}"
            fix = facts.fix(put_record(facts.zone, pair.secondary, ResourceRecords=OTHER_ADDRESS))
            yield find("same-host", subject=pair.label, proof=f"both {same}", fix=fix)
        elif known and len({host.zone for found in hosts for host in found}) == 1:
            one, two = hosts[0][0], hosts[1][0]
            yield find(
                "same-zone",
                subject=pair.label,
                proof=f"{one.name} and {two.name} are in {one.zone}",
                fix="move one of them: launch it in another zone's subnet, then point its record and its check there",
            )


def quick(facts: Facts, objectives: Objectives) -> Iterator[Finding]:
    """TTL, interval and threshold against what the user wants of them."""
    for pair in facts.pairs:
        ttl = max((record.ttl or 0 for record in pair.records), default=0)
        primary, check = pair.primary, facts.check_of(pair.primary)
        if primary is None or check is None:
            continue
        if check.kind not in ENDPOINTS:  # it has neither interval nor threshold
            yield from _long_ttl(facts, pair, ttl, proof=f"TTL {ttl} s")
            continue
        bound = objectives.bound(check.interval, check.threshold, ttl)
        target_s, timeout_s = objectives.target_s, objectives.client_timeout_s
        if target_s is not None and bound > target_s:
            then = "; then " + CommandLine("srekv up") + " with them" if facts.stack else ""
            yield find(
                "over-target",
                subject=primary.label,
                proof=f"interval {check.interval} s, threshold {check.threshold}, TTL {ttl} s: up to {bound:.1f} s",
                fix=f"srekv predict --target {target_s:g} names settings that keep it" + then,
                target_s=target_s,
            )
        else:
            yield from _long_ttl(facts, pair, ttl, proof=f"TTL {ttl} s: an outage of up to {bound:.1f} s")
        if timeout_s is not None and timeout_s > bound:
            yield find(
                "patient-clients",
                subject=primary.label,
                proof=f"the settings explain an outage of up to {bound:.1f} s",
                fix="give clients a connect time-out of 1 to 2 s, and resolve the name again before a retry",
                timeout_s=timeout_s,
            )


def _long_ttl(facts: Facts, pair: Group, ttl: int, *, proof: str) -> Iterator[Finding]:
    records = [record for record in pair.records if (record.ttl or 0) > ADVISED_TTL_S]
    if records:
        fix = CommandLine("srekv up --ttl 10") if facts.stack else put_record(facts.zone, *records, TTL=10)
        subject = " and ".join(record.label for record in records)
        yield find("ttl-long", subject=subject, proof=proof, fix=fix, ttl=ttl)


def switched_on(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Neither disabled nor inverted."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.disabled:
            primary = record.failover == "PRIMARY"
            yield find(
                "check-disabled",
                subject=record.label,
                proof=f"{check.id}: Disabled true",
                fix=facts.fix(_update_check(check, "--no-disabled")),
                severity="prevents" if primary else "risk",
                answered="never answered" if primary else "answered even if it is dead",
            )
        elif check and check.inverted and _is_own(facts, record, check):
            proof, fix = f"{check.id}: Inverted true", facts.fix(_update_check(check, "--no-inverted"))
            yield find("check-inverted", subject=record.label, proof=proof, fix=fix)


def _is_own(facts: Facts, record: Record, check: HealthCheck) -> bool:
    """Whether a check requests the machine of its record; others are inverted on purpose, to move traffic by hand."""
    checked = facts.hosts.get(check.address)
    answered = {host.identity for host in facts.hosts_of(record.addresses)}
    return check.requests and (
        check.address in record.addresses or (checked is not None and checked.identity in answered)
    )


def aimed(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """At the machine of the record, at an address that checkers reach, on a path that tells its health."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.requests:
            yield from _aimed_elsewhere(facts, record, check)
            yield from _aimed_at_path(record, check)


def _aimed_elsewhere(facts: Facts, record: Record, check: HealthCheck) -> Iterator[Finding]:
    """Route 53 checks the endpoint in the check, not the value of the record, and from the internet."""
    host = facts.hosts.get(check.address)
    if facts.is_internal(check.address) and not facts.is_inside(check):
        fix = facts.fix(_update_check(check, f"--ip-address {(host and host.public) or 'PUBLIC_ADDRESS'}"))
        yield find("private-address", subject=record.label, proof=f"{check.id}: IPAddress {check.address}", fix=fix)
    answered = facts.hosts_of(record.addresses)
    if host and answered and not _is_own(facts, record, check):
        address = record.addresses[0]
        own = facts.hosts.get(address)
        yield find(
            "check-elsewhere",
            subject=record.label,
            proof=f"the record answers {address} ({own.name if own else 'nothing in this account'}), "
            f"{check.id} checks {check.address} ({host.name})",
            fix=facts.fix(_update_check(check, f"--ip-address {answered[0].public or address}")),
        )


def _aimed_at_path(record: Record, check: HealthCheck) -> Iterator[Finding]:
    page = _update_check(check, "--resource-path /health") + ", a page that asks this machine alone"
    if check.kind not in HTTP:  # its type cannot be changed, and TCP takes no path (aws-recorded R37)
        yield find(
            "shallow-check",
            subject=record.label,
            proof=f"{check.id}: Type {check.kind}, no path",
            fix=new_check(record, check),
            asks="only opens a connection",
            why="a process that hangs still accepts connections",
        )
    elif check.path == "/" and not check.kind.endswith("STR_MATCH"):
        yield find(
            "shallow-check",
            subject=record.label,
            proof=f"{check.id}: ResourcePath /",
            fix=page,
            asks="asks for the front page",
            why="any 2xx or 3xx counts, also a redirect to a login",
        )
    elif DEEP.search(check.path):
        yield find("deep-check", subject=record.label, proof=f"{check.id}: ResourcePath {check.path}", fix=page)


def healthy(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """What the checkers report now, and what that means for the answer."""
    for pair in facts.pairs:
        unhealthy = [record for record in pair.records if _verdict(facts, record) is False]
        for record in unhealthy[-1:]:
            both = len(unhealthy) == 2
            yield find(
                "both-unhealthy" if both else f"{record.failover.lower()}-unhealthy",
                subject=pair.label if both else record.label,
                proof="; ".join(_tally(facts, one) for one in unhealthy),
                fix=facts.fix(
                    CommandLine(
                        f"aws route53 get-health-check-last-failure-reason --health-check-id {unhealthy[0].check_id}"
                    )
                ),
            )


def _verdict(facts: Facts, record: Record) -> bool | None:
    """The verdict of a record's check now, None where it cannot be known."""
    check = facts.check_of(record)
    reports = facts.reports.get(check.id) if check else None
    if check is None or not reports or check.disabled:
        return None
    return verdict([one.healthy for one in reports], inverted=check.inverted)


def _tally(facts: Facts, record: Record) -> str:
    """What the checkers of a record's check report, for a person."""
    reports, check = facts.reports[record.check_id], facts.checks[record.check_id]
    inverted = ", and the check is inverted" if check.inverted else ""
    failure = next((f"; {one.status}" for one in reports if not one.healthy), "")
    well = sum(one.healthy for one in reports)
    return f"{well} of {len(reports)} checkers of {check.id} succeed{inverted}{failure}"
