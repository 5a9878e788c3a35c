"""The load: closed-loop clients and a DNS observer that write a history, until they are told to stop.

Every value is written once, so that a read tells which write it saw. Every duration is in AWS-equivalent seconds; the
clock's speed turns it into wall-clock seconds. A SIGTERM, a file FILE.stop, or the end of the time stops the load;
then every key is read once more ("final": true) and removed, and FILE.done appears.
"""

from __future__ import annotations

import os
import pathlib
import random
import signal
import threading
import time
from typing import Any, NamedTuple

from srekv.probe import wire
from srekv.probe.journal import Clock, Journal
from srekv.probe.service import Outcome, Service, Target

FINAL_TRIES = 8
"""How often a final read is tried: it must tell whether an acknowledged write is lost, not whether a packet was."""

_WEIGHTS = (("write", 40), ("read", 40), ("cas", 15), ("delete", 5))


class Plan(NamedTuple):
    """What to do. `rate` is operations a second over all clients; durations are AWS-equivalent seconds."""

    target: Target
    run: str
    keys: int
    clients: int
    rate: float
    seconds: float
    timeout_s: float
    seed: int
    out: str
    speed: float

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of this run; nobody else writes them."""
        return tuple("srekv-drill-%s-%d" % (self.run, number) for number in range(self.keys))

    @property
    def wall_timeout_s(self) -> float:
        """The time-out of one operation in wall-clock seconds."""
        return self.timeout_s / self.speed


def run(plan: Plan) -> None:
    """Carry out the plan; returns when the final reads are written and the keys are gone."""
    stop = threading.Event()
    previous = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    pathlib.Path(plan.out + ".pid").write_text(str(os.getpid()))
    journal = Journal(plan.out)
    try:
        clock = Clock(plan.speed)
        journal.line(
            event="start", at=0.0, epoch=clock.epoch, speed=plan.speed, run=plan.run, seed=plan.seed, keys=plan.keys
        )
        _drive(plan, clock, journal, stop)
        _conclude(plan, clock, journal)
    finally:
        journal.close()
        pathlib.Path(plan.out + ".done").touch()
        signal.signal(signal.SIGTERM, previous)


def _drive(plan: Plan, clock: Clock, journal: Journal, stop: threading.Event) -> None:
    clients = [Client(number, plan, clock, journal) for number in range(plan.clients)]
    threads = [threading.Thread(target=client.loop, args=(stop,)) for client in clients]
    threads.append(threading.Thread(target=_observe, args=(plan, clock, journal, stop)))
    for thread in threads:
        thread.start()
    flag = pathlib.Path(plan.out + ".stop")
    deadline = time.monotonic() + plan.seconds / plan.speed
    while not stop.wait(0.1) and not flag.exists() and time.monotonic() < deadline:
        pass
    stop.set()
    for thread in threads:
        thread.join()


def _observe(plan: Plan, clock: Clock, journal: Journal, stop: threading.Event) -> None:
    """Write what the name answers, each AWS-equivalent second; `ttl` is as on the wire."""
    while not stop.wait(1 / plan.speed):
        answer = wire.resolve(plan.target.name, plan.target.resolver, timeout_s=plan.wall_timeout_s)
        journal.line(event="dns", at=_round(clock.now()), answer=list(answer.names), ttl=answer.ttl, rcode=answer.rcode)


def _conclude(plan: Plan, clock: Clock, journal: Journal) -> None:
    """Read every key once more, then remove them all; removing is tidying up, not part of the history."""
    last = Client(plan.clients, plan, clock, journal, timeout_s=max(plan.wall_timeout_s, 1.0))
    for key in plan.names:
        last.final(key)
    removed = sum(last.service.delete(key).outcome == "ok" for key in plan.names)
    journal.line(event="end", at=_round(clock.now()), removed=removed)


class Client:
    """One client: its own connections, its own view of the name, its own seeded choices; one operation at a time."""

    def __init__(self, number: int, plan: Plan, clock: Clock, journal: Journal, timeout_s: float | None = None) -> None:
        self.service = Service(plan.target, timeout_s=timeout_s or plan.wall_timeout_s)
        self._number = number
        self._plan = plan
        self._clock = clock
        self._journal = journal
        self._random = random.Random("%d/%d" % (plan.seed, number))  # noqa: S311 - choices of a test load, not secrets
        self._count = 0

    def loop(self, stop: threading.Event) -> None:
        """Operate at the plan's pace until told to stop; a slow operation delays the next and is not made up for."""
        pause = self._plan.clients / (self._plan.rate * self._plan.speed)
        due = time.monotonic() + pause * self._random.random()
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + pause, time.monotonic())
            self._operate()

    def final(self, key: str) -> None:
        """Read a key until it answers, at most FINAL_TRIES times."""
        for _ in range(FINAL_TRIES):
            if self._read(key, final=True).outcome == "ok":
                return
            time.sleep(0.05)

    def _operate(self) -> None:
        names, weights = [name for name, _ in _WEIGHTS], [weight for _, weight in _WEIGHTS]
        key = self._random.choice(self._plan.names)
        kind = self._random.choices(names, weights)[0]
        {"write": self._write, "read": self._read, "cas": self._cas, "delete": self._delete}[kind](key)

    def _read(self, key: str, **more: Any) -> Outcome:
        entry = self._invoke("read", key, value=None, **more)
        return self._complete(entry, self.service.read(key))

    def _write(self, key: str) -> Outcome:
        entry = self._invoke("write", key, value=self._value())
        return self._complete(entry, self.service.write(key, entry["value"]))

    def _cas(self, key: str) -> Outcome:
        seen = self._read(key)
        if seen.outcome != "ok" or (seen.etag is None) != (seen.value is None):  # no version, nothing to compare
            return seen
        entry = self._invoke("cas", key, value=self._value(), expect=seen.value)
        return self._complete(entry, self.service.cas(key, entry["value"], etag=seen.etag))

    def _delete(self, key: str) -> Outcome:
        entry = self._invoke("delete", key)
        return self._complete(entry, self.service.delete(key))

    def _value(self) -> str:
        """A value that nobody wrote before."""
        return "%s.%d.%d" % (self._plan.run, self._number, self._count)

    def _invoke(self, op: str, key: str, **members: Any) -> dict[str, Any]:
        ident = "%d.%d" % (self._number, self._count)
        self._count += 1
        entry = {
            "id": ident,
            "client": self._number,
            "op": op,
            "key": key,
            **members,
            "invoke": _round(self._clock.now()),
        }
        self._journal.line(**entry, complete=None, outcome="unknown")
        return entry

    def _complete(self, entry: dict[str, Any], outcome: Outcome) -> Outcome:
        """Write the outcome; an unknown one has no end: it may take effect at any time after its invocation."""
        known = outcome.outcome != "unknown"
        entry = {**entry, "complete": _round(self._clock.now()) if known else None, "outcome": outcome.outcome}
        if entry["op"] == "read" and outcome.outcome == "ok":
            entry["value"] = outcome.value
        extra = {"node": outcome.node, "address": outcome.address, "status": outcome.status, "error": outcome.error}
        self._journal.line(**entry, **{name: value for name, value in extra.items() if value is not None})
        return outcome


def _round(seconds: float) -> float:
    return round(seconds, 4)
