"""The HTTP server over real sockets, with an application of the tests' own behind it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from srekv.app.metrics import Metrics
from srekv.app.model import CALLS, PATIENCE_S, SPARE
from srekv.app.server import Limits, Server, listen

pytestmark = pytest.mark.local

BIG = 8_000_000
"""Bytes that no socket takes at once."""


class Application:
    """A WSGI application; requests for /wait wait for `go`, `waiting` counts them."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.waiting = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer with the method and the body, or as the path says."""
        path = environ["PATH_INFO"]
        if path == "/wait":
            self.waiting.release()
            self.go.wait(20)
        if path == "/broken":
            raise KeyError(path)
        body = b"v" * BIG if path == "/big" else environ["REQUEST_METHOD"].encode() + environ["wsgi.input"].read()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]


class Running:
    """A server in a thread."""

    def __init__(self, limits: Limits) -> None:
        self.app = Application()
        self.stopping = threading.Event()
        self.held = threading.Event()
        sock = listen("127.0.0.1", 0)
        self.address = sock.getsockname()
        server = Server(self.app, sock, "az1", self.stopping, Metrics(), held=self.held.is_set, limits=limits)
        self._thread = threading.Thread(target=server.run)
        self._thread.start()

    def connect(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(self.address, timeout=20)

    def ask(self, path: str) -> bytes:
        """The whole answer to a request on a connection of its own."""
        with self.connect() as client:
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return to_the_end(client)

    def stop(self) -> None:
        """End it."""
        self.app.go.set()
        self.stopping.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts servers and stops them afterwards."""
    with contextlib.ExitStack() as running:

        def run(**limits: float) -> Running:
            one = Running(Limits(**limits))  # type: ignore[arg-type] # one of them is a number of places
            running.callback(one.stop)
            return one

        yield run


def to_the_end(client: socket.socket) -> bytes:
    """Everything that comes until the server hangs up."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(1 << 20):
            received += part
    return received


def test_a_request_in_pieces(start: Callable[..., Running]) -> None:
    """Byte by byte, head and body: one request."""
    with start().connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"PUT / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc":
            client.send(bytes([byte]))
        assert to_the_end(client).endswith(b"\r\n\r\nPUTabc")


def test_requests_in_one_piece(start: Callable[..., Running]) -> None:
    """Requests that arrive together are answered one after the other, in their order."""
    count = 50
    with start().connect() as client:
        requests = [b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n%02d" % number for number in range(count)]
        client.sendall(b"".join(requests) + b"GET / HTTP/1.0\r\n\r\n")
        answers = to_the_end(client).split(b"HTTP/1.1 200 OK")[1:]
    assert [answer[-5:] for answer in answers] == [b"PUT%02d" % number for number in range(count)] + [b"\n\r\nGET"[-5:]]


def test_a_client_that_waits_to_send(start: Callable[..., Running]) -> None:
    """Expect: 100-continue is answered before the body, so that curl does not wait for a second."""
    with start().connect() as client:
        client.sendall(b"PUT / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert to_the_end(client).endswith(b"PUTabc")


def test_clients_that_do_not_read(start: Callable[..., Running]) -> None:
    """More of them than there are threads take nobody's turn, and get everything once they read."""
    server = start()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(CALLS + SPARE + 1)]
        for client in clients:
            client.sendall(b"GET /big HTTP/1.0\r\n\r\n")
        assert server.ask("/health").endswith(b"GET")
        assert server.ask("/").endswith(b"GET")
        assert len(to_the_end(clients[-1]).partition(b"\r\n\r\n")[2]) == BIG


def test_health_has_threads_of_its_own(start: Callable[..., Running]) -> None:
    """While every place at the table is taken, who waits is turned away in time and /health is answered at once."""
    server = start()
    with ThreadPoolExecutor(CALLS + SPARE) as pool:
        stuck = [pool.submit(server.ask, "/wait") for _ in range(CALLS)]
        for _ in stuck:
            assert server.app.waiting.acquire(timeout=20)
        began = time.monotonic()
        refused = [pool.submit(server.ask, "/wait") for _ in range(SPARE)]
        assert server.ask("/health").endswith(b"GET")
        assert time.monotonic() - began < PATIENCE_S
        for one in refused:
            assert b" 503 " in one.result()
            assert b"Retry-After: 1\r\n" in one.result()
        assert PATIENCE_S < time.monotonic() - began < 2
        server.app.go.set()
        assert all(one.result().endswith(b"GET") for one in stuck)


def test_who_waits_gets_the_next_place(start: Callable[..., Running]) -> None:
    """A request that waits for the table is answered as soon as another is done."""
    server = start()
    with ThreadPoolExecutor(CALLS + 1) as pool:
        stuck = [pool.submit(server.ask, "/wait") for _ in range(CALLS)]
        for _ in stuck:
            assert server.app.waiting.acquire(timeout=20)
        server.held.set()  # nobody is turned away
        late = pool.submit(server.ask, "/late")
        assert not late.done()
        server.app.go.set()
        assert late.result().endswith(b"GET")
        assert all(one.result().endswith(b"GET") for one in stuck)


def test_slow_and_idle_clients_are_hung_up_on(start: Callable[..., Running]) -> None:
    """A request that does not arrive in time ends its connection, so does idleness; a wait for the table does not."""
    server = start(request_s=0.3, idle_s=0.3)
    with server.connect() as half, server.connect() as idle, server.connect() as silent, server.connect() as served:
        served.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
        half.sendall(b"GET / HT")
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert to_the_end(idle).endswith(b"GET")
        assert to_the_end(half) == to_the_end(silent) == b""
        server.app.go.set()
        assert served.recv(1000).endswith(b"GET")


def test_the_longest_idle_makes_room(start: Callable[..., Running]) -> None:
    """Idle clients shut nobody out: who did nothing for longest goes."""
    server = start(connections=3)
    with server.connect() as first, server.connect() as second, server.connect() as third:
        for client in (second, third, first):
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(1000).endswith(b"GET")
        with server.connect() as fourth:
            assert to_the_end(second) == b""
            for client in (first, third, fourth):
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert client.recv(1000).endswith(b"GET")


def test_a_refusal_reaches_a_client_that_goes_on_sending(start: Callable[..., Running]) -> None:
    """The answer is not lost to the reset that closing early would cause."""
    with start().connect() as client:
        client.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + b"v" * 100_000)
        assert to_the_end(client).startswith(b"HTTP/1.1 413 ")


def test_a_defect_is_an_answer(start: Callable[..., Running], caplog: pytest.LogCaptureFixture) -> None:
    """An application that raises is a signed 500; the server goes on."""
    server = start()
    answer = server.ask("/broken")
    assert b" 500 " in answer
    assert b"X-Srekv-Node: az1\r\n" in answer
    assert caplog.records[-1].exc_info
    assert server.ask("/").endswith(b"GET")


def test_a_stop_answers_what_was_accepted(start: Callable[..., Running]) -> None:
    """Requests at work and requests waiting for the table are answered, with the news that the connection ends."""
    server = start()
    server.held.set()
    with ThreadPoolExecutor(CALLS + 1) as pool:
        stuck = [pool.submit(server.ask, "/wait") for _ in range(CALLS)]
        for _ in stuck:
            assert server.app.waiting.acquire(timeout=20)
        with server.connect() as client:
            client.sendall(b"GET /late HTTP/1.1\r\n\r\n")
            server.stopping.set()
            threading.Timer(0.2, server.app.go.set).start()
            answer = to_the_end(client)
        assert answer.endswith(b"GET")
        assert b"Connection: close\r\n" in answer
        assert all(one.result().endswith(b"GET") for one in stuck)
    with pytest.raises(ConnectionRefusedError):
        server.connect()
