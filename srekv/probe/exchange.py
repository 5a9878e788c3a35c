"""HTTP requests to where a name leads, telling apart what was never sent from what was sent and not answered.

The difference decides what a drill may conclude: a write that was never sent certainly did not take effect, a write
that was sent and not answered may have taken effect at any time after.
"""

from __future__ import annotations

import http.client
import select
import time
from typing import Callable, Mapping, NamedTuple

from srekv.probe import wire

_KEPT_S = {"no-cache": 0.0, "keep-alive": 0.0, "cache-forever": float("inf"), "cache-10s": 10.0}
"""AWS-equivalent seconds for which a kind of client keeps an answer, where the TTL does not decide."""


class NotSentError(Exception):
    """No connection: nothing of the request reached the service."""


class BrokenError(Exception):
    """The request may have reached the service; no whole answer came back."""


class Target(NamedTuple):
    """Where the service is: its name, its port, and the resolver to ask for the name."""

    name: str
    port: int
    resolver: tuple[str, int]

    @property
    def host(self) -> str:
        """The Host header."""
        return self.name if self.port == 80 else "%s:%d" % (self.name, self.port)


class Name:
    """The service's name as a client of this kind, one of srekv.probe.KINDS, knows it.

    `speed` is AWS-equivalent seconds in one wall-clock second: TTLs on the wire are wall-clock already. `clock` tells
    monotonic wall-clock seconds.
    """

    def __init__(
        self,
        target: Target,
        kind: str = "honor-ttl",
        *,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._kept_s = _KEPT_S[kind] / speed if kind in _KEPT_S else None
        self._clock = clock
        self._address = ""
        self._until = float("-inf")

    def address(self, timeout_s: float) -> str:
        """The first address of the name, asked for within timeout_s (wall-clock) if none is kept.

        Raises:
            NotSentError: the name has none.
        """
        if self._clock() >= self._until:
            answer = wire.resolve(self._target.name, self._target.resolver, timeout_s=timeout_s)
            if not answer.addresses:
                raise NotSentError("%s: %s" % (self._target.name, answer.rcode))
            self._address = answer.names[0]
            self._until = self._clock() + (answer.ttl if self._kept_s is None else self._kept_s)
        return self._address


class Reply(NamedTuple):
    """A whole HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Request(NamedTuple):
    """What to send: `path` is already quoted, `host` is the Host header."""

    method: str
    path: str
    host: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Connection:
    """A TCP connection to the service, open from the beginning, for one request after the other.

    Raises:
        NotSentError: it could not connect within timeout_s (wall-clock).
    """

    def __init__(self, address: str, port: int, *, timeout_s: float) -> None:
        self.address = address
        self._http = http.client.HTTPConnection(address, port, timeout=timeout_s)
        self._http.auto_open = 0  # a connection that broke is not opened again behind our back
        try:
            self._http.connect()
        except OSError as error:
            self._http.close()
            raise NotSentError("connect: %s" % _words(error)) from error

    @property
    def usable(self) -> bool:
        """Whether it can take another request: nothing has broken it, and the service has not closed it meanwhile."""
        return self._http.sock is not None and not select.select([self._http.sock], [], [], 0)[0]

    def send(self, request: Request, *, timeout_s: float, keep: bool = False) -> Reply:
        """Send a request and read the whole answer; without `keep` the service is asked to close after it.

        Raises:
            BrokenError: no whole answer; the connection is closed.
        """
        headers = {**request.headers, "Host": request.host, "Connection": "keep-alive" if keep else "close"}
        try:
            self._http.sock.settimeout(max(0.001, timeout_s))
            self._http.request(request.method, request.path, request.body or None, headers)
            with self._http.getresponse() as answer:
                body = answer.read()
                return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise BrokenError("%s %s: %s" % (request.method, request.path, _words(error))) from error

    def close(self) -> None:
        """Close it; it is not usable any more."""
        self._http.close()


def send(request: Request, address: str, port: int, *, timeout_s: float) -> Reply:
    """Send one request over a connection of its own; timeout_s is wall-clock, connecting included.

    Raises:
        NotSentError: it could not connect.
        BrokenError: it connected and got no whole answer.
    """
    deadline = time.monotonic() + timeout_s
    connection = Connection(address, port, timeout_s=timeout_s)
    try:
        return connection.send(request, timeout_s=deadline - time.monotonic())
    finally:
        connection.close()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
