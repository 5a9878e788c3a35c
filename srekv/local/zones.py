"""What is known about a name: in the hosted zones, with the health of the moment decided.

Pure but for dice and a given clock: the table is built whenever the zones change or the health of a check does, and
then only read. That is also how Route 53 does it: health is evaluated when it changes, not when a query arrives.
"""

from __future__ import annotations

import logging
import random
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

from srekv.local.model import Record, Zone
from srekv.local.names import decimal
from srekv.local.routing import Routes, UnemulatedError, choose, judge

_log = logging.getLogger(__name__)

LONGEST_CHAIN = 11
"""CNAMEs that are followed: unbound 1.17.1 and BIND 9.18.49 answer eleven of them, and SERVFAIL to twelve."""

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
    """The outcome of a lookup."""

    rcode: dns.rcode.Rcode  # NOERROR, NXDOMAIN, REFUSED for a name outside every zone, SERVFAIL
    answer: tuple[RecordSet, ...] = ()  # the records asked for, with the CNAMEs that lead to them
    authority: tuple[RecordSet, ...] = ()  # of a negative answer: the SOA, its TTL being how long that may be cached
    zone: str | None = None  # the id of the hosted zone that the last name is in
    incomplete: str = ""  # why the answer does not lead to its end, "" for one that does


Lookup = Callable[[dns.name.Name, dns.rdatatype.RdataType], Answer]


def follow(name: dns.name.Name, kind: dns.rdatatype.RdataType, step: Lookup) -> Answer:
    """Look up a name, and what its CNAME leads to; `step` answers for one name alone, maybe with a CNAME."""
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
    """Every hosted zone, ready to be asked. A value that is not valid DNS is logged and left out.

    `healthy` is the verdict on a health check, by its id; `dice` chooses among weighted and multivalue answer records,
    for each query anew.
    """

    def __init__(self, zones: Iterable[Zone], healthy: Callable[[str], bool], dice: random.Random) -> None:
        self._healthy = healthy
        self._dice = dice
        self.build(zones)

    def build(self, zones: Iterable[Zone]) -> None:
        """Serve these zones and no others, with the health of this moment."""
        contents = [_Contents(zone, self._healthy, self._dice) for zone in zones]
        self._zones = {one.origin: one for one in contents}

    def lookup(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """Answer as the zones' name server, CNAMEs followed into any zone."""
        return follow(name, kind, self.step)

    def step(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """Answer for one name: the most specific zone decides, and never falls through to another one."""
        zone = self._zone_of(name)
        if zone is None:
            return Answer(dns.rcode.REFUSED)
        groups = zone.at(name)
        if groups is None:
            return Answer(dns.rcode.NXDOMAIN, (), zone.negative, zone.id)
        wanted = tuple(groups) if kind == _ANY else tuple(one for one in (kind, _CNAME) if one in groups)[:1]
        try:
            found = tuple(records for one in wanted if (records := zone.answer(name, groups[one])))
        except UnemulatedError as error:
            return Answer(dns.rcode.SERVFAIL, incomplete=str(error))
        return Answer(dns.rcode.NOERROR, found, () if found else zone.negative, zone.id)

    def _zone_of(self, name: dns.name.Name) -> _Contents | None:
        while name not in self._zones:
            if not name.labels or name == dns.name.root:
                return None
            name = name.parent()
        return self._zones[name]


_Groups = dict[dns.rdatatype.RdataType, tuple[Record, ...]]


class _Contents:
    """One zone's records by name and type, their health decided."""

    def __init__(self, zone: Zone, healthy: Callable[[str], bool], dice: random.Random) -> None:
        self.id = zone.id
        self.origin = dns.name.from_text(decimal(zone.name))
        self._names: dict[dns.name.Name, _Groups] = {self.origin: {}}
        self._sets: dict[Record, RecordSet] = {}
        self._aliases: dict[Record, dns.name.Name] = {}
        for record in zone.records:
            self._add(record)
        targets = {record: self._target(record, name) for record, name in self._aliases.items()}
        health = judge(self._sets, targets.__getitem__, healthy)
        self._routes = Routes(targets=targets.__getitem__, health=health, region=zone.region, dice=dice)
        self.negative: tuple[RecordSet, ...] = ()
        if own := self._names[self.origin].get(dns.rdatatype.SOA):
            soa = self._sets[own[0]]
            minimum = cast("dns.rdtypes.ANY.SOA.SOA", soa.values[0]).minimum
            # What does not exist may be cached for the smaller of the SOA's TTL and its minimum (RFC 2308).
            self.negative = (replace(soa, ttl=min(soa.ttl, minimum)),)

    def at(self, name: dns.name.Name) -> _Groups | None:
        """What exists at a name, wildcards included; {} where there are only names below it, None for no such name."""
        if name in self._names:
            return self._names[name]
        parent = name.parent()
        while parent not in self._names:
            parent = parent.parent()
        return self._names.get(dns.name.Name((b"*", *parent.labels)))

    def answer(self, name: dns.name.Name, group: tuple[Record, ...]) -> RecordSet | None:
        """What Route 53 chooses of one type's records, under the name that was asked for. Raises UnemulatedError."""
        sets = [self._sets[record] for record in choose(group, self._routes)]
        values = tuple(value for one in sets for value in one.values)
        if not values:
            return None
        own = self._sets[group[0]].name  # in its own letter case; another one where a wildcard stands for the name
        return RecordSet(own if own == name else name, sets[0].type, min(one.ttl for one in sets), values)

    def _target(self, record: Record, target: dns.name.Name) -> tuple[Record, ...] | None:
        """The records that an alias leads to; None where they are not in this zone."""
        if record.alias is None or record.alias.zone != self.id:
            return None
        groups = (self.at(target) if target.is_subdomain(self.origin) else None) or {}
        return groups.get(self._sets[record].type, ())

    def _add(self, record: Record) -> None:
        try:
            name = dns.name.from_text(decimal(record.name))
            target = dns.name.from_text(decimal(record.alias.name)) if record.alias else None
            kind = dns.rdatatype.from_text(record.type)
            values = tuple(
                dns.rdata.from_text(dns.rdataclass.IN, kind, decimal(value), dns.name.root, relativize=False)
                for value in record.values
            )
        except (dns.exception.DNSException, ValueError) as error:
            _log.warning("not served: %s %s: %s", record.name, record.type, error)
            return
        if not name.is_subdomain(self.origin):
            return
        above = name
        while above != self.origin:
            self._names.setdefault(above, {})
            above = above.parent()
        if target is not None:
            self._aliases[record] = target
        self._sets[record] = RecordSet(name, kind, record.ttl, values)
        self._names[name][kind] = (*self._names[name].get(kind, ()), record)
