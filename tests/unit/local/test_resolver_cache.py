"""The resolver's memory, with a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import pytest

from srekv.local.resolver import Resolver
from srekv.local.zones import Answer, RecordSet

NAME = dns.name.from_text("svc.sre-test.local.")
A = dns.rdatatype.A
CNAME = dns.rdatatype.CNAME


@dataclass
class Zones:
    """A name server that answers what it is told to, and a clock."""

    answer: Answer
    asked: int = 0
    now: float = 1000.0

    def lookup(self, _: dns.name.Name, kind: dns.rdatatype.RdataType) -> Answer:
        """Answer, and count."""
        assert kind == A
        self.asked += 1
        return self.answer

    def resolver(self, speed: float) -> Resolver:
        """A resolver in front of these zones, on this clock."""
        return Resolver(self.lookup, speed=speed, clock=lambda: self.now)


def positive(ttl: float, address: str = "127.0.0.1", zone: str = "Z1") -> Answer:
    """An answer with one address."""
    return Answer(dns.rcode.NOERROR, (RecordSet(NAME, A, ttl, (dns.rdata.from_text("IN", "A", address),)),), (), zone)


def negative(ttl: float) -> Answer:
    """NXDOMAIN, to be cached for `ttl`."""
    soa = dns.rdata.from_text("IN", "SOA", "ns. host. 1 2 3 4 5")
    return Answer(dns.rcode.NXDOMAIN, (), (RecordSet(NAME, dns.rdatatype.SOA, ttl, (soa,)),), "Z1")


@pytest.mark.parametrize("speed", [1, 10, 20])
def test_a_ttl_counts_down_and_then_the_zones_are_asked_again(speed: float) -> None:
    """For ttl/speed wall seconds the old answer holds, whatever the zones say meanwhile; then the new one."""
    zones = Zones(positive(60))
    resolver = zones.resolver(speed)
    assert resolver.lookup(NAME, A).answer[0].ttl == pytest.approx(60 / speed)
    zones.answer = positive(60, "127.0.0.2")
    zones.now += 0.4 * 60 / speed
    held = resolver.lookup(NAME, A)
    assert held.answer[0].ttl == pytest.approx(0.6 * 60 / speed)
    assert held.answer[0].values[0].to_text() == "127.0.0.1"
    zones.now += 0.61 * 60 / speed
    assert resolver.lookup(NAME, A).answer[0].values[0].to_text() == "127.0.0.2"
    assert zones.asked == 2


def test_a_ttl_of_zero_is_not_cached() -> None:
    """TTL 0 means: ask each time."""
    zones = Zones(positive(0))
    resolver = zones.resolver(1)
    resolver.lookup(NAME, A)
    resolver.lookup(NAME, A)
    assert zones.asked == 2


WWW = dns.name.from_text("www.sre-test.local.")


def cname(owner: dns.name.Name, target: str, ttl: float = 300) -> Answer:
    """One CNAME."""
    return Answer(
        dns.rcode.NOERROR, (RecordSet(owner, CNAME, ttl, (dns.rdata.from_text("IN", "CNAME", target),)),), (), "Z1"
    )


@dataclass
class Names:
    """A name server with an answer for each name, whatever the type, and a clock."""

    answers: dict[dns.name.Name, Answer]
    asked: list[dns.name.Name] = field(default_factory=list)
    now: float = 1000.0

    def step(self, name: dns.name.Name, _: dns.rdatatype.RdataType) -> Answer:
        """Answer, and note the name."""
        self.asked.append(name)
        return self.answers.get(name, Answer(dns.rcode.REFUSED))

    def resolver(self) -> Resolver:
        """A resolver in front of them, on this clock."""
        return Resolver(self.step, speed=1, clock=lambda: self.now)


def test_each_record_of_a_chain_expires_by_itself() -> None:
    """The address is asked for again after its own TTL; the CNAME that leads to it counts on, for every type."""
    names = Names({WWW: cname(WWW, "svc.sre-test.local."), NAME: positive(10)})
    resolver = names.resolver()
    assert [one.ttl for one in resolver.lookup(WWW, A).answer] == [300, 10]
    names.now += 11
    names.answers = {WWW: cname(WWW, "elsewhere.sre-test.local."), NAME: positive(10, "127.0.0.2")}
    later = resolver.lookup(WWW, A)
    assert [(one.ttl, one.values[0].to_text()) for one in later.answer] == [
        (289, "svc.sre-test.local."),
        (10, "127.0.0.2"),
    ]
    assert resolver.lookup(NAME, A).answer == later.answer[1:]
    resolver.lookup(WWW, dns.rdatatype.TXT)
    assert names.asked == [WWW, NAME, NAME, NAME]


def test_no_cname_at_a_name_says_nothing_about_its_other_types() -> None:
    """A cached "no data" for the type CNAME is not taken for an answer to A."""
    names = Names({NAME: negative(900)})
    resolver = names.resolver()
    resolver.lookup(NAME, CNAME)
    names.answers = {NAME: positive(60)}
    assert resolver.lookup(NAME, A).answer


@pytest.mark.parametrize("target", ["www.example.com.", "www.sre-test.local."])
def test_a_cname_that_leads_nowhere_fails(target: str) -> None:
    """Out of every zone, or in a circle: SERVFAIL and nothing else, as from unbound and BIND, and never cached."""
    names = Names({WWW: cname(WWW, target)})
    resolver = names.resolver()
    for _ in range(2):
        answer = resolver.lookup(WWW, A)
        assert (answer.rcode, answer.answer, answer.zone) == (dns.rcode.SERVFAIL, (), None)
        assert answer.incomplete
    names.answers[dns.name.from_text("www.example.com.")] = positive(60)
    assert (resolver.lookup(WWW, A).rcode == dns.rcode.NOERROR) == (target == "www.example.com.")
    assert resolver.lookup(WWW, CNAME).rcode == dns.rcode.NOERROR


def test_a_chain_that_ends_in_nothing_is_negative() -> None:
    """The CNAMEs, then NXDOMAIN for the last name (RFC 6604), cached like any other."""
    names = Names({WWW: cname(WWW, "svc.sre-test.local."), NAME: negative(900)})
    resolver = names.resolver()
    for authority in (1, 0):
        answer = resolver.lookup(WWW, A)
        assert (answer.rcode, len(answer.answer), len(answer.authority)) == (dns.rcode.NXDOMAIN, 1, authority)
    assert names.asked == [WWW, NAME]


@pytest.mark.parametrize(("said", "kept"), [(15, 15), (900, 300)])
def test_a_negative_answer_is_kept_for_at_most_300_seconds_and_loses_its_soa(said: float, kept: float) -> None:
    """As recorded inside a VPC: a record created after a failed lookup stays invisible that long."""
    zones = Zones(negative(said))
    resolver = zones.resolver(10)
    assert resolver.lookup(NAME, A).authority[0].ttl == pytest.approx(kept / 10)
    zones.answer = positive(60)
    zones.now += kept / 10 - 0.001
    cached = resolver.lookup(NAME, A)
    assert (cached.rcode, cached.answer, cached.authority) == (dns.rcode.NXDOMAIN, (), ())
    zones.now += 0.002
    assert resolver.lookup(NAME, A).rcode == dns.rcode.NOERROR


def test_a_refusal_is_not_cached() -> None:
    """A zone that appears is seen at once."""
    zones = Zones(Answer(dns.rcode.REFUSED))
    resolver = zones.resolver(1)
    resolver.lookup(NAME, A)
    zones.answer = positive(60)
    assert resolver.lookup(NAME, A).rcode == dns.rcode.NOERROR


def test_a_deleted_zone_is_forgotten_and_the_others_are_kept() -> None:
    """A zone created again under the same name is another zone."""
    zones = Zones(positive(60))
    resolver = zones.resolver(1)
    resolver.lookup(NAME, A)
    resolver.keep_only({"Z1"})
    resolver.lookup(NAME, A)
    assert zones.asked == 1
    resolver.keep_only({"Z2"})
    resolver.lookup(NAME, A)
    assert zones.asked == 2


def test_the_cache_does_not_grow_without_end() -> None:
    """Random names do not fill the memory: the oldest knowledge goes first."""
    zones = Zones(negative(900))
    resolver = zones.resolver(1)
    names = [dns.name.from_text(f"n{number}.sre-test.local.") for number in range(10_050)]
    for name in names:
        resolver.lookup(name, A)
    zones.asked = 0
    for name in names[-50:]:
        resolver.lookup(name, A)
    assert zones.asked == 0
    resolver.lookup(names[0], A)
    assert zones.asked == 1
