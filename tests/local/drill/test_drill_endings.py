"""Every way in which a drill can end early: signals heal before it ends, and a kill is healed by the next command."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

pytestmark = pytest.mark.local


def _state(cli: Any) -> tuple[Any, ...]:
    found = cli.run("status")
    return found["fault"], [node["state"] for node in found["nodes"]]


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)], ids=["ctrl-c-twice", "term"])
def test_a_signal_heals_before_the_end(cli: Any, drilling: Any, signals: tuple[signal.Signals, ...]) -> None:
    """Ctrl-C, also a second one, and SIGTERM: the primary runs again and the note is gone, exit code 130."""
    drill = drilling("--fault", "stop")
    drill.await_event("fault")
    for number in signals:
        drill.process.send_signal(number)
    drill.process.communicate(timeout=60)

    assert drill.process.returncode == 130
    assert _state(cli) == (None, ["running", "running"])
    assert any(event["event"] == "heal" for event in drill.events)


def test_a_kill_is_healed_by_the_next_command(cli: Any, drilling: Any) -> None:
    """While it lives nobody touches its fault; once it was killed `status` tells, `up` heals, --resume judges.

    When `up` healed it is in no history, so what depends on that is not known.
    """
    drill = drilling("--fault", "both-nodes")
    drill.await_event("fault")
    drill.process.send_signal(signal.SIGSTOP)
    busy = cli.run("up", code=3)
    assert "has been going on" in busy["messages"]
    drill.process.kill()
    drill.process.wait(10)
    told = cli.run("status")
    assert "fault=both-nodes" in told["fault"]
    assert "srekv up heals it" in told["messages"]

    cli.run("up")
    assert _state(cli) == (None, ["running", "running"])
    resumed = cli.run("failover-test", "--resume", "--dir", str(drill.directory), code=4)
    assert (resumed["fault"], resumed["lost"]) == ("both-nodes", 0)
    assert "no heal is recorded" in json.dumps(resumed["findings"])
