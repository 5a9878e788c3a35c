"""The load: closed-loop clients and observers that write a history, until they are stopped.

Every value is written once, so that a read tells which write it saw. Every duration is in AWS-equivalent seconds; the
clock's speed turns it into wall-clock seconds. A SIGTERM, a file FILE.stop, or the end of the time stops the load;
then every key is read once more ("final": true) and removed, and FILE.done appears.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import random
import signal
import threading
import time
from typing import Any, Callable, Iterator, NamedTuple

from srekv.probe import wire
from srekv.probe.exchange import Target
from srekv.probe.journal import Clock, Journal, rounded
from srekv.probe.retry import Retrying
from srekv.probe.service import Outcome, Service

CONCLUDE_S = 45.0
"""How long final reads and removing the keys may take together, wall-clock seconds."""

FORMAT = 2
"""Of the history: from 2 on, whoever adds the drill's own events ends it with a line `eof`."""

OBSERVE_S = 1.0
"""How often the name is asked for, AWS-equivalent seconds."""

LAG_S = 1.0
"""From one piece of work that measures the machine's lag to the next, AWS-equivalent seconds."""

PIECE = 20_000
"""Rounds of a hash function in such a piece: some 5 ms, in which the other threads of this process can run."""

FINAL_TRIES = 8
"""How often a final read is tried: it must show whether an acknowledged write is lost, not whether a packet was."""

LAST_TRIES = 3
"""How often a client that is stopped just after an error tries to end on an answer."""

_WEIGHTS = {"write": 40, "read": 40, "cas": 15, "delete": 5}
"""How often a client chooses each operation, in percent."""


class Plan(NamedTuple):
    """What to do. `rate` is operations a second over all clients; durations are AWS-equivalent seconds."""

    target: Target
    run: str
    keys: int
    timeout_s: float
    seed: int
    out: str
    speed: float
    kinds: tuple[str, ...] = ()
    each: int = 1
    rate: float = 1.0
    seconds: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of this run; no other load writes them."""
        return tuple("srekv-drill-%s-%d" % (self.run, number) for number in range(self.keys))

    @property
    def wall_timeout_s(self) -> float:
        """The timeout of one operation in wall-clock seconds."""
        return self.timeout_s / self.speed

    @property
    def pause_s(self) -> float:
        """Wall-clock seconds from one operation of a client to its next."""
        return len(self.kinds) * self.each / (self.rate * self.speed)

    @property
    def clients(self) -> tuple[tuple[str, str], ...]:
        """Each client's kind and its own name; they take turns by kind, so that the kinds' phases are spread."""
        return tuple((kind, "%s-%d" % (kind, number)) for number in range(1, self.each + 1) for kind in self.kinds)


class Client:
    """A closed-loop client: one operation at a time, each in the journal before it starts and when it has ended.

    It has connections, a view of the name, and seeded choices of its own. `kind` is one of srekv.probe.KINDS; `name`,
    its own, decides its choices together with the plan's seed.
    """

    def __init__(self, plan: Plan, kind: str, name: str, clock: Clock, journal: Journal) -> None:
        self._plan = plan
        self._kind = kind
        self._name = name
        self._clock = clock
        self._journal = journal
        self._random = random.Random("%d/%s" % (plan.seed, name))  # noqa: S311 - choices of a load, not secrets
        self._service: Service | Retrying = Service(plan.target, kind, timeout_s=plan.wall_timeout_s, speed=plan.speed)
        if kind == "retry":
            pauses = random.Random("%d/%s/pauses" % (plan.seed, name))  # noqa: S311 - as above
            self._service = Retrying(self._service, pauses, speed=plan.speed)
        self._count = 0
        self._in_error = False

    def loop(self, stop: threading.Event) -> None:
        """Operate at the given pace until stopped; a slow operation delays the next and is not made up for.

        After an error it continues for a little: one lost packet at the very end is no outage without an end.
        """
        due = time.monotonic() + self._plan.pause_s * self._random.random()
        while not stop.wait(max(0.0, due - time.monotonic())):
            before = self._count
            self._operate()
            due = max(due + self._plan.pause_s * (self._count - before), time.monotonic())
        for _ in range(LAST_TRIES):
            if not self._in_error:
                break
            self._operate()
        self._service.close()

    def final(self, key: str, deadline: float) -> None:
        """Read a key until it answers, at most FINAL_TRIES times; no try starts after `deadline` (monotonic)."""
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
        key = self._random.choice(self._plan.names)
        op = self._random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        {"write": self._write, "read": self._read, "cas": self._cas, "delete": self._delete}[op](key)

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
        return "%s.%s.%d" % (self._plan.run, self._name, self._count)

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


def run(plan: Plan) -> None:
    """Carry out the plan; returns when the final reads are written and the keys are gone.

    Raises:
        OSError: the history cannot be written, or another load writes it.
    """
    stop = threading.Event()
    with _history(plan.out) as journal:
        previous = signal.signal(signal.SIGTERM, lambda *_: stop.set())
        try:
            clock = Clock(plan.speed)
            settings = {name: getattr(plan, name) for name in ("speed", "run", "seed", "keys", "rate", "timeout_s")}
            journal.line(
                event="start",
                format=FORMAT,
                at=0.0,
                epoch=clock.epoch,
                name=plan.target.name,
                port=plan.target.port,
                resolver="%s:%d" % plan.target.resolver,
                clients=[name for _, name in plan.clients],
                **settings,
            )
            _drive(plan, clock, journal, stop)
            _conclude(plan, clock, journal)
        finally:
            signal.signal(signal.SIGTERM, previous)


def conclude(out: str) -> None:
    """Final reads and tidying up for a load that was killed: its history then ends as any other does.

    Raises:
        OSError: there is no such history, it has no beginning, or a load still writes it.
    """
    try:
        plan, epoch = _plan_of(out)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise OSError("the history has no beginning: %s" % error) from error
    with _history(out) as journal:
        clock = Clock(plan.speed, epoch)
        journal.line(event="resumed", at=rounded(clock.now()))
        _conclude(plan, clock, journal, name="resumed")


@contextlib.contextmanager
def _history(out: str) -> Iterator[Journal]:
    """The history to write; it is done when nothing fails inside."""
    with contextlib.closing(Journal(out)) as journal:
        yield journal
    pathlib.Path(out + ".done").touch()


def _plan_of(out: str) -> tuple[Plan, float]:
    """The plan that a history's first line holds, as far as final reads need it, and when it began, Unix seconds."""
    with open(out, "rb") as lines:  # noqa: PTH123 - as everywhere in the probe
        start = json.loads(lines.readline())
    epoch, speed, limit = float(start["epoch"]), float(start["speed"]), float(start["timeout_s"])
    if not all(0 < one < float("inf") for one in (epoch, speed, limit)):
        raise ValueError("a time that is none")
    host, _, port = start["resolver"].rpartition(":")
    target = Target(start["name"], start["port"], (host, int(port)))
    return Plan(target, start["run"], int(start["keys"]), limit, start["seed"], out, speed), epoch


def _drive(plan: Plan, clock: Clock, journal: Journal, stop: threading.Event) -> None:
    jobs: list[Callable[[threading.Event], None]] = [
        lambda stop: _observe(plan, clock, journal, stop),
        lambda stop: watch_lag(clock, journal, stop),
    ]
    jobs += [Client(plan, kind, name, clock, journal).loop for kind, name in plan.clients]
    broken: list[BaseException] = []
    threads = [threading.Thread(target=_guarded, args=(job, stop, broken)) for job in jobs]
    for thread in threads:
        thread.start()
    flag = pathlib.Path(plan.out + ".stop")
    deadline = time.monotonic() + plan.seconds / plan.speed
    while not stop.wait(0.1) and not flag.exists() and time.monotonic() < deadline:
        pass
    stop.set()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]


def _guarded(job: Callable[[threading.Event], None], stop: threading.Event, broken: list[BaseException]) -> None:
    """A job that breaks ends the load: a client that is silently missing would look like one without errors."""
    try:
        job(stop)
    except BaseException as error:  # noqa: BLE001 - raised again by the main thread
        broken.append(error)
        stop.set()


def _observe(plan: Plan, clock: Clock, journal: Journal, stop: threading.Event) -> None:
    """Write what the name answers: `asked` to `at` is when that was so, `ttl` is as on the wire."""
    every = OBSERVE_S / plan.speed
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due = max(due + every, time.monotonic())
        asked = rounded(clock.now())
        answer = wire.resolve(plan.target.name, plan.target.resolver, timeout_s=plan.wall_timeout_s)
        more = {"answer": list(answer.names), "ttl": answer.ttl, "rcode": answer.rcode}
        journal.line(event="dns", at=rounded(clock.now()), asked=asked, **more)


def watch_lag(clock: Clock, journal: Journal, stop: threading.Event) -> None:
    """Write how late a small piece of work was done, again and again, in AWS-equivalent seconds.

    What it takes beyond its own processor time, and what its timer was late, is time in which the machine did something
    else: a client's timeout is over while its request waits for a processor.
    """
    every = LAG_S / clock.speed
    while True:
        due = time.monotonic() + every
        if stop.wait(every):
            return
        spent = time.thread_time()
        hashlib.pbkdf2_hmac("sha256", b"srekv", b"lag", PIECE)
        late = time.monotonic() - due - (time.thread_time() - spent)
        journal.line(event="lag", at=rounded(clock.now()), late=rounded(max(0.0, late) * clock.speed))


def _conclude(plan: Plan, clock: Clock, journal: Journal, name: str = "final") -> None:
    """Read every key once more, then remove them all; removing is tidying up, not part of the history."""
    last = Client(plan._replace(timeout_s=max(plan.timeout_s, plan.speed)), "no-cache", name, clock, journal)
    deadline = time.monotonic() + CONCLUDE_S
    for key in plan.names:
        last.final(key, deadline)
    left = [key for key in plan.names if not last.remove(key, deadline)]
    journal.line(event="end", at=rounded(clock.now()), removed=plan.keys - len(left), left=left)
