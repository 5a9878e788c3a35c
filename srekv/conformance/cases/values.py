"""Records whose values, names or neighbours Route 53 refuses (aws-recorded, row R33). None of them takes effect."""

from __future__ import annotations

from typing import Any

from srekv.conformance.cases import things
from srekv.conformance.cases.desk import Desk
from srekv.conformance.cases.model import Case
from srekv.conformance.cases.records import Changes, invalid_batch, record, refused

_PROBED = "cdk-preflight, probed 2026-09-10"


def _put(name: str, kind: str, *values: str, **members: Any) -> Changes:
    """One record of this type, by its first label."""
    made = {"Type": kind, "ResourceRecords": [{"Value": value} for value in values], **members}
    return lambda _, zone: [("CREATE", record(zone, name, **made))]


def _beside(first: Changes, second: Changes) -> Changes:
    return lambda desk, zone: [*first(desk, zone), *second(desk, zone)]


def _alias(kind: str) -> Changes:
    def changes(desk: Desk, zone: str) -> list[tuple[str, dict[str, Any]]]:
        members = {"HostedZoneId": things.zone(desk)[0], "DNSName": f"absent.{zone}", "EvaluateTargetHealth": False}
        return [("CREATE", {"Name": f"alias.{zone}", "Type": kind, "AliasTarget": members})]

    return changes


_TABLE: tuple[tuple[str, str, str, str, str, Changes], ...] = (
    ("record-cname-alone", "", "A CNAME is the only record of its name.",
     "is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone",
     f"{_PROBED}; ansible-collections/amazon.aws#2694",
     _beside(_put("both", "CNAME", "target.test"), _put("both", "A", "192.0.2.1"))),
    ("record-cname-once", "", "A CNAME has one value.", "", "API reference of ResourceRecord; the text is not recorded",
     _put("two", "CNAME", "one.test", "two.test")),
    ("record-alias-target", "", "An alias to its own zone leads to a record of its type that is there.",
     r"Tried to create an alias that targets absent\..*, type A in zone .*, but that target was not found",
     f"{_PROBED}; barnybug/cli53#227", _alias("A")),
    ("record-alias-type", "record-type-policy", "An alias has no type that belongs to a zone.",
     "type NS contains an alias target, but aliases of that type are forbidden", _PROBED, _alias("NS")),
    ("record-type-policy", "", "NS and SOA have no routing policy and no alias.",
     "type NS, SetIdentifier one cannot be created because this type of RRSet is not supported", _PROBED,
     _put("ns", "NS", "ns.test", SetIdentifier="one", Weight=1)),
    ("record-weights-ttl", "", "Weighted records of a name and type have one TTL.",
     "SetIdentifier two cannot be created as weighted sets must contain the same TTL", _PROBED,
     _beside(_put("ttl", "A", "192.0.2.1", SetIdentifier="one", Weight=1),
             _put("ttl", "A", "192.0.2.2", SetIdentifier="two", Weight=1, TTL=20))),
    ("record-value-twice", "", "A record set has a value once.", r"Duplicate Resource Record: '192\.0\.2\.1'",
     "kubernetes-sigs/external-dns#1929, #6019", _put("twice", "A", "192.0.2.1", "192.0.2.1")),
    ("record-value-format", "", "A value has the format of its type.",
     r"ARRDATAIllegalIPv4Address \(Value is not a valid IPv4 address\) encountered with '192\.0\.2'",
     f"documentation: supported DNS record types; {_PROBED}", _put("address", "A", "192.0.2")),
    ("record-value-text", "record-value-format", "The value of a TXT record is in quotation marks.",
     r"InvalidCharacterString \(Value should be enclosed in quotation marks\) encountered with 'v=spf1 -all'",
     "kubernetes-sigs/external-dns#4792", _put("text", "TXT", "v=spf1 -all")),
    ("record-value-mail", "record-value-format", "An MX value is a priority and a name.",
     r"MXRRDATANotTwoFields \(MX record doesn't have 2 fields\) encountered with 'mail\.test'",
     "GSA-TTS/dns#373", _put("mail", "MX", "mail.test")),
    ("record-values-most", "", "A record set has 400 values at most, a batch 1,000.",
     r"Cannot have more than 400 records in a RRSet\.", _PROBED,
     _put("many", "A", *(f"10.0.{one // 256}.{one % 256}" for one in range(401)))),
    ("record-name-format", "", "A record's name is a DNS name.",
     r"FATAL problem: DomainLabelTooLong \(Domain label is too long\) encountered with 'a{64}'",
     "cdk-preflight, probed 2026-09-13", _put("a" * 64, "A", "192.0.2.1")),
)  # fmt: skip
"""Rule, its law if that has another name, what it says, the recorded text, source, batch."""

CASES: tuple[Case, ...] = tuple(
    refused(name, "R33", says, invalid_batch(text), changes, source=source, law=law)
    for name, law, says, text, source, changes in _TABLE
)
