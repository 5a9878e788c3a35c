"""Which hosts are this computer, and which user has the other end of a connection."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from srekv.local.loopback import ask_kernel, host_of, is_loopback, is_ours, owner, read_table

OTHER = 65534
"""Another user's id."""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the user of a connection")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
Way = Callable[[tuple[str, int], tuple[str, int]], int | None]
ways = pytest.mark.parametrize("way", [ask_kernel, read_table, owner])


@pytest.mark.parametrize(
    ("header", "host", "here"),
    [
        ("127.53.0.1:8000", "127.53.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost:8000", "localhost", True),
        ("[::1]:8000", "::1", True),
        ("attacker.example:8000", "attacker.example", False),
        ("127.53.0.1.attacker.example", "127.53.0.1.attacker.example", False),
        ("localhost.attacker.example:8000", "localhost.attacker.example", False),
        ("192.0.2.1:8000", "192.0.2.1", False),
        ("0.0.0.0:8000", "0.0.0.0", False),
        ("127.53.0.1:8000, attacker.example", "127.53.0.1", False),
        ("[::1", "", False),
        ("", "", False),
    ],
)
def test_which_host_a_header_names(header: str, host: str, *, here: bool) -> None:
    """A name that its owner can resolve to loopback does not count, nor does a malformed header."""
    assert is_loopback(host_of(header)) is here
    assert not here or host_of(header) == host


@contextmanager
def connection(*, family: int = socket.AF_INET, uid: int | None = None) -> Iterator[tuple[socket.socket, ...]]:
    """A client, opened by that user, and what its server accepted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if uid is not None:
            os.seteuid(uid)
        try:
            client = socket.socket(family)
        finally:
            os.seteuid(os.getuid())
        with client:
            client.connect(("127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1", port))
            accepted, _ = server.accept()
            with accepted:
                yield client, accepted


def asked(way: Way, accepted: socket.socket) -> int | None:
    """Whose the other end is."""
    return way(accepted.getsockname(), accepted.getpeername())


@linux_only
@ways
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv4 by an IPv6 socket"])
def test_the_user_of_an_open_connection(way: Way, family: int) -> None:
    """Also while the client waits for the answer and has closed its sending side."""
    with connection(family=family) as (client, accepted):
        assert asked(way, accepted) == os.geteuid()
        client.shutdown(socket.SHUT_WR)
        assert asked(way, accepted) == os.geteuid()


@linux_only
@ways
def test_a_closed_connection_has_no_user(way: Way) -> None:
    """The kernel reports root for every closed socket; that must not pass for root's."""
    with connection() as (client, accepted):
        peer = client.getsockname()
        client.close()
        assert way(accepted.getsockname(), peer) is None
        assert not is_ours(accepted.getsockname(), peer)


@linux_only
def test_what_is_no_connection_has_no_user() -> None:
    """Neither one that never existed nor one that lost its peer before it was examined."""
    assert owner(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert not is_ours(("127.0.0.1", 1), None)


@linux_only
@as_root
@ways
def test_another_users_connection_is_refused(way: Way) -> None:
    """By a server that runs as root, too."""
    with connection(uid=OTHER) as (_, accepted):
        assert asked(way, accepted) == OTHER
        assert not is_ours(accepted.getsockname(), accepted.getpeername())
