"""Asks of records and health checks: is there a pair, has each a check of its own machine, is it healthy? Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from srekv.doctor.facts import ENDPOINTS, HTTP, Facts, Group, HealthCheck, Record, Zone
from srekv.doctor.model import Finding, Objectives, find
from srekv.errors import CommandLine
from srekv.route53 import verdict

ADVISED_TTL_S = 60
"""The longest TTL that Route 53 advises for records with health checks (aws-facts 2.1)."""

DEEP = re.compile(r"deep|ready|readiness|depend|database|dynamo|(?:^|[/_.-])(?:db|full|all)(?:$|[/_.-])", re.IGNORECASE)
"""Paths that are likely to ask what both machines depend on."""

OTHER_ADDRESS = [{"Value": "OTHER_ADDRESS"}]
EXAMPLE = Record(
    name="NAME", kind="A", failover="PRIMARY", set_id="primary", ttl=10, values=("ADDRESS",), check_id="HEALTH_CHECK"
)


def complete(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """A PRIMARY and a SECONDARY for each name."""
    if not facts.pairs and not facts.others:
        example = put_record(facts.zone, EXAMPLE) + ", and the same for a SECONDARY in one batch"
        yield facts.find("no-failover-record", facts.zone.label, zone=facts.zone.id, fix=example)
    for pair in facts.pairs:
        for missing, there in (("PRIMARY", pair.secondary), ("SECONDARY", pair.primary)):
            if there and len(pair.records) == 1:
                other = {"Failover": missing, "SetIdentifier": f"{there.set_id}-2", "HealthCheckId": "OTHER_CHECK"}
                fix = put_record(facts.zone, there, ResourceRecords=OTHER_ADDRESS, **other)
                known = f"{there.label} ({there.set_id})"
                yield facts.find(f"no-{missing.lower()}-record", pair.label, there=known, fix=fix)


def put_record(zone: Zone, *records: Record, **changes: Any) -> CommandLine:
    """The command that writes record sets with other values for some members."""
    upserts = [{"Action": "UPSERT", "ResourceRecordSet": record.to_api(**changes)} for record in records]
    batch = json.dumps({"Changes": upserts}, separators=(",", ":"))
    return CommandLine(f"aws route53 change-resource-record-sets --hosted-zone-id {zone.id} --change-batch '{batch}'")


def checked(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """A check on each record, one that exists, and not the same one."""
    for pair in facts.pairs:
        for record, other in ((pair.primary, pair.secondary), (pair.secondary, pair.primary)):
            if record and not record.check_id and not record.evaluates:
                alias = ", EvaluateTargetHealth: false" if record.alias else ""
                kind, fix = f"{record.failover.lower()}-unchecked", new_check(record, facts.check_of(other))
                yield facts.find(kind, record.label, alias=alias, set_id=record.set_id, fix=fix)
        for record in pair.records:
            if record.check_id and facts.checks_read and record.check_id not in facts.checks:
                yield facts.find("check-gone", record.label, check=record.check_id, fix=new_check(record, None))
        first, second = pair.primary, pair.secondary
        if first and second and first.check_id and first.check_id == second.check_id:
            fix = new_check(second, facts.check_of(first))
            yield facts.find("shared-check", pair.label, check=first.check_id, fix=fix)


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
            fix = put_record(facts.zone, pair.secondary, ResourceRecords=OTHER_ADDRESS)
            yield facts.find("same-host", pair.label, same=same, fix=fix)
        elif known and len({host.zone for found in hosts for host in found}) == 1:
            one, two = hosts[0][0], hosts[1][0]
            yield facts.find("same-zone", pair.label, one=one.name, two=two.name, zone=one.zone)


def quick(facts: Facts, objectives: Objectives) -> Iterator[Finding]:
    """TTL, interval and threshold against what the user wants of them."""
    target_s, timeout_s = objectives.target_s, objectives.client_timeout_s
    for pair in facts.pairs:
        ttl = max((record.ttl or 0 for record in pair.records), default=0)
        primary, check = pair.primary, facts.check_of(pair.primary)
        if primary is None or check is None:
            continue
        if check.kind not in ENDPOINTS:  # it has neither interval nor threshold
            yield from _long_ttl(facts, pair, ttl)
            continue
        bound = objectives.bound(check.interval, check.threshold, ttl)
        if target_s is not None and bound > target_s:
            predict = f"srekv predict --target {target_s:g} names settings that keep it"
            fix = predict + ("; then " + CommandLine("srekv up") + " with them" if facts.stack else "")
            times = {"interval": check.interval, "threshold": check.threshold, "ttl": ttl, "bound": bound}
            yield facts.find("over-target", primary.label, target_s=target_s, **times, fix=fix)
        else:
            yield from _long_ttl(facts, pair, ttl, outage=f": an outage of up to {bound:.1f} s")
        if timeout_s is not None and timeout_s > bound:
            yield facts.find("patient-clients", primary.label, timeout_s=timeout_s, bound=bound)


def _long_ttl(facts: Facts, pair: Group, ttl: int, outage: str = "") -> Iterator[Finding]:
    records = [record for record in pair.records if (record.ttl or 0) > ADVISED_TTL_S]
    if records:
        fix = CommandLine("srekv up --ttl 10") if facts.stack else put_record(facts.zone, *records, TTL=10)
        subject = " and ".join(record.label for record in records)
        yield facts.find("ttl-long", subject, ttl=ttl, outage=outage, fix=fix)


def switched_on(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """Neither disabled nor inverted."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.disabled:
            severity, answered = None, "never answered"
            if record.failover != "PRIMARY":
                severity, answered = "risk", "answered even if it is dead"
            yield facts.find("check-disabled", record.label, severity=severity, check=check.id, answered=answered)
        elif check and check.inverted and _is_own(facts, record, check):
            yield facts.find("check-inverted", record.label, check=check.id)


def _is_own(facts: Facts, record: Record, check: HealthCheck) -> bool:
    """Whether a check requests the machine of its record; others are inverted on purpose, to move traffic by hand."""
    checked = facts.hosts.get(check.address)
    answered = {host.identity for host in facts.hosts_of(record.addresses)}
    same = check.address in record.addresses or (checked is not None and checked.identity in answered)
    return check.requests and same


def aimed(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """At the machine of the record, at an address that checkers reach, on a path that shows its health."""
    for record in facts.records:
        check = facts.check_of(record)
        if check and check.requests:
            yield from _aimed_elsewhere(facts, record, check)
            yield from _aimed_at_path(record, check)


def _aimed_elsewhere(facts: Facts, record: Record, check: HealthCheck) -> Iterator[Finding]:
    """Route 53 checks the endpoint in the check, not the value of the record, and from the internet."""
    host, answered = facts.hosts.get(check.address), facts.hosts_of(record.addresses)
    checked = {"check": check.id, "address": check.address}
    if facts.is_internal(check.address) and not facts.is_inside(check):
        public = (host and host.public) or "PUBLIC_ADDRESS"
        yield facts.find("private-address", record.label, **checked, public=public)
    if host and answered and not _is_own(facts, record, check):
        address = record.addresses[0]
        own = facts.hosts[address].name if address in facts.hosts else "nothing in this account"
        record_of = {"answered": address, "own": own, "public": answered[0].public or address}
        yield facts.find("check-elsewhere", record.label, **checked, **record_of, host=host.name)


def _aimed_at_path(record: Record, check: HealthCheck) -> Iterator[Finding]:
    asked: dict[str, Any] = {"check": check.id, "asked": f"ResourcePath {check.path}"}
    if check.kind not in HTTP:  # its type cannot be changed, and TCP takes no path (aws-recorded R37)
        asked |= {"asked": f"Type {check.kind}, no path", "asks": "only opens a connection"}
        why = "a process that hangs still accepts connections"
        yield find("shallow-check", record.label, **asked, why=why, fix=new_check(record, check))
    elif check.path == "/" and not check.kind.endswith("STR_MATCH"):
        why = "any 2xx or 3xx counts, also a redirect to a login"
        yield find("shallow-check", record.label, **asked, asks="asks for the front page", why=why)
    elif DEEP.search(check.path):
        yield find("deep-check", record.label, **asked)


def healthy(facts: Facts, _: Objectives) -> Iterator[Finding]:
    """What the checkers report now, and what that means for the answer."""
    for pair in facts.pairs:
        unhealthy = [record for record in pair.records if _verdict(facts, record) is False]
        tally = "; ".join(_tally(facts, one) for one in unhealthy)
        if len(unhealthy) == 2:
            yield facts.find("both-unhealthy", pair.label, tally=tally, check=unhealthy[0].check_id)
        else:
            for record in unhealthy:
                kind = f"{record.failover.lower()}-unhealthy"
                yield facts.find(kind, record.label, tally=tally, check=record.check_id)


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
