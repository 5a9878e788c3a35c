"""Two commands at once, and commands that are interrupted: one stack in the end or none, never two halves."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from srekv.errors import SrekvError

FEW = range(1)
"""The seeds of an ordinary test run; the sweep takes MANY."""

MANY = range(1, 9)
SEEDS = [*FEW, *(pytest.param(seed, marks=pytest.mark.sweep) for seed in MANY)]

PATIENCE_S = 5


class Turns:
    """Makes two runs take turns: each pauses at some of its calls until the other has made some more, or has ended.

    A pause ends by itself when the other run is paused too: nobody waits for somebody who waits. The account answers
    one call at a time, as AWS does where a name, a token or a reference is to be taken once.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._made = [0, 0]
        self._ended = [False, False]
        self._pausing = [0, 0]
        self._pauses = [self._draw(), self._draw()]
        self._one_at_a_time = threading.Lock()

    def attach(self, session: boto3.Session, me: int) -> None:
        """Let the calls of a run's session take turns with the other's."""
        session.events.register_first("before-call", lambda **_: self._begins(me))
        session.events.register_last("after-call", lambda **_: self._one_at_a_time.release())
        session.events.register_last("after-call-error", lambda **_: self._one_at_a_time.release())

    def _begins(self, me: int) -> None:
        self._pause(me)
        self._one_at_a_time.acquire()

    def _draw(self) -> dict[int, int]:
        """Before which call of its own a run pauses, and for how many calls of the other one."""
        return {self._random.randrange(1, 45): self._random.randrange(1, 45) for _ in range(3)}

    def _pause(self, me: int) -> None:
        """One of the threads of a run is about to make a call."""
        with self._changed:
            self._made[me] += 1
            self._changed.notify_all()
            pause = self._pauses[me].pop(self._made[me], None)
            if pause is None:
                return
            until = self._made[1 - me] + pause
            self._pausing[me] += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._may_go_on(me, until), timeout=PATIENCE_S)
            self._pausing[me] -= 1

    def _may_go_on(self, me: int, until: int) -> bool:
        other = 1 - me
        return self._made[other] >= until or self._ended[other] or self._pausing[other] > 0

    def ends(self, me: int) -> None:
        """A run has ended."""
        with self._changed:
            self._ended[me] = True
            self._changed.notify_all()


def _session(world: Any) -> boto3.Session:
    """A session of another process on the same account."""
    session = boto3.Session(region_name="us-east-1", aws_access_key_id="AKIAOTHER", aws_secret_access_key="secret")
    world.account.attach(session)
    return session


def _together(world: Any, seed: int, *commands: str) -> list[SrekvError | None]:
    """Run two commands at once; what each of them ended with."""
    world.account.seed = seed
    turns = Turns(seed)

    def run(me: int, command: str) -> SrekvError | None:
        session = _session(world)
        turns.attach(session, me)
        try:
            stack, _ = world.stack(session=session)
            if command == "up":
                stack.up(wait=False)
            else:
                stack.down()
        except SrekvError as error:
            return error
        finally:
            turns.ends(me)
        return None

    with ThreadPoolExecutor(2) as pool:
        futures: list[Future[SrekvError | None]] = [pool.submit(run, *one) for one in enumerate(commands)]
        return [future.result() for future in futures]


@pytest.mark.parametrize("seed", SEEDS)
def test_two_ups_at_once(strict: Any, seed: int) -> None:
    """Both end well, on the same stack: one of everything, and nothing left to do."""
    assert _together(strict, seed, "up", "up") == [None, None]

    assert strict.census() == strict.WHOLE
    assert strict.up().done == {}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("existing", [False, True], ids=["from-nothing", "from-a-stack"])
def test_up_with_down_at_once(strict: Any, seed: int, existing: bool) -> None:
    """A whole stack or nothing, whoever was first; a command that gave up says why."""
    if existing:
        strict.up()

    ends = _together(strict, seed, "up", "down")

    census = strict.census()
    assert census in (strict.WHOLE, strict.EMPTY), ends
    assert all(end is None or end.why for end in ends)


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Sends this process what Ctrl-C sends, and returns when the main thread has noticed."""
    noticed = threading.Event()

    def notice(*_: object) -> None:
        noticed.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, notice)

    def send() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        noticed.wait(PATIENCE_S)

    yield send
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("command", ["up", "down"])
def test_interrupted(strict: Any, interrupt: Callable[[], None], command: str, seed: int) -> None:
    """Ctrl-C ends the command at once; `up` again gives one of everything, `down` again leaves nothing."""
    if command == "down":
        strict.up()
    left = random.Random(seed).randrange(2, 50)
    lock = threading.Lock()

    def count(**_: object) -> None:
        nonlocal left
        with lock:
            left -= 1
            now = left == 0
        if now:
            interrupt()

    session = _session(strict)
    session.events.register("before-call", count)
    stack, _ = strict.stack(session=session)
    with pytest.raises(KeyboardInterrupt):
        stack.up(wait=False) if command == "up" else stack.down()

    if command == "up":
        strict.up()
        assert strict.census() == strict.WHOLE
        assert strict.up().done == {}
    else:
        assert strict.down()[0] == ()
        assert strict.census() == strict.EMPTY


def test_down_while_an_instance_is_stopping(strict: Any) -> None:
    """EC2 terminates it from there, and `down` waits for that: nothing is left."""
    strict.up()
    instances = [one["InstanceId"] for one in strict.listing()["instances"]]
    strict.client("ec2").stop_instances(InstanceIds=instances)

    assert strict.down()[0] == ()

    assert strict.census() == strict.EMPTY
