"""The failover test as a sequence: what it does, in which order, and that it always heals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srekv.drill.model import Settings
from srekv.drill.runner import failover_test
from srekv.errors import SrekvError, TimeoutExceeded

STEPS_AFTER_FAULT = ("observations hc-az1", "watch on az2")


def _events(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        found.setdefault(line.get("event", "op"), []).append(line)
    return found


def test_runs_to_its_end(world: Any, log: Any, settings: Settings, tmp_path: Path) -> None:
    """A drill stops the primary, sees the switch, starts it, sees the failback, and leaves its history."""
    result = failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    events = _events(result.history)
    fault, heal = events["fault"][0]["at"], events["heal"][0]["at"]
    unhealthy, healthy = (event["at"] for event in events["health"])
    assert 2 * 13 <= unhealthy - fault <= 3 * 13 + 2.6
    assert fault < unhealthy < heal < healthy
    assert events["drill"][0]["secondary"] == {"node": "az2", "address": "127.53.0.129"}
    assert len(events["op"]) == 1
    assert world.load_done
    assert world.running
    assert not log.warnings
    assert (result.fault, result.speed) == ("stop az1", 1.0)
    assert result.bound_s == pytest.approx(42 + 10 + 2 + 0.3)


def test_each_check_is_polled_slowly(world: Any, log: Any, settings: Settings, tmp_path: Path) -> None:
    """GetHealthCheckStatus refills at one call a second: no check is asked twice within 2.5 s."""
    asked: list[float] = []
    world.interrupt = lambda act: asked.append(world.clock.now) if act == "observations hc-az1" else None
    failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    assert min(later - earlier for earlier, later in itertools.pairwise(asked)) >= 2.5


@pytest.mark.parametrize("step", STEPS_AFTER_FAULT)
@pytest.mark.parametrize("error", [SrekvError("gone"), KeyboardInterrupt(), RuntimeError("a bug")], ids=repr)
def test_heals_whatever_happens(  # noqa: PLR0917 - fixtures
    world: Any, log: Any, settings: Settings, tmp_path: Path, step: str, error: BaseException
) -> None:
    """An error or Ctrl-C at any step while the primary is down: it is started, the load is stopped, the error stays."""

    def interrupt(act: str) -> None:
        if act == step and world.stopped_at is not None and not world.running:
            raise error

    world.interrupt = interrupt
    with pytest.raises(type(error)):
        failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    assert world.running
    assert world.load_done


def test_heals_after_a_stop_whose_answer_was_lost(world: Any, log: Any, settings: Settings, tmp_path: Path) -> None:
    """A stop that took effect and failed all the same is healed too."""

    class Lossy(type(world)):  # type: ignore[misc] - the fixture's class lives in conftest
        def stop(self, node: Any, *, skip_os_shutdown: bool = False) -> None:
            super().stop(node, skip_os_shutdown=skip_os_shutdown)
            raise SrekvError("no answer")

    lossy = Lossy()
    with pytest.raises(SrekvError, match="no answer"):
        failover_test(lossy, settings, log, workdir=tmp_path, clock=lossy.clock)

    assert lossy.running


def test_one_ctrl_c_does_not_stop_the_healing(
    world: Any, log: Any, settings: Settings, tmp_path: Path, refuse: Callable[..., Any]
) -> None:
    """Ctrl-C while the primary is being started: it is started first, then the drill ends as interrupted."""
    world.interrupt = refuse("start az1", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    assert world.running


def test_says_when_it_could_not_heal(world: Any, log: Any, settings: Settings, tmp_path: Path) -> None:
    """If the start fails as well, the first error is raised and the user learns that the node may be stopped."""

    def interrupt(act: str) -> None:
        if act == "watch on az2":
            raise SrekvError("watch broke")
        if act == "start az1":
            raise SrekvError("InsufficientInstanceCapacity")

    world.interrupt = interrupt
    with pytest.raises(SrekvError, match="watch broke"):
        failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    assert any("srekv failover --back" in line and "InsufficientInstanceCapacity" in line for line in log.warnings)


def test_refuses_an_unsteady_state(world: Any, log: Any, settings: Settings, tmp_path: Path) -> None:
    """Without observations nothing is stopped: nobody knows whether the name would switch."""
    world.observed = False
    with pytest.raises(TimeoutExceeded, match="steady state"):
        failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    assert world.stopped_at is None
    assert world.load_since is None


def test_a_name_that_never_switches_is_healed_and_recorded(
    world: Any, log: Any, settings: Settings, tmp_path: Path
) -> None:
    """No switch is a result, not an error: the drill heals, ends, and warns."""
    world.switches = False
    result = failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    assert world.running
    assert "heal" in _events(result.history)
    assert any("did not switch" in line for line in log.warnings)


def test_a_damaged_history_is_an_error(world: Any, log: Any, settings: Settings, tmp_path: Path) -> None:
    """A piece whose checksum differs is never judged; the node runs all the same."""
    world.damage = True
    with pytest.raises(SrekvError, match="damaged"):
        failover_test(world, settings, log, workdir=tmp_path, clock=world.clock)

    assert world.running
