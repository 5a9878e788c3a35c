"""Both DNS servers on the wire, asked by dnspython and, where it is installed, by dig."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from srekv.errors import SrekvError
from srekv.local.dns import NameServers
from srekv.local.model import Alias, Record, Zone

pytestmark = pytest.mark.local

PORT = 5300
SOON = 20.0  # a deadline, never a pause
PRIMARY, SECONDARY = "127.53.0.128", "127.53.0.129"


def failover(role: str, address: str, health_check: str | None) -> Record:
    """One half of the lab's pair."""
    return Record(
        name="svc.sre-test.local.",
        type="A",
        ttl=60,
        values=(address,),
        set_identifier=role.lower(),
        failover=role,
        health_check=health_check,
    )


SOA = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
ZONE = Zone(
    id="Z1",
    name="sre-test.local.",
    records=(
        Record(name="sre-test.local.", type="SOA", ttl=900, values=(SOA,)),
        Record(name="sre-test.local.", type="NS", ttl=172800, values=("ns-1536.awsdns-00.co.uk.",)),
        Record(name="big.sre-test.local.", type="TXT", ttl=60, values=tuple(f'"{n:03}{"x" * 97}"' for n in range(40))),
        Record(name="out.sre-test.local.", type="CNAME", ttl=60, values=("www.example.com",)),
        Record(name="zero.sre-test.local.", type="A", ttl=0, values=(PRIMARY,)),
        *(
            Record(name="w.sre-test.local.", type="A", ttl=60, values=(address,), set_identifier=address, weight=1)
            for address in (PRIMARY, SECONDARY)
        ),
        Record(name="sre-test.local.", type="A", alias=Alias(zone="Z1", name="w.sre-test.local.", evaluate=True)),
        Record(name="eu.sre-test.local.", type="A", ttl=60, values=(PRIMARY,), unemulated="GeoLocation"),
        failover("PRIMARY", PRIMARY, "hc-az1"),
        failover("SECONDARY", SECONDARY, "hc-az2"),
    ),
)


class Cloud:
    """Name servers on addresses of their own, with health that the test decides."""

    def __init__(self, speed: float) -> None:
        block = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}"
        self.authoritative, self.resolver = (f"{block}.3", PORT), (f"{block}.2", PORT)
        self.dead: set[str] = set()
        self.servers = NameServers(
            authoritative=self.authoritative,
            resolver=self.resolver,
            speed=speed,
            healthy=lambda check: check not in self.dead,
        )

    def fail(self, *checks: str) -> None:
        """These checks fail, all others pass."""
        self.dead = set(checks)
        self.servers.health_changed()


@asynccontextmanager
async def cloud(*zones: Zone, speed: float = 1) -> AsyncIterator[Cloud]:
    """Serving these zones."""
    running = Cloud(speed)
    try:
        await running.servers.start()
        running.servers.apply(zones or (ZONE,))
        yield running
    finally:
        await running.servers.close()


@pytest.fixture
def running() -> AbstractAsyncContextManager[Cloud]:
    """Serving the lab's zone, for as long as a test runs."""
    return cloud()


async def ask(
    server: tuple[str, int], name: str = "svc.sre-test.local.", kind: str = "A", *, tcp: bool = False, edns: bool = True
) -> dns.message.Message:
    """One query on the wire."""
    query = dns.message.make_query(name, kind, use_edns=edns)
    how = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await how(query, server[0], port=server[1], timeout=SOON)


async def address(server: tuple[str, int], name: str = "svc.sre-test.local.") -> str:
    """The one address that a server answers."""
    response = await ask(server, name)
    assert [len(records) for records in response.answer] == [1]
    return response.answer[0][0].to_text()


@pytest.mark.parametrize("tcp", [False, True])
async def test_both_servers_answer_on_udp_and_tcp(tcp: bool, running: Cloud) -> None:
    """The name server authoritatively, the resolver recursively, both with the record's TTL."""
    own = await ask(running.authoritative, tcp=tcp)
    cached = await ask(running.resolver, tcp=tcp)
    assert own.flags & (dns.flags.AA | dns.flags.RA) == dns.flags.AA
    assert cached.flags & (dns.flags.AA | dns.flags.RA) == dns.flags.RA
    assert own.answer == cached.answer
    assert own.answer[0].ttl == cached.answer[0].ttl == 60


@pytest.mark.parametrize(
    ("dead", "answer"),
    [
        ((), PRIMARY),
        (("hc-az1",), SECONDARY),
        (("hc-az2",), PRIMARY),
        (("hc-az1", "hc-az2"), PRIMARY),
    ],
)
async def test_the_name_server_follows_health_at_once(dead: tuple[str, ...], answer: str, running: Cloud) -> None:
    """The failover truth table on the wire, there and back."""
    running.fail(*dead)
    assert await address(running.authoritative) == answer
    running.fail()
    assert await address(running.authoritative) == PRIMARY


async def test_a_secondary_without_a_check_is_answered_even_when_everything_is_dead() -> None:
    """What nobody checks counts as healthy."""
    records = (*ZONE.records[:-1], failover("SECONDARY", SECONDARY, None))

    async with cloud(Zone(id="Z1", name=ZONE.name, records=records)) as running:
        running.fail("hc-az1", "hc-az2")
        assert await address(running.authoritative) == SECONDARY


async def test_ttls_on_the_wire_are_wall_clock_seconds() -> None:
    """A TTL is divided by the speed, rounded, never down to 0; a TTL of 0 stays 0."""
    for speed, ttl in ((1, 60), (10, 6), (7, 9), (1000, 1)):
        async with cloud(speed=speed) as running:
            assert (await ask(running.authoritative)).answer[0].ttl == ttl
            assert (await ask(running.authoritative, "zero.sre-test.local.")).answer[0].ttl == 0


async def test_no_such_name_and_no_such_type_differ(running: Cloud) -> None:
    """NXDOMAIN and NODATA, each with the SOA that bounds its life; outside the zones REFUSED."""
    for server, ttl in ((running.authoritative, 900), (running.resolver, 300)):
        nobody = await ask(server, "nobody.sre-test.local.")
        nothing = await ask(server, kind="AAAA")
        assert (nobody.rcode(), nothing.rcode()) == (dns.rcode.NXDOMAIN, dns.rcode.NOERROR)
        assert nobody.answer == nothing.answer == []
        assert nobody.authority[0].ttl == nothing.authority[0].ttl == ttl
        assert (await ask(server, "example.com.")).rcode() == dns.rcode.REFUSED


async def test_a_cname_out_of_the_zones_is_the_name_servers_answer_and_the_resolvers_failure(running: Cloud) -> None:
    """The name server knows no more; the resolver does not pass half an answer on, and its error says why."""
    own = await ask(running.authoritative, "out.sre-test.local.")
    assert (own.rcode(), [str(one) for one in own.answer]) == (
        dns.rcode.NOERROR,
        ["out.sre-test.local. 60 IN CNAME www.example.com."],
    )
    cached = await ask(running.resolver, "out.sre-test.local.")
    assert (cached.rcode(), cached.answer, cached.authority) == (dns.rcode.SERVFAIL, [], [])
    assert "www.example.com. is outside every hosted zone" in str(cached.options[0])
    assert not (await ask(running.resolver, "out.sre-test.local.", edns=False)).options


async def test_the_name_server_chooses_for_each_query_and_the_resolver_keeps_the_choice(running: Cloud) -> None:
    """A weighted name, and an alias of it: one address an answer; each name keeps its own at the resolver for a TTL."""
    for name in ("w.sre-test.local.", "sre-test.local."):
        assert {await address(running.authoritative, name) for _ in range(40)} == {PRIMARY, SECONDARY}
        assert len({await address(running.resolver, name) for _ in range(40)}) == 1


async def test_a_policy_that_is_not_emulated_is_an_error_with_its_name(running: Cloud) -> None:
    """Both servers answer SERVFAIL and say why."""
    for server in (running.authoritative, running.resolver):
        response = await ask(server, "eu.sre-test.local.")
        assert (response.rcode(), response.answer) == (dns.rcode.SERVFAIL, [])
        assert not response.flags & dns.flags.AA
        assert "GeoLocation of eu.sre-test.local. is not emulated" in str(response.options[0])


async def test_a_large_answer_is_truncated_on_udp_and_whole_on_tcp(running: Cloud) -> None:
    """TC and nothing else, then everything."""
    cut = await ask(running.authoritative, "big.sre-test.local.", "TXT")
    whole = await ask(running.authoritative, "big.sre-test.local.", "TXT", tcp=True)
    assert cut.flags & dns.flags.TC
    assert cut.answer == []
    assert len(whole.answer[0]) == 40


async def test_several_queries_on_one_tcp_connection(running: Cloud) -> None:
    """A client may send the next query before it has read the last answer, in whatever pieces."""
    reader, writer = await asyncio.open_connection(*running.authoritative)
    queries = [dns.message.make_query("svc.sre-test.local.", "A") for _ in range(5)]
    stream = b"".join(struct.pack("!H", len(query.to_wire())) + query.to_wire() for query in queries)
    with closing(writer):
        for cut in (stream[:1], stream[1:40], stream[40:]):
            writer.write(cut)
            await writer.drain()
        async with asyncio.timeout(SOON):
            for query in queries:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                assert query.is_response(dns.message.from_wire(await reader.readexactly(size)))


async def test_noise_does_not_stop_a_server() -> None:
    """Random packets and half a TCP message are survived; unreadable queries get FORMERR."""
    dice = random.Random(7)
    async with cloud() as running:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            noisy.setblocking(False)
            noisy.connect(running.authoritative)
            for size in range(100):
                await loop.sock_sendall(noisy, dice.randbytes(size))
            await loop.sock_sendall(noisy, b"\xab\xcd\x01\x00\x00\x01" + bytes(6) + b"\xff\xff\xff")
            async with asyncio.timeout(SOON):
                while not (reply := await loop.sock_recv(noisy, 2000)).startswith(b"\xab\xcd"):
                    pass
            assert reply[3] & 15 == dns.rcode.FORMERR
        _, writer = await asyncio.open_connection(*running.authoritative)
        with closing(writer.transport):
            writer.write(b"\x00\x50half")
            await writer.drain()
        assert await address(running.authoritative) == PRIMARY


async def test_zones_come_and_go() -> None:
    """A new zone is answered at once, a removed one refused at once, by both servers."""
    other = Zone(
        id="Z2", name="other.test.", records=(Record(name="other.test.", type="A", ttl=60, values=("127.0.0.9",)),)
    )

    async with cloud() as running:
        for server in (running.authoritative, running.resolver):
            assert (await ask(server, "other.test.")).rcode() == dns.rcode.REFUSED
        running.servers.apply((ZONE, other))
        for server in (running.authoritative, running.resolver):
            assert await address(server, "other.test.") == "127.0.0.9"
        running.servers.apply((ZONE,))
        for server in (running.authoritative, running.resolver):
            assert (await ask(server, "other.test.")).rcode() == dns.rcode.REFUSED


async def test_a_port_that_is_taken_is_an_error_with_a_way_out() -> None:
    """The error names the address and what to do, and nothing stays bound."""
    running = Cloud(1)
    with socket.create_server(running.resolver), pytest.raises(SrekvError) as caught:
        await running.servers.start()
    assert f"{running.resolver[0]} port {PORT}" in caught.value.what
    assert caught.value.next_step
    try:
        await running.servers.start()
    finally:
        await running.servers.close()


@pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not installed")
@pytest.mark.parametrize("tcp", [False, True])
async def test_dig_works_against_both(tcp: bool, tmp_path: object) -> None:
    """The tool that everybody reaches for sees the switch."""

    async def dig(server: tuple[str, int]) -> str:
        process = await asyncio.create_subprocess_exec(
            "dig",
            f"@{server[0]}",
            "-p",
            str(server[1]),
            "+short",
            "+tcp" if tcp else "+notcp",
            "svc.sre-test.local",
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return output.decode().split("\n")[-2]

    async with cloud() as running:
        assert await dig(running.authoritative) == await dig(running.resolver) == PRIMARY
        running.fail("hc-az1")
        assert await dig(running.authoritative) == SECONDARY
        assert await dig(running.resolver) == PRIMARY
