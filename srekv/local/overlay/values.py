"""What Route 53 refuses of a record set's values, type by type.

Sources: badmintoncryer/cdk-preflight, probed 2026-09; TXT: kubernetes-sigs/external-dns#4792, boto/boto3#1462; MX:
GSA-TTS/dns#373; a value twice: kubernetes-sigs/external-dns#1929; one value only: API reference of ResourceRecord. What
the answer is to a CNAME with two values, and to what `_unreadable` finds, is not recorded: the code is documented, the
text is ours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from srekv.local import names

MOST_VALUES = 400
LONGEST_STRING = 255

_ONE_VALUE = ("CNAME", "SOA")
_STRING = r'"((?:[^"\\]|\\[0-3][0-7]{2}|\\.)*)"'
_STRINGS = re.compile(rf"{_STRING}(?:[ \t]+{_STRING})*")
_CAA = re.compile(r"\d+\s+(\S+)\s")


def problems(kind: str, values: Sequence[str]) -> Iterator[str]:
    """The messages for the values of one record set of this type."""
    if kind in _ONE_VALUE and len(values) > 1:
        yield f"A RRSet of type {kind} cannot have more than one value."
    if len(values) > MOST_VALUES:
        yield f"Cannot have more than {MOST_VALUES} records in a RRSet."
    for number, value in enumerate(values):
        text = _CHECKS.get(kind, _nothing)(value) or _unreadable(kind, value)
        if text:
            yield f"Invalid Resource Record: '{text}'"
        elif value in values[:number]:
            yield f"Duplicate Resource Record: '{value}'"


def _fatal(code: str, says: str, value: str) -> str:
    return f"FATAL problem: {code} ({says}) encountered with '{value}'"


def _nothing(_value: str) -> None:
    return None


def _address(version: int, parse: Callable[[str], object]) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        try:
            parse(value)
        except ValueError:
            kind = {4: "A", 6: "AAAA"}[version]
            return _fatal(
                f"{kind}RRDATAIllegalIPv{version}Address", f"Value is not a valid IPv{version} address", value
            )
        return None

    return check


def _text(value: str) -> str | None:
    if strange := next((one for one in value if not " " <= one <= "~"), ""):
        shown = strange if strange.isascii() else "?"
        return _fatal("UnsupportedCharacter", "Value contains unsupported characters", shown)
    if not _STRINGS.fullmatch(value):
        return _fatal("InvalidCharacterString", "Value should be enclosed in quotation marks", value)
    if any(len(re.sub(r"\\([0-3][0-7]{2}|.)", "x", one)) > LONGEST_STRING for one in re.findall(_STRING, value)):
        return _fatal("CharacterStringTooLong", "Value is too long", value)
    return None


def _fields(kind: str, count: int, word: str, name: int | None = None) -> Callable[[str], str | None]:
    """A check of so many fields, of which the one at `name` is a domain name."""

    def check(value: str) -> str | None:
        parts = value.split()
        if len(parts) != count:
            return _fatal(f"{kind}RRDATANot{word}Fields", f"{kind} record doesn't have {count} fields", value)
        return None if name is None else names.problem(parts[name])

    return check


def _authority(value: str) -> str | None:
    tag = _CAA.match(value)
    if tag and tag[1] not in ("issue", "issuewild", "iodef"):
        return _fatal(
            "CAARRDATAInvalidTag", "Invalid tag", "Only issue/issuewild/iodef is allowed for non critical flags."
        )
    return None


def _unreadable(kind: str, value: str) -> str | None:
    """What DNS's own text form does not allow: such a record could not be served."""
    try:
        dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), names.decimal(value))
    except (dns.exception.DNSException, ValueError):
        return _fatal(f"{kind}RRDATANotValid", f"Invalid {kind} record", value)
    return None


_CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "A": _address(4, ipaddress.IPv4Address),
    "AAAA": _address(6, ipaddress.IPv6Address),
    "CAA": _authority,
    "CNAME": names.problem,
    "MX": _fields("MX", 2, "Two", name=1),
    "NS": names.problem,
    "PTR": names.problem,
    "SOA": _fields("SOA", 7, "Seven", name=0),
    "SPF": _text,
    "SRV": _fields("SRV", 4, "Four", name=3),
    "TXT": _text,
}
