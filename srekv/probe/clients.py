"""One client of the load: its own connections, its own view of the name, its own seeded choices."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from srekv.probe.journal import Clock, Journal, rounded
from srekv.probe.names import Target
from srekv.probe.retry import Retrying
from srekv.probe.service import Operations, Outcome, Service

FINAL_TRIES = 8
"""How often a final read is tried: it must tell whether an acknowledged write is lost, not whether a packet was."""

LAST_TRIES = 3
"""How often a client that is stopped just after an error tries to end on an answer."""

_WEIGHTS = (("write", 40), ("read", 40), ("cas", 15), ("delete", 5))


class Client:
    """A closed-loop client: one operation at a time, each in the journal before it begins and when it has ended.

    Args:
        target: where the service is.
        kind: one of srekv.probe.KINDS.
        name: its own, for the journal.
        run: the run's id, part of every value.
        keys: the keys it shares with the others.
        pause_s: from one operation to the next, wall-clock seconds.
        timeout_s: of one request, wall-clock seconds.
        seed: decides its choices, together with its name.
        clock: the history's.
        journal: where the operations are written.
    """

    def __init__(
        self,
        target: Target,
        *,
        kind: str,
        name: str,
        run: str,
        keys: tuple[str, ...],
        pause_s: float,
        timeout_s: float,
        seed: int,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._random = random.Random("%d/%s" % (seed, name))  # noqa: S311 - choices of a test load, not secrets
        self._service = _service(target, kind, "%d/%s/pauses" % (seed, name), timeout_s=timeout_s, speed=clock.speed)
        self._kind = kind
        self._name = name
        self._run = run
        self._keys = keys
        self._pause_s = pause_s
        self._clock = clock
        self._journal = journal
        self._count = 0
        self._in_error = False

    def loop(self, stop: threading.Event) -> None:
        """Operate at the given pace until told to stop; a slow operation delays the next and is not made up for.

        After an error it goes on a little: one lost packet at the very end is no outage without an end.
        """
        due = time.monotonic() + self._pause_s * self._random.random()
        while not stop.wait(max(0.0, due - time.monotonic())):
            before = self._count
            self._operate()
            due = max(due + self._pause_s * (self._count - before), time.monotonic())
        for _ in range(LAST_TRIES):
            if not self._in_error:
                break
            self._operate()
        self._service.close()

    def final(self, key: str, deadline: float) -> None:
        """Read a key until it answers, at most FINAL_TRIES times; no try begins after `deadline` (monotonic)."""
        for _ in range(FINAL_TRIES):
            if time.monotonic() >= deadline or self._read(key, final=True).outcome == "ok":
                return
            time.sleep(0.05)

    def remove(self, key: str, deadline: float) -> bool:
        """Remove a key, whether it is gone; not written down. Tries and deadline as for `final`."""
        for _ in range(FINAL_TRIES):
            if time.monotonic() >= deadline:
                break
            if self._service.delete(key).outcome == "ok":
                return True
            time.sleep(0.05)
        return False

    def _operate(self) -> None:
        names, weights = [name for name, _ in _WEIGHTS], [weight for _, weight in _WEIGHTS]
        key = self._random.choice(self._keys)
        kind = self._random.choices(names, weights)[0]
        {"write": self._write, "read": self._read, "cas": self._cas, "delete": self._delete}[kind](key)

    def _read(self, key: str, **more: Any) -> Outcome:
        entry = self._invoke("read", key, value=None, **more)
        return self._complete(entry, self._service.read(key))

    def _write(self, key: str) -> Outcome:
        entry = self._invoke("write", key, value=self._value())
        return self._complete(entry, self._service.write(key, entry["value"]))

    def _cas(self, key: str) -> Outcome:
        seen = self._read(key)
        if seen.outcome != "ok" or (seen.etag is None) != (seen.value is None):  # no version, nothing to compare
            return seen
        entry = self._invoke("cas", key, value=self._value(), expect=seen.value)
        return self._complete(entry, self._service.cas(key, entry["value"], etag=seen.etag))

    def _delete(self, key: str) -> Outcome:
        entry = self._invoke("delete", key)
        return self._complete(entry, self._service.delete(key))

    def _value(self) -> str:
        """A value that nobody wrote before."""
        return "%s.%s.%d" % (self._run, self._name, self._count)

    def _invoke(self, op: str, key: str, **members: Any) -> dict[str, Any]:
        ident = "%s.%d" % (self._name, self._count)
        self._count += 1
        zoo = {} if members.get("final") else {"zoo": self._kind}
        now = rounded(self._clock.now())
        entry = {"id": ident, "client": self._name, **zoo, "op": op, "key": key, **members, "invoke": now}
        self._journal.line(**entry, complete=None, outcome="unknown")
        return entry

    def _complete(self, entry: dict[str, Any], outcome: Outcome) -> Outcome:
        """Write the outcome; an unknown one has no end: it may take effect at any time after its invocation."""
        ended = rounded(self._clock.now())
        known = outcome.outcome != "unknown"
        self._in_error = outcome.outcome not in {"ok", "conflict"}
        entry = {**entry, "complete": ended if known else None, "outcome": outcome.outcome}
        if not known:
            entry["gave_up"] = ended
        if entry["op"] == "read" and outcome.outcome == "ok":
            entry["value"] = outcome.value
        extra = {"node": outcome.node, "address": outcome.address, "status": outcome.status, "error": outcome.error}
        extra["attempts"] = outcome.attempts if outcome.attempts > 1 else None
        self._journal.line(**entry, **{name: value for name, value in extra.items() if value is not None})
        return outcome


def _service(target: Target, kind: str, seed: str, *, timeout_s: float, speed: float) -> Operations:
    """A Service, or one that tries again."""
    service = Service(target, kind, timeout_s=timeout_s, speed=speed)
    if kind != "retry":
        return service
    return Retrying(service, random.Random(seed), speed=speed)  # noqa: S311 - pauses of a test load, not secrets
