"""One HTTP request over its own connection, telling apart what was never sent from what was sent and not answered.

The difference decides what a drill may conclude: a write that was never sent certainly did not take effect, a write
that was sent and not answered may have taken effect at any time after.
"""

from __future__ import annotations

import http.client
import time
from typing import Mapping, NamedTuple


class NotSentError(Exception):
    """No connection: nothing of the request reached the service."""


class BrokenError(Exception):
    """The request may have reached the service; no whole answer came back."""


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


def send(request: Request, address: str, port: int, *, timeout_s: float) -> Reply:
    """Send one request to an address and read the whole answer; timeout_s is wall-clock, connecting included.

    Raises:
        NotSentError: it could not connect.
        BrokenError: it connected and got no whole answer.
    """
    deadline = time.monotonic() + timeout_s
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        _connect(connection)
        connection.sock.settimeout(max(0.001, deadline - time.monotonic()))
        return _exchange(connection, request)
    finally:
        connection.close()


def _connect(connection: http.client.HTTPConnection) -> None:
    try:
        connection.connect()
    except OSError as error:
        raise NotSentError("connect: %s" % _words(error)) from error


def _exchange(connection: http.client.HTTPConnection, request: Request) -> Reply:
    headers = {**request.headers, "Host": request.host, "Connection": "close"}
    try:
        connection.request(request.method, request.path, request.body or None, headers)
        with connection.getresponse() as answer:
            body = answer.read()
            return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, body)
    except (OSError, http.client.HTTPException) as error:
        raise BrokenError("%s %s: %s" % (request.method, request.path, _words(error))) from error


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
