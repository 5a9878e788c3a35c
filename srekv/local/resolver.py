"""The VPC's caching resolver, which clients ask: pure but for a given clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import dns.name
import dns.rcode
import dns.rdatatype

from srekv.local.zones import Answer, Lookup, RecordSet, follow

LONGEST_NEGATIVE = 300.0
"""AWS-equivalent seconds for which the VPC resolver believes that something does not exist."""

_ROOM = 10_000  # answers in the cache; when that is not enough, the expired ones go, and if need be all


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer  # TTLs in wall seconds from `since`
    since: float
    until: float


class Resolver:
    """The VPC's: asks the name server once for each name and type, then counts TTLs down; rounding is the wire's.

    Recorded on AWS: a negative answer is kept for at most 300 s whatever the zone says, and comes from the cache
    without its SOA.

    `ask` answers for one name, with TTLs in AWS-equivalent seconds; `clock` is in monotonic wall seconds.
    """

    def __init__(self, ask: Lookup, *, speed: float, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._speed = speed
        self._clock = clock
        self._kept: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], _Kept] = {}

    def lookup(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """The answer with the TTLs that remain, in wall seconds; SERVFAIL where a CNAME leads nowhere."""
        answer = follow(name, kind, self._step)
        return Answer(dns.rcode.SERVFAIL, incomplete=answer.incomplete) if answer.incomplete else answer

    def _step(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        now = self._clock()
        for key in ((name, kind), (name, dns.rdatatype.CNAME)):
            kept = self._kept.get(key)
            if kept is not None and now < kept.until and (kept.answer.answer or key[1] == kind):
                left = tuple(replace(one, ttl=one.ttl - (now - kept.since)) for one in kept.answer.answer)
                return replace(kept.answer, answer=left, authority=())
        answer = self._in_wall_seconds(self._ask(name, kind))
        lasts = min((records.ttl for records in (*answer.answer, *answer.authority)), default=0.0)
        if answer.zone is not None and lasts > 0:
            if len(self._kept) >= _ROOM:
                self._kept = {key: kept for key, kept in self._kept.items() if now < kept.until}
            if len(self._kept) >= _ROOM:
                self._kept.clear()
            shown = kind if kind == dns.rdatatype.ANY or not answer.answer else answer.answer[0].type
            self._kept[name, shown] = _Kept(answer, now, now + lasts)
        return answer

    def keep_only(self, zones: Collection[str]) -> None:
        """Forget what came from any other zone: a zone that was deleted and created again is another one."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.answer.zone in zones}

    def _in_wall_seconds(self, answer: Answer) -> Answer:
        def scaled(sets: tuple[RecordSet, ...], longest: float) -> tuple[RecordSet, ...]:
            return tuple(replace(records, ttl=min(records.ttl, longest) / self._speed) for records in sets)

        return replace(
            answer, answer=scaled(answer.answer, math.inf), authority=scaled(answer.authority, LONGEST_NEGATIVE)
        )
