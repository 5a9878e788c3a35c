"""Packets in, packets out."""

from __future__ import annotations

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.local.wire import UDP_PAYLOAD, respond
from srekv.local.zones import Answer, RecordSet

NAME = dns.name.from_text("svc.sre-test.local.")


def found(count: int = 1) -> Answer:
    """A positive answer of `count` TXT records of about 100 bytes."""
    texts = tuple(dns.rdata.from_text("IN", "TXT", f'"{number:03}{"x" * 96}"') for number in range(count))
    return Answer(dns.rcode.NOERROR, (RecordSet(NAME, dns.rdatatype.TXT, 10.7, texts),), (), "Z1")


def exchange(packet: bytes, answer: Answer, *, tcp: bool = False, recursive: bool = False) -> bytes | None:
    """One packet answered with this answer, TTLs cut to whole seconds."""
    return respond(packet, tcp=tcp, recursive=recursive, lookup=lambda *_: answer, seconds=int)


def asked(query: dns.message.Message, answer: Answer, **how: bool) -> dns.message.Message:
    """The same, as messages."""
    packet = exchange(query.to_wire(), answer, **how)
    assert packet is not None
    response = dns.message.from_wire(packet)
    assert query.is_response(response)
    return response


@pytest.mark.parametrize(("recursive", "flag"), [(False, dns.flags.AA), (True, dns.flags.RA)])
def test_a_name_server_says_aa_and_a_resolver_ra(recursive: bool, flag: dns.flags.Flag) -> None:
    """Each role sets its own flag and not the other's; RD comes back as sent; the TTL is what `seconds` makes of it."""
    response = asked(dns.message.make_query(NAME, "TXT"), found(), recursive=recursive)
    assert response.flags & (dns.flags.AA | dns.flags.RA) == flag
    assert response.flags & dns.flags.RD
    assert response.answer[0].ttl == 10


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("kind", ["TXT", "AXFR"])
@pytest.mark.parametrize("asked_for", [0, dns.flags.DO])
def test_do_is_copied_and_cd_by_the_resolver_alone(asked_for: int, kind: str, recursive: bool) -> None:
    """DO comes back as sent, also refused (RFC 3225, 3); a resolver copies CD, a name server clears it (RFC 4035)."""
    query = dns.message.make_query(NAME, kind, use_edns=0, ednsflags=asked_for, flags=dns.flags.RD | dns.flags.CD)
    response = asked(query, found(), recursive=recursive)
    assert response.ednsflags & dns.flags.DO == asked_for
    assert bool(response.flags & dns.flags.CD) is recursive
    assert not response.flags & dns.flags.AD
    query.flags = dns.flags.RD
    assert not asked(query, found(), recursive=recursive).flags & dns.flags.CD


@pytest.mark.parametrize(
    ("edns", "limit"), [(None, 512), (400, 512), (800, 800), (4096, UDP_PAYLOAD), (65_000, UDP_PAYLOAD)]
)
def test_udp_answers_fit_or_are_truncated(edns: int | None, limit: int) -> None:
    """No answer is larger than the client takes or a packet holds; one that would be says TC and nothing else."""
    query = dns.message.make_query(NAME, "TXT", use_edns=edns is not None or None, payload=edns)
    for count in range(1, 20):
        packet = exchange(query.to_wire(), found(count))
        assert packet is not None
        assert len(packet) <= limit
        response = dns.message.from_wire(packet)
        assert bool(response.flags & dns.flags.TC) != bool(response.answer)
    assert response.flags & dns.flags.TC


@pytest.mark.parametrize("payload", [512, 1232])
def test_the_reason_of_a_failure_fits_beside_the_longest_name(payload: int) -> None:
    """However long a reason is, the failure arrives whole; a client without EDNS gets it without a reason."""
    longest = dns.name.from_text(".".join(["x" * 63] * 3 + ["y" * 61]))
    failure = Answer(dns.rcode.SERVFAIL, incomplete="because " + "z" * 3000)
    query = dns.message.make_query(longest, "TXT", use_edns=0, payload=payload)
    response = asked(query, failure)
    assert (response.rcode(), response.flags & dns.flags.TC) == (dns.rcode.SERVFAIL, 0)
    assert "because zzz" in str(response.options[0])
    query.use_edns(False)
    assert asked(query, failure).edns == -1


def test_tcp_answers_are_never_truncated() -> None:
    """What TC promises is kept over TCP."""
    response = asked(dns.message.make_query(NAME, "TXT"), found(200), tcp=True)
    assert len(response.answer[0]) == 200


def test_what_is_not_a_question_of_ours_is_refused_by_its_own_code() -> None:
    """Other opcodes NOTIMP, other classes and zone transfers REFUSED, newer EDNS BADVERS, no question FORMERR."""
    update = dns.message.make_query(NAME, "A")
    update.set_opcode(dns.opcode.STATUS)
    newer = dns.message.make_query(NAME, "A")
    newer.use_edns(edns=1)
    empty = dns.message.make_query(NAME, "A")
    empty.question = []
    cases = [
        (update, dns.rcode.NOTIMP),
        (dns.message.make_query(NAME, "A", rdclass="CH"), dns.rcode.REFUSED),
        (dns.message.make_query(NAME, "AXFR"), dns.rcode.REFUSED),
        (newer, dns.rcode.BADVERS),
        (empty, dns.rcode.FORMERR),
    ]
    for query, rcode in cases:
        packet = exchange(query.to_wire(), found())
        assert packet is not None
        response = dns.message.from_wire(packet)
        assert (response.id, response.rcode(), response.answer) == (query.id, rcode, [])


def test_an_answer_is_never_answered() -> None:
    """Two servers must not talk to each other for ever."""
    query = dns.message.make_query(NAME, "A")
    assert exchange(dns.message.make_response(query).to_wire(), found()) is None


QUERY = dns.message.make_query(NAME, "TXT", use_edns=0).to_wire()
NOISE = st.one_of(
    st.binary(max_size=600),
    st.integers(0, len(QUERY)).map(lambda size: QUERY[:size]),
    st.binary(max_size=40).map(lambda tail: QUERY + tail),
    st.tuples(st.integers(0, len(QUERY) - 1), st.integers(0, 255)).map(
        lambda change: QUERY[: change[0]] + bytes([change[1]]) + QUERY[change[0] + 1 :]
    ),
)


@given(NOISE, st.booleans(), st.booleans())
def test_noise_is_met_with_silence_or_a_short_answer(packet: bytes, tcp: bool, recursive: bool) -> None:
    """Whatever arrives, nothing is raised; an answer repeats the id, is marked as one and fits."""
    reply = exchange(packet, found(3), tcp=tcp, recursive=recursive)
    if reply is None:
        assert len(packet) < 12 or packet[2] & 0x80
        return
    number, flags = struct.unpack_from("!HH", reply)
    assert number == struct.unpack_from("!H", packet)[0]
    assert flags & dns.flags.QR
    assert tcp or len(reply) <= UDP_PAYLOAD
