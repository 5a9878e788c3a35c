"""The HTTP server: threads around one epoll; /health never queues behind the table (README)."""

import logging
import math
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from select import EPOLLIN, EPOLLONESHOT, EPOLLOUT, epoll
from typing import Any, Callable, Deque, Dict, Optional, Tuple

from srekv.app.messages import MAX_HEAD, Refusal, Request, parse, refusal, respond
from srekv.app.model import CALLS, PATIENCE_S, QUEUE, SPARE

DRAIN_S = 1.5
"""How long a stop waits for what was accepted."""

REQUEST_S, IDLE_S, LINGER_S = 10, 75, 2
"""How long a request may take to arrive and an answer to be taken, a client may be idle and may take to hang up."""

CONNECTIONS = 900
"""At most, else who was idle longest goes: systemd lets a service have 1,024 files."""

_TICK_S, _PART = 0.1, 1 << 16
_FREE = frozenset(["/health"])
"""Paths that never use the table."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises ValueError or OSError. Who connects waits until there is a server."""
    if port > 65535:  # getaddrinfo would take it for port 0
        raise ValueError(f"SREKV_PORT={port} is impossible, expected at most 65535")
    family, kind, _, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


class _Connection:
    """A client. One thread at a time has it: epoll reports it once, until it is armed again."""

    __slots__ = ("data", "end", "fd", "last", "out", "request", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.fd = sock, sock.fileno()
        self.data, self.out = bytearray(), b""
        self.request: Optional[Request] = None
        self.last = False
        self.end = time.monotonic() + REQUEST_S

    def add(self, data: bytes) -> bool:
        """Whether a whole request is here with this; raises Refusal, or OSError when the client is gone."""
        if not data:
            raise ConnectionResetError
        if self.last:  # nobody will read it
            return False
        if not self.data:
            self.end = time.monotonic() + REQUEST_S
        self.data += data
        return self.take()

    def take(self) -> bool:
        """Whether a whole request is here; its head is parsed then. Raises the same."""
        if self.request is None:
            end = self.data.find(b"\r\n\r\n")
            if end < 0 and len(self.data) <= MAX_HEAD:
                return False
            if not 0 <= end <= MAX_HEAD:
                raise Refusal(431, f"more than {MAX_HEAD} bytes before the body")
            self.request = parse(bytes(self.data[:end]))
            del self.data[: end + 4]
            if self.request.expects and len(self.data) < self.request.length:
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return len(self.data) >= self.request.length


class Server:
    """Serves `app` on `sock`; `stopping` is set when it is to stop, `held` says whether nobody may be answered."""

    def __init__(
        self, app: Any, sock: socket.socket, node: str, stopping: threading.Event, held: Callable[[], bool]
    ) -> None:
        self._app, self._listener, self._node = app, sock, node
        self._stopping, self._held = stopping, held
        self._epoll, self._lock = epoll(), threading.Lock()
        self._clients: Dict[int, _Connection] = {}
        self._waiting: Deque[Tuple[float, _Connection]] = deque()
        self._calls = 0
        self._over = False

    def run(self) -> None:
        """Serve until `stopping` is set, then end what was accepted; a signal handler may set it."""
        self._listener.setblocking(False)
        self._epoll.register(self._listener, EPOLLIN | EPOLLONESHOT)
        for _ in range(CALLS + SPARE):
            threading.Thread(target=self._work, daemon=True).start()
        while not self._stopping.is_set():
            time.sleep(_TICK_S)
            self._sweep()
        self._accept()  # the kernel accepted more than we have seen
        self._listener.close()
        end, quiet = time.monotonic() + DRAIN_S, 0
        while quiet < 2 and time.monotonic() < end:
            time.sleep(0.02)
            self._sweep()
            quiet = 0 if any(one.data or one.out or one.end == math.inf for one in self._all()) else quiet + 1
        self._over = True
        with socket.socket() as awake:  # never connected, which epoll tells every thread at once
            self._epoll.register(awake)
            for one in self._all():
                one.sock.close()

    def _work(self) -> None:
        while not self._over:
            for number, _ in self._epoll.poll(-1, 1):
                client = self._clients.get(number)
                if client:
                    self._serve(client)
                elif not self._stopping.is_set():
                    self._accept()

    def _accept(self) -> None:
        """Everybody who knocks; called by one thread at a time, or when stopping."""
        try:
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client = _Connection(sock)
                self._clients[client.fd] = client
                self._epoll.register(client.fd, EPOLLIN | EPOLLONESHOT)
                if len(self._clients) > CONNECTIONS:
                    self._evict()
        except BlockingIOError:
            pass
        except OSError:  # out of files, most likely
            self._evict()
        if not self._stopping.is_set():
            self._epoll.modify(self._listener, EPOLLIN | EPOLLONESHOT)

    def _serve(self, client: _Connection) -> None:
        """Go on with a client that sent something, or can take more."""
        if client.out:
            self._send(client, client.out)
            return
        try:
            try:
                data = client.sock.recv(_PART)
            except BlockingIOError:  # it is about what is here already
                whole = client.take()
            else:
                whole = client.add(data)
        except OSError:
            self._close(client)
        except Refusal as error:
            self._refuse(client, error.status, str(error))
        else:
            if whole:
                self._turn(client)
            else:
                self._arm(client, EPOLLIN)

    def _turn(self, client: _Connection) -> None:
        """Answer at once, or when it is its turn at the table, which other clients' threads see to, or refuse."""
        client.end = math.inf
        if client.request is None or client.request.path in _FREE:
            self._answer(client)
            return
        with self._lock:
            mine, full = self._calls < CALLS, len(self._waiting) >= QUEUE
            if mine:
                self._calls += 1
            elif not full:
                self._waiting.append((time.monotonic() + PATIENCE_S, client))
                return
        if full and not mine:
            self._refuse(client, 503, "too many requests wait for the table")
            return
        after: Optional[_Connection] = client
        while after:
            try:
                self._answer(after)
            finally:
                with self._lock:
                    after = self._waiting.popleft()[1] if self._waiting else None
                    self._calls -= not after

    def _answer(self, client: _Connection) -> None:
        request = client.request
        assert request is not None  # noqa: S101 - for the type checker
        body = bytes(client.data[: request.length])
        del client.data[: request.length]
        client.request, client.last = None, not request.keep or self._stopping.is_set()
        try:
            message = respond(self._app, request, body, last=client.last)
        except Exception:
            logging.getLogger(__name__).exception("a defect")
            message = refusal(self._node, 500, "see the service's log", last=client.last)
        self._send(client, message)

    def _refuse(self, client: _Connection, status: int, reason: str) -> None:
        """Answer without the application; a request that was not understood is the last one."""
        request, client.request = client.request, None
        client.last = request is None or not request.keep or self._stopping.is_set()
        del client.data[: request.length if request else None]
        self._send(client, refusal(self._node, status, reason, last=client.last))

    def _send(self, client: _Connection, data: bytes) -> None:
        """Send what can be sent now, and see to the rest, the next request or the end."""
        try:
            try:
                sent = client.sock.send(data)
            except BlockingIOError:
                sent = 0
            client.out = data[sent:]
            if client.out:
                client.end = time.monotonic() + REQUEST_S
                self._arm(client, EPOLLOUT)
            elif client.last:
                # Closing now, with something unread, would make the kernel take the answer back.
                client.end = time.monotonic() + LINGER_S
                client.data.clear()
                client.sock.shutdown(socket.SHUT_WR)
                self._arm(client, EPOLLIN)
            else:
                client.end = time.monotonic() + IDLE_S
                self._arm(client, EPOLLOUT if client.data else EPOLLIN)
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
                client = self._waiting.popleft()[1]
            self._refuse(client, 503, "the table is too slow for so many requests")
        for client in self._all():
            if client.end < now:
                self._hang_up(client)

    def _evict(self) -> None:
        self._hang_up(min(self._all(), key=lambda one: one.end))

    def _hang_up(self, client: _Connection) -> None:
        """End the connection; the thread that epoll tells closes it."""
        with suppress(OSError):  # it has just been closed
            client.sock.shutdown(socket.SHUT_RDWR)

    def _all(self) -> Tuple[_Connection, ...]:
        return tuple(self._clients.values())
