"""The health checkers against real endpoints: Route 53's rules, and sixteen probers that converge."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from srekv.local.checkers import REGIONS, Checkers, pace
from srekv.local.gateway import Gateway, Uplink
from srekv.local.model import HealthCheck
from srekv.local.prober import Report, probe
from tests.support.servers import listening

pytestmark = pytest.mark.local

PORT = 8080
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
FAST = 20.0  # an interval of 10 s takes half a second
SOON = 30.0  # a deadline, never a pause


@pytest.fixture
def address() -> str:
    """An address that no other test has."""
    return f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"


def check(address: str, **fields: object) -> HealthCheck:
    """The lab's health check on an address, with other fields where the test says so."""
    lab = HealthCheck(
        id="hc-az1", type="HTTP", address=address, port=PORT, path="/health", host="", interval=10, threshold=1
    )
    return replace(lab, **fields)  # type: ignore[arg-type]


class Endpoint:
    """A server that answers every request with the same bytes, and remembers the requests and when they came."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.times: list[float] = []
        self.sources: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection; an empty answer hangs until the client goes away."""
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        self.times.append(time.monotonic())
        self.sources.append(writer.get_extra_info("peername")[0])
        if not self.answer:
            await reader.read()
        writer.write(self.answer)
        await writer.drain()


@asynccontextmanager
async def endpoint(address: str, answer: bytes = OK, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Such a server on an address."""
    running = Endpoint(answer)
    async with listening(address, PORT, running.serve, tls):
        yield running


@asynccontextmanager
async def gateway(*uplinks: Uplink) -> AsyncIterator[None]:
    """A gateway with these uplinks."""
    running = Gateway()
    try:
        running.apply(uplinks)
        yield
    finally:
        await running.close()


@asynccontextmanager
async def checkers(*checks: HealthCheck, speed: float = FAST) -> AsyncIterator[tuple[Checkers, asyncio.Event]]:
    """Running checkers, and the event that a verdict has changed."""
    changed = asyncio.Event()
    running = Checkers(speed=speed, on_change=changed.set, seed=7)
    running.apply(checks)
    try:
        yield running, changed
    finally:
        await running.close()


async def until(condition: Callable[[], bool], changed: asyncio.Event) -> None:
    """Wait for a condition that can only become true when a verdict changes."""
    async with asyncio.timeout(SOON):
        while not condition():
            await changed.wait()
            changed.clear()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for a condition that nobody announces."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)


async def until_all_reported(running: Checkers, check_id: str = "hc-az1") -> None:
    """Wait until each of the sixteen has looked."""
    await eventually(lambda: len(running.observations(check_id)) == 16)


def look(address: str, answer: bytes, *, speed: float = 1, **fields: object) -> Report:
    """What one prober reports of an endpoint with this answer."""

    async def once() -> Report:
        async with endpoint(address, answer):
            return await probe(check(address, **fields), source="127.0.0.1", speed=speed)

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("answer", "passed", "status"),
    [
        (OK, True, "Success: HTTP Status Code 200, OK"),
        (b"HTTP/1.0 204 No Content\r\n\r\n", True, "Success: HTTP Status Code 204, No Content"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", True, "Success: HTTP Status Code 302, Found"),
        (b"HTTP/1.1 200\r\n\r\n", True, "Success: HTTP Status Code 200"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False, "Failure: HTTP Status Code 404, Not Found"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "Failure: HTTP Status Code 503, Service Unavailable"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", False, "Failure: The answer is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", False, "Failure: The answer is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", False, "Failure: The answer is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nX: y", False, "Failure: The answer is not valid HTTP."),
    ],
)
def test_two_and_three_hundreds_pass(address: str, answer: bytes, passed: bool, status: str) -> None:
    """The status code decides, in a valid head of at most 16,384 bytes; redirects are not followed."""
    assert look(address, answer) == Report(passed, status)


def test_an_endpoint_that_hangs_fails_within_two_seconds_of_its_clock(address: str) -> None:
    """Connected but without an answer: failed after 2 s divided by the speed, not before."""
    before = time.monotonic()
    report = look(address, b"", speed=10)
    assert not report.passed
    assert "no HTTP status" in report.status
    assert time.monotonic() - before >= 0.2


async def test_a_stall_of_our_own_is_not_the_endpoints_fault(address: str) -> None:
    """An answer that came in time, while this process (gateway included) was stuck for four times the limit, counts."""
    private = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.64"

    async def answer_and_stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)  # goes out at once; nobody here can read it before the stall is over
            until = time.monotonic() + 0.4
            while time.monotonic() < until:
                pass
        finally:
            writer.close()

    leads = Uplink(public=address, private=private, ports=(PORT,), up=True)
    async with listening(private, PORT, answer_and_stall), gateway(leads):
        report = await probe(check(address), source="127.0.0.1", speed=20)
    assert report.passed, report.status


async def test_nobody_listening_is_refused_at_once(address: str) -> None:
    """A closed port does not cost the connection time-out."""
    report = await probe(check(address), source="127.0.0.1", speed=0.1)
    assert report.status.startswith("Failure: Connection refused.")


@pytest.mark.parametrize("kind", ["HTTP", "TCP"])
async def test_a_machine_that_is_off_times_out(address: str, kind: str) -> None:
    """Swallowed SYNs end with AWS's own words: 4 s for HTTP, 10 s for TCP."""
    before = time.monotonic()
    async with gateway(Uplink(public=address, private="127.0.0.1", ports=(PORT,), up=False)):
        report = await probe(check(address, type=kind), source="127.0.0.1", speed=20)
    assert report.status.startswith("Failure: Connection timed out. The endpoint or the internet connection is down")
    assert time.monotonic() - before >= (10 if kind == "TCP" else 4) / 20


@pytest.mark.parametrize("elsewhere", ["192.0.2.1", "8.8.8.8", "::1", "", "example.com"])
async def test_nothing_leaves_loopback(elsewhere: str) -> None:
    """An endpoint outside 127.0.0.0/8 is not even tried, and reported as one that does not answer."""
    report = await probe(check(elsewhere), source="127.0.0.1", speed=0.01)
    assert report.status.startswith("Failure: Connection timed out.")


def test_tcp_needs_a_connection_only(address: str) -> None:
    """A TCP check passes on an endpoint that never says a word."""
    assert look(address, b"", type="TCP").passed


@pytest.mark.parametrize(
    ("body", "head", "passed"),
    [
        (b"a needle here", b"", True),
        (b"a Needle here", b"", False),
        (b"", b"", False),
        (b"x" * 5114 + b"needle", b"", True),
        (b"x" * 5115 + b"needle", b"", False),
        (b"x" * 100_000 + b"needle", b"", False),
        (b"3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n", True),
        (gzip.compress(b"a needle here", mtime=0), b"Content-Encoding: gzip\r\n", True),
        (b"not gzip: needle", b"Content-Encoding: gzip\r\n", False),
        (gzip.compress(b"x" * 5114 + b"needle", mtime=0), b"Content-Encoding: gzip\r\n", True),
        (gzip.compress(b"x" * 2_000_000 + b"needle", mtime=0), b"Content-Encoding: gzip\r\n", False),
        (b"\x1f\x8b" + b"x" * 2_000_000, b"Content-Encoding: gzip\r\n", False),
        (b"a needle here", b"Content-Length: many\r\n", True),
    ],
)
def test_a_string_must_be_in_the_first_5120_bytes(address: str, body: bytes, head: bytes, passed: bool) -> None:
    """String match is case-sensitive, wholly inside the first 5,120 bytes of the decoded body."""
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body
    assert look(address, answer, type="HTTP_STR_MATCH", search="needle").passed is passed


def test_a_string_does_not_help_a_bad_status(address: str) -> None:
    """String match judges the status first."""
    answer = b"HTTP/1.1 500 Oops\r\n\r\nneedle"
    assert look(address, answer, type="HTTP_STR_MATCH", search="needle").status == "Failure: HTTP Status Code 500, Oops"


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, ("GET /health HTTP/1.1", "Host: {address}:8080")),
        ({"path": "ready?x=1"}, ("GET /ready?x=1 HTTP/1.1", "Host: {address}:8080")),
        ({"host": "svc.sre-test.local"}, ("GET /health HTTP/1.1", "Host: svc.sre-test.local")),
    ],
)
async def test_the_request_is_the_one_that_route_53_sends(
    address: str, fields: dict[str, object], lines: tuple[str, ...]
) -> None:
    """Path with its slash, host name if there is one, and an agent that says who asks for which check."""
    async with endpoint(address) as server:
        await probe(check(address, **fields), source="127.0.0.1", speed=1)
        request = server.requests[0].decode().split("\r\n")
        assert request[:2] == [line.format(address=address) for line in lines]
        assert "User-Agent: Amazon-Route53-Health-Check-Service (ref hc-az1)" in request


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server context with a certificate that nobody trusts and that expired long ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere.test")])
    long_ago = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, long_ago, long_ago + dt.timedelta(1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_https_does_not_validate_certificates(address: str, tmp_path: Path) -> None:
    """An expired certificate of another name is good enough; plain HTTP on the port is not."""
    async with endpoint(address, tls=self_signed(tmp_path)):
        assert (await probe(check(address, type="HTTPS"), source="127.0.0.1", speed=1)).passed
    async with endpoint(address):
        assert not (await probe(check(address, type="HTTPS"), source="127.0.0.1", speed=20)).passed


async def test_sixteen_probers_in_eight_regions_report(address: str) -> None:
    """Two observations a region, from sixteen addresses, each with its words and its time."""
    async with endpoint(address) as server, checkers(check(address)) as (running, _):
        started = time.time()
        await until_all_reported(running)
        seen = running.observations("hc-az1")
        assert Counter(one["region"] for one in seen) == dict.fromkeys(REGIONS, 2)
        assert len({one["checker"] for one in seen}) == 16
        assert {one["healthy"] for one in seen} == {True}
        assert {one["status"] for one in seen} == {"Success: HTTP Status Code 200, OK"}
        assert all(started - 1 < one["at"] <= time.time() for one in seen)
        assert set(server.sources) == {one["checker"] for one in seen}


async def test_each_prober_waits_an_interval_between_its_looks(address: str) -> None:
    """Sixteen probers at 10 s and speed 20: after the first round each asks once more about half a second later."""
    async with endpoint(address) as server, checkers(check(address)):
        await eventually(lambda: len(server.times) >= 64)
    for source in set(server.sources):
        mine = [when for when, who in zip(server.times, server.sources, strict=True) if who == source]
        gaps = [later - earlier for earlier, later in pairwise(mine)]
        assert all(gap >= 0.45 for gap in gaps)


@pytest.mark.parametrize("seed", range(20))
def test_probers_in_step_drift_apart(seed: int) -> None:
    """Sixteen that are answered at one moment are spread over a third of the interval some three minutes later."""
    phases = [20 * pace(random.Random(f"{seed}/{number}")) for number in range(16)]
    assert max(phases) - min(phases) > 1 / 3


async def test_a_new_check_is_healthy_a_dead_endpoint_is_found_and_its_return_too(address: str) -> None:
    """Healthy before there is data, unhealthy once the probers agree, healthy again when the endpoint is back."""
    async with checkers(check(address)) as (running, changed):
        assert running.healthy("hc-az1")
        assert running.observations("hc-az1") == []
        await until(lambda: not running.healthy("hc-az1"), changed)
        async with endpoint(address):
            await until(lambda: running.healthy("hc-az1"), changed)


async def test_inverting_and_disabling_act_at_once(address: str) -> None:
    """Both change the verdict without waiting for a probe; a disabled check has no observations and is healthy."""
    async with endpoint(address) as server, checkers(check(address)) as (running, changed):
        await until_all_reported(running)
        running.apply([check(address, inverted=True)])
        assert not running.healthy("hc-az1")
        assert changed.is_set()
        assert len(running.observations("hc-az1")) == 16
        running.apply([check(address, inverted=True, disabled=True)])
        assert running.healthy("hc-az1")
        assert running.observations("hc-az1") == []
        running.apply([check(address)])
        before = len(server.requests)
        await until_all_reported(running)
        assert len(server.requests) >= before + 16


async def test_a_change_of_the_endpoint_is_followed(address: str) -> None:
    """An updated path or port is what the probers look at next, without a new check."""
    async with endpoint(address) as server, checkers(check(address)) as (running, changed):
        await until_all_reported(running)
        running.apply([check(address, port=PORT + 1)])
        await until(lambda: not running.healthy("hc-az1"), changed)
        running.apply([check(address, path="/other")])
        await until(lambda: running.healthy("hc-az1"), changed)
        assert server.requests[-1].startswith(b"GET /other ")


async def test_what_is_gone_or_unknown_counts_as_healthy(address: str) -> None:
    """A deleted check does not keep a record from being answered, and its probers stop."""
    async with checkers(check(address)) as (running, changed):
        await until(lambda: not running.healthy("hc-az1"), changed)
        changed.clear()
        running.apply([])
        assert changed.is_set()
        assert running.healthy("hc-az1")
        assert running.observations("hc-az1") == []
        assert running.healthy("no such check")


@pytest.mark.parametrize("kind", ["CALCULATED", "CLOUDWATCH_METRIC"])
async def test_a_check_without_an_endpoint_stays_healthy(kind: str) -> None:
    """Types that look at nothing have no probers."""
    async with checkers(check("", type=kind)) as (running, _):
        assert running.healthy("hc-az1")
        assert running.observations("hc-az1") == []
