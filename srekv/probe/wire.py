"""A tiny DNS client: one A question to one resolver, over UDP, over TCP when the answer was truncated.

It asks the resolver itself, past every cache and every rule of the host (`.local` is multicast DNS for
systemd-resolved), so that what it says is what the VPC's resolver says. `system` asks as other programs do, through
getaddrinfo.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from typing import NamedTuple

TRY_S = 1.0
"""How long one UDP question waits for its answer before it is asked again, wall-clock seconds."""

_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHIH")
_TYPE_A = 1
_CLASS_IN = 1
_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")


class MalformedError(Exception):
    """A message that is not an answer to our question."""


class Answer(NamedTuple):
    """What the resolver said. `ttl` is as on the wire; `rcode` is TIMEOUT or UNREACHABLE when it said nothing."""

    rcode: str
    addresses: tuple[tuple[str, int], ...]  # (address, ttl), in the order of the answer
    elapsed_s: float

    @property
    def names(self) -> tuple[str, ...]:
        """The addresses alone, in the order of the answer."""
        return tuple(address for address, _ in self.addresses)

    @property
    def ttl(self) -> int:
        """How long the answer may be kept: the smallest TTL in it, 0 for an answer without addresses."""
        return min((ttl for _, ttl in self.addresses), default=0)


def resolve(name: str, resolver: tuple[str, int], *, timeout_s: float = 3.0) -> Answer:
    """Ask `resolver` for the A records of `name`; asked again each second until timeout_s (wall-clock) has passed."""
    begin = time.monotonic()
    deadline = begin + timeout_s
    rcode = "TIMEOUT"
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return Answer(rcode, (), time.monotonic() - begin)
        try:
            rcode, addresses = _ask(name, resolver, min(left, TRY_S))
        except socket.timeout:  # its own class before Python 3.10
            rcode = "TIMEOUT"
        except (MalformedError, OSError) as error:
            rcode = "TIMEOUT" if isinstance(error, MalformedError) else "UNREACHABLE"
            time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))
        else:
            return Answer(rcode, addresses, time.monotonic() - begin)


def system(name: str) -> list[str]:
    """The IPv4 addresses that getaddrinfo gives for `name`; raises OSError when it gives none."""
    found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _ask(name: str, resolver: tuple[str, int], timeout_s: float) -> tuple[str, tuple[tuple[str, int], ...]]:
    ident = random.SystemRandom().randrange(1 << 16)
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    recursion_desired = 0x0100
    question = _HEADER.pack(ident, recursion_desired, 1, 0, 0, 0) + encoded + struct.pack(">HH", _TYPE_A, _CLASS_IN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout_s)
        udp.connect(resolver)
        udp.send(question)
        message = udp.recv(4096)
    if len(message) > 2 and message[2] & 0x02:  # TC: the whole answer needs TCP (RFC 7766)
        with socket.create_connection(resolver, timeout_s) as tcp, tcp.makefile("rb") as stream:
            tcp.sendall(struct.pack(">H", len(question)) + question)
            prefix = stream.read(2)
            if len(prefix) < 2:
                raise MalformedError
            message = stream.read(struct.unpack(">H", prefix)[0])
    return parse(message, ident)


def parse(message: bytes, ident: int) -> tuple[str, tuple[tuple[str, int], ...]]:
    """The rcode and the A records (CNAMEs followed by the resolver) of a whole DNS message.

    Raises:
        MalformedError: it is cut short or answers another question.
    """
    try:
        found, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
        if found != ident or not flags & 0x8000:
            raise MalformedError
        offset = _HEADER.size
        for _ in range(questions):
            offset = _skip_name(message, offset) + 4
        addresses = []
        for _ in range(answers):
            offset = _skip_name(message, offset)
            kind, group, ttl, length = _RECORD.unpack_from(message, offset)
            offset += _RECORD.size
            if (kind, group, length) == (_TYPE_A, _CLASS_IN, 4):
                addresses.append((socket.inet_ntoa(message[offset : offset + 4]), ttl))
            offset += length
    except (struct.error, IndexError, OSError) as error:
        raise MalformedError from error
    rcode = flags & 0x000F
    return _RCODES[rcode] if rcode < len(_RCODES) else "RCODE%d" % rcode, tuple(addresses)


def _skip_name(message: bytes, offset: int) -> int:
    while True:
        length = message[offset]
        if length >= 0xC0:  # a compression pointer ends the name
            return offset + 2
        offset += 1 + length
        if not length:
            return offset
