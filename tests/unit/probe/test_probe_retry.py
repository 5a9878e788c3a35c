"""A client that tries again never says more than it knows, whatever the network does and whoever else writes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srekv.probe.retry import ATTEMPTS, BUDGET_S, Retrying
from srekv.probe.service import Outcome

KEY, MINE = "k", "mine"
STEPS = ("ok", "not sent", "refused", "request lost", "answer lost", "late")


@dataclass
class Table:
    """One key behind a network that follows a script; versions only grow, also over a removal.

    A "late" request takes effect when a later step delivers it, on condition of its version as always.
    """

    script: list[str]
    rivals: list[int] = field(default_factory=list)
    value: str | None = None
    version: int = 1
    effects: list[str | None] = field(default_factory=list)
    late: list[Callable[[], bool]] = field(default_factory=list)
    requests: int = 0

    def read(self, key: str) -> Outcome:
        """Read the key; only a script's "ok" gets an answer."""
        assert key == KEY
        if self._step() != "ok":
            return Outcome("fail", error="lost")
        return Outcome("ok", value=self.value, etag=None if self.value is None else str(self.version), status=200)

    def write(self, key: str, value: str) -> Outcome:
        """A retrying client has no use for it: every change has a condition."""
        raise NotImplementedError(key, value)

    def cas(self, key: str, value: str, *, etag: str | None) -> Outcome:
        """Set the key on its condition."""
        assert key == KEY
        return self._change(lambda: self._apply(value, etag=etag, absent=etag is None))

    def delete(self, key: str, *, etag: str | None = None) -> Outcome:
        """Remove the key on its condition."""
        assert key == KEY
        return self._change(lambda: self._apply(None, etag=etag, absent=False))

    def close(self) -> None:
        """Nothing is kept."""

    def deliver(self) -> None:
        """Let everything arrive that is still on its way."""
        while self.late:
            self.late.pop(0)()

    def _change(self, apply: Callable[[], bool]) -> Outcome:
        step = self._step()
        if step in {"not sent", "refused"}:
            return Outcome("fail", status=503 if step == "refused" else None, error=step)
        if step == "late":
            self.late.append(apply)
        if step in {"request lost", "late"}:
            return Outcome("unknown", error=step)
        applied = apply()
        if step == "answer lost":
            return Outcome("unknown", error=step)
        return Outcome("ok", status=200) if applied else Outcome("conflict", status=412)

    def _step(self) -> str:
        """What happens to this request; before it, somebody else may write, or a late request arrive."""
        self.requests += 1
        rival = self.rivals.pop(0) if self.rivals else 0
        if rival == 1:
            self.value, self.version = f"rival-{self.version}", self.version + 1
        if rival == 2 and self.late:
            self.late.pop(0)()
        if rival == 3:
            self.value, self.version = None, self.version + 1
        return self.script.pop(0) if self.script else "ok"

    def _apply(self, value: str | None, *, etag: str | None, absent: bool) -> bool:
        if (absent and self.value is not None) or (etag is not None and etag != str(self.version)):
            return False
        self.value, self.version = value, self.version + 1
        self.effects.append(value)
        return True


class FakeClock:
    """A clock that moves when its own `sleep` is called; nobody really waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let them pass."""
        self.now += seconds


def _client(table: Table, seed: int = 1) -> Retrying:
    fake = FakeClock()
    return Retrying(cast("Any", table), random.Random(seed), clock=fake.clock, sleep=fake.sleep)


def _truthful(outcome: Outcome, table: Table, value: str | None, *, removed: bool) -> None:
    """What was said holds now, and after everything has arrived, perhaps after somebody removed the key."""
    before = table.effects.count(value)
    if removed:
        table.value, table.version = None, table.version + 1
    table.deliver()
    after = table.effects.count(value)
    if outcome.outcome == "ok":
        assert (before, after) == (1, 1)
    elif outcome.outcome == "unknown":
        assert after <= 1
    else:
        assert after == 0


@settings(max_examples=1000, deadline=None)
@given(
    op=st.sampled_from(["write", "cas", "delete"]),
    present=st.booleans(),
    script=st.lists(st.sampled_from(STEPS), max_size=16),
    rivals=st.lists(st.integers(0, 3), max_size=16),
    seed=st.integers(0, 5),
    removed=st.booleans(),
)
def test_no_outcome_lies(
    *, op: str, present: bool, script: list[str], rivals: list[int], seed: int, removed: bool
) -> None:
    """ok: it took effect once and never again; fail and conflict: never; unknown: at most once."""
    table = Table(script, rivals, value="old" if present else None)
    client = _client(table, seed)
    if op == "write":
        _truthful(client.write(KEY, MINE), table, MINE, removed=removed)
    elif op == "cas":
        _truthful(client.cas(KEY, MINE, etag="1" if present else None), table, MINE, removed=removed)
    elif present:
        _truthful(client.delete(KEY, etag="1"), table, None, removed=removed)


@pytest.mark.parametrize(
    ("present", "script", "outcome", "attempts"),
    [
        (True, ["ok", "ok"], "ok", 2),
        (True, ["ok", "not sent", "refused", "ok"], "ok", 4),
        (True, ["ok", "request lost", "ok"], "ok", 3),  # the same version again: one of the two at most takes effect
        (True, ["ok", "answer lost", "ok", "ok"], "ok", 4),  # the version has moved on, and a read finds our value
        (True, ["ok", "answer lost", "not sent", "not sent", "not sent", "not sent"], "unknown", 6),
        (True, ["ok", *["not sent"] * 5], "fail", 6),
        (True, ["not sent"] * 5, "fail", 5),
        (False, ["ok", "ok"], "ok", 2),
        (False, ["ok", "request lost"], "unknown", 2),  # absent twice is no version: it must not be sent again
        (False, ["ok", "not sent", "ok"], "ok", 3),
    ],
)
def test_write(present: bool, script: list[str], outcome: str, attempts: int) -> None:
    """A write reads the version first, then tries until it knows or must not try again."""
    table = Table(list(script), value="old" if present else None)
    said = _client(table).write(KEY, MINE)

    assert (said.outcome, said.attempts) == (outcome, attempts)
    assert table.requests == attempts


def test_a_rival_between_read_and_write_is_overwritten() -> None:
    """Somebody else's change is no failure of an unconditional write."""
    table = Table([], [0, 1], value="old")
    assert _client(table).write(KEY, MINE).outcome == "ok"
    assert table.value == MINE


def test_a_rival_makes_a_cas_conflict() -> None:
    """A conditional write that never was in doubt conflicts at once."""
    table = Table([], [1], value="old")
    said = _client(table).cas(KEY, MINE, etag="1")
    assert (said.outcome, said.attempts) == ("conflict", 1)


def test_a_doubtful_write_that_a_rival_overwrote_stays_unknown() -> None:
    """When the version has moved on and the value is not ours, nobody can say whether it ever was."""
    table = Table(["answer lost"], [0, 1], value="old")
    assert _client(table).cas(KEY, MINE, etag="1").outcome == "unknown"


def test_what_the_service_refuses_is_not_tried_again() -> None:
    """A request that is at fault itself will be refused the next time too."""

    class Refusing(Table):
        def read(self, key: str) -> Outcome:
            return super().read(key)._replace(outcome="fail", status=400)

    assert _client(Refusing([])).read(KEY).attempts == 1


def test_pauses_are_jittered_and_bounded() -> None:
    """No operation tries more often than ATTEMPTS, nor begins an attempt after its budget."""

    def ends(seed: int) -> tuple[float, int]:
        fake, table = FakeClock(), Table(["not sent"] * 99)
        said = Retrying(cast("Any", table), random.Random(seed), clock=fake.clock, sleep=fake.sleep).read(KEY)
        return fake.now, said.attempts

    seen = [ends(seed) for seed in range(200)]
    assert all(now < BUDGET_S and attempts <= ATTEMPTS for now, attempts in seen)
    assert len({now for now, _ in seen}) == len(seen)


def test_the_budget_ends_a_slow_operation() -> None:
    """Attempts that take long leave no time for others."""
    fake = FakeClock()

    class Slow(Table):
        def read(self, key: str) -> Any:
            fake.sleep(6)
            return super().read(key)

    said = Retrying(cast("Any", Slow(["not sent"] * 9)), random.Random(1), clock=fake.clock, sleep=fake.sleep).read(KEY)
    assert said.attempts == 2
