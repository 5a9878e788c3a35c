"""A failover through gateway, checkers and DNS, as a real DNS client and a real HTTP client see it."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

import dns.asyncresolver
import dns.resolver
import pytest

from srekv.local.checkers import Checkers
from srekv.local.dns import NameServers
from srekv.local.gateway import Gateway, Uplink
from srekv.local.model import HealthCheck, Record, Zone
from tests.support.servers import Service, listening

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops SYNs for a full accept queue"),
]

SPEED = 20.0
PORT, DNS_PORT = 8080, 5300
SOON = 40.0  # a deadline, never a pause
NAMES = ("az1", "az2")
SVC = "svc.sre-test.local."
SOA = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"


class Cloud:
    """Two machines that answer their names, their checks and the lab's failover pair, on addresses of their own."""

    def __init__(self, *, ttl: int, secondary_check: str | None) -> None:
        block = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}"
        self.public = {"az1": f"{block}.128", "az2": f"{block}.129"}
        self.private = {"az1": f"{block}.64", "az2": f"{block}.65"}
        self.changed = asyncio.Event()
        self.gateway = Gateway()
        self.checkers = Checkers(speed=SPEED, on_change=self._health_changed, seed=7)
        self.servers = NameServers(
            authoritative=(f"{block}.3", DNS_PORT),
            resolver=(f"{block}.2", DNS_PORT),
            speed=SPEED,
            healthy=self.checkers.healthy,
        )
        self.client = dns.asyncresolver.Resolver(configure=False)
        self.client.nameservers = [f"{block}.2"]
        self.client.port = DNS_PORT
        self._zone = self._zone_of(ttl, secondary_check)

    def _health_changed(self) -> None:
        self.changed.set()
        self.servers.health_changed()

    def _zone_of(self, ttl: int, secondary_check: str | None) -> Zone:
        halves = (("PRIMARY", "az1", "hc-az1"), ("SECONDARY", "az2", secondary_check))
        pair = tuple(
            Record(
                name=SVC,
                type="A",
                ttl=ttl,
                values=(self.public[name],),
                set_identifier=name,
                failover=role,
                health_check=check,
            )
            for role, name, check in halves
        )
        return Zone(
            id="Z1",
            name="sre-test.local.",
            records=(Record(name="sre-test.local.", type="SOA", ttl=900, values=(SOA,)), *pair),
        )

    async def start(self) -> None:
        """Everything up."""
        await self.servers.start()
        self.servers.apply([self._zone])
        self.power()
        self.checkers.apply(
            HealthCheck(
                id=f"hc-{name}",
                type="HTTP",
                address=self.public[name],
                port=PORT,
                path="/health",
                host="",
                interval=10,
                threshold=1,
            )
            for name in NAMES
        )

    def power(self, *off: str) -> None:
        """Switch these machines off and all others on."""
        self.gateway.apply(
            Uplink(public=self.public[name], private=self.private[name], ports=(PORT,), up=name not in off)
            for name in NAMES
        )

    async def answer(self) -> str:
        """Which machine the name leads to, as a DNS client sees it."""
        address = (await self.client.resolve(SVC, "A", lifetime=SOON))[0].to_text()
        return next(name for name in NAMES if self.public[name] == address)

    async def get(self) -> str:
        """What a client that resolves and asks hears, or "" when nobody answers it."""
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection(self.public[await self.answer()], PORT)
                with closing(writer):
                    writer.write(b"GET / HTTP/1.1\r\nHost: svc\r\n\r\n")
                    return (await reader.read()).partition(b"\r\n\r\n")[2].decode()
        except (OSError, TimeoutError):
            return ""

    async def until_answers(self, name: str) -> None:
        """Wait until clients hear this machine."""
        await until(self.get, name)

    async def until_healthy(self, check: str, *, healthy: bool) -> None:
        """Wait for a verdict."""
        async with asyncio.timeout(SOON):
            while self.checkers.healthy(check) is not healthy:
                await self.changed.wait()
                self.changed.clear()

    async def close(self) -> None:
        """Everything down."""
        await self.checkers.close()
        await self.servers.close()
        await self.gateway.close()


async def until(question: Callable[[], Awaitable[str]], answer: str) -> None:
    """Ask until the answer is this one; names and connections announce nothing."""
    async with asyncio.timeout(SOON):
        while await question() != answer:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)


@asynccontextmanager
async def cloud(*, ttl: int = 10, secondary_check: str | None = "hc-az2") -> AsyncIterator[Cloud]:
    """A running cloud with both machines on."""
    running = Cloud(ttl=ttl, secondary_check=secondary_check)

    def program(name: str) -> Service:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + name.encode())

        return serve

    async with AsyncExitStack() as stack:
        for name in NAMES:
            await stack.enter_async_context(listening(running.private[name], PORT, program(name)))
        stack.push_async_callback(running.close)
        await running.start()
        yield running


async def test_the_name_follows_the_machine_that_works_and_comes_back() -> None:
    """Primary off: clients hear the secondary. Primary on: they hear the primary again, without anybody's help."""
    async with cloud() as running:
        await running.until_answers("az1")
        running.power("az1")
        await running.until_answers("az2")
        running.power()
        await running.until_answers("az1")


async def test_with_both_machines_off_the_name_answers_the_primary() -> None:
    """Nothing healthy: the last resort is the primary, never an empty answer; the first machine back takes over."""
    async with cloud() as running:
        running.power("az1")
        await running.until_answers("az2")
        running.power("az1", "az2")
        await running.until_healthy("hc-az2", healthy=False)
        await until(running.answer, "az1")
        assert await running.get() == ""
        running.power("az1")
        await running.until_answers("az2")


async def test_a_secondary_without_a_check_is_answered_though_it_is_off() -> None:
    """Nobody looks at it, so nobody knows."""
    async with cloud(secondary_check=None) as running:
        running.power("az1", "az2")
        await running.until_healthy("hc-az1", healthy=False)
        await until(running.answer, "az2")
        assert await running.get() == ""


async def test_clients_of_the_resolver_stay_with_the_old_answer_for_its_ttl() -> None:
    """A TTL of 60 s at speed 20 keeps a client on the dead machine for up to 3 s after the name server has switched."""
    async with cloud(ttl=60) as running:
        running.power("az1")
        asked = time.monotonic()
        assert await running.answer() == "az1"
        await running.until_healthy("hc-az1", healthy=False)
        await running.until_answers("az2")
        assert time.monotonic() - asked >= 60 / SPEED


async def test_the_ttl_that_a_client_sees_counts_down() -> None:
    """The resolver says the whole seconds that are left: 3, then less, then 3 again when it has asked anew."""
    async with cloud(ttl=60) as running:
        seen: list[int] = []
        async with asyncio.timeout(SOON):
            while not (seen[:1] == [3] and 3 in seen[seen.index(min(seen)) :] and len(set(seen)) > 1):
                answer = await running.client.resolve(SVC, "A", lifetime=SOON)
                assert answer.rrset is not None
                seen.append(answer.rrset.ttl)
                await asyncio.sleep(0.05)
        assert set(seen) <= {0, 1, 2, 3}
        first_round = seen[: seen.index(min(seen)) + 1]
        assert first_round == sorted(first_round, reverse=True)
