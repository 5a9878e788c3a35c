"""Lookups in the hosted zones."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from typing import cast

import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import pytest

from srekv.local.model import Alias, Record, Zone
from srekv.local.zones import Answer, ZoneTable

SOA = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"


def zone(*records: Record, name: str = "sre-test.local.", soa: str = SOA) -> Zone:
    """A zone as CreateHostedZone makes it, with more records."""
    return Zone(
        id=f"Z-{name}",
        name=name,
        records=(
            Record(name=name, type="SOA", ttl=900, values=(soa,)),
            Record(name=name, type="NS", ttl=172800, values=("ns-1536.awsdns-00.co.uk.",)),
            *records,
        ),
    )


def record(name: str, kind: str, *values: str, ttl: int = 60, **policy: object) -> Record:
    """A simple record, or one with members of a routing policy."""
    return replace(Record(name=name, type=kind, ttl=ttl, values=values), **policy)


def ask(zones: list[Zone], name: str, kind: str = "A") -> Answer:
    """What the zones answer while everything is healthy."""
    return table(*zones).lookup(dns.name.from_text(name), dns.rdatatype.from_text(kind))


def table(*zones: Zone, down: Collection[str] = ()) -> ZoneTable:
    """These zones while these health checks are unhealthy."""
    return ZoneTable(zones, lambda check: check not in down, random.Random(1))


def values(answer: Answer) -> list[str]:
    """The answer's records as text."""
    return [f"{one.name} {value.to_text()}" for one in answer.answer for value in one.values]


def test_a_record_is_found_whatever_the_case() -> None:
    """Names are compared as DNS does, and nothing is in the authority section of a positive answer."""
    answer = ask([zone(record("svc.sre-test.local.", "A", "127.0.0.1", "127.0.0.2"))], "SVC.sre-test.LOCAL.")
    assert values(answer) == ["svc.sre-test.local. 127.0.0.1", "svc.sre-test.local. 127.0.0.2"]
    assert answer.rcode == dns.rcode.NOERROR
    assert answer.authority == ()


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("svc.sre-test.local.", "AAAA", dns.rcode.NOERROR),
        ("sre-test.local.", "A", dns.rcode.NOERROR),
        ("b.sre-test.local.", "A", dns.rcode.NOERROR),  # only a.b exists
        ("nobody.sre-test.local.", "A", dns.rcode.NXDOMAIN),
        ("x.svc.sre-test.local.", "A", dns.rcode.NXDOMAIN),
    ],
)
def test_nodata_and_nxdomain_carry_the_soa(name: str, kind: str, rcode: dns.rcode.Rcode) -> None:
    """A name that exists without the type is NODATA, another one NXDOMAIN; both say how long that may be cached."""
    zones = [zone(record("svc.sre-test.local.", "A", "127.0.0.1"), record("a.b.sre-test.local.", "A", "127.0.0.1"))]
    answer = ask(zones, name, kind)
    assert (answer.rcode, answer.answer) == (rcode, ())
    assert [(one.type, one.ttl) for one in answer.authority] == [(dns.rdatatype.SOA, 900)]


def test_the_negative_ttl_is_the_smaller_of_soa_ttl_and_minimum() -> None:
    """A lowered SOA minimum shortens negative caching (RFC 2308)."""
    answer = ask([zone(soa=SOA.replace("86400", "15"))], "nobody.sre-test.local.")
    assert [one.ttl for one in answer.authority] == [15]


@pytest.mark.parametrize("name", ["example.com.", "local.", ".", "other-sre-test.local."])
def test_outside_the_zones_is_refused(name: str) -> None:
    """Only the hosted zones are answered."""
    assert ask([zone()], name) == Answer(dns.rcode.REFUSED)


def test_the_most_specific_zone_decides_alone() -> None:
    """A zone below another hides everything the upper one says about its names."""
    zones = [zone(record("a.sub.sre-test.local.", "A", "127.0.0.1")), zone(name="sub.sre-test.local.")]
    answer = ask(zones, "a.sub.sre-test.local.")
    assert (answer.rcode, answer.zone) == (dns.rcode.NXDOMAIN, "Z-sub.sre-test.local.")


def test_a_cname_is_followed_into_any_zone() -> None:
    """The chain and its end are one answer; it stops where the zones end."""
    zones = [
        zone(
            record("www.sre-test.local.", "CNAME", "svc.other.test."),
            record("out.sre-test.local.", "CNAME", "example.com."),
            record("gone.sre-test.local.", "CNAME", "nobody.sre-test.local."),
        ),
        zone(record("svc.other.test.", "A", "127.0.0.9"), name="other.test."),
    ]
    assert values(ask(zones, "www.sre-test.local.")) == [
        "www.sre-test.local. svc.other.test.",
        "svc.other.test. 127.0.0.9",
    ]
    out = ask(zones, "out.sre-test.local.")
    assert (values(out), out.rcode) == (["out.sre-test.local. example.com."], dns.rcode.NOERROR)
    assert out.incomplete == "example.com. is outside every hosted zone"
    assert ask(zones, "gone.sre-test.local.").rcode == dns.rcode.NXDOMAIN
    assert values(ask(zones, "www.sre-test.local.", "CNAME")) == ["www.sre-test.local. svc.other.test."]


NAMES = {
    "CNAME": ("www.example.com", "www.example.com."),
    "MX": ("10 mail.example.com", "10 mail.example.com."),
    "NS": ("ns1.example.com", "ns1.example.com."),
    "PTR": ("host.example.com", "host.example.com."),
    "SRV": ("1 10 5269 xmpp.example.com", "1 10 5269 xmpp.example.com."),
    "NAPTR": (r'100 50 "s" "SIP+D2U" "" _sip._udp.example.com', '100 50 "s" "SIP+D2U" "" _sip._udp.example.com.'),
    "SVCB": ("1 svc.example.com alpn=h2", '1 svc.example.com. alpn="h2"'),
    "HTTPS": ("1 web.example.com alpn=h3", '1 web.example.com. alpn="h3"'),
    "SOA": ("ns.example.com admin.example.com 1 2 3 4 5", "ns.example.com. admin.example.com. 1 2 3 4 5"),
}


@pytest.mark.parametrize("dot", ["", "."])
@pytest.mark.parametrize("kind", NAMES)
def test_a_name_in_a_value_is_complete_with_or_without_its_dot(kind: str, dot: str) -> None:
    """Route 53 reads every domain name in a value as absolute (Developer Guide, "Supported DNS record types")."""
    value, expected = NAMES[kind]
    zones = [zone(record("x.sre-test.local.", kind, value.replace(".com", f".com{dot}")))]
    assert values(ask(zones, "x.sre-test.local.", kind)) == [f"x.sre-test.local. {expected}"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(r'"a\040b"', b"a b"), (r'"\303\251"', b"\xc3\xa9"), (r'"\\101"', rb"\101"), (r'"\"\\101"', rb'"\101')],
)
def test_escapes_in_a_text_are_octal(value: str, text: bytes) -> None:
    """A backslash before three octal digits is that byte; an escaped backslash starts no other escape."""
    answer = ask([zone(record("x.sre-test.local.", "TXT", value))], "x.sre-test.local.", "TXT")
    assert cast("dns.rdtypes.ANY.TXT.TXT", answer.answer[0].values[0]).strings == (text,)


def chain_of(length: int) -> Zone:
    """So many CNAMEs from c<length> down to an address at c0."""
    names = [f"c{number}.sre-test.local." for number in range(length + 1)]
    links = (record(name, "CNAME", target) for target, name in pairwise(names))
    return zone(record(names[0], "A", "127.0.0.1"), *links)


@pytest.mark.parametrize(("length", "whole"), [(1, True), (11, True), (12, False), (300, False)])
def test_a_chain_of_cnames_is_followed_eleven_times(length: int, whole: bool) -> None:
    """Eleven lead to the address, as in unbound and BIND; a longer chain is answered in part, with the reason."""
    answer = ask([chain_of(length)], f"c{length}.sre-test.local.")
    assert (answer.rcode, answer.incomplete == "") == (dns.rcode.NOERROR, whole)
    assert [one.type for one in answer.answer].count(dns.rdatatype.CNAME) == min(length, 12)
    assert (answer.answer[-1].type == dns.rdatatype.A) is whole


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_a_circle_of_cnames_ends(names: list[str]) -> None:
    """Names that lead back to the first are answered once each, with the reason why the answer ends."""
    links = pairwise([*names, names[0]])
    zones = [zone(*(record(f"{one}.sre-test.local.", "CNAME", f"{other}.sre-test.local.") for one, other in links))]
    answer = ask(zones, "a.sre-test.local.")
    assert ([str(one.name)[0] for one in answer.answer], answer.incomplete != "") == (names, True)


@pytest.mark.parametrize("star", [r"\052", "*"])
def test_a_wildcard_answers_for_names_that_do_not_exist(star: str) -> None:
    """Route 53 writes the asterisk in octal; the answer carries the name that was asked for."""
    zones = [zone(record(f"{star}.sre-test.local.", "A", "127.0.0.7"), record("svc.sre-test.local.", "TXT", '"x"'))]
    assert values(ask(zones, "any.sre-test.local.")) == ["any.sre-test.local. 127.0.0.7"]
    assert values(ask(zones, "a.b.sre-test.local.")) == ["a.b.sre-test.local. 127.0.0.7"]
    assert values(ask(zones, "svc.sre-test.local.")) == []


def test_any_gives_everything_at_the_name() -> None:
    """The query type ANY is answered with every type."""
    kinds = {one.type for one in ask([zone(record("sre-test.local.", "TXT", '"x"'))], "sre-test.local.", "ANY").answer}
    assert kinds == {dns.rdatatype.SOA, dns.rdatatype.NS, dns.rdatatype.TXT}


@pytest.mark.parametrize(
    "bad",
    [
        record("svc.sre-test.local.", "A", "not an address"),
        record("svc.sre-test.local.", "NOSUCHTYPE", "x"),
        record("svc..sre-test.local.", "A", "127.0.0.1"),
        record("svc.elsewhere.test.", "A", "127.0.0.1"),
    ],
)
def test_a_record_that_is_not_dns_does_not_spoil_the_others(bad: Record) -> None:
    """What cannot be served is left out."""
    assert values(ask([zone(bad, record("good.sre-test.local.", "A", "127.0.0.1"))], "good.sre-test.local."))


def test_failover_is_decided_when_the_table_is_built() -> None:
    """Lookups do not ask about health; a new table does."""
    pair = [
        Record(name="svc.sre-test.local.", type="A", ttl=10, values=(address,), failover=role, health_check=check)
        for role, check, address in (("PRIMARY", "hc-az1", "127.0.0.1"), ("SECONDARY", "hc-az2", "127.0.0.2"))
    ]
    asked: list[str] = []

    def healthy(check: str) -> bool:
        asked.append(check)
        return check == "hc-az2"

    built = ZoneTable([zone(*pair)], healthy, random.Random(1))
    asked.clear()
    answer = built.lookup(dns.name.from_text("svc.sre-test.local."), dns.rdatatype.A)
    assert values(answer) == ["svc.sre-test.local. 127.0.0.2"]
    assert asked == []


def alias(name: str, kind: str, target: str, *, zone_id: str = "Z-sre-test.local.", **policy: object) -> Record:
    """An alias record that evaluates its target."""
    base = Record(name=name, type=kind, alias=Alias(zone=zone_id, name=target, evaluate=True))
    return replace(base, **policy)


def test_an_alias_answers_with_its_targets_values_and_ttl_under_its_own_name() -> None:
    """Of its own type alone; at the apex, as a wildcard and through one, of CNAMEs, and to nothing."""
    zones = [
        zone(
            alias("sre-test.local.", "A", "svc.sre-test.local."),
            alias("twice.sre-test.local.", "A", "sre-test.local."),
            alias(r"\052.any.sre-test.local.", "A", "svc.sre-test.local."),
            alias("through.sre-test.local.", "A", "some.star.sre-test.local."),
            alias("star-itself.sre-test.local.", "A", r"\052.star.sre-test.local."),
            alias("c.sre-test.local.", "CNAME", "www.sre-test.local."),
            alias("gone.sre-test.local.", "A", "nobody.sre-test.local."),
            alias("other-type.sre-test.local.", "AAAA", "svc.sre-test.local."),
            record("svc.sre-test.local.", "A", "127.0.0.1", "127.0.0.2", ttl=17),
            record(r"\052.star.sre-test.local.", "A", "127.0.0.3"),
            record("www.sre-test.local.", "CNAME", "svc.sre-test.local."),
        )
    ]
    for name in ("sre-test.local.", "twice.sre-test.local.", "x.y.any.sre-test.local."):
        answer = ask(zones, name)
        assert values(answer) == [f"{name} 127.0.0.1", f"{name} 127.0.0.2"]
        assert [one.ttl for one in answer.answer] == [17]
        assert values(ask(zones, name, "AAAA")) == []
    assert values(ask(zones, "through.sre-test.local.")) == ["through.sre-test.local. 127.0.0.3"]
    assert values(ask(zones, "star-itself.sre-test.local.")) == ["star-itself.sre-test.local. 127.0.0.3"]
    assert values(ask(zones, "c.sre-test.local."))[0] == "c.sre-test.local. svc.sre-test.local."
    for name, kind in (("gone.sre-test.local.", "A"), ("other-type.sre-test.local.", "AAAA")):
        nothing = ask(zones, name, kind)
        assert (nothing.rcode, nothing.answer, len(nothing.authority)) == (dns.rcode.NOERROR, (), 1)


@pytest.mark.parametrize(
    "unknown",
    [
        record("svc.sre-test.local.", "A", "127.0.0.1", unemulated="GeoLocation", set_identifier="eu"),
        alias("svc.sre-test.local.", "A", "lb-1.us-east-1.elb.amazonaws.com.", zone_id="Z35SXDOTRQ7X7K"),
        alias("svc.sre-test.local.", "A", "svc.other.test.", zone_id="Z-other.test."),
        alias("svc.sre-test.local.", "A", "svc.sre-test.local."),
    ],
)
def test_what_is_not_emulated_fails_and_is_no_wrong_address(unknown: Record) -> None:
    """SERVFAIL, with what it is; also behind a CNAME, where half a chain is no answer."""
    zones = [
        zone(unknown, record("www.sre-test.local.", "CNAME", "svc.sre-test.local.")),
        zone(record("svc.other.test.", "A", "127.0.0.9"), name="other.test."),
    ]
    for name in ("svc.sre-test.local.", "www.sre-test.local."):
        answer = ask(zones, name)
        assert (answer.rcode, answer.answer) == (dns.rcode.SERVFAIL, ())
        assert answer.incomplete
    assert ask(zones, "www.sre-test.local.", "CNAME").answer


def test_each_query_is_one_choice_among_weighted_names() -> None:
    """One CNAME an answer, each in its turn, and what it leads to; the types of a name are chosen by themselves."""
    names = ("blue", "green")
    zones = zone(
        *(
            record("www.sre-test.local.", "CNAME", f"{one}.sre-test.local.", weight=1, set_identifier=one)
            for one in names
        ),
        *(record(f"{one}.sre-test.local.", "A", f"127.0.0.{number}") for number, one in enumerate(names, 1)),
    )
    built = table(zones)
    name = dns.name.from_text("www.sre-test.local.")
    answers = {tuple(values(built.lookup(name, dns.rdatatype.A))) for _ in range(50)}
    assert answers == {
        ("www.sre-test.local. blue.sre-test.local.", "blue.sre-test.local. 127.0.0.1"),
        ("www.sre-test.local. green.sre-test.local.", "green.sre-test.local. 127.0.0.2"),
    }


def test_multivalue_records_are_one_record_set() -> None:
    """Of several the healthy ones, with the smallest TTL."""
    records = [
        record(
            "m.sre-test.local.",
            "A",
            f"127.0.0.{n}",
            ttl=60 + n,
            multivalue=True,
            set_identifier=str(n),
            health_check=f"m{n}",
        )
        for n in range(1, 4)
    ]
    answer = table(zone(*records), down={"m1"}).lookup(dns.name.from_text("m.sre-test.local."), dns.rdatatype.A)
    assert sorted(values(answer)) == ["m.sre-test.local. 127.0.0.2", "m.sre-test.local. 127.0.0.3"]
    assert [one.ttl for one in answer.answer] == [62]


def test_thousands_of_aliases_in_circles_are_judged_at_once() -> None:
    """A large zone, every record in one circle: built without recursion, and answered with SERVFAIL."""
    names = [f"a{number}.sre-test.local." for number in range(3_000)]
    loops = [alias(name, "A", target) for name, target in pairwise([*names, names[0]])]
    assert ask([zone(*loops)], names[17]).rcode == dns.rcode.SERVFAIL
