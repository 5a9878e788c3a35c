"""How record sets of a zone stand in each other's way, as pure data: names, aliases, routing policies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from srekv.local import names

POLICIES = (
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "GeoProximityLocation",
    "CidrRoutingConfig",
)
RecordSet = dict[str, Any]
"""A ResourceRecordSet as the API writes it."""

Records = dict[tuple[str, str, str], RecordSet]
"""A zone's record sets by `key`."""


def key(record: RecordSet) -> tuple[str, str, str]:
    """What makes a record set one of its own."""
    return record["Name"], record["Type"], str(record.get("SetIdentifier", ""))


def is_within(name: str, zone: str) -> bool:
    """Whether a name is the zone's or below it."""
    return name == zone or name.endswith("." + zone)


def subject(record: RecordSet) -> str:
    """A record set as refusals name it."""
    identifier = f", SetIdentifier {record['SetIdentifier']}" if "SetIdentifier" in record else ""
    return f"RRSet with DNS name {record['Name']}, type {record['Type']}{identifier}"


def name_conflicts(after: Records, record: RecordSet, zone: str) -> Iterator[str]:
    """A CNAME is alone at its name, and leads to an end.

    Sources: ansible-collections/amazon.aws#2694; cdk-preflight, probed 2026-09; kubernetes-sigs/external-dns#630.
    """
    name, kind = record["Name"], record["Type"]
    others = {other for at, other, _ in after if at == name} - {kind}
    start = f"RRSet of type {kind} with DNS name {name} is not permitted"
    if kind == "CNAME" and others:
        yield f"{start} as it conflicts with other records with the same DNS name in zone {zone}"
    elif "CNAME" in others:
        yield (
            f"{start} because a conflicting RRSet of type CNAME with the same DNS name already exists in zone {zone}"
        )
    seen, at = {name}, _leads_to(record)
    while at is not None and at not in seen:
        seen.add(at)
        steps = (_leads_to(one) for one in after.values() if one["Name"] == at and one["Type"] in (kind, "CNAME"))
        at = next(steps, None)
    if at is not None:
        yield f"{start} as it creates a CNAME or alias loop in the zone."


def _leads_to(record: RecordSet) -> str | None:
    """The name that a CNAME or an alias stands for."""
    if "AliasTarget" in record:
        return str(record["AliasTarget"]["DNSName"])
    return names.escaped(record["ResourceRecords"][0]["Value"]) if record["Type"] == "CNAME" else None


def alias_problems(after: Records, record: RecordSet, zone: str, zone_id: str) -> Iterator[str]:
    """An alias to this zone leads to a record of its own type that exists (cdk-preflight; barnybug/cli53#213, #227)."""
    alias = record.get("AliasTarget")
    if not alias or not zone_id or alias["HostedZoneId"] != zone_id:
        return
    target, kind = alias["DNSName"], record["Type"]
    start = f"Tried to create an alias that targets {target}, type {kind} in zone {zone_id}, but"
    if not is_within(target, zone):
        yield f"{start} the alias target name does not lie within the target zone"
    elif not {at for at, other, _ in after if other == kind} & set(_covering(target)):
        yield f"{start} that target was not found"


def _covering(name: str) -> Iterator[str]:
    """The name, and the wildcards that stand for it."""
    yield name
    while "." in name.rstrip("."):
        name = name.partition(".")[2]
        yield rf"\052.{name}"


def policy_conflict(record: RecordSet, beside: Sequence[RecordSet]) -> str | None:
    """Why a record set cannot stand with these of its name and type, or None."""
    policy, start = _policy(record), subject(record)
    members = {"role": str(record.get("Failover", "")).lower(), "region": record.get("Region")}
    if any(_policy(other) != policy for other in beside):
        return start + _MIXED.get(policy, _MIXED[""]).format(**members)
    if policy in _ONCE and any(other[policy] == record[policy] for other in beside):
        return start + _ONCE[policy].format(**members)
    if policy == "Weight" and len({other["TTL"] for other in (*beside, record) if "TTL" in other}) > 1:
        return f"{start} cannot be created as weighted sets must contain the same TTL."
    return None


def _policy(record: RecordSet) -> str:
    return next((policy for policy in POLICIES if policy in record), "")


_MIXED = {
    "Failover": " marked as {role} cannot be created because a non-failover RRSet with the same name and type already "
    "exists",
    "MultiValueAnswer": " cannot be created because a non multivalue answer rrset exists with the same name and type.",
    "Region": ", and Region Name={region} cannot be created because a non-latency RRSet with the same name and type "
    "already exists.",
    "Weight": " cannot be created as a non-weighted set exists with the same name and type.",
    "": " cannot be created as other RRSets exist with the same name and type.",
}
"""By the policy of the record that comes later: cdk-preflight, probed 2026-09-10; cert-manager/cert-manager#5388
(multivalue); chef-boneyard/route53#100 (none)."""

_ONCE = {
    "Failover": " cannot be created because a failover RRSet of that name, type and role already exists.",
    "Region": ", and Region Name={region} cannot be created because a latency RRSet with the same name, type and "
    "region already exists.",
}
"""What each record of a group must have for itself: cdk-preflight, probed 2026-09-10; of a role the text is ours."""
