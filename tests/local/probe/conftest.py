"""A service on two loopback addresses, a DNS server, a fault target that runs scripts with /bin/sh: all are real."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from srekv.errors import SrekvError
from srekv.provision.model import Check, CommandResult, Deployment, Node, Observation
from tests.support.deployment import make_deployment


@dataclass
class Store:
    """The table behind both nodes."""

    items: dict[str, tuple[str, int]] = field(default_factory=dict)
    version: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    lose_writes: bool = False

    def put(self, key: str, value: str, match: str | None, none_match: str | None) -> tuple[int, str]:
        """A conditional write: status and ETag."""
        with self.lock:
            have = self.items.get(key)
            if (none_match and have) or (match and (not have or match != f'"{have[1]}"')):
                return 412, ""
            self.version += 1
            if not self.lose_writes:
                self.items[key] = (value, self.version)
            return 200, f'"{self.version}"'


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing."""

    def do_GET(self) -> None:
        """Health and reads."""
        if self.path == "/health":
            self._answer(200, "OK")
        elif self.path == "/silence":
            self.server.released.wait(10)
        else:
            item = self.server.store.items.get(self._key())
            self._answer(200, item[0], f'"{item[1]}"') if item else self._answer(404, "")

    def do_PUT(self) -> None:
        """Writes."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        match, none = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        self._answer(*self._put(body, match, none))

    def _put(self, body: str, match: str | None, none: str | None) -> tuple[int, str, str]:
        if self.server.refuse:
            return 503, json.dumps({"error": "throttled", "outcome": self.server.refuse}), ""
        status, etag = self.server.store.put(self._key(), body, match, none)
        return status, "", etag

    def do_DELETE(self) -> None:
        """Removals."""
        self.server.store.items.pop(self._key(), None)
        self._answer(204, "")

    def _key(self) -> str:
        return urllib.parse.unquote(self.path.removeprefix("/v1/keys/"))

    def _answer(self, status: int, body: str, etag: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Srekv-Node", self.server.node)
        if etag:
            self.send_header("ETag", etag)
        if status != 204:
            self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        if status != 204:
            self.wfile.write(body.encode())


class Web(ThreadingHTTPServer):
    """One node's web server; it can be stopped and started on the same address."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], node: str, store: Store) -> None:
        self.node, self.store, self.refuse = node, store, ""
        self.released = threading.Event()
        super().__init__(address, _Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def end(self) -> None:
        """Stop serving and close the address."""
        self.released.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


@dataclass
class Dns:
    """A DNS server on one port, UDP and TCP, that answers whatever `addresses` are.

    `then`, if given, is called once, after the next answer has been sent.
    """

    addresses: list[str]
    ttl: int = 0
    truncate: bool = False
    garbage: bool = False
    rcode: int = 0
    asked: int = 0
    drop: int = 0
    endpoint: tuple[str, int] = ("127.0.0.1", 0)
    then: Callable[[], None] | None = None

    def reply(self, question: bytes, *, udp: bool) -> bytes:
        """An answer to one question."""
        if self.garbage:
            return question[:2] + b"\x80\x00\xff"
        cut = self.truncate and udp
        flags = 0x8180 | (0x0200 if cut else 0) | self.rcode
        answers = [] if cut else self.addresses
        records = [struct.pack(">HHHIH", 0xC00C, 1, 1, self.ttl, 4) + socket.inet_aton(address) for address in answers]
        head = question[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        return head + question[12:] + b"".join(records)


def _serve_dns(dns: Dns) -> Iterator[Dns]:
    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            dns.asked += 1
            if dns.drop:
                dns.drop -= 1
                return
            sock.sendto(dns.reply(data, udp=True), self.client_address)
            if dns.then is not None:
                act, dns.then = dns.then, None
                act()

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = struct.unpack(">H", self.rfile.read(2))[0]
            answer = dns.reply(self.rfile.read(size), udp=False)
            self.wfile.write(struct.pack(">H", len(answer)) + answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp) as tcp:
        dns.endpoint = ("127.0.0.1", tcp.server_address[1])
        with socketserver.UDPServer(dns.endpoint, Udp) as udp:
            threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in (tcp, udp)]
            for thread in threads:
                thread.start()
            yield dns
            udp.shutdown()
            tcp.shutdown()
            for thread in threads:
                thread.join()


@dataclass
class Site:
    """Two nodes with one store, and their name. A stopped primary is noticed after `lag_s` wall-clock seconds."""

    dns: Dns
    store: Store
    port: int
    directory: Path
    webs: dict[str, Web] = field(default_factory=dict)
    addresses: tuple[str, str] = ("127.0.0.1", "127.0.0.2")
    lag_s: float = 0.6
    timers: list[threading.Timer] = field(default_factory=list)
    unhealthy: bool = False

    def serve(self, number: int) -> None:
        """Start a node's web server."""
        address = self.addresses[number]
        self.webs[address] = Web((address, self.port), f"az{number + 1}", self.store)

    def deployment(self) -> Deployment:
        """The fault target's view of it."""
        return make_deployment(*self.addresses, port=self.port)

    def stop(self, node: Node, *, skip_os_shutdown: bool = False) -> None:
        """Stop the web server; later the name switches."""
        del skip_os_shutdown
        self.webs.pop(node.address).end()
        self._later(lambda: self._health(unhealthy=True, address=self.addresses[1]))

    def start(self, node: Node) -> None:
        """Start the web server; later the name switches back."""
        self.serve(self.addresses.index(node.address))
        self._later(lambda: self._health(unhealthy=False, address=self.addresses[0]))

    def invert(self, check: Check, *, inverted: bool) -> None:
        """Not needed here."""
        raise NotImplementedError(check, inverted)

    def remember(self, node: Node, text: str) -> None:
        """Notes are not needed here."""

    def forget(self, node: Node) -> None:
        """Notes are not needed here."""

    def observations(self, check: Check) -> tuple[Observation, ...]:
        """One checker's report."""
        healthy = check.address != self.addresses[0] or not self.unhealthy
        return (Observation(checker="127.0.1.1", region="us-east-1", healthy=healthy, status="", at=datetime.now(UTC)),)

    def run(self, node: Node, script: str, *, timeout_s: float) -> CommandResult:
        """Run the script as Run Command would, with the node's own TMPDIR."""
        if node.address not in self.webs:
            raise SrekvError(f"{node.name} takes no commands")
        directory = self.directory / node.name
        directory.mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(directory)}
        done = subprocess.run(
            ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        status = "Success" if done.returncode == 0 else "Failed"
        return CommandResult(status=status, code=done.returncode, stdout=done.stdout[:24000], stderr=done.stderr[:8000])

    def end(self) -> None:
        """Stop everything."""
        for timer in self.timers:
            timer.join()
        for web in self.webs.values():
            web.end()

    def _later(self, act: Any) -> None:
        timer = threading.Timer(self.lag_s, act)
        timer.start()
        self.timers.append(timer)

    def _health(self, *, unhealthy: bool, address: str) -> None:
        self.unhealthy = unhealthy
        self.dns.addresses = [address]


@pytest.fixture
def dns() -> Iterator[Dns]:
    """A DNS server for the name."""
    yield from _serve_dns(Dns(["127.0.0.1"]))


@pytest.fixture
def site(dns: Dns, tmp_path: Path, reserve_port: Callable[..., int]) -> Iterator[Site]:
    """Two nodes, served; nothing that a script left in the background survives."""
    site = Site(dns, Store(), reserve_port(*Site.addresses), tmp_path)
    site.serve(0)
    site.serve(1)
    yield site
    _end_loads(tmp_path)
    site.end()


def _end_loads(directory: Path) -> None:
    """Wait for loads to end that the test has stopped; stop those that it has not."""
    deadline = time.monotonic() + 20
    for history in directory.glob("az*/**/*.jsonl"):
        done = history.with_name(history.name + ".done")
        history.with_name(history.name + ".stop").touch()
        waiter = threading.Event()
        while not done.exists() and time.monotonic() < deadline:
            waiter.wait(0.02)
