"""Reads what Route 53 holds: the zone, its record sets, their checks, and what else answers for the name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from srekv.doctor.facts import REPORTS, Group, HealthCheck, Pair, Record, Rival, Zone
from srekv.doctor.reader import Reader
from srekv.doctor.rules_names import covers
from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision.engine.answers import FAILURES, code_of, explain, is_unknown_operation, message_of
from srekv.provision.engine.clients import Clients
from srekv.provision.model import Observation
from srekv.provision.queries import readable, strip_prefix

BURST = 4
"""GetHealthCheckStatus: so many calls at once, then one a second (aws-facts 2.6)."""

REFILL_S = 1.0
"""Until one more call is allowed, seconds."""

POLICIES = {
    "Failover": "failover",
    "Weight": "weighted",
    "Region": "latency",
    "GeoLocation": "geolocation",
    "GeoProximityLocation": "geoproximity",
    "MultiValueAnswer": "multivalue",
    "CidrRoutingConfig": "IP-based",
    "SetIdentifier": "unknown",
}
"""The member of a record set that its routing policy needs, and the console's word for the policy."""


def read_zone(clients: Clients, zone_id: str) -> Zone:
    """The hosted zone.

    Raises:
        UsageError: there is no such zone.
        SrekvError: it cannot be read.
    """
    try:
        answer: Any = clients.route53.get_hosted_zone(Id=zone_id)
    except FAILURES as error:
        if code_of(error) in {"NoSuchHostedZone", "InvalidInput"} and not is_unknown_operation(error):
            raise UsageError(
                f"there is no hosted zone {zone_id}",
                why=message_of(error),
                next_step=CommandLine("aws route53 list-hosted-zones") + " shows their ids",
            ) from error
        raise explain(error, f"reading the hosted zone {zone_id}") from error
    vpcs = answer.get("VPCs", [])
    return Zone(
        id=strip_prefix(answer["HostedZone"]["Id"]),
        name=readable(answer["HostedZone"]["Name"]),
        private=bool(answer["HostedZone"].get("Config", {}).get("PrivateZone")),
        vpcs=tuple(vpc["VPCId"] for vpc in vpcs if vpc["VPCRegion"] == clients.region),
        elsewhere=tuple(f"{vpc['VPCId']} in {vpc['VPCRegion']}" for vpc in vpcs if vpc["VPCRegion"] != clients.region),
    )


def read_records(clients: Clients, zone: Zone, name: str | None) -> list[Record]:
    """The zone's record sets, or those of one name; without the zone's own NS and SOA.

    Raises:
        UsageError: no record set of the name has a routing policy or a health check.
        SrekvError: the records cannot be read.
    """
    try:
        pages = clients.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone.id)
        records = [_record(one, zone) for page in pages for one in page["ResourceRecordSets"]]
    except FAILURES as error:
        raise explain(error, f"reading the records of {zone.id}") from error
    wanted = [
        one
        for one in records
        if (name is None or one.name == full_name(name, zone))
        and not (one.name == zone.name and one.kind in {"NS", "SOA"})
    ]
    if name is not None and all(is_fixed(one) for one in wanted):
        others = ", ".join(sorted({one.name.rstrip(".") for one in records if not is_fixed(one)})) or "none"
        raise UsageError(
            f"{name} has no failover record in {zone.name.rstrip('.')}",
            why=f"the zone's names with a routing policy or a health check: {others}",
        )
    return wanted


def is_fixed(record: Record) -> bool:
    """Whether it is the only record set of its name and type, and neither health nor other record sets decide on it."""
    return record.policy == "simple" and not (record.check_id or record.evaluates or record.inside)


def pairs_of(records: Iterable[Record]) -> tuple[Pair, ...]:
    """The failover records by name and type."""
    failover = [one for one in records if one.failover]
    return tuple(_pair(*key, of_key) for key, of_key in _grouped(failover))


def others_of(records: Iterable[Record]) -> tuple[Group, ...]:
    """The record sets of the other policies, and the simple ones that health or others decide on, by name and type."""
    others = [one for one in records if not one.failover and not is_fixed(one)]
    return tuple(Group(name=name, kind=kind, records=tuple(alike)) for (name, kind), alike in _grouped(others))


def _grouped(records: Iterable[Record]) -> list[tuple[tuple[str, str], list[Record]]]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for one in records:
        groups.setdefault((one.name, one.kind), []).append(one)
    return sorted(groups.items())


def full_name(name: str, zone: Zone) -> str:
    """A record's name with the zone's behind it, whether it was given with it or not."""
    own = readable(name).rstrip(".").lower()
    return f"{own}." if covers(zone.name, own) else f"{own}.{zone.name}"


def _pair(name: str, kind: str, records: Iterable[Record]) -> Pair:
    roles = {one.failover: one for one in records}
    return Pair(name=name, kind=kind, primary=roles.get("PRIMARY"), secondary=roles.get("SECONDARY"))


def _record(record: Mapping[str, Any], zone: Zone) -> Record:
    alias = record.get("AliasTarget") or {}
    return Record(
        name=readable(record["Name"]),
        kind=record["Type"],
        failover=record.get("Failover", ""),
        policy=next((policy for member, policy in POLICIES.items() if _given(record, member)), "simple"),
        set_id=record.get("SetIdentifier", ""),
        ttl=record.get("TTL"),
        values=tuple(value["Value"] for value in record.get("ResourceRecords", ())),
        check_id=record.get("HealthCheckId", ""),
        alias=alias.get("DNSName", ""),
        evaluates=bool(alias.get("EvaluateTargetHealth")),
        inside=alias.get("HostedZoneId") == zone.id,
    )


def _given(record: Mapping[str, Any], member: str) -> bool:
    """Whether a record set has the member; a weight of 0 counts, MultiValueAnswer false does not."""
    value = record.get(member)
    return value is not None and value is not False


def read_checks(reader: Reader, clients: Clients) -> dict[str, HealthCheck] | None:
    """All health checks of the account by id; None if they cannot be listed."""
    checks = reader.pages(
        "the health checks", "route53:ListHealthChecks", clients.route53, "list_health_checks", "HealthChecks"
    )
    return None if checks is None else {one["Id"]: _check(one) for one in checks}


def _check(check: Mapping[str, Any]) -> HealthCheck:
    config = check["HealthCheckConfig"]
    path = config.get("ResourcePath") or "/"
    return HealthCheck(
        id=check["Id"],
        kind=config["Type"],
        address=config.get("IPAddress", ""),
        host=config.get("FullyQualifiedDomainName", ""),
        port=config.get("Port", 443 if config["Type"].startswith("HTTPS") else 80),
        path=path if path.startswith("/") else f"/{path}",
        interval=config.get("RequestInterval", 30),
        threshold=config.get("FailureThreshold", 3),
        inverted=bool(config.get("Inverted")),
        disabled=bool(config.get("Disabled")),
        endpoint=config.get("EndpointType", ""),
    )


def read_reports(
    reader: Reader, clients: Clients, checks: Iterable[HealthCheck], pause: Callable[[float], object]
) -> dict[str, tuple[Observation, ...]]:
    """The checkers' last reports on each check of an IPv4 address; `pause` waits so many seconds."""
    reports = {}
    for number, check in enumerate(one for one in checks if one.requests):
        if number >= BURST:
            pause(REFILL_S)
        answer = reader.ask(
            "the checkers' reports",
            REPORTS,
            clients.route53.get_health_check_status,
            HealthCheckId=check.id,
        )
        if answer is not None:
            reports[check.id] = tuple(observation(one) for one in answer["HealthCheckObservations"])
    return reports


def observation(report: Mapping[str, Any]) -> Observation:
    """One checker's report; only the prefix of its text is meaningful (aws-facts 1.2)."""
    status = report["StatusReport"]["Status"]
    return Observation(
        checker=report.get("IPAddress", ""),
        region=report.get("Region", ""),
        healthy=status.startswith("Success"),
        status=status,
        at=report["StatusReport"]["CheckedTime"],
    )


def read_rivals(reader: Reader, clients: Clients, zone: Zone, names: Iterable[str]) -> tuple[Rival, ...]:
    """What else in the zone's VPCs answers for one of these names: as specific as the zone, or more."""
    found = [rival for vpc_id in zone.vpcs for rival in _zones(reader, clients, zone, vpc_id)]
    if zone.vpcs:
        found += _forwarding(reader, clients, zone)
    wanted = list(names)
    return tuple(one for one in found if any(covers(one.name, name) for name in wanted))


def _zones(reader: Reader, clients: Clients, zone: Zone, vpc_id: str) -> Iterable[Rival]:
    answer = reader.ask(
        "overlapping private zones",
        "route53:ListHostedZonesByVPC",
        clients.route53.list_hosted_zones_by_vpc,
        VPCId=vpc_id,
        VPCRegion=clients.region,
    )
    for one in answer["HostedZoneSummaries"] if answer else ():
        if strip_prefix(one["HostedZoneId"]) != zone.id and len(one["Name"]) > len(zone.name):
            yield Rival(
                kind="private zone", id=strip_prefix(one["HostedZoneId"]), name=readable(one["Name"]), vpc_id=vpc_id
            )


def _forwarding(reader: Reader, clients: Clients, zone: Zone) -> list[Rival]:
    """Resolver rules that forward a domain as specific as the zone: they win over it."""
    what, resolver = "resolver forwarding rules", clients.resolver
    rules = reader.pages(what, "route53resolver:ListResolverRules", resolver, "list_resolver_rules", "ResolverRules")
    domains = {one["Id"]: one["DomainName"] for one in rules or () if one.get("RuleType") == "FORWARD"}
    relevant = {
        rule: domain for rule, domain in domains.items() if len(domain.rstrip(".")) >= len(zone.name.rstrip("."))
    }
    if not relevant:
        return []
    links = reader.pages(
        what,
        "route53resolver:ListResolverRuleAssociations",
        resolver,
        "list_resolver_rule_associations",
        "ResolverRuleAssociations",
    )
    return [
        Rival(
            kind="forwarding rule",
            id=link["ResolverRuleId"],
            name=relevant[link["ResolverRuleId"]],
            vpc_id=link["VPCId"],
        )
        for link in links or ()
        if link["ResolverRuleId"] in relevant and link["VPCId"] in zone.vpcs
    ]


def stack_zone(clients: Clients, prefix: str) -> str:
    """The id of the zone whose CallerReference begins so.

    Raises:
        SrekvError: there is none, or the zones cannot be listed.
    """
    try:
        pages = clients.route53.get_paginator("list_hosted_zones").paginate()
        ours = [
            zone["Id"] for page in pages for zone in page["HostedZones"] if zone["CallerReference"].startswith(prefix)
        ]
    except FAILURES as error:
        raise explain(error, "finding the stack's hosted zone") from error
    if not ours:
        raise SrekvError("the stack is not complete", why="missing: hosted zone", next_step=CommandLine("srekv up"))
    return strip_prefix(ours[0])
