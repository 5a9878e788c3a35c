"""Route 53's rules for changing record sets, as pure data: what is, a batch of changes, what will be.

Names are absolute and in lower case. A batch applies as a whole or not at all (aws-facts 2.4); texts and codes are
those of aws-recorded section 2.

Sources about values: badmintoncryer/cdk-preflight, probed 2026-09; TXT: kubernetes-sigs/external-dns#4792,
boto/boto3#1462; MX: GSA-TTS/dns#373; a value twice: kubernetes-sigs/external-dns#1929; one value only: API reference of
ResourceRecord. What the answer is to a CNAME with two values, and to what `_unreadable` finds, is not recorded: the
code is documented, the text is ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from srekv.local import names
from srekv.local.overlay.errors import broken_constraint, not_in_enumeration

ROLES = ("PRIMARY", "SECONDARY")
POLICIES = (
    *("Weight", "Region", "Failover", "GeoLocation", "MultiValueAnswer", "GeoProximityLocation", "CidrRoutingConfig"),
)
LARGEST = {"TTL": ("tTL", 2_147_483_647), "Weight": ("weight", 255)}
MOST_ELEMENTS = 1000
"""Values that a batch may hold; those of an UPSERT count twice (aws-facts 2.4)."""

MOST_VALUES = 400
LONGEST_STRING = 255  # of those that a TXT value consists of

_STRING = r'"((?:[^"\\]|\\[0-3][0-7]{2}|\\.)*)"'
_STRINGS = re.compile(rf"{_STRING}(?:[ \t]+{_STRING})*")
_CAA = re.compile(r"\d+\s+(\S+)\s")

_ADDRESSES = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
_FIELDS = {"MX": (2, "Two", 1), "SOA": (7, "Seven", 0), "SRV": (4, "Four", 3)}
"""Type -> how many fields it has, that number as a word, and which of them is a domain name."""

RecordSet = dict[str, Any]  # a ResourceRecordSet as the API writes it
Key = tuple[str, str, str]
Records = dict[Key, RecordSet]  # a zone's, by `_key`


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
    if alias := kept.get("AliasTarget"):
        name, evaluate = names.escaped(str(alias["DNSName"])), str(alias.get("EvaluateTargetHealth")).lower() == "true"
        kept["AliasTarget"] = {**alias, "DNSName": name, "EvaluateTargetHealth": evaluate}
    return kept


def apply_batch(
    current: list[RecordSet],
    changes: list[Change],
    *,
    zone: str,
    zone_id: str = "",
    has_check: Callable[[str], bool],
) -> list[RecordSet]:
    """The record sets after a batch; Route 53 applies one change after the other (octodns/octodns#366, #531).

    `zone` is the hosted zone's name, `zone_id` its id: "" where its records are unknown, so that aliases
    cannot be judged; `has_check` returns whether a health check of an id exists. Raises BatchError.
    """
    for number, change in enumerate(changes, start=1):
        for text in _shape_problems(number, change):
            raise BatchError("InvalidInput", text)
    _refuse(text for change in changes for text in _meaning_problems(change, zone))
    for change in changes:
        check = change.record.get("HealthCheckId")
        if check and change.action != "DELETE" and not has_check(check):  # aws-facts 2.4: 404
            raise BatchError("NoSuchHealthCheck", f"No health check exists with the specified ID: {check}")
    _check_batch(changes)
    after = {_key(record): record for record in current}
    _refuse(text for change in changes for text in _apply(after, change, zone, zone_id))
    _refuse(_group_problems(after, changes, zone))
    return list(after.values())


def _refuse(messages: Iterable[str]) -> None:
    if found := list(messages):
        raise BatchError("InvalidChangeBatch", f"[{', '.join(found)}]")


def _key(record: RecordSet) -> Key:
    """What makes a record set one of its own."""
    return record["Name"], record["Type"], str(record.get("SetIdentifier", ""))


def _subject(record: RecordSet) -> str:
    """A record set as refusals name it."""
    identifier = f", SetIdentifier {record['SetIdentifier']}" if "SetIdentifier" in record else ""
    return f"RRSet with DNS name {record['Name']}, type {record['Type']}{identifier}"


def _is_within(name: str, zone: str) -> bool:
    return name == zone or name.endswith("." + zone)


def _shape_problems(number: int, change: Change) -> Iterator[str]:
    """Rows R22, R23, R24, R31, R33: what is wrong with a change whatever the zone holds."""
    record = change.record
    name, kind, identifier = record["Name"], record["Type"], record.get("SetIdentifier", "null")
    where = f"Change with [Action={change.action}, Name={name}, Type={kind}, SetIdentifier={identifier}]"
    plain = [member for member in ("TTL", "ResourceRecords") if member in record]
    expected = "Invalid request: Expected exactly one of"
    alternatives = "[AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]"
    if "AliasTarget" in record and plain:
        yield f"{expected} {alternatives}, but found more than one in {where}"
    if "AliasTarget" not in record and len(plain) < 2:
        yield f"{expected} {alternatives}, but found none in {where}"
    if record.get("Failover", "PRIMARY") not in ROLES:
        yield not_in_enumeration(record["Failover"], ROLES)
    chosen = [policy for policy in POLICIES if policy in record]
    if chosen and "SetIdentifier" not in record:
        yield f"Invalid request: Missing field 'SetIdentifier' in {where}"
    if "SetIdentifier" in record and len(chosen) != 1:
        found = "more than one" if chosen else "none"
        yield f"{expected} [{', '.join(POLICIES[:-1])}, or {POLICIES[-1]}], but found {found} in {where}"
    for member, (path, largest) in LARGEST.items():
        if record.get(member, 0) > largest:
            place = f"changeBatch.changes.{number}.member.resourceRecordSet.{path}"
            yield broken_constraint(record[member], place, f"have value less than or equal to {largest}")


def _meaning_problems(change: Change, zone: str) -> Iterator[str]:
    """Rows R20, R21, R30, R33: what is wrong with a change in this zone."""
    record = change.record
    name, kind, alias = record["Name"], record["Type"], record.get("AliasTarget")
    yield from filter(None, (names.problem(one) for one in (name, *([alias["DNSName"]] if alias else []))))
    if not _is_within(name, zone):
        yield f"RRSet with DNS name {name} is not permitted in zone {zone}"
    if kind == "CNAME" and name == zone:
        yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
    if change.action == "DELETE":
        return
    if record.get("Failover") == "PRIMARY" and "HealthCheckId" not in record:
        if alias is None:
            yield "A non-alias primary ResourceRecordSet must have an associated health check. No changes made."
        elif not alias["EvaluateTargetHealth"]:
            missing = "EvaluateTargetHealth set to true or an associated health check"
            reason = "as a secondary would never be returned"
            yield f"{_subject(record)} cannot be a primary without {missing} {reason}."
    if "HealthCheckId" in record and "SetIdentifier" not in record:
        start = "DNS name must have alternate ResourceRecordSet responses configured via a routing policy"
        yield f"{start} (e.g., Weight, Region, etc.) if a health check is attached. No changes made."
    yield from _kind_problems(record)
    yield from _value_problems(kind, [one["Value"] for one in record.get("ResourceRecords", ())])


def _kind_problems(record: RecordSet) -> Iterator[str]:
    """What some types cannot be (cdk-preflight, probed 2026-09)."""
    kind, alias = record["Type"], "AliasTarget" in record
    policies = [policy for policy in POLICIES if policy in record]
    if alias and kind in ("NS", "SOA"):
        yield f"{_subject(record)} contains an alias target, but aliases of that type are forbidden"
    if (policies and kind in ("NS", "SOA")) or (policies == ["MultiValueAnswer"] and kind == "CNAME"):
        yield f"{_subject(record)} cannot be created because this type of RRSet is not supported."
    if alias and "MultiValueAnswer" in record:
        yield "Multivalue answer rrset should not be an alias rrset. No changes made."
    if kind == "NS" and record["Name"].startswith(r"\052."):
        yield "Changing wildcard NS record sets are not supported. No changes made."


def _value_problems(kind: str, values: Sequence[str]) -> Iterator[str]:
    """The messages for the values of one record set of this type."""
    if kind in ("CNAME", "SOA") and len(values) > 1:
        yield f"A RRSet of type {kind} cannot have more than one value."
    if len(values) > MOST_VALUES:
        yield f"Cannot have more than {MOST_VALUES} records in a RRSet."
    for number, value in enumerate(values):
        text = _value_problem(kind, value) or _unreadable(kind, value)
        if text:
            yield f"Invalid Resource Record: '{text}'"
        elif value in values[:number]:
            yield f"Duplicate Resource Record: '{value}'"


def _value_problem(kind: str, value: str) -> str | None:
    if kind in _ADDRESSES:
        return _address_problem(kind, value)
    if kind in _FIELDS:
        count, word, name = _FIELDS[kind]
        parts = value.split()
        if len(parts) != count:
            return names.fatal(f"{kind}RRDATANot{word}Fields", f"{kind} record doesn't have {count} fields", value)
        return names.problem(parts[name])
    if kind in ("CNAME", "NS", "PTR"):
        return names.problem(value)
    if kind in ("SPF", "TXT"):
        return _text_problem(value)
    tag = _CAA.match(value) if kind == "CAA" else None
    if tag and tag[1] not in ("issue", "issuewild", "iodef"):
        rule = "Only issue/issuewild/iodef is allowed for non critical flags."
        return names.fatal("CAARRDATAInvalidTag", "Invalid tag", rule)
    return None


def _address_problem(kind: str, value: str) -> str | None:
    try:
        _ADDRESSES[kind](value)
    except ValueError:
        version = "IPv4" if kind == "A" else "IPv6"
        return names.fatal(f"{kind}RRDATAIllegal{version}Address", f"Value is not a valid {version} address", value)
    return None


def _text_problem(value: str) -> str | None:
    if strange := next((one for one in value if not " " <= one <= "~"), ""):
        shown = strange if strange.isascii() else "?"
        return names.fatal("UnsupportedCharacter", "Value contains unsupported characters", shown)
    if not _STRINGS.fullmatch(value):
        return names.fatal("InvalidCharacterString", "Value should be enclosed in quotation marks", value)
    if any(len(re.sub(r"\\([0-3][0-7]{2}|.)", "x", one)) > LONGEST_STRING for one in re.findall(_STRING, value)):
        return names.fatal("CharacterStringTooLong", "Value is too long", value)
    return None


def _unreadable(kind: str, value: str) -> str | None:
    """What DNS's own text form does not allow: such a record could not be served."""
    try:
        dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), names.decimal(value))
    except (dns.exception.DNSException, ValueError):
        return names.fatal(f"{kind}RRDATANotValid", f"Invalid {kind} record", value)
    return None


def _check_batch(changes: Sequence[Change]) -> None:
    """Rows R25, R33. A DELETE and then a CREATE of one record set replace it, never the other way round.

    Source: DNSControl/dnscontrol#3493.
    """
    last: dict[Key, str] = {}
    for change in changes:
        place = _key(change.record)
        if place in last and (last[place] != "DELETE" or change.action == "DELETE"):
            text = "The request contains an invalid set of changes for a resource record set"
            _refuse([f"{text} '{place[1]} {place[0]}'"])
        last[place] = change.action
    counted = [*changes, *(change for change in changes if change.action == "UPSERT")]
    if sum(len(change.record.get("ResourceRecords", ())) for change in counted) > MOST_ELEMENTS:
        _refuse([f"Number of records limit of {MOST_ELEMENTS} exceeded."])


def _apply(after: Records, change: Change, zone: str, zone_id: str) -> Iterator[str]:
    """Make one change, or say why not (row R32)."""
    record, place = change.record, _key(change.record)
    label = f"[name='{place[0]}', type='{place[1]}'" + (f", set-identifier='{place[2]}'" if place[2] else "") + "]"
    if change.action == "DELETE":
        if place not in after:
            yield f"Tried to delete resource record set {label} but it was not found"
        elif after[place] != record:
            yield f"Tried to delete resource record set {label} but the values provided do not match the current values"
        else:
            del after[place]
    elif change.action == "CREATE" and place in after:
        yield f"Tried to create resource record set {label} but it already exists"
    else:
        yield from _name_conflicts(after, record, zone)
        yield from _alias_problems(after, record, zone, zone_id)
        after[place] = record


def _name_conflicts(after: Records, record: RecordSet, zone: str) -> Iterator[str]:
    """A CNAME is alone at its name, and leads to an end.

    Sources: ansible-collections/amazon.aws#2694; cdk-preflight, probed 2026-09; kubernetes-sigs/external-dns#630.
    """
    name, kind = record["Name"], record["Type"]
    others = {other for at, other, _ in after if at == name} - {kind}
    start = f"RRSet of type {kind} with DNS name {name} is not permitted"
    if kind == "CNAME" and others:
        yield f"{start} as it conflicts with other records with the same DNS name in zone {zone}"
    elif "CNAME" in others:
        reason = "a conflicting RRSet of type CNAME with the same DNS name already exists"
        yield f"{start} because {reason} in zone {zone}"
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


def _alias_problems(after: Records, record: RecordSet, zone: str, zone_id: str) -> Iterator[str]:
    """An alias to this zone leads to a record of its own type that exists (cdk-preflight; barnybug/cli53#213, #227)."""
    alias = record.get("AliasTarget")
    if not alias or not zone_id or alias["HostedZoneId"] != zone_id:
        return
    target, kind = alias["DNSName"], record["Type"]
    start = f"Tried to create an alias that targets {target}, type {kind} in zone {zone_id}, but"
    above = target.rstrip(".").split(".")[1:]
    wildcards = {".".join((r"\052", *above[depth:], "")) for depth in range(len(above))}  # that stand for the target
    if not _is_within(target, zone):
        yield f"{start} the alias target name does not lie within the target zone"
    elif not {at for at, other, _ in after if other == kind} & {target, *wildcards}:
        yield f"{start} that target was not found"


def _group_problems(after: Records, changes: Sequence[Change], zone: str) -> Iterator[str]:
    """Rows R26 to R28: record sets of a name and type follow one routing policy; what each may have once is once."""
    put = {_key(change.record): change.record for change in changes if change.action != "DELETE"}
    standing = [record for place, record in after.items() if place not in put]
    for record in put.values():
        beside = [other for other in standing if _key(other)[:2] == _key(record)[:2]]
        if conflict := _policy_conflict(record, beside):
            yield _subject(record) + conflict
        standing.append(record)
    for change in changes:
        name, kind, _ = _key(change.record)
        if change.action == "DELETE" and name == zone and _key(change.record) not in after and kind in _ZONES_OWN:
            yield _ZONES_OWN[kind]


def _policy_conflict(record: RecordSet, beside: Sequence[RecordSet]) -> str:
    """Why a record set cannot stand with these of its name and type, or ""."""
    policy = _policy(record)
    members = {"role": str(record.get("Failover", "")).lower(), "region": record.get("Region")}
    if any(_policy(other) != policy for other in beside):
        return _MIXED.get(policy, _MIXED[""]).format(**members)
    if policy in _ONCE and any(other[policy] == record[policy] for other in beside):
        return _ONCE[policy].format(**members)
    if policy == "Weight" and len({other["TTL"] for other in (*beside, record) if "TTL" in other}) > 1:
        return " cannot be created as weighted sets must contain the same TTL."
    return ""


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

_ZONES_OWN = {
    "SOA": "A HostedZone must contain exactly one SOA record.",
    "NS": "A HostedZone must contain at least one NS record for the zone itself.",
}
"""What a zone cannot be without: cdk-preflight, probed 2026-09-10; airbnb/zonify#1."""
