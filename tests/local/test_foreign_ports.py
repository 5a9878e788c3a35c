"""A program of another user that takes a port of a local cloud does not pass for a node."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Iterator

import pytest

from srekv.local.gateway import Gateway, Uplink
from srekv.local.loopback import is_foreign
from srekv.local.model import HealthCheck
from srekv.local.prober import probe

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user"),
]

OTHER = 65534
"""Another user's id."""

PORT = 8080


@pytest.fixture
def subnet() -> str:
    """A network that no local cloud of the tests has."""
    return f"127.53.{random.randint(128, 255)}"


def listening(address: str, uid: int) -> socket.socket:
    """A listening socket of a user, which accepts connections into its queue."""
    os.seteuid(uid)
    try:
        server = socket.socket()
    finally:
        os.seteuid(os.getuid())
    try:
        server.bind((address, PORT))
        server.listen()
    except BaseException:
        server.close()
        raise
    return server


@pytest.fixture
def foreign(subnet: str) -> Iterator[str]:
    """A machine's address on which a program of another user listens."""
    with listening(f"{subnet}.64", OTHER):
        yield f"{subnet}.64"


def test_whose_a_port_is(foreign: str, subnet: str) -> None:
    """Another user's, ours, and one on which no program listens."""
    with listening(f"{subnet}.65", os.geteuid()):
        places = [foreign, f"{subnet}.65", f"{subnet}.66"]
        assert [is_foreign((place, PORT)) for place in places] == [True, False, False]


async def first_byte(address: str) -> bytes:
    """Of a connection to that address."""
    reader, writer = await asyncio.open_connection(address, PORT)
    try:
        async with asyncio.timeout(20):
            return await reader.readexactly(1)
    finally:
        writer.transport.abort()


async def test_the_gateway_does_not_relay_to_it(foreign: str, subnet: str) -> None:
    """Clients are reset, as by a machine on which nothing listens."""
    gateway = Gateway()
    try:
        gateway.apply([Uplink(public=f"{subnet}.128", private=foreign, ports=(PORT,), up=True)])
        with pytest.raises(ConnectionError):
            await first_byte(f"{subnet}.128")
    finally:
        await gateway.close()


async def test_a_health_check_of_it_fails(foreign: str) -> None:
    """With the reason, so that `srekv up` prints it."""
    check = HealthCheck(
        id="hc-az1", type="TCP", address=foreign, port=PORT, path="/", host="", interval=10, threshold=1
    )
    report = await probe(check, source="127.0.0.1", speed=1)
    assert (report.passed, report.status) == (
        False,
        "Failure: Connection refused. A program of another user of this computer listens on the port.",
    )
