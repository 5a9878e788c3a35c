"""The whole service as a process before a database: what it says of itself holds, and no request breaks it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

pytestmark = pytest.mark.local

REQUESTS, THREADS = 10_000, 8
"""Malformed ones, and clients that send them."""


@dataclass
class Running:
    """A service: where, and what it says on standard error."""

    port: int
    log: Path

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture(params=["errors", "all"])
def service(
    request: pytest.FixtureRequest, database: Any, tmp_path: Path, reserve_port: Callable[[], int]
) -> Iterator[Running]:
    """The service before an empty table; SREKV_LOG as given."""
    port = reserve_port()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL_DYNAMODB": database.url,
        "AWS_REGION": "us-east-1",
        "SREKV_TABLE": database.table(),
        "SREKV_NODE": "az1",
        "SREKV_HOST": "127.0.0.1",
        "SREKV_PORT": str(port),
        "SREKV_LOG": request.param,
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "srekv.app"], env=environ, stderr=log)
    running = Running(port, tmp_path / "log")
    try:
        pause, end = threading.Event(), time.monotonic() + 20
        while not ready(running):
            assert time.monotonic() < end, running.log.read_text()
            pause.wait(0.05)
        yield running
    finally:
        process.terminate()
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


def ready(running: Running) -> bool:
    """Whether it can use its table."""
    with contextlib.suppress(OSError):
        return running.ask("GET", "/ready")[0] == 200
    return False


quiet = pytest.mark.parametrize("service", ["errors"], indirect=True)


@quiet
def test_a_life_over_http(service: Running) -> None:
    """Write, list, compare-and-set with the listed tag, a large value, and the counters that show it."""
    assert service.ask("PUT", "/v1/keys/a%2F%C3%B6", b"\xff", If_None_Match="*")[0] == 200
    page = json.loads(service.ask("GET", "/v1/keys?prefix=a/&limit=5")[2])
    assert [entry["key"] for entry in page["keys"]] == ["a/ö"]
    large = b"v" * 400_000  # moto counts more than an item has: the limit itself is for databases that can count
    status, headers, body = service.ask("PUT", "/v1/keys/a/%C3%B6", large, If_Match=page["keys"][0]["etag"])
    assert status == 200, body
    status, again, body = service.ask("GET", "/v1/keys/a/%C3%B6?consistent=false")
    assert (status, again["ETag"], body) == (200, headers["ETag"], large)
    most = 400 * 1024 - 72 - len("a/ö".encode())
    assert service.ask("PUT", "/v1/keys/a/%C3%B6", b"v" * (most + 1))[0] == 400
    shown = service.ask("GET", "/metrics")[2].decode()
    assert 'srekv_request_seconds_count{route="put_key",status="200"} 2.0' in shown
    assert 'srekv_request_seconds_count{route="put_key",status="400"} 1.0' in shown
    attempts = next(line for line in shown.splitlines() if line.startswith("srekv_table_attempts_total"))
    assert float(attempts.split()[1]) >= 5
    # A thread leaves the count when it has handed its answer over: a moment after the answer is read.
    deadline = time.monotonic() + 10
    while "srekv_calls 0.0" not in shown:
        assert time.monotonic() < deadline, shown
        shown = service.ask("GET", "/metrics")[2].decode()


@pytest.mark.parametrize("service", ["all"], indirect=True)
def test_a_log_of_everything(service: Running) -> None:
    """SREKV_LOG=all: one JSON line a request, with its id."""
    _, headers, _ = service.ask("GET", "/v1/keys/none?x=%0A", X_Request_Id="mine-1")
    assert headers["X-Request-Id"] == "mine-1"
    (line,) = (line for line in service.lines() if line["id"] == "mine-1")
    assert (line["level"], line["method"], line["path"], line["status"]) == ("INFO", "GET", "/v1/keys/none", 404)


@quiet
def test_the_document_is_true_over_the_wire(service: Running) -> None:
    """Schemathesis against the process itself, found through the document that it serves."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/openapi.json")
    for name in ("write", "read", "list_keys", "put_key", "get_key", "delete_key"):
        try_out(schema.find_operation_by_id(name).as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    # 503 is for a busy table.
    assert [line for line in service.lines() if line["level"] == "ERROR" and line["status"] != 503] == []


def try_out(cases: Any) -> None:
    """Some cases, judged by the document."""
    bounded = settings(
        max_examples=8,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @bounded
    @given(case=cases)
    def run(case: Any) -> None:
        case.call_and_validate()

    run()


PIECES = (
    *(b"GET", b"PUT", b"DELETE", b"HEAD", b"get", b"POST", b" ", b"  ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b":"),
    *(
        b"/v1/keys/k",
        b"/v1/keys",
        b"/read?key=",
        b"/write?key=k&value=",
        b"/health",
        b"/ready",
        b"*",
        b"//",
        b"?",
        b"#",
    ),
    *(b"%", b"%ff", b"%00", b"%C3%B6", b"\xff", b"\xc3\xb6", b"..", b"http://[", b"http://a@b:x/", b"&", b"="),
    *(
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"HTTP/1.1\r\n",
        b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *(b"Content-Length: ", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999\r\n"),
    *(b"Content-Length: 5, 6\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Host: \r\n"),
    *(
        b"If-Match: ",
        b'If-Match: "7"\r\n',
        b"If-None-Match: *\r\n",
        b'"',
        b"W/",
        b"X-Request-Id: \x1b[0m\r\n",
        b"a" * 300,
    ),
    *(b" folded\r\n", b"limit=0", b"cursor=", b"consistent=2", b"0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"),
)


def malformed(dice: random.Random) -> bytes:
    """A request with something wrong, mostly: a good one with damage, or pieces of requests in no order."""
    if dice.random() < 0.5:
        return b"".join(dice.choices(PIECES, k=dice.randrange(1, 12)))
    method, path = (
        dice.choice(["GET", "PUT", "DELETE", "PATCH"]),
        dice.choice(["/v1/keys/k", "/read?key=k", "/v1/keys"]),
    )
    good = bytearray(f"{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc".encode())
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(good))
        good[place : place + dice.randrange(3)] = dice.randbytes(dice.randrange(4))
    return bytes(good)


def answers_to(port: int, message: bytes) -> list[int]:
    """The statuses of all answers until the server hangs up, the client's end having been said."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        received = b""
        with contextlib.suppress(ConnectionError):
            client.sendall(message)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(1 << 16):
                received += part
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) [A-Za-z -]+\r\nServer", received)]


@quiet
@pytest.mark.timeout(300)
def test_malformed_requests(service: Running) -> None:
    """10,000 of them: an answer below 500 or a closed connection, never a hang, never a traceback."""

    def send(seed: int) -> set[int]:
        dice = random.Random(seed)
        messages = (malformed(dice) for _ in range(REQUESTS // THREADS))
        return {status for message in messages for status in answers_to(service.port, message)}

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = set().union(*pool.map(send, range(THREADS)))
    # Some are good by accident; 503 is for a busy table.
    assert {400, 404, 405} <= statuses
    assert {status for status in statuses if status >= 500} <= {503}
    assert [line for line in service.lines() if line["level"] == "ERROR" and line["status"] != 503] == []
    assert service.ask("GET", "/health")[0] == 200
