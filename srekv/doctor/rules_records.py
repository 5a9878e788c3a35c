"""What the records say: is there a pair, has each a check of its own, are they about different machines? Pure."""

from __future__ import annotations

from collections.abc import Iterator

from srekv.doctor.cures import new_check, put_record
from srekv.doctor.facts import ENDPOINTS, Facts, HealthCheck, Host, Pair, Record
from srekv.doctor.model import Finding, Wishes
from srekv.doctor.sources import CHOOSES, DELETING, DETERMINES, PRACTICES, PROBLEMS, RETRIES, ZONES
from srekv.errors import CommandLine

ADVISED_TTL_S = 60
"""The longest TTL that Route 53 advises for records with health checks (aws-facts 2.1)."""


EXAMPLE = Record(
    name="NAME",
    kind="A",
    failover="PRIMARY",
    set_id="primary",
    ttl=10,
    values=("ADDRESS",),
    check_id="HEALTH_CHECK",
)


def complete(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """A PRIMARY and a SECONDARY for each name."""
    if not facts.pairs and not facts.others:
        yield Finding(
            id="no-failover-record",
            severity="prevents",
            subject=facts.zone.name.rstrip("."),
            title="the zone has no failover record",
            cause="without a PRIMARY and a SECONDARY record Route 53 always gives the same answer",
            proof=f"no record set of {facts.zone.id} has a routing policy or a health check",
            fix=facts.fix(put_record(facts.zone, EXAMPLE) + ", and the same for a SECONDARY in one batch"),
            source=CHOOSES,
        )
    for pair in facts.pairs:
        for missing, there in (("PRIMARY", pair.secondary), ("SECONDARY", pair.primary)):
            if there and len(pair.records) == 1:
                yield _alone(facts, there, missing)


def _alone(facts: Facts, record: Record, missing: str) -> Finding:
    return Finding(
        id=f"no-{missing.lower()}-record",
        severity="prevents",
        subject=record.name.rstrip("."),
        title=f"there is no {missing} record",
        cause=f"the {record.failover} is all that Route 53 can answer",
        proof=f"the only failover record set of this name is {record.label} ({record.set_id})",
        fix=facts.fix(
            put_record(
                facts.zone,
                record,
                Failover=missing,
                SetIdentifier=f"{record.set_id}-2",
                ResourceRecords=[{"Value": "OTHER_ADDRESS"}],
                HealthCheckId="OTHER_CHECK",
            )
        ),
        source=CHOOSES,
    )


def checked(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """A check on each record, one that exists, and not the same one."""
    for pair in facts.pairs:
        if pair.primary and not pair.primary.check_id and not pair.primary.evaluates:
            yield _primary_unchecked(facts, pair.primary, facts.check_of(pair.secondary))
        if pair.secondary and not pair.secondary.check_id and not pair.secondary.evaluates:
            yield _secondary_unchecked(facts, pair.secondary, facts.check_of(pair.primary))
        for record in pair.records:
            if record.check_id and facts.checks_read and record.check_id not in facts.checks:
                yield _check_gone(facts, record)
        yield from _shared(facts, pair)


def _primary_unchecked(facts: Facts, record: Record, like: HealthCheck | None) -> Finding:
    return Finding(
        id="primary-unchecked",
        severity="prevents",
        subject=record.label,
        title="the PRIMARY has no health check",
        cause="a record without one counts as healthy for ever, so the SECONDARY is never answered",
        proof=f"HealthCheckId: none{', EvaluateTargetHealth: false' if record.alias else ''} ({record.set_id})",
        fix=facts.fix(new_check(record, like)),
        source=PROBLEMS,
    )


def _secondary_unchecked(facts: Facts, record: Record, like: HealthCheck | None) -> Finding:
    return Finding(
        id="secondary-unchecked",
        severity="risk",
        subject=record.label,
        title="the SECONDARY has no health check",
        cause="once the PRIMARY is unhealthy the SECONDARY is answered, even if no node is there any more",
        proof=f"HealthCheckId: none ({record.set_id})",
        fix=facts.fix(new_check(record, like)),
        source=CHOOSES,
    )


def _check_gone(facts: Facts, record: Record) -> Finding:
    return Finding(
        id="check-gone",
        severity="prevents",
        subject=record.label,
        title="the record's health check does not exist",
        cause="AWS calls the health of such a record unpredictable",
        proof=f"HealthCheckId {record.check_id} is not among the account's health checks",
        fix=facts.fix(new_check(record, None)),
        source=DELETING,
    )


def _shared(facts: Facts, pair: Pair) -> Iterator[Finding]:
    first, second = pair.primary, pair.secondary
    if first and second and first.check_id and first.check_id == second.check_id:
        yield Finding(
            id="shared-check",
            severity="prevents",
            subject=pair.name.rstrip("."),
            title="PRIMARY and SECONDARY have the same health check",
            cause="when it fails, both are unhealthy at once, and then Route 53 answers the PRIMARY",
            proof=f"both have HealthCheckId {first.check_id}",
            fix=facts.fix(new_check(second, facts.check_of(first))),
            source=CHOOSES,
        )


def apart(facts: Facts, _: Wishes) -> Iterator[Finding]:
    """Two machines in two Availability Zones."""
    for pair in facts.pairs:
        if not (pair.primary and pair.secondary):
            continue
        first, second = (set(record.values) or {record.alias} for record in pair.records)
        hosts = [facts.hosts_of(record.addresses) for record in pair.records]
        known = all(len(found) == len(record.values) > 0 for found, record in zip(hosts, pair.records, strict=True))
        here, there = ({host.identity for host in found} for found in hosts)
        if first == second:
            yield _same_host(facts, pair, f"both answer {', '.join(sorted(first))}")
        elif known and here == there:
            yield _same_host(facts, pair, f"both lead to {hosts[0][0].name}")
        elif known and len({host.zone for found in hosts for host in found}) == 1:
            yield _same_zone(pair, hosts[0][0], hosts[1][0])


def _same_host(facts: Facts, pair: Pair, proof: str) -> Finding:
    record = pair.secondary or pair.records[0]
    return Finding(
        id="same-host",
        severity="prevents",
        subject=pair.name.rstrip("."),
        title="PRIMARY and SECONDARY are the same machine",
        cause="when it fails there is nothing to fail over to",
        proof=proof,
        fix=facts.fix(put_record(facts.zone, record, ResourceRecords=[{"Value": "OTHER_ADDRESS"}])),
        source=CHOOSES,
    )


def _same_zone(pair: Pair, one: Host, two: Host) -> Finding:
    return Finding(
        id="same-zone",
        severity="prevents",
        subject=pair.name.rstrip("."),
        title="both machines are in one Availability Zone",
        cause="when that zone fails, both fail, and the name keeps answering the PRIMARY",
        proof=f"{one.name} and {two.name} are in {one.zone}",
        fix="move one of them: launch it in another zone's subnet, then point its record and its check there",
        source=ZONES,
    )


def quick(facts: Facts, wishes: Wishes) -> Iterator[Finding]:
    """TTL, interval and threshold against what the user wants of them."""
    for pair in facts.pairs:
        ttl = max((record.ttl or 0 for record in pair.records), default=0)
        check = facts.check_of(pair.primary)
        if pair.primary is None or check is None:
            continue
        if check.kind not in ENDPOINTS:  # it has neither interval nor threshold
            yield from _long_ttl(facts, pair, ttl, proof=f"TTL {ttl} s")
            continue
        bound = wishes.bound(check.interval, check.threshold, ttl)
        settings = f"interval {check.interval} s, threshold {check.threshold}, TTL {ttl} s"
        if wishes.target_s is not None and bound > wishes.target_s:
            yield _over_target(facts, pair.primary, wishes.target_s, proof=f"{settings}: up to {bound:.1f} s")
        else:
            yield from _long_ttl(facts, pair, ttl, proof=f"TTL {ttl} s: an outage of up to {bound:.1f} s")
        if wishes.client_timeout_s is not None and wishes.client_timeout_s > bound:
            yield _patient_clients(pair.primary, wishes.client_timeout_s, bound)


def _over_target(facts: Facts, record: Record, target_s: float, *, proof: str) -> Finding:
    settings = f"srekv predict --target {target_s:g} names settings that keep it"
    return Finding(
        id="over-target",
        severity="prevents",
        subject=record.label,
        title=f"no failover within {target_s:g} s is certain",
        cause="detection takes threshold x (interval + 4 s), then a cached answer lives for one TTL",
        proof=proof,
        fix=settings + ("; then " + CommandLine("srekv up") + " with them" if facts.stack else ""),
        source=DETERMINES,
    )


def _long_ttl(facts: Facts, pair: Pair, ttl: int, *, proof: str) -> Iterator[Finding]:
    if ttl <= ADVISED_TTL_S:
        return
    records = [record for record in pair.records if (record.ttl or 0) > ADVISED_TTL_S]
    cure = CommandLine("srekv up --ttl 10") if facts.stack else put_record(facts.zone, *records, TTL=10)
    yield Finding(
        id="ttl-long",
        severity="delays",
        subject=" and ".join(record.label for record in records),
        title=f"the TTL of {ttl} s hides a switch",
        cause="resolvers and clients may use the old answer for that time; 60 s or less is advised",
        proof=proof,
        fix=cure,
        source=PRACTICES,
    )


def _patient_clients(record: Record, timeout_s: float, bound: float) -> Finding:
    return Finding(
        id="patient-clients",
        severity="delays",
        subject=record.label,
        title=f"clients that wait {timeout_s:g} s wait longer than the outage",
        cause="one request to the dead machine outlasts the switch, so the clients see their own time-out, not DNS",
        proof=f"the settings explain an outage of up to {bound:.1f} s",
        fix="give clients a connect time-out of 1 to 2 s, and resolve the name again before a retry",
        source=RETRIES,
    )
