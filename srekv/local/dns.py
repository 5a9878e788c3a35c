"""The local cloud's DNS servers, on UDP and TCP: the hosted zones' own, and the caching resolver that clients ask.

TTLs on the wire are wall-clock seconds: the name server divides a record's TTL by the speed (never down to 0 unless
it is 0, which would forbid caching), the resolver counts the exact quotient down and says the whole seconds that are
left.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import struct
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

from srekv.errors import SrekvError
from srekv.local.model import Zone
from srekv.local.resolver import Resolver
from srekv.local.wire import respond
from srekv.local.zones import ZoneTable

_TCP_IDLE = 10.0  # wall seconds without a query before a TCP connection is closed (RFC 7766)


class NameServers:
    """Serves hosted zones at the address and port of each server; all methods belong to the event loop's thread.

    `healthy` is the verdict on a health check, by its id, asked when zones or health have changed, never per query;
    `seed` makes the choice among weighted and multivalue answer records repeatable.
    """

    def __init__(
        self,
        *,
        authoritative: tuple[str, int],
        resolver: tuple[str, int],
        speed: float,
        healthy: Callable[[str], bool],
        seed: int | None = None,
    ) -> None:
        self._zones: tuple[Zone, ...] = ()
        self._table = ZoneTable((), healthy, random.Random(seed))  # noqa: S311 - spreads load, guards nothing
        self._resolver = Resolver(self._table.step, speed=speed, clock=time.monotonic)

        def scaled(ttl: float) -> int:
            return max(1, round(ttl / speed)) if ttl else 0

        self._servers = (
            _Server(authoritative, partial(respond, recursive=False, lookup=self._table.lookup, seconds=scaled)),
            _Server(resolver, partial(respond, recursive=True, lookup=self._resolver.lookup, seconds=math.floor)),
        )

    async def start(self) -> None:
        """Bind and serve; raises SrekvError when an address or port cannot be bound."""
        try:
            for server in self._servers:
                await server.start()
        except BaseException:
            await self.close()
            raise

    def apply(self, zones: Iterable[Zone]) -> None:
        """Serve these zones and no others from now on; the resolver keeps what it has of those that stay, as on AWS."""
        self._zones = tuple(zones)
        self._resolver.keep_only({zone.id for zone in self._zones})
        self.health_changed()

    def health_changed(self) -> None:
        """Decide anew which records are healthy."""
        self._table.build(self._zones)

    async def close(self) -> None:
        """Stop serving and close every connection."""
        for server in self._servers:
            await server.close()


Responder = Callable[..., bytes | None]
"""`respond` with all but the packet and `tcp` given."""


class _Server:
    """The sockets of one server."""

    def __init__(self, place: tuple[str, int], respond: Responder) -> None:
        self._place = place
        self._respond = respond
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        host, port = self._place
        loop = asyncio.get_running_loop()
        try:
            self._udp, _ = await loop.create_datagram_endpoint(partial(_Datagrams, self._respond), self._place)
            self._tcp = await asyncio.start_server(self._converse, host, port)
        except OSError as error:
            raise SrekvError(
                f"cannot serve DNS on {host} port {port}",
                why=error.strerror or str(error),
                next_step="end the program that has the port, or choose another DNS port",
            ) from error

    async def close(self) -> None:
        for transport in (self._udp, self._tcp):
            if transport is not None:
                transport.close()
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(set(self._conversations))
        # Transports close their sockets in the loop's next round.
        await asyncio.sleep(0)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)
        response: bytes | None = b""
        try:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                while response is not None:
                    async with asyncio.timeout(_TCP_IDLE):
                        (size,) = struct.unpack("!H", await reader.readexactly(2))
                        response = self._respond(await reader.readexactly(size), tcp=True)
                        if response is not None:
                            writer.write(struct.pack("!H", len(response)) + response)
                            await writer.drain()
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """Answers UDP packets."""

    def __init__(self, respond: Responder) -> None:
        self._respond = respond
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._respond(data, tcp=False)
        if response is not None:
            self._transport.sendto(response, addr)
