"""The service as a client sees it: an address by name, and four honest operations.

Outcomes are the history's: ok, conflict (cas: the expectation did not hold), fail (certainly no effect), unknown (may
have taken effect).
"""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import Mapping, NamedTuple

from srekv.probe import exchange


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


class Service:
    """Operations on keys through the name; one for each client, not shared between threads.

    `kind`, one of srekv.probe.KINDS, decides what the client does with addresses and connections; `speed` is
    AWS-equivalent seconds in one wall-clock second. An operation, resolving and connecting included, may take timeout_s
    wall-clock seconds.
    """

    def __init__(
        self, target: exchange.Target, kind: str = "honor-ttl", *, timeout_s: float, speed: float = 1.0
    ) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._name = exchange.Name(target, kind, speed=speed)
        self._keep = kind == "keep-alive"
        self._pinned: exchange.Connection | None = None

    def read(self, key: str) -> Outcome:
        """The key's value, None when there is no such key. A failed read is `fail`: it has no effect to doubt."""
        outcome = self._call("GET", key)
        if outcome.status == 404:
            return outcome._replace(outcome="ok", value=None, error=None)
        return outcome if outcome.outcome == "ok" else outcome._replace(outcome="fail")

    def write(self, key: str, value: str) -> Outcome:
        """Set the key, whatever it was."""
        return self._call("PUT", key, value)

    def cas(self, key: str, value: str, *, etag: str | None) -> Outcome:
        """Set the key if it still has that version; None: if it is still absent."""
        return self._call("PUT", key, value, {"If-None-Match": "*"} if etag is None else {"If-Match": etag})

    def delete(self, key: str, *, etag: str | None = None) -> Outcome:
        """Remove the key if it is there, and if it still has that version; None: whatever it is."""
        return self._call("DELETE", key, headers={} if etag is None else {"If-Match": etag})

    def close(self) -> None:
        """Close the connection that is kept, if one is."""
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
            outcome = _judge(self._send(request, address, deadline), address)
        except exchange.NotSentError as error:
            return Outcome("fail", address=address, error=str(error))
        except exchange.BrokenError as error:
            return Outcome("unknown", address=address, error=str(error))
        if headers and outcome.status == 412:  # the expectation did not hold, which is an answer and not an error
            return outcome._replace(outcome="conflict", error=None)
        return outcome

    def _address(self) -> str:
        """Where the kept connection leads while it works, else where the name does."""
        if self._pinned is not None and self._pinned.usable:
            return self._pinned.address
        self.close()
        return self._name.address(self._timeout_s)

    def _send(self, request: exchange.Request, address: str, deadline: float) -> exchange.Reply:
        if not self._keep:
            left = max(0.001, deadline - time.monotonic())
            return exchange.send(request, address, self._target.port, timeout_s=left)
        if self._pinned is None:
            left = max(0.001, deadline - time.monotonic())
            self._pinned = exchange.Connection(address, self._target.port, timeout_s=left)
        return self._pinned.send(request, timeout_s=deadline - time.monotonic(), keep=True)


def _judge(reply: exchange.Reply, address: str) -> Outcome:
    """What an answer says about the operation's effect."""
    failed = reply.status < 500 or _says_failed(reply.body)  # below 500 it was refused before anything was done
    return Outcome(
        "ok" if reply.status < 300 else "fail" if failed else "unknown",
        value=reply.body.decode("utf-8", "replace") if reply.status == 200 else None,
        etag=reply.headers.get("etag"),
        status=reply.status,
        node=reply.headers.get("x-srekv-node"),
        address=address,
        error=None if reply.status < 400 else "HTTP %d" % reply.status,
    )


def _says_failed(body: bytes) -> bool:
    """Whether the service itself says that an operation had no effect ({"outcome": "failed"})."""
    try:
        document = json.loads(body.decode())
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("outcome") == "failed"
