"""The kinds of clients against two real servers and a real DNS server: what each does when the name moves on."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from srekv.check.verdict import judge_file
from srekv.probe import KINDS
from srekv.probe.exchange import Name, Target
from srekv.probe.journal import Clock, Journal
from srekv.probe.load import Client, Plan, run
from srekv.probe.service import Service

pytestmark = pytest.mark.local

NAME = "svc.sre-test.local"


class Server:
    """A web server that keeps connections; `mode` is what it does with the next request.

    "answer"; "mute": take it and say nothing; "cut": take it and close the connection; "bye": answer and close.
    """

    def __init__(self, address: str, port: int = 0) -> None:
        self.mode = "answer"
        self.requests: list[str] = []
        self.connections: list[socket.socket] = []
        self._listener = socket.create_server((address, port))
        self.address, self.port = self._listener.getsockname()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def hang_up(self) -> None:
        """Close every connection, as a server does with idle ones, and wait until that is done."""
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(10)

    def end(self) -> None:
        """Refuse new connections and close the old ones."""
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._threads[0].join(10)
        for connection in self.connections:
            if connection.fileno() >= 0:
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while self._one(connection, stream):
                pass

    def _one(self, connection: socket.socket, stream: Any) -> bool:
        """Serve one request; whether the connection is kept."""
        try:
            head = [line.decode().strip() for line in iter(stream.readline, b"\r\n") if line or self._stop()]
        except (OSError, EOFError):
            return False
        headers = dict(line.lower().split(": ", 1) for line in head[1:])
        stream.read(int(headers.get("content-length", "0")))
        self.requests.append(head[0])
        if self.mode == "cut":
            return False
        if self.mode == "mute":
            return bool(stream.read(1))
        closes = self.mode == "bye" or headers["connection"] == "close"
        word = "close" if closes else "keep-alive"
        node = f"X-Srekv-Node: {self.address}"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{node}\r\nConnection: {word}\r\nContent-Length: 1\r\n\r\nv".encode())
        return not closes

    def _stop(self) -> bool:
        raise EOFError


@pytest.fixture
def pair(dns: Any) -> Iterator[tuple[Server, Server, Any]]:
    """Two servers on one port of two addresses of their own, and a DNS server that answers the first."""
    network = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(256)}"
    with contextlib.ExitStack() as servers:
        first = Server(f"{network}.10")
        servers.callback(first.end)
        second = Server(f"{network}.20", first.port)
        servers.callback(second.end)
        dns.addresses = [first.address]
        yield first, second, dns


def _target(pair: Any) -> Target:
    return Target(NAME, pair[0].port, pair[2].endpoint)


@pytest.fixture
def clients(pair: Any) -> Iterator[Callable[..., Service]]:
    """Makes clients of a kind, and closes them."""
    with contextlib.ExitStack() as stack:

        def make(kind: str, timeout_s: float = 5.0) -> Service:
            return stack.enter_context(contextlib.closing(Service(_target(pair), kind, timeout_s=timeout_s)))

        yield make


def _switch(pair: Any) -> None:
    pair[2].addresses = [pair[1].address]


@pytest.mark.parametrize(
    ("kind", "keeps_s"),
    [("no-cache", 0), ("keep-alive", 0), ("honor-ttl", 30), ("retry", 30), ("cache-10s", 5), ("cache-forever", 10**9)],
)
def test_how_long_an_address_is_kept(pair: Any, kind: str, keeps_s: float) -> None:
    """At speed 2 and with 30 s on the wire: the TTL is wall-clock already, a client's own 10 s are 5."""
    now = [1000.0]
    pair[2].ttl = 30
    name = Name(_target(pair), kind, speed=2, clock=lambda: now[0])
    first = name.address(5)
    _switch(pair)
    now[0] += max(keeps_s - 0.01, 0)
    kept = name.address(5)
    now[0] += 0.02

    assert first == pair[0].address
    assert kept == (pair[0].address if keeps_s else pair[1].address)
    assert name.address(5) == (pair[0].address if kind == "cache-forever" else pair[1].address)


def test_ttl_0_forbids_keeping(pair: Any, clients: Callable[..., Service]) -> None:
    """An answer with TTL 0 is for one operation."""
    service = clients("honor-ttl")
    service.read("k")
    _switch(pair)
    assert service.read("k").node == pair[1].address


def test_a_kept_address_is_kept_through_errors(pair: Any, clients: Callable[..., Service]) -> None:
    """A refused connection does not make a client ask for the name before the TTL has passed."""
    first, second, dns = pair
    dns.ttl = 60
    service = clients("honor-ttl")
    service.read("k")
    _switch(pair)
    first.end()
    outcome = service.write("k", "v")

    assert (outcome.outcome, outcome.address, dns.asked) == ("fail", first.address, 1)
    assert not second.requests


def test_for_ever_asks_until_it_has_an_address_and_never_again(pair: Any, clients: Callable[..., Service]) -> None:
    """A name without an answer is not kept; an answer is, for life."""
    dns = pair[2]
    dns.rcode, dns.addresses = 3, []
    service = clients("cache-forever")
    none = service.read("k")
    dns.rcode, dns.addresses = 0, [pair[0].address]
    found = service.read("k")
    _switch(pair)

    assert (none.outcome, none.error, none.address) == ("fail", f"{NAME}: NXDOMAIN", None)
    assert (found.node, service.read("k").node, dns.asked) == (pair[0].address, pair[0].address, 2)


def test_keep_alive_stays_where_it_works(pair: Any, clients: Callable[..., Service]) -> None:
    """One connection for all operations, whatever the name answers meanwhile."""
    service = clients("keep-alive")
    nodes = [service.read("k").node]
    _switch(pair)
    nodes += [service.write("k", "v").node for _ in range(5)]

    assert set(nodes) == {pair[0].address}
    assert (len(pair[0].connections), pair[2].asked) == (1, 1)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"keep-alive"}))
def test_others_connect_for_each_operation(pair: Any, clients: Callable[..., Service], kind: str) -> None:
    """Only the keep-alive client keeps a connection."""
    service = clients(kind)
    for _ in range(3):
        service.read("k")
    assert len(pair[0].connections) == 3


def test_keep_alive_reconnects_to_a_fresh_name_without_an_error(pair: Any, clients: Callable[..., Service]) -> None:
    """A connection that the server closed while it was idle costs no operation."""
    service = clients("keep-alive")
    service.read("k")
    _switch(pair)
    pair[0].hang_up()
    outcome = service.write("k", "v")

    assert (outcome.outcome, outcome.node) == ("ok", pair[1].address)


def test_keep_alive_obeys_a_server_that_closes(pair: Any, clients: Callable[..., Service]) -> None:
    """After an answer with Connection: close the next operation connects to where the name leads."""
    pair[0].mode = "bye"
    service = clients("keep-alive")
    first = service.read("k")
    _switch(pair)
    second = service.read("k")

    assert (first.node, second.node) == (pair[0].address, pair[1].address)


@pytest.mark.parametrize(("mode", "timeout_s"), [("mute", 0.2), ("cut", 5.0)])
def test_a_broken_connection_is_unknown_for_writes_and_left_behind(
    pair: Any, clients: Callable[..., Service], mode: str, timeout_s: float
) -> None:
    """A request that was taken and not answered may have had its effect; the next operation asks for the name."""
    service = clients("keep-alive", timeout_s)
    service.read("k")
    pair[0].mode = mode
    _switch(pair)
    outcome = service.write("k", "v")
    after = service.write("k", "v")

    assert (outcome.outcome, outcome.address) == ("unknown", pair[0].address)
    assert len(pair[0].requests) == 2
    assert (after.outcome, after.node) == ("ok", pair[1].address)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("operate", "outcome"),
    [
        (lambda service: service.write("k", "v"), "unknown"),
        (lambda service: service.cas("k", "v", etag='"1"'), "unknown"),
        (lambda service: service.delete("k"), "unknown"),
        (lambda service: service.read("k"), "fail"),
    ],
)
def test_what_a_silent_service_leaves_behind(
    pair: Any, clients: Callable[..., Service], kind: str, operate: Callable[[Service], Any], outcome: str
) -> None:
    """For every kind: a change without an answer is unknown, a read without one is nothing."""
    pair[0].mode = "mute"
    service = clients(kind, 0.1)
    said = operate(service)
    assert (said.outcome, said.address) == (outcome, pair[0].address)


def test_every_kind_in_one_history(site: Any, tmp_path: Any) -> None:
    """A load of all kinds: each operation names its kind and client, the rate is not exceeded, it holds."""
    plan = _plan(site, tmp_path / "all.jsonl", kinds=KINDS, each=2, rate=10.0, seconds=16.0)
    run(plan)
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    operations = {line["id"]: line for line in lines if "op" in line and not line.get("final")}

    assert {(one["zoo"], one["client"]) for one in operations.values()} == set(plan.clients)
    assert len(plan.clients) == 12
    assert len(operations) <= plan.rate * plan.seconds + 2 * len(plan.clients)
    assert all("address" in one and "node" in one for one in operations.values())
    findings = judge_file([json.dumps(line) + "\n" for line in lines]).findings
    assert {one.checker: one.verdict for one in findings if one.verdict != "unknown"} == {
        "lost": "held",
        "linear": "held",
    }
    assert lines[-1]["event"] == "end"
    assert lines[-1]["left"] == []
    assert not site.store.items


def test_a_seed_decides_the_choices(site: Any, tmp_path: Any) -> None:
    """The same seed gives the same operations on the same keys, another seed others."""

    def chosen(file: str, seed: int) -> list[tuple[str, str]]:
        site.store.items.clear()
        out = tmp_path / file
        run(_plan(site, out, kinds=("honor-ttl",), each=1, rate=20.0, seconds=8.0, seed=seed))
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        return [(one["op"], one["key"]) for one in lines if one.get("zoo") and one["outcome"] != "unknown"]

    first, second, other = chosen("1", 7), chosen("2", 7), chosen("3", 8)
    common = min(len(first), len(second), len(other))
    assert common > 5
    assert first[:common] == second[:common] != other[:common]


def test_the_observer_asks_each_second(site: Any, tmp_path: Any) -> None:
    """Each look says when it asked and when it knew; looks are an AWS-equivalent second apart at least."""
    run(_plan(site, tmp_path / "dns.jsonl", kinds=("honor-ttl",), each=1, rate=1.0, seconds=10.0))
    lines = [json.loads(line) for line in (tmp_path / "dns.jsonl").read_text().splitlines()]
    looks = [line for line in lines if line.get("event") == "dns"]

    assert 1 < len(looks) <= 12
    assert all(look["asked"] <= look["at"] and look["answer"] == ["127.0.0.1"] for look in looks)


def test_a_client_that_breaks_ends_the_load(site: Any, tmp_path: Any) -> None:
    """A client that is silently missing would look like one without errors: no done, and the error is told."""
    plan = _plan(site, tmp_path / "broken", kinds=("honor-ttl",), each=1, rate=20.0, seconds=600.0)
    broken = plan._replace(target=Target("bad\nname", plan.target.port, plan.target.resolver))
    with pytest.raises(ValueError, match="Invalid header value"):
        run(broken)
    assert not (tmp_path / "broken.done").exists()


def test_an_unknown_write_says_when_it_was_given_up(pair: Any, tmp_path: Any) -> None:
    """Its completion is open, and the time at which the client gave up is told beside it."""
    pair[0].mode = "mute"
    with contextlib.closing(Journal(str(tmp_path / "h"))) as journal:
        _client(pair, journal)._write("k")
    invoked, ended = [json.loads(line) for line in (tmp_path / "h").read_text().splitlines()]

    assert (invoked["outcome"], ended["outcome"], ended["complete"]) == ("unknown", "unknown", None)
    assert ended["gave_up"] >= ended["invoke"] + 0.09


@pytest.mark.parametrize("heals", [True, False])
def test_a_client_that_is_stopped_after_an_error_tries_to_end_on_an_answer(
    pair: Any, tmp_path: Any, heals: bool
) -> None:
    """One error at the very end is not an outage without an end; an outage that goes on is."""
    server, stop = pair[0], threading.Event()
    server.mode = "cut"
    with contextlib.closing(Journal(str(tmp_path / "h"))) as journal:
        thread = threading.Thread(target=_client(pair, journal).loop, args=(stop,))
        thread.start()
        try:
            end = time.monotonic() + 20
            while not server.requests:
                assert time.monotonic() < end, "the client asked nothing"
        finally:
            stop.set()
            server.mode = "answer" if heals else "cut"
            thread.join(20)
    ends = [json.loads(line) for line in (tmp_path / "h").read_text().splitlines()]

    assert (ends[-1]["outcome"] in {"ok", "conflict"}) == heals


def _client(pair: Any, journal: Journal) -> Client:
    """A client in a hurry."""
    plan = Plan(
        target=_target(pair),
        run="r",
        keys=1,
        kinds=("honor-ttl",),
        each=1,
        rate=100.0,
        seconds=60.0,
        timeout_s=0.1,
        seed=1,
        out="",
        speed=1.0,
    )
    return Client(plan, "honor-ttl", "ttl-1", Clock(1.0), journal)


def _plan(
    site: Any, out: Any, *, kinds: tuple[str, ...], each: int, rate: float, seconds: float, seed: int = 1
) -> Plan:
    return Plan(
        target=Target(NAME, site.port, site.dns.endpoint),
        run="zoo",
        keys=4,
        kinds=kinds,
        each=each,
        rate=rate,
        seconds=seconds,
        timeout_s=100.0,
        seed=seed,
        out=str(out),
        speed=20.0,
    )
