"""A client that tries again: capped exponential backoff with full jitter, and no second effect.

A request that was sent and not answered may still take effect, after the next attempt and after other clients'
writes. So every change is made on condition of the version that was read before: of all its attempts one at most can
take effect, because versions only grow. Where there is no version (the key is absent) a doubtful attempt is the last.
What nothing proves in the end is unknown.

The backoff is that of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("full jitter").
"""

from __future__ import annotations

import functools
import random
import time
from typing import Callable, Iterator

from srekv.probe.service import Outcome, Service

ATTEMPTS = 5
BUDGET_S = 10.0
"""No attempt of an operation begins later; AWS-equivalent seconds."""

BASE_S = 0.25
CAP_S = 4.0
"""A pause is random, at most BASE_S at first, twice that each time, never over CAP_S; AWS-equivalent seconds."""


class Retrying:
    """The operations of a Service, each with as many attempts as it takes and its budget allows.

    `dice` decides the pauses; `speed` is AWS-equivalent seconds in one wall-clock second, as `clock` and `sleep` have.
    """

    def __init__(
        self,
        service: Service,
        dice: random.Random,
        *,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._service = service
        self._dice = dice
        self._speed = speed
        self._deadline = 0.0
        self._attempts = 0

    def read(self, key: str) -> Outcome:
        """See Service."""
        return self._tried(lambda: self._read(key))

    def write(self, key: str, value: str) -> Outcome:
        """See Service; another client's change between its read and its write is no failure but a reason to repeat."""

        def attempt(seen: Outcome) -> Outcome:
            if seen.etag is None and seen.value is not None:  # a service without versions
                return self._service.write(key, value)
            return self._service.cas(key, value, etag=seen.etag)

        return self._tried(lambda: self._on_version(key, attempt, value))

    def cas(self, key: str, value: str, *, etag: str | None) -> Outcome:
        """See Service."""
        return self._tried(lambda: self._change(key, etag, lambda: self._service.cas(key, value, etag=etag), value))

    def delete(self, key: str, *, etag: str | None = None) -> Outcome:
        """See Service."""
        if etag is None:
            return self._tried(lambda: self._on_version(key, lambda seen: self._service.delete(key, etag=seen.etag)))
        return self._tried(lambda: self._change(key, etag, lambda: self._service.delete(key, etag=etag)))

    def close(self) -> None:
        """See Service."""
        self._service.close()

    def _tried(self, operate: Callable[[], Outcome]) -> Outcome:
        self._deadline = self._clock() + BUDGET_S / self._speed
        self._attempts = 0
        return operate()._replace(attempts=self._attempts)

    def _on_version(self, key: str, attempt: Callable[[Outcome], Outcome], value: str | None = None) -> Outcome:
        """Read the key and change what was seen, again when another client was faster."""
        for _ in self._turns():
            seen = self._read(key)
            if seen.outcome != "ok":
                return seen
            outcome = self._change(key, seen.etag, functools.partial(attempt, seen), value)
            if outcome.outcome != "conflict":
                return outcome
        return outcome._replace(outcome="fail", error="lost the race to another writer each time")

    def _read(self, key: str) -> Outcome:
        for _ in self._turns():
            outcome = self._count(self._service.read(key))
            if outcome.outcome == "ok" or _refused(outcome):
                break
        return outcome

    def _change(self, key: str, etag: str | None, attempt: Callable[[], Outcome], value: str | None = None) -> Outcome:
        """Attempt one change until it is known what became of it."""
        doubt = None
        for _ in self._turns():
            outcome = self._count(attempt())
            if outcome.outcome == "ok":
                return outcome
            if outcome.outcome == "unknown":
                doubt = outcome
                if etag is None:
                    break
            elif outcome.outcome == "conflict":
                if doubt is None:
                    return outcome
                seen = self._read(key)  # whether the attempt in doubt moved the version, a value of our own can prove
                return seen if seen.outcome == "ok" and value is not None and seen.value == value else doubt
            elif _refused(outcome):
                break
        return doubt or outcome

    def _turns(self) -> Iterator[None]:
        """Attempts, with pauses between them, as long as the operation has time."""
        for number in range(ATTEMPTS):
            yield
            pause = self._dice.uniform(0, min(CAP_S, BASE_S * 2**number)) / self._speed
            if self._clock() + pause >= self._deadline:
                return
            self._sleep(pause)

    def _count(self, outcome: Outcome) -> Outcome:
        self._attempts += 1
        return outcome


def _refused(outcome: Outcome) -> bool:
    """Whether the service will say the same again: the request is at fault, not the service."""
    return outcome.status is not None and 400 <= outcome.status < 500 and outcome.status != 429
