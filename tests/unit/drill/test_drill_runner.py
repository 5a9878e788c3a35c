"""The failover test as a sequence: what it does, in which order, and that it always heals."""

from __future__ import annotations

import itertools
import json
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

import pytest

from srekv.drill.faults import NAMES, entry
from srekv.drill.model import Settings
from srekv.drill.note import parse
from srekv.drill.runner import failover_test
from srekv.errors import SrekvError, TimeoutExceeded
from tests.support.drill import Log, World

TRACED = ("contextlib", "srekv.drill.runner", "srekv.drill.signals")
"""The modules in which there must be no moment at which a signal prevents the healing."""

STEPS_AFTER_FAULT = ("observations hc-az1", "watch on az2", "store on az2")


@pytest.fixture
def drill(world: World, log: Log, settings: Settings, order: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Carries out a drill of a fault in the world."""

    def run(name: str = "stop", **more: Any) -> Any:
        target = more.pop("target", world)
        return failover_test(target, settings, log, order=order(name, **more), workdir=tmp_path, clock=target.clock)

    return run


def _events(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        found.setdefault(line.get("event", "op"), []).append(line)
    return found


def test_runs_to_its_end(world: World, log: Log, drill: Callable[..., Any]) -> None:
    """A drill stops the primary, sees the switch, starts it, sees the failback, and leaves its history."""
    result = drill()

    events = _events(result.history)
    fault, heal = events["fault"][0]["at"], events["heal"][0]["at"]
    verdicts = [event for event in events["health"] if event["node"] == "az1"]
    unhealthy = next(event["at"] for event in verdicts if not event["healthy"])
    healthy = next(event["at"] for event in verdicts if event["healthy"] and event["at"] > unhealthy)
    assert 2 * 13 <= unhealthy - fault <= 3 * 13
    assert fault < unhealthy < heal < healthy
    assert events["drill"][0]["secondary"] == {"node": "az2", "address": "127.53.0.129", "check": "hc-az2"}
    assert events["drill"][0]["expect"] == {"switch": True, "outage": True, "lost": 0}
    assert len(events["op"]) == 1
    assert world.load_done
    assert world.whole
    assert not log.warnings
    assert (result.fault, result.speed) == ("stop", 1.0)
    assert result.bound_s == pytest.approx(42 + 10 + 2 + 0.3)


def test_the_history_counts_the_checkers(drill: Callable[..., Any]) -> None:
    """Each checker's change of word is an event at the time of its probe; in the end all of them fail."""
    events = _events(drill().history)
    fault = events["fault"][0]["at"]
    failing = [event["failing"] for event in events["health"] if event["node"] == "az1"]
    first = events["observation"][0]

    assert failing[0] == 0
    assert max(failing) == 16
    assert {event["checkers"] for event in events["health"]} == {16}
    assert (first["check"], first["healthy"]) == ("hc-az1", False)
    assert 0 <= first["at"] - fault <= 1
    assert len([one for one in events["observation"] if not one["healthy"]]) == 16


def test_a_verdict_changes_when_a_checker_probes(drill: Callable[..., Any]) -> None:
    """Not when a poll finds it out: each change is at the time of a probe, as AWS gives it, in the order of probes."""
    events = _events(drill().history)
    epoch = events["start"][0]["epoch"]
    changes = [one for one in events["health"] if one["node"] == "az1" and one.get("clock") == "aws"]

    assert len(changes) >= 16 + 3
    assert all(round((one["at"] + epoch) * 16 / 13, 2) % 1 == 0 for one in changes)
    assert [one["at"] for one in changes] == sorted(one["at"] for one in changes)
    assert [one["failing"] for one in changes] == [*range(1, 17), *range(15, -1, -1)][: len(changes)]


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_ends_healed(world: World, log: Log, drill: Callable[..., Any], name: str) -> None:
    """Each fault of the catalogue runs to its end, leaves nothing behind and warns of nothing."""
    events = _events(drill(name).history)

    assert [event["fault"] for event in events["fault"]] == [name]
    assert events["fault"][0]["at"] < events["heal"][0]["at"]
    assert world.whole
    assert world.answer() == ["127.53.0.128"]
    assert not log.warnings


@pytest.mark.parametrize(
    ("name", "switches"), [("unhealthy", True), ("manual-failover", True), ("gray-failure", False), ("flap", False)]
)
def test_the_name_switches_where_it_must(world: World, drill: Callable[..., Any], name: str, switches: bool) -> None:
    """The name answers the secondary during some faults, and never during others."""
    seen: set[str] = set()
    world.interrupt = lambda _: seen.update(world.answer())
    drill(name)

    assert ("127.53.0.129" in seen) == switches


@pytest.mark.parametrize("name", ["stop", "gray-failure", "both-nodes", "manual-failover"])
@pytest.mark.parametrize("wrong", ["stale-reads", "lost-writes"])
def test_a_service_that_is_wrong_on_purpose_is_healed(
    world: World, drill: Callable[..., Any], name: str, wrong: str
) -> None:
    """The word is in both nodes' fault files beside the fault's own, and gone in the end."""
    seen: list[str] = []
    world.interrupt = lambda _: seen.extend(world.words.values())
    drill(name, wrong=wrong)

    assert any(wrong in text.split() for text in seen)
    assert world.whole


def test_each_check_is_polled_slowly(world: World, drill: Callable[..., Any]) -> None:
    """GetHealthCheckStatus refills at one call a second: no check is asked twice within 2.5 s."""
    asked: dict[str, list[float]] = {}

    def note(act: str) -> None:
        if act.startswith("observations"):
            asked.setdefault(act, []).append(world.clock.now)

    world.interrupt = note
    drill()

    assert len(asked) == 2
    for times in asked.values():
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 2.5


@pytest.mark.parametrize("step", STEPS_AFTER_FAULT)
@pytest.mark.parametrize("error", [SrekvError("gone"), KeyboardInterrupt(), RuntimeError("a bug")], ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_heals_whatever_happens(
    world: World, drill: Callable[..., Any], name: str, step: str, error: BaseException
) -> None:
    """An error or Ctrl-C at any step while the fault is in: it is healed, the load is stopped, the error stays."""
    raised = []

    def interrupt(act: str) -> None:
        if act == step and world.note and not raised:
            raised.append(act)
            raise error

    world.interrupt = interrupt
    if step == "watch on az2" and entry(name).expectation.switch is False:
        drill(name)  # the name is not watched while nothing may switch
        assert not raised
    else:
        with pytest.raises(type(error)):
            drill(name)

    assert world.whole
    assert world.load_done


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_at_any_moment_leaves_a_note(world: World, drill: Callable[..., Any], name: str) -> None:
    """Whenever anything of a fault is in the stack, the note that names it is there already."""

    def look(_: str) -> None:
        clean = world.note or (world.running and world.services == {"az1", "az2"} and not world.words)
        assert clean
        assert world.note or not world.inverted
        if world.note:
            note = parse(world.note)
            assert note is not None
            assert (note.fault, note.run_id) == (name, "r1")
            assert note.expires > world.clock.now

    world.interrupt = look
    drill(name)


def test_heals_after_a_stop_whose_answer_was_lost(world: World, drill: Callable[..., Any]) -> None:
    """A stop that took effect and failed all the same is healed too."""

    class Lossy(type(world)):  # type: ignore[misc] - the fixture's class lives in conftest
        def stop(self, node: Any, *, skip_os_shutdown: bool = False) -> None:
            super().stop(node, skip_os_shutdown=skip_os_shutdown)
            raise SrekvError("no answer")

    lossy = Lossy()
    with pytest.raises(SrekvError, match="no answer"):
        drill(target=lossy)

    assert lossy.whole


class _Signals:
    """Sends SIGINT at one line of what a drill executes, and again some calls or returns after it.

    Attributes:
        lines: how many lines of the traced modules were executed while the fault was noted.
    """

    FILES = frozenset(sys.modules[name].__file__ for name in TRACED)

    def __init__(self, world: World, *, at: int | None = None, again: int = 0) -> None:
        self.lines = 0
        self._world, self._at, self._again = world, at, again

    def __enter__(self) -> Self:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _trace(self, frame: FrameType, _event: str, _about: object) -> Callable[..., Any] | None:
        return self._line if frame.f_code.co_filename in self.FILES else None

    def _line(self, _frame: FrameType, event: str, _about: object) -> Callable[..., Any]:
        if event == "line" and self._world.note:
            self.lines += 1
            if self.lines == self._at:
                sys.setprofile(self._call)
                signal.raise_signal(signal.SIGINT)
        return self._line

    def _call(self, _frame: FrameType, _event: str, _about: object) -> None:
        self._again -= 1
        if self._again == 0:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_at_any_line_heals(world: World, drill: Callable[..., Any]) -> None:
    """Ctrl-C, also twice, at any moment at which the fault is in the stack: it is healed, then the drill ends."""
    with _Signals(world) as signals:
        drill()
    assert signals.lines
    for at in range(1, signals.lines + 1):
        for again in (0, *random.sample(range(1, 100), 4)):
            fresh = type(world)()
            with _Signals(fresh, at=at, again=again), pytest.raises(KeyboardInterrupt):
                drill(target=fresh)
            assert fresh.whole, f"line {at}, again {again} calls later"


def test_says_when_it_could_not_heal(world: World, log: Log, drill: Callable[..., Any]) -> None:
    """If the start fails as well, the first error is raised, the user learns what to do, and the note stays."""

    def interrupt(act: str) -> None:
        if act == "watch on az2":
            raise SrekvError("watch broke")
        if act == "start az1":
            raise SrekvError("InsufficientInstanceCapacity")

    world.interrupt = interrupt
    with pytest.raises(SrekvError, match="watch broke"):
        drill()

    assert any("srekv up" in line and "InsufficientInstanceCapacity" in line for line in log.warnings)
    assert world.note


def test_refuses_an_unsteady_state(world: World, drill: Callable[..., Any]) -> None:
    """Without observations nothing is stopped: nobody knows whether the name would switch."""
    world.observed = False
    with pytest.raises(TimeoutExceeded, match="steady state"):
        drill()

    assert world.whole
    assert world.load_since is None


def test_refuses_a_stack_with_a_fault_in_it(world: World, drill: Callable[..., Any]) -> None:
    """Two faults at once would measure nothing, and the second note would hide the first."""
    world.note = "fault=stop run=other at=1 until=2 by=x/1"
    with pytest.raises(SrekvError, match="still in the stack"):
        drill()

    assert "other" in world.note


def test_a_name_that_never_switches_is_healed_and_recorded(world: World, log: Log, drill: Callable[..., Any]) -> None:
    """No switch is a result, not an error: the drill heals, ends, and warns."""
    world.switches = False
    result = drill()

    assert world.whole
    assert "heal" in _events(result.history)
    assert any("did not switch" in line for line in log.warnings)


def test_a_damaged_history_is_an_error(world: World, drill: Callable[..., Any]) -> None:
    """A piece whose checksum differs is never judged; the stack is whole all the same."""
    world.damage = True
    with pytest.raises(SrekvError, match="damaged"):
        drill()

    assert world.whole


@pytest.mark.parametrize("step", ["status on i-0abc", "fetch on i-0abc", "stop az1"])
def test_another_vantage_point_is_let_in_and_out_again(world: World, drill: Callable[..., Any], step: str) -> None:
    """The load runs where it was asked to; the address that was let in is kept out again, also after an error."""

    def interrupt(act: str) -> None:
        if act == step:
            assert world.admitted
            raise SrekvError("broke")

    drill(vantage="i-0abc")
    assert "load on i-0abc" in world.acts
    assert world.whole
    world.interrupt = interrupt
    with pytest.raises(SrekvError, match="broke"):
        drill(vantage="i-0abc")
    assert world.whole
