"""The service as a client sees it: an address by name, kept as long as its TTL says, and four honest operations.

Outcomes are the history's: ok, conflict (cas: the expectation did not hold), fail (certainly no effect), unknown (may
have taken effect).
"""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import Mapping, NamedTuple

from srekv.probe import exchange, wire


class Target(NamedTuple):
    """Where the service is: its name, its port, and the resolver to ask for the name."""

    name: str
    port: int
    resolver: tuple[str, int]

    @property
    def host(self) -> str:
        """The Host header."""
        return self.name if self.port == 80 else "%s:%d" % (self.name, self.port)


class Outcome(NamedTuple):
    """How an operation ended. `value` is what a read found (None: no such key), `etag` its version."""

    outcome: str
    value: str | None = None
    etag: str | None = None
    status: int | None = None
    node: str | None = None
    address: str | None = None
    error: str | None = None


class Name:
    """The service's name, resolved again when the TTL on the wire has passed, as a well-behaved client does."""

    def __init__(self, target: Target, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._address: str | None = None
        self._until = 0.0

    def address(self) -> str:
        """The first address of the name; raises NotSentError when the name has none."""
        if self._address is None or time.monotonic() >= self._until:
            answer = wire.resolve(self._target.name, self._target.resolver, timeout_s=self._timeout_s)
            if not answer.addresses:
                self._address = None
                raise exchange.NotSentError("%s: %s" % (self._target.name, answer.rcode))
            self._address = answer.names[0]
            self._until = time.monotonic() + answer.ttl
        return self._address


class Service:
    """Operations on keys through the name; one for each client, not shared between threads."""

    def __init__(self, target: Target, *, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._name = Name(target, timeout_s)

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
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        outcome = self._call("PUT", key, value, condition)
        return outcome._replace(outcome="conflict", error=None) if outcome.status == 412 else outcome

    def delete(self, key: str) -> Outcome:
        """Remove the key, if it is there."""
        return self._call("DELETE", key)

    def _call(self, method: str, key: str, value: str = "", headers: Mapping[str, str] | None = None) -> Outcome:
        path = "/v1/keys/" + urllib.parse.quote(key, safe="")
        request = exchange.Request(method, path, self._target.host, headers or {}, value.encode())
        address = None
        try:
            address = self._name.address()
            reply = exchange.send(request, address, self._target.port, timeout_s=self._timeout_s)
        except exchange.NotSentError as error:
            return Outcome("fail", address=address, error=str(error))
        except exchange.BrokenError as error:
            return Outcome("unknown", address=address, error=str(error))
        return _judge(reply, address)


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
