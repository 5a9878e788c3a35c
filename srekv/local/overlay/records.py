"""Route 53's rules for changing record sets, as pure data: what is, a batch of changes, what will be.

Names are absolute and in lower case. A batch applies as a whole or not at all (aws-facts 2.4); texts and codes are
those of aws-recorded section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srekv.local import names
from srekv.local.overlay import values
from srekv.local.overlay.conflicts import (
    POLICIES,
    Records,
    RecordSet,
    alias_problems,
    is_within,
    key,
    name_conflicts,
    policy_conflict,
    subject,
)

ROLES = ("PRIMARY", "SECONDARY")
LARGEST = {"TTL": ("tTL", 2_147_483_647), "Weight": ("weight", 255)}
MOST_ELEMENTS = 1000
"""Values that a batch may hold; those of an UPSERT count twice (aws-facts 2.4)."""


class BatchError(Exception):
    """A batch is refused: `code` and message as Route 53 answers."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of a batch, its record set normalised."""

    action: str
    record: RecordSet


def normalise(record: Mapping[str, Any]) -> RecordSet:
    """A record set as the API lists it: names absolute and escaped, without empty members."""
    kept = {name: value for name, value in record.items() if value not in (None, [], "") and value is not False}
    kept["Name"] = names.escaped(str(record["Name"]))
    for member in LARGEST.keys() & kept:
        kept[member] = int(kept[member])
    if "ResourceRecords" in kept:
        kept["ResourceRecords"] = [{"Value": str(one["Value"])} for one in kept["ResourceRecords"]]
    if "AliasTarget" in kept:
        alias = kept["AliasTarget"]
        kept["AliasTarget"] = {
            **alias,
            "DNSName": names.escaped(str(alias["DNSName"])),
            "EvaluateTargetHealth": str(alias.get("EvaluateTargetHealth")).lower() == "true",
        }
    return kept


def apply_batch(
    current: Sequence[RecordSet],
    changes: Sequence[Change],
    *,
    zone: str,
    zone_id: str = "",
    check_exists: Callable[[str], bool],
) -> list[RecordSet]:
    """The record sets after a batch.

    Args:
        current: those before it.
        changes: the batch, in its order: Route 53 applies one change after the other (octodns/octodns#366, #531).
        zone: the hosted zone's name.
        zone_id: its id; "" where nobody knows which records it has, so that aliases cannot be judged.
        check_exists: whether there is a health check with an id.

    Raises:
        BatchError: the batch is refused and nothing changes.
    """
    for number, change in enumerate(changes, start=1):
        _check_shape(number, change)
    _refuse(text for change in changes for text in _check_meaning(change, zone))
    _check_health_checks(changes, check_exists)
    _check_batch(changes)
    after = {key(record): record for record in current}
    _refuse(text for change in changes for text in _change(after, change, zone, zone_id))
    _refuse(_check_groups(after, changes, zone))
    return list(after.values())


def _refuse(messages: Iterable[str]) -> None:
    if found := list(messages):
        raise BatchError("InvalidChangeBatch", f"[{', '.join(found)}]")


def _where(change: Change) -> str:
    record = change.record
    identifier = record.get("SetIdentifier", "null")
    members = f"Action={change.action}, Name={record['Name']}, Type={record['Type']}, SetIdentifier={identifier}"
    return f"Change with [{members}]"


def _check_shape(number: int, change: Change) -> None:
    """Rows R22, R23, R24, R31, R33: what is wrong with a change whatever the zone holds."""
    record = change.record
    plain = [member for member in ("TTL", "ResourceRecords") if member in record]
    alternatives = "[AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]"
    if "AliasTarget" in record and plain:
        raise BatchError(
            "InvalidInput",
            f"Invalid request: Expected exactly one of {alternatives}, but found more than one in {_where(change)}",
        )
    if "AliasTarget" not in record and len(plain) < 2:
        raise BatchError(
            "InvalidInput",
            f"Invalid request: Expected exactly one of {alternatives}, but found none in {_where(change)}",
        )
    if record.get("Failover", "PRIMARY") not in ROLES:
        raise BatchError(
            "InvalidInput",
            "Invalid XML ; javax.xml.stream.XMLStreamException: org.xml.sax.SAXParseException; lineNumber: 1; "
            f"columnNumber: 1; cvc-enumeration-valid: Value '{record['Failover']}' is not facet-valid with respect to "
            f"enumeration '[{', '.join(ROLES)}]'. It must be a value from the enumeration.",
        )
    chosen = [policy for policy in POLICIES if policy in record]
    if chosen and "SetIdentifier" not in record:
        raise BatchError("InvalidInput", f"Invalid request: Missing field 'SetIdentifier' in {_where(change)}")
    if "SetIdentifier" in record and len(chosen) != 1:
        found = "none" if not chosen else "more than one"
        choice = f"[{', '.join(POLICIES[:-1])}, or {POLICIES[-1]}]"
        raise BatchError(
            "InvalidInput", f"Invalid request: Expected exactly one of {choice}, but found {found} in {_where(change)}"
        )
    for member, (place, largest) in LARGEST.items():
        if record.get(member, 0) > largest:
            raise BatchError(
                "InvalidInput",
                f"1 validation error detected: Value '{record[member]}' at "
                f"'changeBatch.changes.{number}.member.resourceRecordSet.{place}' failed to satisfy constraint: "
                f"Member must have value less than or equal to {largest}",
            )


def _check_meaning(change: Change, zone: str) -> Iterable[str]:
    """Rows R20, R21, R30, R33: what is wrong with a change in this zone."""
    record = change.record
    name, kind, alias = record["Name"], record["Type"], record.get("AliasTarget")
    yield from filter(None, (names.problem(one) for one in (name, *([alias["DNSName"]] if alias else []))))
    if not is_within(name, zone):
        yield f"RRSet with DNS name {name} is not permitted in zone {zone}"
    if kind == "CNAME" and name == zone:
        yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
    if change.action == "DELETE":
        return
    if record.get("Failover") == "PRIMARY" and "HealthCheckId" not in record:
        if alias is None:
            yield "A non-alias primary ResourceRecordSet must have an associated health check. No changes made."
        elif not alias["EvaluateTargetHealth"]:
            yield (
                f"RRSet with DNS name {name}, type {kind}, SetIdentifier {record['SetIdentifier']} cannot be a primary "
                "without EvaluateTargetHealth set to true or an associated health check as a secondary would never be "
                "returned."
            )
    if "HealthCheckId" in record and "SetIdentifier" not in record:
        yield (
            "DNS name must have alternate ResourceRecordSet responses configured via a routing policy "
            "(e.g., Weight, Region, etc.) if a health check is attached. No changes made."
        )
    yield from _check_kind(record)
    yield from values.problems(kind, [one["Value"] for one in record.get("ResourceRecords", ())])


def _check_kind(record: RecordSet) -> Iterator[str]:
    """What some types cannot be (cdk-preflight, probed 2026-09)."""
    kind = record["Type"]
    policies = [policy for policy in POLICIES if policy in record]
    if "AliasTarget" in record and kind in ("NS", "SOA"):
        yield f"{subject(record)} contains an alias target, but aliases of that type are forbidden"
    if (policies and kind in ("NS", "SOA")) or (policies == ["MultiValueAnswer"] and kind == "CNAME"):
        yield f"{subject(record)} cannot be created because this type of RRSet is not supported."
    if "AliasTarget" in record and "MultiValueAnswer" in record:
        yield "Multivalue answer rrset should not be an alias rrset. No changes made."
    if kind == "NS" and record["Name"].startswith(r"\052."):
        yield "Changing wildcard NS record sets are not supported. No changes made."


def _check_health_checks(changes: Sequence[Change], check_exists: Callable[[str], bool]) -> None:
    """An unknown health check is NoSuchHealthCheck, 404 (aws-facts 2.4)."""
    for change in changes:
        check = change.record.get("HealthCheckId")
        if check and change.action != "DELETE" and not check_exists(check):
            raise BatchError("NoSuchHealthCheck", f"No health check exists with the specified ID: {check}")


def _check_batch(changes: Sequence[Change]) -> None:
    """Rows R25, R33. A DELETE and then a CREATE of one record set replace it, never the other way round.

    Source: DNSControl/dnscontrol#3493.
    """
    last: dict[tuple[str, str, str], str] = {}
    for change in changes:
        place = key(change.record)
        if place in last and (last[place] != "DELETE" or change.action == "DELETE"):
            text = f"[The request contains an invalid set of changes for a resource record set '{place[1]} {place[0]}']"
            raise BatchError("InvalidChangeBatch", text)
        last[place] = change.action
    elements = sum(
        len(change.record.get("ResourceRecords", ())) * (2 if change.action == "UPSERT" else 1) for change in changes
    )
    _refuse([f"Number of records limit of {MOST_ELEMENTS} exceeded."] if elements > MOST_ELEMENTS else [])


def _change(after: Records, change: Change, zone: str, zone_id: str) -> Iterator[str]:
    """Make one change, or say why not (row R32)."""
    record, place = change.record, key(change.record)
    label = f"[name='{place[0]}', type='{place[1]}'" + (f", set-identifier='{place[2]}'" if place[2] else "") + "]"
    if change.action == "DELETE":
        if place not in after:
            yield f"Tried to delete resource record set {label} but it was not found"
        elif after[place] != record:
            yield f"Tried to delete resource record set {label} but the values provided do not match the current values"
        else:
            del after[place]
        return
    if change.action == "CREATE" and place in after:
        yield f"Tried to create resource record set {label} but it already exists"
        return
    yield from name_conflicts(after, record, zone)
    yield from alias_problems(after, record, zone, zone_id)
    after[place] = record


def _check_groups(after: Records, changes: Sequence[Change], zone: str) -> Iterator[str]:
    """Rows R26 to R28: record sets of a name and type follow one routing policy; what each may have once is once."""
    put = {key(change.record): change.record for change in changes if change.action != "DELETE"}
    standing = [record for place, record in after.items() if place not in put]
    for record in put.values():
        beside = [other for other in standing if key(other)[:2] == key(record)[:2]]
        conflict = policy_conflict(record, beside)
        if conflict:
            yield conflict
        standing.append(record)
    for change in changes:
        name, kind, _ = key(change.record)
        if change.action == "DELETE" and name == zone and key(change.record) not in after and kind in _ZONES_OWN:
            yield _ZONES_OWN[kind]


_ZONES_OWN = {
    "SOA": "A HostedZone must contain exactly one SOA record.",
    "NS": "A HostedZone must contain at least one NS record for the zone itself.",
}
"""What a zone cannot be without: cdk-preflight, probed 2026-09-10; airbnb/zonify#1."""
