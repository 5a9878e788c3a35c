"""Loopback hosts, and the user at the other end of a loopback connection: every user of a computer can open one."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import struct
import sys
from pathlib import Path

Place = tuple[str, int]  # an IPv4 address and a TCP port

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_MAPPED = b"\0" * 10 + b"\xff\xff"  # before an IPv4 address that an IPv6 socket is connected to, as Java's are
_AT = 16 + 4 + 48 + 12  # after netlink's header and, of inet_diag_msg, four bytes, the socket's id and three numbers


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this computer: a loopback address, or localhost."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The host that a Host header names, without its port; "" where there is none.

    A web page whose owner resolves its name to 127.0.0.1 (DNS rebinding) sends that name, never an address.
    """
    match = re.fullmatch(r"(\[[\da-fA-F:]+\]|[\w.-]+)(?::\d+)?", header, re.ASCII)
    return match[1].strip("[]") if match else ""


def is_ours(own: Place | None, peer: Place | None) -> bool:
    """Whether a process of this process's user has the other end of an accepted connection open.

    False for a connection that no process has open. Only Linux reports the user: elsewhere every connection is ours.
    """
    if sys.platform != "linux":
        return True
    return own is not None and peer is not None and owner(own, peer) == os.geteuid()


def is_foreign(place: Place) -> bool:
    """Whether another user's program listens at a loopback address; False where Linux cannot look up one socket.

    A user who takes a port of a local cloud before the cloud does would answer in a node's name.
    """
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError):  # as if no program listens there, or in owner()
        return ask_kernel(("0.0.0.0", 0), place) != os.geteuid()  # noqa: S104 - a listening socket's peer
    return False


def owner(own: Place, peer: Place) -> int | None:
    """The user id that opened the other end of a loopback connection; None when no process has it open (Linux)."""
    try:
        return ask_kernel(own, peer)
    except OSError:  # not in this kernel (gVisor, a module that cannot be loaded), or no such connection
        return read_table(own, peer)


def ask_kernel(own: Place, peer: Place) -> int | None:
    """As `owner`, from sock_diag(7): one socket is looked up, which takes 30 us. Raises OSError."""
    ends = struct.pack("!HH4s12x4s12x", peer[1], own[1], socket.inet_aton(peer[0]), socket.inet_aton(own[0]))
    kind = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)  # in whatever state
    body = kind + ends + struct.pack("=I", 0) + b"\xff" * 8  # any cookie
    head = struct.pack("=IHHII", 16 + len(body), _SOCK_DIAG_BY_FAMILY, 1, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(head + body)
        answer = kernel.recv(4096, socket.MSG_DONTWAIT)
    if struct.unpack_from("=H", answer, 4)[0] != _SOCK_DIAG_BY_FAMILY:
        raise OSError(-struct.unpack_from("=i", answer, 16)[0], "sock_diag")
    return _of_open(*struct.unpack_from("=II", answer, _AT))


def read_table(own: Place, peer: Place) -> int | None:
    """As `owner`, from /proc/net: every socket is read, which takes milliseconds."""
    for table, prefix in (("tcp", b""), ("tcp6", _MAPPED)):
        wanted = []
        for host, port in (peer, own):  # an address' words are in the computer's own order of bytes
            words = struct.iter_unpack("=I", prefix + socket.inet_aton(host))
            wanted.append("".join(f"{word:08X}" for (word,) in words) + f":{port:04X}")
        for row in map(str.split, Path("/proc/net", table).read_text().splitlines()):
            if row[1:3] == wanted:
                return _of_open(int(row[7]), int(row[9]))
    return None


def _of_open(uid: int, inode: int) -> int | None:
    """The user of an open socket; the kernel reports no inode and user 0 for a closed one, such as in TIME-WAIT."""
    return uid if inode else None
