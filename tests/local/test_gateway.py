"""The gateway with real sockets: relaying, resets, and the silence of a machine that is off."""

from __future__ import annotations

import asyncio
import hashlib
import random
import resource
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing, suppress

import pytest

from srekv.local.gateway import Gateway, Uplink
from tests.support.servers import Service, listening

pytestmark = pytest.mark.local

PORT = 8080
SOON = 20.0  # a deadline, never a pause
SILENCE = 0.3  # how long nothing must happen for it to count as silence

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops SYNs for a full accept queue")


class Net:
    """Three addresses that no other test has: one public, two private; and what connected to them."""

    def __init__(self) -> None:
        self._opened: list[asyncio.StreamWriter] = []
        block = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}"
        self.public, self.private, self.other = f"{block}.128", f"{block}.64", f"{block}.65"

    def uplink(self, *, up: bool = True, private: str | None = None) -> Uplink:
        """The public address leading to a machine."""
        return Uplink(public=self.public, private=private or self.private, ports=(PORT,), up=up)

    async def connect(self) -> Streams:
        """A client's connection to the public address; it ends with the test at the latest."""
        async with asyncio.timeout(SOON):
            reader, writer = await asyncio.open_connection(self.public, PORT)
        self._opened.append(writer)
        return reader, writer

    def close(self) -> None:
        """Abort the connections."""
        for writer in self._opened:
            writer.transport.abort()


@asynccontextmanager
async def _open_net() -> AsyncIterator[Net]:
    with closing(Net()) as opened:
        async with asyncio.timeout(90):
            yield opened


@pytest.fixture
def net() -> AbstractAsyncContextManager[Net]:
    """Addresses of one's own."""
    return _open_net()


@asynccontextmanager
async def gateway(*uplinks: Uplink) -> AsyncIterator[Gateway]:
    """A gateway with these uplinks, closed at the end."""
    running = Gateway()
    running.apply(uplinks)
    try:
        yield running
    finally:
        await running.close()


@asynccontextmanager
async def machine(address: str, service: Service) -> AsyncIterator[None]:
    """A machine whose program does `service` with each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await service(reader, writer)
        finally:
            writer.transport.abort()

    async with listening(address, PORT, serve):
        yield


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back everything, then end in order."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()


def named(name: bytes) -> Service:
    """A service that says who it is for each byte it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readexactly(1):
            writer.write(name)

    return serve


async def ask(streams: Streams) -> bytes:
    """One byte to a named service, and its name."""
    reader, writer = streams
    writer.write(b"?")
    async with asyncio.timeout(SOON):
        return await reader.readexactly(1)


async def is_silent(reader: asyncio.StreamReader) -> bool:
    """Whether nothing at all comes: no data, no end, no reset."""
    try:
        async with asyncio.timeout(SILENCE):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def is_swallowed(net: Net) -> bool:
    """Whether a connection attempt is neither accepted nor refused."""
    try:
        async with asyncio.timeout(SILENCE):
            _, writer = await asyncio.open_connection(net.public, PORT)
    except TimeoutError:
        return True
    except ConnectionRefusedError:
        return False
    writer.transport.abort()
    return False


async def is_reset(streams: Streams) -> bool:
    """Whether the connection ends with a reset."""
    try:
        async with asyncio.timeout(SOON):
            await streams[0].read()
    except ConnectionResetError:
        return True
    return False


async def test_large_bodies_arrive_whole_in_both_directions(net: Net) -> None:
    """Sixteen megabytes there and back, byte for byte, with a client that only reads after it wrote much."""
    body = random.Random(7).randbytes(16 << 20)
    async with machine(net.private, echo), gateway(net.uplink()):
        reader, writer = await net.connect()

        async def send() -> None:
            writer.write(body)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        received = await reader.read()
        await sending
        assert hashlib.sha256(received).digest() == hashlib.sha256(body).digest()


async def test_half_close_passes_and_the_answer_still_comes(net: Net) -> None:
    """A client that ends its side still gets what the machine says after it saw the end; then the machine's end."""

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d" % len(await reader.read()))
        writer.close()
        await writer.wait_closed()

    async with machine(net.private, count), gateway(net.uplink()):
        reader, writer = await net.connect()
        writer.write(b"x" * 100_000)
        writer.write_eof()
        async with asyncio.timeout(SOON):
            assert await reader.read() == b"100000"


async def test_a_slow_reader_slows_its_sender(net: Net) -> None:
    """A machine that sends without end is stopped by a client that does not read, instead of filling memory."""
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(bytes(65_536))
            await writer.drain()
            sent += 65_536

    async with machine(net.private, flood), gateway(net.uplink()):
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, (net.public, PORT))
            before = -1
            async with asyncio.timeout(SOON):
                while before != sent or not sent:
                    before = sent
                    with suppress(TimeoutError):
                        async with asyncio.timeout(SILENCE):
                            await loop.create_future()
            stalled = sent
            async with asyncio.timeout(SOON):
                while sent <= stalled:
                    await loop.sock_recv(client, 1 << 20)
        assert stalled < 64 << 20


async def test_two_hundred_connections_at_once(net: Net) -> None:
    """Every one of many concurrent clients gets its own bytes back."""
    async with machine(net.private, echo), gateway(net.uplink()):

        async def talk(number: int) -> None:
            reader, writer = await net.connect()
            message = b"%06d" % number * 500
            writer.write(message)
            writer.write_eof()
            async with asyncio.timeout(SOON):
                assert await reader.read() == message

        async with asyncio.TaskGroup() as group:
            for number in range(200):
                group.create_task(talk(number))


async def test_a_machine_that_refuses_resets_its_client(net: Net) -> None:
    """With nothing listening on the machine, the client is reset at once instead of waiting."""
    async with gateway(net.uplink()):
        try:
            streams = await net.connect()
        except ConnectionError:
            return
        assert await is_reset(streams)


async def test_a_reset_by_the_machine_reaches_the_client(net: Net) -> None:
    """A server that aborts is seen as a reset, not as an orderly end."""

    async def abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with machine(net.private, abort), gateway(net.uplink()):
        streams = await net.connect()
        streams[1].write(b"?")
        assert await is_reset(streams)


async def test_a_reset_by_the_client_reaches_the_machine(net: Net) -> None:
    """A client that aborts is seen by the server as a reset."""
    connected, seen = asyncio.Event(), asyncio.Event()

    async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        connected.set()
        try:
            await reader.read()
        except ConnectionResetError:
            seen.set()

    async with machine(net.private, watch), gateway(net.uplink()):
        _, writer = await net.connect()
        async with asyncio.timeout(SOON):
            await connected.wait()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            await seen.wait()


async def test_an_early_answer_survives_the_end_of_its_machine(net: Net) -> None:
    """A server that answers and closes without reading the request still gets its answer through."""

    async def too_large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"413")
        await writer.drain()

    async with machine(net.private, too_large), gateway(net.uplink()):
        reader, writer = await net.connect()
        writer.write(bytes(8 << 20))
        async with asyncio.timeout(SOON):
            assert await reader.readexactly(3) == b"413"


@linux_only
async def test_a_machine_that_is_off_swallows_connections(net: Net) -> None:
    """Before its first start and after each stop nobody is accepted or refused; after each start all are served."""
    async with machine(net.private, named(b"m")), gateway(net.uplink(up=False)) as gate:
        for _ in range(2):
            assert await is_swallowed(net)
            assert await is_swallowed(net)
            gate.apply([net.uplink()])
            streams = await net.connect()
            assert await ask(streams) == b"m"
            gate.apply([net.uplink(up=False)])


@linux_only
async def test_connections_of_a_machine_that_goes_off_fall_silent(net: Net) -> None:
    """No data, end or reset while it is off; when it is back, whoever speaks is reset."""
    async with gateway(net.uplink()) as gate:
        async with machine(net.private, named(b"m")):
            speaks, waits = await net.connect(), await net.connect()
            assert await ask(speaks) == await ask(waits) == b"m"
            gate.apply([net.uplink(up=False)])
        speaks[1].write(b"?")
        assert await is_silent(speaks[0])
        async with machine(net.private, named(b"m")):
            gate.apply([net.uplink()])
            assert await is_reset(speaks)
            assert await is_silent(waits[0])
            waits[1].write(b"?")
            assert await is_reset(waits)


@linux_only
async def test_an_orderly_stop_ends_connections_before_the_silence(net: Net) -> None:
    """A program that closes its connections while the machine still has power is heard."""
    async with gateway(net.uplink()) as gate:

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(1)
            writer.write(b"bye")
            writer.close()
            await writer.wait_closed()

        async with machine(net.private, one):
            reader, writer = await net.connect()
            writer.write(b"?")
            async with asyncio.timeout(SOON):
                assert await reader.read() == b"bye"
        gate.apply([net.uplink(up=False)])


async def test_an_address_that_moves_leads_to_the_other_machine_at_once(net: Net) -> None:
    """New connections reach the new machine; one to the old machine is reset when it speaks."""
    async with machine(net.private, named(b"1")), machine(net.other, named(b"2")), gateway(net.uplink()) as gate:
        old = await net.connect()
        assert await ask(old) == b"1"
        gate.apply([net.uplink(private=net.other)])
        new = await net.connect()
        assert await ask(new) == b"2"
        old[1].write(b"?")
        assert await is_reset(old)


async def test_an_address_that_is_gone_is_closed(net: Net) -> None:
    """A released address resets its connections and refuses new ones, and can be used again."""
    async with machine(net.private, named(b"m")), gateway(net.uplink()) as gate:
        streams = await net.connect()
        assert await ask(streams) == b"m"
        gate.apply([])
        assert await is_reset(streams)
        with pytest.raises(ConnectionRefusedError):
            await net.connect()
        gate.apply([net.uplink()])
        again = await net.connect()
        assert await ask(again) == b"m"


async def test_running_out_of_file_descriptors_is_survived(net: Net) -> None:
    """Clients that come while no descriptor is left are reset or wait; afterwards everybody is served again."""
    loop = asyncio.get_running_loop()
    with ExitStack() as sockets:
        async with machine(net.private, named(b"m")), gateway(net.uplink()):
            clients = [sockets.enter_context(socket.socket()) for _ in range(20)]
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(client.fileno() for client in clients) + 2, hard))
            try:
                for client in clients:
                    client.setblocking(False)
                    with suppress(ConnectionResetError):
                        await loop.sock_connect(client, (net.public, PORT))
                await is_silent(asyncio.StreamReader())
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            streams = await net.connect()
            assert await ask(streams) == b"m"


async def test_a_port_that_is_taken_does_not_stop_the_others(net: Net, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be bound is logged and bound by a later apply, once it is free."""
    async with machine(net.private, named(b"m")), gateway() as gate:
        with socket.create_server((net.public, PORT)):
            gate.apply([Uplink(public=net.public, private=net.private, ports=(PORT, PORT + 1), up=True)])
            assert f"{net.public} port {PORT}:" in caplog.text
            with suppress(ConnectionResetError):  # bound, with nobody behind it
                _, writer = await asyncio.open_connection(net.public, PORT + 1)
                writer.transport.abort()
        gate.apply([net.uplink()])
        streams = await net.connect()
        assert await ask(streams) == b"m"
