"""Healing what a drill left behind: whose drill it was, what is undone, and that nothing is forgotten too early."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from srekv.drill.faults import NAMES, entry, fault
from srekv.drill.model import Settings
from srekv.drill.note import LONGEST, PROC, UNSAFE, Note, birth, here, left_behind, parse
from srekv.drill.repair import heal_left_behind
from srekv.errors import SrekvError
from tests.support.drill import Log, World

NOW = 1_000_000


def _note(**more: Any) -> Note:
    known = {"fault": "stop", "run_id": "r0", "started": NOW - 60, "expires": NOW - 1, "host": "elsewhere", "pid": 1}
    return Note(**(known | more))


def test_a_note_survives_its_tag() -> None:
    """What is written is read; a tag's value has at most 256 characters that IAM accepts."""
    note = _note(fault="both", host="a-host.example", pid=4711, born="123456789", admitted="192.0.2.7")

    assert parse(note.text()) == note
    assert len(note.text()) <= LONGEST
    assert not UNSAFE.search(note.text().replace(" ", ""))
    assert len(_note(host="h" * 300).text()) <= LONGEST
    assert parse("") is None


@pytest.mark.parametrize("text", ["nonsense", "fault=stop run=r", "fault=stop run=r at=x until=2 by=h/1", "= = ="])
def test_a_note_that_nobody_understands_is_to_be_healed(text: str) -> None:
    """Somebody's tag, or a later version's: it stands for a fault that nobody heals any more."""
    note = parse(text)

    assert note is not None
    assert not note.under_way(NOW)


@pytest.mark.parametrize(
    ("more", "under_way"),
    [
        ({"expires": NOW + 60}, True),
        ({"expires": NOW - 1}, False),
        ({"expires": NOW + 60, "host": here(), "pid": os.getpid()}, True),
        ({"expires": NOW - 1, "host": here(), "pid": os.getpid()}, False),
        ({"expires": NOW + 60, "host": here(), "pid": 2**22 + 1}, False),
        ({"expires": NOW + 60, "host": here(), "pid": os.getpid(), "born": birth(os.getpid())}, True),
        ({"expires": NOW + 60, "host": here(), "pid": os.getpid(), "born": "7"}, False),
        ({"expires": NOW + 60, "pid": os.getpid(), "born": "7"}, True),
    ],
    ids=["elsewhere", "expired", "alive", "too-long", "dead", "the-same", "reused", "reused-elsewhere"],
)
def test_whether_a_drill_goes_on(more: dict[str, Any], under_way: bool) -> None:
    """Another computer's drill is believed until it expires; one of this computer until its process has ended."""
    assert _note(**more).under_way(NOW) == under_way


@pytest.mark.parametrize("born", [True, False], ids=["born", "an-older-note"])
def test_a_zombie_is_no_drill(born: bool) -> None:
    """A drill that was killed, and whose parent does not collect it, has ended: nothing waits for its time to pass."""
    with subprocess.Popen(["sleep", "60"]) as drill:
        note = _note(expires=NOW + 60, host=here(), pid=drill.pid, born=birth(drill.pid) if born else "")
        assert note.under_way(NOW)
        drill.kill()
        os.waitid(os.P_PID, drill.pid, os.WEXITED | os.WNOWAIT)
        assert not note.under_way(NOW)


@pytest.mark.parametrize("proc", [PROC, Path("/absent")], ids=["linux", "ps"])
def test_a_process_is_known_by_its_birth(proc: Path) -> None:
    """Alive it has one, as a zombie an empty one; of a process that is gone nothing is seen."""
    if not (proc.exists() or Path("/bin/ps").exists()):
        pytest.skip("this system has no ps")
    with subprocess.Popen(["sleep", "60"]) as child:
        assert birth(child.pid, proc=proc)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert birth(child.pid, proc=proc) == ""
    assert birth(child.pid, proc=proc) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", ["", "lost-writes"])
def test_heals_any_fault(world: World, log: Log, settings: Settings, name: str, wrong: str) -> None:
    """A drill that was killed right after its fault: the next command brings everything back and waits for it."""
    world.note = _note(fault=name).text()
    fault(entry(name), wrong=wrong).inject(world, world.deployment())
    world.clock.sleep(60)

    assert heal_left_behind(world, settings, log, world.clock)
    assert world.whole
    assert world.answer() == ["127.53.0.128"]
    assert any("r0" in line and name in line for line in log.warnings)


def test_heals_what_it_does_not_understand(world: World, log: Log, settings: Settings) -> None:
    """The undo does not depend on the note's words."""
    world.note = "words of a later version"
    world.stop(world.deployment().node("primary"))
    heal_left_behind(world, settings, log, world.clock)

    assert world.whole


def test_a_stack_without_a_note_is_left_alone(world: World, log: Log, settings: Settings) -> None:
    """Nothing is done, nothing is said."""
    assert not heal_left_behind(world, settings, log, world.clock)
    assert world.acts == []
    assert log.lines == []


def test_a_drill_that_goes_on_is_left_alone(world: World, log: Log, settings: Settings) -> None:
    """Whoever comes across it learns whose it is and since when; nothing is touched."""
    world.note = _note(expires=int(world.clock.now) + 60).text()
    with pytest.raises(SrekvError, match="has been going on since 1970") as caught:
        heal_left_behind(world, settings, log, world.clock)

    assert "elsewhere" in caught.value.why
    assert world.acts == []


def test_closes_the_port_to_a_vantage_point(world: World, log: Log, settings: Settings) -> None:
    """An address that a killed drill had let in is kept out again."""
    world.admit("i-0abc")
    world.note = _note(admitted="192.0.2.7").text()
    heal_left_behind(world, settings, log, world.clock)

    assert world.whole


@pytest.mark.parametrize("step", ["start az1", "rm on az2", "forget az1"])
def test_a_healing_that_fails_keeps_the_note(world: World, log: Log, settings: Settings, step: str) -> None:
    """What can be healed is healed, the error is raised, and the next command finds the note."""

    def interrupt(act: str) -> None:
        if act == step:
            raise SrekvError("refused")

    world.note = _note().text()
    world.stop(world.deployment().node("primary"))
    world.words["az2"] = "lost-writes"
    world.interrupt = interrupt
    with pytest.raises(SrekvError, match="refused"):
        heal_left_behind(world, settings, log, world.clock)

    assert world.note
    assert world.running == (step != "start az1")
    assert bool(world.words) == (step == "rm on az2")
    world.interrupt = lambda _: None
    heal_left_behind(world, settings, log, world.clock)
    assert world.whole


def test_what_status_says() -> None:
    """A fault that was left behind comes with its cure."""
    assert left_behind("") == ""
    assert str(left_behind(_note().text())).endswith("left its fault in the stack: srekv up heals it")
