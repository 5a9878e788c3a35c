"""What clients do with an address once they have it: the kinds of clients that one and the same switch treats unlike.

no-cache       asks for the name before each operation
honor-ttl      keeps an address as long as the TTL on the wire says
keep-alive     keeps one connection while it works, and asks for the name when it has to connect
cache-forever  asks once in its life, as the JVM did under a security manager (networkaddress.cache.ttl=-1)
cache-10s      keeps an address for 10 s whatever its TTL, as aiohttp does (TCPConnector, ttl_dns_cache=10)
retry          as honor-ttl, and tries again before it reports an error
"""

from __future__ import annotations

import time
from typing import Callable, NamedTuple

from srekv.probe import exchange, wire

_KEPT_S = {"no-cache": 0.0, "keep-alive": 0.0, "cache-forever": float("inf"), "cache-10s": 10.0}
"""AWS-equivalent seconds for which a kind keeps an answer, where the TTL does not decide."""


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
    """The service's name as a client of this kind knows it.

    Args:
        target: the name and whom to ask.
        kind: one of srekv.probe.KINDS.
        speed: AWS-equivalent seconds in one wall-clock second; TTLs on the wire are wall-clock already.
        clock: monotonic wall-clock seconds.
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
                raise exchange.NotSentError("%s: %s" % (self._target.name, answer.rcode))
            self._address = answer.names[0]
            self._until = self._clock() + (answer.ttl if self._kept_s is None else self._kept_s)
        return self._address
