"""The service as a client sees it: an address by name, and four honest operations.

Outcomes are the history's: ok, conflict (cas: the expectation did not hold), fail (certainly no effect), unknown (may
have taken effect).
"""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import Mapping, NamedTuple, Protocol

from srekv.probe import exchange
from srekv.probe.names import Name, Target


class Outcome(NamedTuple):
    """How an operation ended. `value` is what a read found (None: no such key), `etag` its version.

    `attempts` is how many requests it took, for a client that tries again.
    """

    outcome: str
    value: str | None = None
    etag: str | None = None
    status: int | None = None
    node: str | None = None
    address: str | None = None
    error: str | None = None
    attempts: int = 1


class Operations(Protocol):
    """What a client can do with keys."""

    def read(self, key: str) -> Outcome:
        """The key's value, None when there is no such key. A failed read is `fail`: it has no effect to doubt."""

    def write(self, key: str, value: str) -> Outcome:
        """Set the key, whatever it was."""

    def cas(self, key: str, value: str, *, etag: str | None) -> Outcome:
        """Set the key if it still has that version; None: if it is still absent."""

    def delete(self, key: str, *, etag: str | None = None) -> Outcome:
        """Remove the key if it is there, and if it still has that version; None: whatever it is."""

    def close(self) -> None:
        """Close the connection that is kept, if one is."""


class Service:
    """Operations on keys through the name; one for each client, not shared between threads.

    Args:
        target: where the service is.
        kind: what the client does with addresses and connections, one of srekv.probe.KINDS.
        timeout_s: how long one operation may take, resolving and connecting included; wall-clock.
        speed: AWS-equivalent seconds in one wall-clock second.
    """

    def __init__(self, target: Target, kind: str = "honor-ttl", *, timeout_s: float, speed: float = 1.0) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._name = Name(target, kind, speed=speed)
        self._keep = kind == "keep-alive"
        self._pinned: exchange.Connection | None = None

    def read(self, key: str) -> Outcome:
        """See Operations."""
        outcome = self._call("GET", key)
        if outcome.status == 404:
            return outcome._replace(outcome="ok", value=None, error=None)
        return outcome if outcome.outcome == "ok" else outcome._replace(outcome="fail")

    def write(self, key: str, value: str) -> Outcome:
        """See Operations."""
        return self._call("PUT", key, value)

    def cas(self, key: str, value: str, *, etag: str | None) -> Outcome:
        """See Operations."""
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        return _conditional(self._call("PUT", key, value, condition))

    def delete(self, key: str, *, etag: str | None = None) -> Outcome:
        """See Operations."""
        return _conditional(self._call("DELETE", key, headers={} if etag is None else {"If-Match": etag}))

    def close(self) -> None:
        """See Operations."""
        if self._pinned is not None:
            self._pinned.close()
            self._pinned = None

    def _call(self, method: str, key: str, value: str = "", headers: Mapping[str, str] | None = None) -> Outcome:
        path = "/v1/keys/" + urllib.parse.quote(key, safe="")
        request = exchange.Request(method, path, self._target.host, headers or {}, value.encode())
        deadline = time.monotonic() + self._timeout_s
        address = None
        try:
            address = self._address()
            reply = self._send(request, address, deadline)
        except exchange.NotSentError as error:
            return Outcome("fail", address=address, error=str(error))
        except exchange.BrokenError as error:
            return Outcome("unknown", address=address, error=str(error))
        return _judge(reply, address)

    def _address(self) -> str:
        """Where the kept connection leads while it works, else where the name does."""
        if self._pinned is not None and self._pinned.usable:
            return self._pinned.address
        self.close()
        return self._name.address(self._timeout_s)

    def _send(self, request: exchange.Request, address: str, deadline: float) -> exchange.Reply:
        if self._pinned is not None:
            return self._pinned.send(request, timeout_s=deadline - time.monotonic(), keep=True)
        left = max(0.001, deadline - time.monotonic())
        connection = exchange.Connection(address, self._target.port, timeout_s=left)
        self._pinned = connection if self._keep else None
        try:
            return connection.send(request, timeout_s=deadline - time.monotonic(), keep=self._keep)
        finally:
            if not self._keep:
                connection.close()


def _conditional(outcome: Outcome) -> Outcome:
    """412 says that the expectation did not hold, which is an answer and not an error."""
    return outcome._replace(outcome="conflict", error=None) if outcome.status == 412 else outcome


def _judge(reply: exchange.Reply, address: str) -> Outcome:
    """What an answer says about the operation's effect."""
    return Outcome(
        _effect(reply),
        value=reply.body.decode("utf-8", "replace") if reply.status == 200 else None,
        etag=reply.headers.get("etag"),
        status=reply.status,
        node=reply.headers.get("x-srekv-node"),
        address=address,
        error=None if reply.status < 400 else "HTTP %d" % reply.status,
    )


def _effect(reply: exchange.Reply) -> str:
    if reply.status < 300:
        return "ok"
    if reply.status < 500:  # refused before anything was done
        return "fail"
    return "fail" if _says_failed(reply.body) else "unknown"


def _says_failed(body: bytes) -> bool:
    """Whether the service itself says that an operation had no effect ({"outcome": "failed"})."""
    try:
        document = json.loads(body.decode())
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("outcome") == "failed"
