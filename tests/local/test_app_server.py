"""The service as a process on loopback: start, health beside a hanging table, refusals, faults, stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import until

pytestmark = pytest.mark.local

HEALTH_S, READY_S = 0.2, 1.0
"""What the service promises of /health and /ready."""

CHECKER_WAITS_S = 2
"""How long a Route 53 checker waits for an answer once it is connected (aws-facts 1.1)."""


class HangingTable:
    """A DynamoDB that accepts connections and requests and never answers; `asked` counts connections."""

    def __init__(self) -> None:
        self.asked = 0
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self._sockets.append(accepted)
                self.asked += 1
                self._changed.notify_all()

    def wait_for(self, connections: int) -> None:
        """Until so many requests hang here."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.asked >= connections, timeout=20)

    def close(self) -> None:
        """Let go of everybody."""
        with contextlib.suppress(OSError):  # closed by the test already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for accepted in self._sockets:
            accepted.close()


class Service:
    """A running service; `get` asks it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process

    def ask(self, method: str, path: str, body: bytes = b"", timeout: float = 20) -> tuple[Any, bytes]:
        """The answer on a connection of its own, and its body."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer, answer.read()

    def get(self, path: str, timeout: float = 10) -> Any:
        """The answer to a GET."""
        return self.ask("GET", path, timeout=timeout)[0]


@pytest.fixture
def table() -> Iterator[HangingTable]:
    """A table that hangs."""
    hanging = HangingTable()
    yield hanging
    hanging.close()


@pytest.fixture
def start(table: HangingTable, tmp_path: Path, reserve_port: Callable[[], int]) -> Iterator[Callable[[], Service]]:
    """Starts a service on a free port in front of the hanging table; whatever still runs afterwards is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run() -> Service:
        port = reserve_port()
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ENDPOINT_URL": table.endpoint,
            "AWS_REGION": "us-east-1",
            "SREKV_TABLE": "SREKeyValue",
            "SREKV_NODE": "az1",
            "SREKV_HOST": "127.0.0.1",
            "SREKV_PORT": str(port),
            "SREKV_FAULT_FILE": str(tmp_path / "fault"),
        }
        process = subprocess.Popen([sys.executable, "-m", "srekv.app"], env=environ, stderr=subprocess.PIPE)
        started.append(process)
        service = Service(port, process)
        until(lambda: listens(port))
        return service

    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def timed(call: Callable[[], Any]) -> tuple[int, float]:
    """The status and the seconds that it took."""
    began = time.monotonic()
    return call().status, time.monotonic() - began


def test_ten_times_the_load(start: Callable[[], Service], table: HangingTable) -> None:
    """240 readers for 24 places at a table that hangs: health at once, the others refused in time, and counted.

    No health probe takes longer than a checker waits.
    """
    service = start()
    assert service.get("/health").status == 200
    with ThreadPoolExecutor(240) as pool:
        readers = [pool.submit(timed, lambda: service.get("/read?key=k", timeout=30)) for _ in range(240)]
        table.wait_for(24)
        probes = [timed(lambda: service.get("/health", timeout=5)) for _ in range(15)]
        answers = [reader.result() for reader in readers]
    assert {status for status, _ in probes} == {200}
    # Half of them: this machine may be busy with other things.
    assert statistics.median(seconds for _, seconds in probes) < HEALTH_S
    assert max(seconds for _, seconds in probes) < CHECKER_WAITS_S
    assert {status for status, _ in answers} == {503}
    refused = re.search(rb"^srekv_refused_total (\d+)", service.ask("GET", "/metrics")[1], re.MULTILINE)
    assert refused is not None
    assert 150 <= int(refused[1]) <= 216
    assert service.get("/metrics").headers["X-Request-Id"]


def test_ready_is_bounded_while_the_table_hangs(start: Callable[[], Service], table: HangingTable) -> None:
    """Who asks whether it is ready hears within a second that it is not; all of them share the looks at the table."""
    service = start()
    # A service that has just begun is busy with its client of the table.
    until(lambda: service.get("/ready").status == 503 and table.asked > 0)
    before = table.asked
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: timed(lambda: service.get("/ready")), range(12)))
        others = list(pool.map(lambda _: timed(lambda: service.get("/openapi.json")), range(12)))
    assert {status for status, _ in answers} == {503}
    # What waits for nothing says how slow this machine is: it may be busy with other things.
    slow = statistics.median(seconds for _, seconds in others)
    assert statistics.median(seconds for _, seconds in answers) < READY_S + 3 * slow
    # One look, or the next one as well; each tries three times.
    assert table.asked - before <= 6


def test_an_unreachable_table(start: Callable[[], Service], table: HangingTable) -> None:
    """Nobody listens at the table's address: 503 with Retry-After, and a write that certainly failed."""
    service = start()
    table.close()
    answer, body = service.ask("PUT", "/v1/keys/k", b"v")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert b'"outcome": "failed"' in body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET /v1/keys/%FF HTTP/1.0\r\n\r\n", b"400"),
        (b"PUT /v1/keys/k HTTP/1.1\r\nContent-Length: 4000001\r\n\r\n", b"413"),
        (b"PUT /v1/keys/k HTTP/1.0\r\nContent-Length: 500000\r\n\r\n" + b"v" * 500_000, b"400"),
    ],
)
def test_refusals_are_signed(start: Callable[[], Service], request_bytes: bytes, status: bytes) -> None:
    """What the server itself refuses carries the node's name like any other answer."""
    service = start()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as raw:
        raw.sendall(request_bytes)
        answer = b""
        while b"\r\n\r\n" not in answer:
            received = raw.recv(65536)
            assert received, answer
            answer += received
    assert answer.split()[1] == status
    assert b"X-Srekv-Node: az1" in answer


def test_hang_and_heal(start: Callable[[], Service], tmp_path: Path) -> None:
    """With `hang` nothing answers, health included; without it the same process answers again."""
    service = start()
    assert service.get("/health").status == 200
    (tmp_path / "fault").write_text("hang\n")
    for path in ("/health", "/read?key=k"):
        with pytest.raises(TimeoutError):
            service.get(path, timeout=0.3)
    (tmp_path / "fault").unlink()
    assert service.get("/health").status == 200


def test_stops_at_once_when_idle(start: Callable[[], Service]) -> None:
    """SIGTERM with a client that only keeps its connection open: exit code 0, and the port is closed."""
    service = start()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20):
        assert service.get("/health").status == 200
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
    assert not listens(service.port)


def test_stops_although_the_table_hangs(start: Callable[[], Service], table: HangingTable) -> None:
    """A request that waits for the table does not keep the service from ending."""
    service = start()
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(service.get, "/read?key=k")
        table.wait_for(1)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
        assert stuck.exception() is not None


def test_stops_while_it_hangs_on_request(start: Callable[[], Service], tmp_path: Path) -> None:
    """The `hang` fault does not outlive the process: SIGTERM answers who hung, and ends it."""
    service = start()
    assert service.get("/health").status == 200
    (tmp_path / "fault").write_text("hang")
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(service.get, "/health")
        with pytest.raises(TimeoutError):
            service.get("/health", timeout=0.3)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
        assert hung.result().status == 200
