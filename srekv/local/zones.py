"""What Route 53 knows about a name: lookups in the hosted zones, with the failover of the moment already decided.

Pure: a table is built whenever the zones change or the health of a check does, and then only read. That is also how
Route 53 does it: health is evaluated when it changes, not when somebody asks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import cast

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.SOA

from srekv.local.failover import choose
from srekv.local.model import Record, Zone
from srekv.local.names import decimal

_log = logging.getLogger(__name__)

LONGEST_CHAIN = 11
"""CNAMEs that are followed: unbound 1.17.1 and BIND 9.18.49 answer eleven of them, and SERVFAIL to twelve."""

_SOA = dns.rdatatype.SOA
_CNAME = dns.rdatatype.CNAME
_ANY = dns.rdatatype.ANY


@dataclass(frozen=True, slots=True)
class RecordSet:
    """Values of one name and type; the unit of `ttl` (AWS-equivalent or wall seconds) is its owner's business."""

    name: dns.name.Name
    type: dns.rdatatype.RdataType
    ttl: float
    values: tuple[dns.rdata.Rdata, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a lookup.

    Attributes:
        rcode: NOERROR, NXDOMAIN, REFUSED for a name outside every zone, SERVFAIL.
        answer: the records asked for, with the CNAMEs that lead to them.
        authority: the zone's SOA when the answer is negative, its TTL being how long that may be cached.
        zone: the id of the hosted zone that the last name is in.
        incomplete: why the answer does not lead to its end, "" for one that does.
    """

    rcode: dns.rcode.Rcode
    answer: tuple[RecordSet, ...] = ()
    authority: tuple[RecordSet, ...] = ()
    zone: str | None = None
    incomplete: str = ""


Lookup = Callable[[dns.name.Name, dns.rdatatype.RdataType], Answer]


def follow(name: dns.name.Name, kind: dns.rdatatype.RdataType, step: Lookup) -> Answer:
    """Look up a name, and what its CNAME leads to.

    Args:
        name: where the chain starts.
        kind: the type wanted at its end.
        step: answers for one name alone, with a CNAME that stands there for every other type.
    """
    chain: tuple[RecordSet, ...] = ()
    while True:
        found = step(name, kind)
        if chain and found.rcode == dns.rcode.REFUSED:
            return Answer(dns.rcode.NOERROR, chain, incomplete=f"{name} is outside every hosted zone")
        if found.rcode == dns.rcode.SERVFAIL:
            return found
        chain += found.answer
        if kind in (_CNAME, _ANY) or not found.answer or found.answer[0].type != _CNAME:
            return replace(found, answer=chain)
        name = cast("dns.rdtypes.ANY.CNAME.CNAME", found.answer[0].values[0]).target
        if any(link.name == name for link in chain):
            return replace(found, answer=chain, incomplete=f"the CNAMEs lead back to {name}")
        if len(chain) > LONGEST_CHAIN:
            return replace(found, answer=chain, incomplete=f"more than {LONGEST_CHAIN} CNAMEs in a chain")


class ZoneTable:
    """Every hosted zone, ready to be asked.

    Args:
        zones: the hosted zones. A value that is not valid DNS is logged and left out.
        healthy: the verdict on a health check, by its id; asked now, for every failover record.
    """

    def __init__(self, zones: Iterable[Zone], healthy: Callable[[str], bool]) -> None:
        self._zones = {}
        for zone in zones:
            contents = _Contents(zone, healthy)
            self._zones[contents.origin] = contents

    def lookup(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """Answer as the zones' name server, CNAMEs followed into any zone."""
        return follow(name, kind, self.step)

    def step(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """Answer for one name: the most specific zone decides, and never falls through to another one."""
        zone = self._zone_of(name)
        if zone is None:
            return Answer(dns.rcode.REFUSED)
        sets = zone.at(name)
        if sets is None:
            return Answer(dns.rcode.NXDOMAIN, (), zone.negative, zone.id)
        found = tuple(sets.values()) if kind == _ANY else tuple(sets[one] for one in (kind, _CNAME) if one in sets)[:1]
        if not found:
            return Answer(dns.rcode.NOERROR, (), zone.negative, zone.id)
        return Answer(dns.rcode.NOERROR, tuple(_named(one, name) for one in found), (), zone.id)

    def _zone_of(self, name: dns.name.Name) -> _Contents | None:
        while True:
            if name in self._zones:
                return self._zones[name]
            if not name.labels or name == dns.name.root:
                return None
            name = name.parent()


class _Contents:
    """One zone's records by name and type, failover decided."""

    def __init__(self, zone: Zone, healthy: Callable[[str], bool]) -> None:
        self.id = zone.id
        self.origin = dns.name.from_text(decimal(zone.name))
        self._names: dict[dns.name.Name, dict[dns.rdatatype.RdataType, RecordSet]] = {self.origin: {}}
        groups: dict[tuple[str, str], list[Record]] = {}
        for record in zone.records:
            groups.setdefault((record.name, record.type), []).append(record)
        for group in groups.values():
            self._add(choose(group, healthy))
        self.negative = self._negative()

    def at(self, name: dns.name.Name) -> dict[dns.rdatatype.RdataType, RecordSet] | None:
        """What exists at a name, wildcards included; {} where there are only names below it, None for no such name."""
        if name in self._names:
            return self._names[name]
        parent = name.parent()
        while parent not in self._names:
            parent = parent.parent()
        return self._names.get(dns.name.Name((b"*", *parent.labels)))

    def _add(self, records: tuple[Record, ...]) -> None:
        try:
            name = dns.name.from_text(decimal(records[0].name))
            kind = dns.rdatatype.from_text(records[0].type)
            values = tuple(
                dns.rdata.from_text(dns.rdataclass.IN, kind, decimal(value), dns.name.root, relativize=False)
                for record in records
                for value in record.values
            )
        except (dns.exception.DNSException, ValueError) as error:
            _log.warning("not served: %s %s: %s", records[0].name, records[0].type, error)
            return
        if not name.is_subdomain(self.origin):
            return
        above = name
        while above != self.origin:
            self._names.setdefault(above, {})
            above = above.parent()
        if values:
            self._names[name][kind] = RecordSet(name, kind, min(record.ttl for record in records), values)

    def _negative(self) -> tuple[RecordSet, ...]:
        """The SOA for negative answers, which may be cached for the smaller of its TTL and its minimum (RFC 2308)."""
        soa = self._names[self.origin].get(_SOA)
        if soa is None:
            return ()
        minimum = cast("dns.rdtypes.ANY.SOA.SOA", soa.values[0]).minimum
        return (RecordSet(soa.name, _SOA, min(soa.ttl, minimum), soa.values),)


def _named(records: RecordSet, name: dns.name.Name) -> RecordSet:
    """The set under the name that was asked for, where a wildcard stands for it."""
    return records if records.name == name else RecordSet(name, records.type, records.ttl, records.values)
