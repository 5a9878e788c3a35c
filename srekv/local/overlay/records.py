"""Route 53's rules for changing record sets, as pure data: what is, a batch of changes, what will be.

Names are absolute and in lower case. A batch applies as a whole or not at all (aws-facts 2.4); texts and codes are
those of aws-recorded section 2.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

POLICIES = (
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "GeoProximityLocation",
    "CidrRoutingConfig",
)
ROLES = ("PRIMARY", "SECONDARY")
LARGEST_TTL = 2_147_483_647

RecordSet = dict[str, Any]
"""A ResourceRecordSet as the API writes it."""


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
    """A record set with an absolute lower-case name, without empty members."""
    kept = {name: value for name, value in record.items() if value not in (None, [], "")}
    kept["Name"] = str(record["Name"]).rstrip(".").lower().replace("\\052", "*") + "."
    if "TTL" in kept:
        kept["TTL"] = int(kept["TTL"])
    if "ResourceRecords" in kept:
        kept["ResourceRecords"] = [{"Value": str(one["Value"])} for one in kept["ResourceRecords"]]
    return kept


def apply_batch(
    current: Sequence[RecordSet],
    changes: Sequence[Change],
    *,
    zone: str,
    check_exists: Callable[[str], bool],
) -> list[RecordSet]:
    """The record sets after a batch.

    Raises:
        BatchError: the batch is refused and nothing changes.
    """
    for number, change in enumerate(changes, start=1):
        _check_shape(number, change)
    if messages := [text for change in changes for text in _check_meaning(change, zone)]:
        raise BatchError("InvalidChangeBatch", f"[{', '.join(messages)}]")
    _check_health_checks(changes, check_exists)
    _check_repeats(changes)
    after = {key(record): record for record in current}
    if messages := [text for change in changes if (text := _change(after, change))]:
        raise BatchError("InvalidChangeBatch", f"[{', '.join(messages)}]")
    _check_policies(after.values(), {key(change.record)[:2] for change in changes if change.action != "DELETE"})
    return list(after.values())


def key(record: RecordSet) -> tuple[str, str, str]:
    """What makes a record set one of its own."""
    return record["Name"], record["Type"], str(record.get("SetIdentifier", ""))


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
    if record.get("TTL", 0) > LARGEST_TTL:
        raise BatchError(
            "InvalidInput",
            f"1 validation error detected: Value '{record['TTL']}' at "
            f"'changeBatch.changes.{number}.member.resourceRecordSet.tTL' failed to satisfy constraint: "
            f"Member must have value less than or equal to {LARGEST_TTL}",
        )


def _check_meaning(change: Change, zone: str) -> Iterable[str]:
    """Rows R20, R21, R30, R33: what is wrong with a change in this zone."""
    record = change.record
    name, kind = record["Name"], record["Type"]
    if name != zone and not name.endswith("." + zone):
        yield f"RRSet with DNS name {name} is not permitted in zone {zone}"
    if kind == "CNAME" and name == zone:
        yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
    if change.action == "DELETE":
        return
    if record.get("Failover") == "PRIMARY" and "HealthCheckId" not in record:
        alias = record.get("AliasTarget")
        if alias is None:
            yield "A non-alias primary ResourceRecordSet must have an associated health check. No changes made."
        elif str(alias.get("EvaluateTargetHealth")).lower() != "true":
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
    yield from _bad_values(record)


def _bad_values(record: RecordSet) -> Iterable[str]:
    families = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
    if record["Type"] not in families:
        return
    for value in (one["Value"] for one in record.get("ResourceRecords", [])):
        try:
            families[record["Type"]](value)
        except ValueError:
            version = "4" if record["Type"] == "A" else "6"
            yield (
                f"Invalid Resource Record: 'FATAL problem: {record['Type']}RRDATAIllegalIPv{version}Address "
                f"(Value is not a valid IPv{version} address) encountered with '{value}''"
            )


def _check_health_checks(changes: Sequence[Change], check_exists: Callable[[str], bool]) -> None:
    """An unknown health check is NoSuchHealthCheck, 404 (aws-facts 2.4)."""
    for change in changes:
        check = change.record.get("HealthCheckId")
        if check and change.action != "DELETE" and not check_exists(check):
            raise BatchError("NoSuchHealthCheck", f"No health check exists with the specified ID: {check}")


def _check_repeats(changes: Sequence[Change]) -> None:
    """Row R25. Deleting and creating the same record set in one batch replaces it and is allowed."""
    seen: set[tuple[bool, tuple[str, str, str]]] = set()
    for change in changes:
        entry = (change.action == "DELETE", key(change.record))
        if entry in seen:
            name, kind, _ = entry[1]
            text = f"[The request contains an invalid set of changes for a resource record set '{kind} {name}']"
            raise BatchError("InvalidChangeBatch", text)
        seen.add(entry)


def _change(after: dict[tuple[str, str, str], RecordSet], change: Change) -> str | None:
    """Make one change, or say why not (row R32)."""
    record, place = change.record, key(change.record)
    label = f"[name='{place[0]}', type='{place[1]}'" + (f", set-identifier='{place[2]}'" if place[2] else "") + "]"
    if change.action == "DELETE":
        if place not in after:
            return f"Tried to delete resource record set {label} but it was not found"
        if after[place] != record:
            return (
                f"Tried to delete resource record set {label} but the values provided do not match the current values"
            )
        del after[place]
        return None
    if change.action == "CREATE" and place in after:
        return f"Tried to create resource record set {label} but it already exists"
    after[place] = record
    return None


def _check_policies(records: Iterable[RecordSet], touched: set[tuple[str, str]]) -> None:
    """Rows R26 to R28: record sets of a name and type follow one routing policy; a failover role is taken once."""
    by_name: dict[tuple[str, str], list[RecordSet]] = {}
    for record in records:
        by_name.setdefault(key(record)[:2], []).append(record)
    for place in touched:
        if message := _policy_conflict(by_name.get(place, [])):
            raise BatchError("InvalidChangeBatch", f"[{message}]")


def _policy_conflict(records: Sequence[RecordSet]) -> str | None:
    roles: set[str] = set()
    policies = {next((policy for policy in POLICIES if policy in record), "") for record in records}
    for record in records:
        role = record.get("Failover", "")
        subject = (
            f"RRSet with DNS name {record['Name']}, type {record['Type']}, SetIdentifier {record.get('SetIdentifier')}"
        )
        if len(policies) > 1 and role:
            return (
                f"{subject} marked as {role.lower()} cannot be created because a non-failover RRSet with the same name "
                "and type already exists"
            )
        if role and role in roles:
            return f"{subject} cannot be created because a failover RRSet of that name, type and role already exists."
        roles.add(role)
    if len(policies) > 1:
        first = records[0]
        return (
            f"RRSet with DNS name {first['Name']}, type {first['Type']} cannot be created because other RRSets exist "
            "with the same name and type."
        )
    return None
