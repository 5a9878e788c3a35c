"""DNS on the wire: a packet in, a packet or silence out. Pure; the sockets are elsewhere.

Whatever arrives, nothing is raised: noise too short for a header and answers (which would loop) are met with silence,
a query that cannot be read with FORMERR.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from srekv.local.zones import Answer, Lookup

UDP_PAYLOAD = 1232
"""The largest UDP answer in bytes, also to a client that would take more (DNS flag day 2020)."""

_QR = 0x8000
_KEPT_FLAGS = 0x7900  # opcode and RD, which an answer repeats
_FROM_CLASSIC_CLIENTS = 512
_LONGEST_REASON = 200  # characters; with the longest question it fits into the 512 bytes that every client takes


def respond(
    packet: bytes, *, tcp: bool, recursive: bool, lookup: Lookup, seconds: Callable[[float], int]
) -> bytes | None:
    """Answer one packet, which comes without TCP's length prefix; None to stay silent.

    Over TCP the answer may have any size. It is a resolver's (RA) or the zone's own name server's (AA), from `lookup`,
    with what `seconds` makes of each TTL.
    """
    if len(packet) < 12:  # a header
        return None
    number, flags = struct.unpack_from("!HH", packet)
    if flags & _QR:
        return None
    try:
        query = dns.message.from_wire(packet)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return struct.pack("!HHHHHH", number, _QR | flags & _KEPT_FLAGS | dns.rcode.FORMERR, 0, 0, 0, 0)
    refusal = _refusal(query)
    found = Answer(refusal) if refusal else lookup(query.question[0].name, query.question[0].rdtype)
    response = _response(query, found, seconds, recursive=recursive)
    limit = max(_FROM_CLASSIC_CLIENTS, min(query.payload, UDP_PAYLOAD)) if query.edns >= 0 else _FROM_CLASSIC_CLIENTS
    try:
        return response.to_wire(max_size=65_535 if tcp else limit)
    except dns.exception.TooBig:  # the answer is left out and marked so (TC): the client asks again over TCP
        response.answer, response.authority = [], []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=65_535 if tcp else limit)


def _refusal(query: dns.message.Message) -> dns.rcode.Rcode | None:
    """Why a query that could be read is not looked up; None when it is."""
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if query.edns > 0:
        return dns.rcode.BADVERS
    if len(query.question) != 1:
        return dns.rcode.FORMERR
    question = query.question[0]
    if question.rdclass != dns.rdataclass.IN or question.rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
        return dns.rcode.REFUSED
    return None


def _response(
    query: dns.message.Message, found: Answer, seconds: Callable[[float], int], *, recursive: bool
) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=recursive, our_payload=UDP_PAYLOAD)
    if query.edns >= 0:
        asked_for = query.ednsflags & dns.flags.DO  # copied: RFC 3225, section 3
        reasons: list[dns.edns.Option] = []
        if found.rcode == dns.rcode.SERVFAIL and found.incomplete:  # an extended DNS error (RFC 8914), which dig prints
            reasons = [dns.edns.EDEOption(dns.edns.EDECode.OTHER, found.incomplete[:_LONGEST_REASON])]
        response.use_edns(0, asked_for, UDP_PAYLOAD, query.payload, reasons, response.pad)
    if recursive:
        response.flags |= query.flags & dns.flags.CD  # RFC 4035, 3.2.2; the zones' name server clears it, 3.1.6
    elif found.rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        response.flags |= dns.flags.AA
    response.set_rcode(found.rcode)
    response.answer, response.authority = (
        [dns.rrset.from_rdata_list(records.name, seconds(records.ttl), records.values) for records in section]
        for section in (found.answer, found.authority)
    )
    return response
