"""What Route 53 refuses of a record set's values, type by type.

Sources: badmintoncryer/cdk-preflight, probed 2026-09; TXT: kubernetes-sigs/external-dns#4792, boto/boto3#1462; MX:
GSA-TTS/dns#373; a value twice: kubernetes-sigs/external-dns#1929; one value only: API reference of ResourceRecord. What
the answer is to a CNAME with two values, and to what `_unreadable` finds, is not recorded: the code is documented, the
text is ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from srekv.local import names

MOST_VALUES = 400
LONGEST_STRING = 255

_STRING = r'"((?:[^"\\]|\\[0-3][0-7]{2}|\\.)*)"'
_STRINGS = re.compile(rf"{_STRING}(?:[ \t]+{_STRING})*")
_CAA = re.compile(r"\d+\s+(\S+)\s")

_ADDRESSES = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
_FIELDS = {"MX": (2, "Two", 1), "SOA": (7, "Seven", 0), "SRV": (4, "Four", 3)}
"""Type -> how many fields it has, that number as a word, and which of them is a domain name."""


def problems(kind: str, values: Sequence[str]) -> Iterator[str]:
    """The messages for the values of one record set of this type."""
    if kind in ("CNAME", "SOA") and len(values) > 1:
        yield f"A RRSet of type {kind} cannot have more than one value."
    if len(values) > MOST_VALUES:
        yield f"Cannot have more than {MOST_VALUES} records in a RRSet."
    for number, value in enumerate(values):
        text = _problem(kind, value) or _unreadable(kind, value)
        if text:
            yield f"Invalid Resource Record: '{text}'"
        elif value in values[:number]:
            yield f"Duplicate Resource Record: '{value}'"


def _problem(kind: str, value: str) -> str | None:
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
