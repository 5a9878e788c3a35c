"""Reads what Route 53 holds: the zone, its record sets, their checks, and what else answers for the name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from srekv.doctor.facts import Group, HealthCheck, Record, Rival, Zone, covers
from srekv.doctor.reader import Reader
from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision.engine.answers import FAILURES, code_of, explain, explained, is_unknown_operation, message_of
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.marks import each
from srekv.provision.model import Observation
from srekv.provision.queries import hosted_zones, readable, strip_prefix
from srekv.provision.target import observation

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


def stack_zone(clients: Clients, stack: str) -> str:
    """The id of the stack's zone; raises SrekvError when there is none, or the zones cannot be listed."""
    with explained("finding the stack's hosted zone"):
        ours = [zone["Id"] for owner, zone in hosted_zones(clients.route53) if owner == stack]
    if not ours:
        raise SrekvError("the stack is not complete", why="missing: hosted zone", next_step=CommandLine("srekv up"))
    return strip_prefix(ours[0])


def read_zone(clients: Clients, zone_id: str) -> Zone:
    """The hosted zone; raises UsageError when there is no such zone, SrekvError when it cannot be read."""
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
    zone, vpcs = answer["HostedZone"], answer.get("VPCs", [])
    return Zone(
        id=strip_prefix(zone["Id"]),
        name=readable(zone["Name"]),
        private=bool(zone.get("Config", {}).get("PrivateZone")),
        vpcs=tuple(vpc["VPCId"] for vpc in vpcs if vpc["VPCRegion"] == clients.region),
        elsewhere=tuple(f"{vpc['VPCId']} in {vpc['VPCRegion']}" for vpc in vpcs if vpc["VPCRegion"] != clients.region),
    )


def read_records(clients: Clients, zone: Zone, name: str | None) -> list[Record]:
    """The zone's record sets, or those of one name; without the zone's own NS and SOA.

    Raises:
        UsageError: no record set of the name has a routing policy or a health check.
        SrekvError: the records cannot be read.
    """
    with explained(f"reading the records of {zone.id}"):
        sets = each(clients.route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone.id)
        records = [_record(one, zone) for one in sets]
    records = [one for one in records if one.name != zone.name or one.kind not in {"NS", "SOA"}]
    if name is None:
        return records
    wanted = [one for one in records if one.name == full_name(name, zone)]
    if all(is_fixed(one) for one in wanted):
        others = ", ".join(sorted({one.name.rstrip(".") for one in records if not is_fixed(one)})) or "none"
        raise UsageError(
            f"{name} has no failover record in {zone.name.rstrip('.')}",
            why=f"the zone's names with a routing policy or a health check: {others}",
        )
    return wanted


def full_name(name: str, zone: Zone) -> str:
    """A record's name with the zone's behind it, whether it was given with it or not."""
    own = readable(name).rstrip(".").lower()
    return f"{own}." if covers(zone.name, own) else f"{own}.{zone.name}"


def is_fixed(record: Record) -> bool:
    """Whether it is the only record set of its name and type, and neither health nor other record sets decide on it."""
    return record.policy == "simple" and not (record.check_id or record.evaluates or record.inside)


def grouped(records: Iterable[Record]) -> tuple[Group, ...]:
    """Record sets by name and type, the PRIMARY before the SECONDARY."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for one in sorted(records, key=lambda one: one.failover):
        groups.setdefault((one.name, one.kind), []).append(one)
    return tuple(Group(name=name, kind=kind, records=tuple(alike)) for (name, kind), alike in sorted(groups.items()))


def _record(record: Mapping[str, Any], zone: Zone) -> Record:
    alias = record.get("AliasTarget") or {}
    given = [name for name, value in record.items() if value is not False]  # MultiValueAnswer; a weight of 0 is one
    return Record(
        name=readable(record["Name"]),
        kind=record["Type"],
        failover=record.get("Failover", ""),
        policy=next((policy for member, policy in POLICIES.items() if member in given), "simple"),
        set_id=record.get("SetIdentifier", ""),
        ttl=record.get("TTL"),
        values=tuple(value["Value"] for value in record.get("ResourceRecords", ())),
        check_id=record.get("HealthCheckId", ""),
        alias=alias.get("DNSName", ""),
        evaluates=bool(alias.get("EvaluateTargetHealth")),
        inside=alias.get("HostedZoneId") == zone.id,
    )


def read_checks(reader: Reader, clients: Clients) -> dict[str, HealthCheck] | None:
    """All health checks of the account by id; None if they cannot be listed."""
    checks = reader.pages("the health checks", clients.route53, "list_health_checks", "HealthChecks")
    return None if checks is None else {one["Id"]: _check(one["Id"], one["HealthCheckConfig"]) for one in checks}


def _check(check_id: str, config: Mapping[str, Any]) -> HealthCheck:
    path = config.get("ResourcePath") or "/"
    return HealthCheck(
        id=check_id,
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
        answer = reader.ask("the checkers' reports", clients.route53, "get_health_check_status", HealthCheckId=check.id)
        if answer is not None:
            reports[check.id] = tuple(observation(one) for one in answer["HealthCheckObservations"])
    return reports


def read_rivals(reader: Reader, clients: Clients, zone: Zone, names: Iterable[str]) -> tuple[Rival, ...]:
    """What else in the zone's VPCs answers for one of these names: as specific as the zone, or more."""
    found = [rival for vpc_id in zone.vpcs for rival in _zones(reader, clients, zone, vpc_id)]
    found += _forwarding(reader, clients, zone) if zone.vpcs else ()
    wanted = list(names)
    return tuple(one for one in found if any(covers(one.name, name) for name in wanted))


def _zones(reader: Reader, clients: Clients, zone: Zone, vpc_id: str) -> Iterator[Rival]:
    answer = reader.ask(
        "overlapping private zones", clients.route53, "list_hosted_zones_by_vpc", VPCId=vpc_id, VPCRegion=clients.region
    )
    for one in answer["HostedZoneSummaries"] if answer else ():
        zone_id = strip_prefix(one["HostedZoneId"])
        if zone_id != zone.id and len(one["Name"]) > len(zone.name):
            yield Rival(kind="private zone", id=zone_id, name=readable(one["Name"]), vpc_id=vpc_id)


def _forwarding(reader: Reader, clients: Clients, zone: Zone) -> Iterator[Rival]:
    """Resolver rules that forward a domain as specific as the zone: they win over it."""
    what, resolver, least = "resolver forwarding rules", clients.resolver, len(zone.name.rstrip("."))
    rules = reader.pages(what, resolver, "list_resolver_rules", "ResolverRules") or ()
    domains = {one["Id"]: one["DomainName"] for one in rules if one.get("RuleType") == "FORWARD"}
    relevant = {rule: domain for rule, domain in domains.items() if len(domain.rstrip(".")) >= least}
    if not relevant:
        return
    links = reader.pages(what, resolver, "list_resolver_rule_associations", "ResolverRuleAssociations")
    for link in links or ():
        rule, vpc_id = link["ResolverRuleId"], link["VPCId"]
        if rule in relevant and vpc_id in zone.vpcs:
            yield Rival(kind="forwarding rule", id=rule, name=relevant[rule], vpc_id=vpc_id)
