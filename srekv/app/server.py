"""The HTTP server: threads around one epoll; /health never queues behind the table (README)."""

import logging
import math
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from select import EPOLLIN, EPOLLONESHOT, EPOLLOUT, epoll
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, NamedTuple, Optional, Tuple

from srekv.app.messages import MAX_HEAD, Refusal, Request, parse, refusal, respond
from srekv.app.model import CALLS, PATIENCE_S, QUEUE, SPARE

if TYPE_CHECKING:  # it takes its time, and clients wait for a socket
    from srekv.app.metrics import Metrics

_LOG = logging.getLogger(__name__)

DRAIN_S = 1.5  # how long a stop waits for what was accepted
_TICK_S, _PART = 0.1, 1 << 16
_FREE = frozenset(["/health", "/metrics", "/openapi.json"])  # never use the table


class Limits(NamedTuple):
    """What clients may take; when all places are, who did nothing for longest goes."""

    request_s: float = 10  # for a request to arrive, and an answer to leave
    idle_s: float = 75
    linger_s: float = 2  # to hang up
    connections: int = 900  # systemd lets a service have 1,024 files


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises ValueError or OSError. Who connects waits until there is a server."""
    if port > 65535:  # getaddrinfo would take it for port 0
        raise ValueError(f"SREKV_PORT={port} is invalid: expected at most 65535")
    family, _, _, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    return socket.create_server(address, family=family, backlog=1024, dualstack_ipv6=family == socket.AF_INET6)


class _Connection:
    """A client. One thread at a time has it: epoll reports it once, until it is armed again."""

    __slots__ = ("data", "fd", "last", "limit", "out", "request", "since", "sock")

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.sock, self.fd = sock, sock.fileno()
        self.data, self.out = bytearray(), b""
        self.request: Optional[Request] = None
        self.last = False
        self.expect(seconds)

    def expect(self, seconds: float) -> None:
        """From now on the client has so long to do its part."""
        self.since, self.limit = time.monotonic(), seconds

    def receive(self, seconds: float) -> Optional[Request]:
        """The whole request that is here now, if so, its body still in `data`; it has so long from its first byte on.

        Raises Refusal, or OSError when the client is gone.
        """
        try:
            data = self.sock.recv(_PART)
        except BlockingIOError:  # it is about what is here already
            pass
        else:
            if not data:
                raise ConnectionResetError
            if self.last:  # it will not be read
                return None
            if not self.data:
                self.expect(seconds)
            self.data += data
        if self.request is None:
            end = self.data.find(b"\r\n\r\n")
            if end < 0 and len(self.data) <= MAX_HEAD:
                return None
            if not 0 <= end <= MAX_HEAD:
                raise Refusal(431, f"more than {MAX_HEAD} bytes before the body")
            self.request = parse(bytes(self.data[:end]))
            del self.data[: end + 4]
            if self.request.expects and len(self.data) < self.request.length:
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self.request if len(self.data) >= self.request.length else None


class Server:
    """Serves `app` on `sock`; `stopping` is set when it is to stop, `held` says whether nobody may be answered."""

    def __init__(
        self,
        app: Any,
        sock: socket.socket,
        node: str,
        stopping: threading.Event,
        metrics: "Metrics",
        *,
        held: Callable[[], bool],
        limits: Limits = Limits(),  # noqa: B008 - it never changes
    ) -> None:
        self._app, self._listener, self._node, self._limits = app, sock, node, limits
        self._stopping, self._held, self._metrics = stopping, held, metrics
        self._epoll, self._lock = epoll(), threading.Lock()
        self._clients: Dict[int, _Connection] = {}
        self._waiting: Deque[Tuple[float, _Connection, Request]] = deque()
        self._calls, self._over = 0, False
        metrics.watch("calls", lambda: self._calls)
        metrics.watch("waiting", lambda: len(self._waiting))
        metrics.watch("connections", lambda: len(self._clients))

    def run(self) -> None:
        """Serve until `stopping` is set, then end what was accepted; a signal handler may set it."""
        self._listener.setblocking(False)
        self._epoll.register(self._listener, EPOLLIN | EPOLLONESHOT)
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(CALLS + SPARE)]
        for worker in workers:
            worker.start()
        while not self._stopping.is_set():
            time.sleep(_TICK_S)
            self._sweep()
        self._accept()  # the kernel accepted more than we have seen
        self._listener.close()
        end, quiet = time.monotonic() + DRAIN_S, 0
        while quiet < 2 and time.monotonic() < end:
            time.sleep(0.02)
            self._sweep()
            quiet = 0 if any(one.data or one.out or one.limit == math.inf for one in self._all()) else quiet + 1
        self._over = True
        with socket.socket() as awake:  # never connected, which epoll tells every thread at once
            self._epoll.register(awake)
            for one in self._all():
                one.sock.close()
            for worker in workers:  # those that the table keeps are left behind
                worker.join(0.02)

    def _work(self) -> None:
        while not self._over:
            for number, _ in self._epoll.poll(-1, 1):
                client = self._clients.get(number)
                try:
                    if client:
                        self._serve(client)
                    elif not self._stopping.is_set():
                        self._accept()
                except Exception:  # noqa: BLE001 - a thread less would stay a thread less
                    _LOG.exception("a defect of the server")
                    if client:
                        self._close(client)

    def _accept(self) -> None:
        """Accept pending connections; called by one thread at a time, or when stopping."""
        try:
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client = _Connection(sock, self._limits.request_s)
                self._clients[client.fd] = client
                self._epoll.register(client.fd, EPOLLIN | EPOLLONESHOT)
                if len(self._clients) > self._limits.connections:
                    self._evict()
        except BlockingIOError:
            pass
        except OSError:  # out of files, or stopping has closed the listener
            if not self._stopping.is_set():
                self._evict()
        with suppress(OSError, ValueError):  # the same
            self._epoll.modify(self._listener, EPOLLIN | EPOLLONESHOT)

    def _serve(self, client: _Connection) -> None:
        """Go on with a client that sent something, or can take more."""
        if client.out:
            self._send(client, client.out)
            return
        try:
            request = client.receive(self._limits.request_s)
        except OSError:
            self._close(client)
        except Refusal as error:
            self._refuse(client, error)
        else:
            if request:
                self._turn(client, request)
            else:
                self._arm(client, EPOLLIN)

    def _turn(self, client: _Connection, request: Request) -> None:
        """Answer at once, or leave it to the next thread that is done with the table, or refuse."""
        client.expect(math.inf)
        request.environ["srekv.began"] = client.since
        if request.path in _FREE:
            self._answer(client, request)
            return
        with self._lock:
            mine, full = self._calls < CALLS, len(self._waiting) >= QUEUE
            if mine:
                self._calls += 1
            elif not full:
                self._waiting.append((time.monotonic() + PATIENCE_S, client, request))
                return
        if not mine:
            self._refuse(client, Refusal(503, "too many requests wait for the table"))
            return
        while mine:
            self._answer(client, request)
            with self._lock:
                mine = bool(self._waiting)
                if mine:
                    _, client, request = self._waiting.popleft()
                else:
                    self._calls -= 1

    def _answer(self, client: _Connection, request: Request) -> None:
        body = self._finish(client, request)
        try:
            message = respond(self._app, request, body, last=client.last)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer
            _LOG.exception("a defect of the application")
            identity = self._metrics.identify(request.environ)
            message = refusal(self._node, identity, 500, "see the service's log", last=client.last)
        self._send(client, message)

    def _refuse(self, client: _Connection, error: Refusal) -> None:
        """Answer without the application; after a request that was not understood, or a HEAD, the connection ends."""
        environ = client.request.environ if client.request else {}
        if client.request:
            self._finish(client, client.request)
        client.last = client.last or error.status != 503 or environ.get("REQUEST_METHOD") == "HEAD"
        self._metrics.requests("none", error.status).observe(0)
        if error.status == 503:
            self._metrics.refused.inc()
        identity = self._metrics.identify(environ)
        self._send(client, refusal(self._node, identity, error.status, str(error), last=client.last))

    def _finish(self, client: _Connection, request: Request) -> bytes:
        """The request's body; from here on the client may send its next one."""
        body = bytes(client.data[: request.length])
        del client.data[: request.length]
        client.request = None
        client.last = not request.keep or self._stopping.is_set()
        return body

    def _send(self, client: _Connection, data: bytes) -> None:
        """Send what can be sent now, and see to the rest, the next request or the end."""
        client.expect(self._limits.request_s)
        try:
            try:
                sent = client.sock.send(data)
            except BlockingIOError:
                sent = 0
            client.out = data[sent:]
            if client.out:
                self._arm(client, EPOLLOUT)
            elif client.last:
                # Closing now, with something unread, would make the kernel take the answer back.
                client.limit = self._limits.linger_s
                client.data.clear()
                client.sock.shutdown(socket.SHUT_WR)
                self._arm(client, EPOLLIN)
            elif client.data:
                self._arm(client, EPOLLOUT)
            else:
                client.limit = self._limits.idle_s
                self._arm(client, EPOLLIN)
        except OSError:
            self._close(client)

    def _arm(self, client: _Connection, events: int) -> None:
        """Let any thread have the client as soon as there is something to do; the caller has it no longer."""
        self._epoll.modify(client.fd, events | EPOLLONESHOT)

    def _close(self, client: _Connection) -> None:
        self._clients.pop(client.fd, None)
        client.sock.close()

    def _sweep(self) -> None:
        """Turn away who waited too long for the table, and hang up on who is too slow or idle."""
        now = time.monotonic()
        while not self._held():
            with self._lock:
                if not self._waiting or self._waiting[0][0] > now:
                    break
                _, client, _ = self._waiting.popleft()
            self._refuse(client, Refusal(503, "the table is too slow for so many requests"))
        for client in self._all():
            if client.since + client.limit < now:
                self._hang_up(client)

    def _evict(self) -> None:
        """Make room: who did nothing for longest goes, unless it is our turn to do something."""
        quiet = [client for client in self._all() if client.limit != math.inf]
        if quiet:
            self._hang_up(min(quiet, key=lambda one: one.since))

    def _hang_up(self, client: _Connection) -> None:
        """End the connection; the thread that epoll tells closes it."""
        with suppress(OSError):  # it has just been closed
            client.sock.shutdown(socket.SHUT_RDWR)

    def _all(self) -> Tuple[_Connection, ...]:
        return tuple(self._clients.values())
