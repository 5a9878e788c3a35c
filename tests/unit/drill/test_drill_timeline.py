"""The history's way to disk: the load's lines, the tool's events, and the end, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from srekv.check.verdict import judge_file
from srekv.drill.events import FORMAT
from srekv.drill.model import Settings
from srekv.drill.repair import resume
from srekv.drill.runner import EVENTS
from srekv.drill.timeline import Timeline, save
from srekv.errors import SrekvError
from srekv.probe import load
from tests.support.drill import Log, World

START = b'{"event": "start", "format": 2, "at": 0, "epoch": 100, "speed": 10}\n'


def _lines(history: bytes) -> list[Any]:
    return [json.loads(line) for line in history.splitlines()]


def test_the_last_line_counts_the_lines(world: World) -> None:
    """Itself included, empty ones not."""
    timeline = Timeline(world.clock)
    timeline.record("fault", at=101)
    timeline.record("heal", at=102)
    history = timeline.merged(START + b"\n" + b'{"event": "end", "at": 15}\n')

    assert [line["event"] for line in _lines(history)] == ["start", "end", "fault", "heal", "eof"]
    assert _lines(history)[-1] == {"event": "eof", "at": 20.0, "lines": 5}


def test_half_a_line_stays_a_line_of_its_own(world: World) -> None:
    """A load that was killed may leave one: the tool's first event is not written behind it."""
    timeline = Timeline(world.clock)
    timeline.record("fault", at=101)
    texts = timeline.merged(START + b'{"id": 1, "op": "wr').splitlines()

    assert texts[1] == b'{"id": 1, "op": "wr'
    assert [json.loads(text)["event"] for text in texts[2:]] == ["fault", "eof"]


@pytest.mark.parametrize(
    "member",
    [
        {"epoch": None},
        {"epoch": "100"},
        {"epoch": True},
        {"epoch": 10**400},
        {"speed": 0},
        {"speed": [10]},
        {"speed": None},
        {"at": "0"},
    ],
)
def test_a_start_that_says_no_time_is_no_start(world: World, member: dict[str, Any]) -> None:
    """Events cannot be put on the history's clock: the drill ends with an error that says so."""
    start = json.dumps({**json.loads(START), **member}).encode()
    with pytest.raises(SrekvError, match="no beginning"):
        Timeline(world.clock).merged(start + b"\n")


JOURNAL = [
    b"half a line",
    b"[1]",
    b"[" * 100_000,
    b"\xff",
    b'{"event": "fault"}',
    b'{"epoch": "1", "event": "fault"}',
    b'{"epoch": NaN, "event": "fault"}',
    b'{"epoch": 1e999, "event": "fault"}',
    b'{"epoch": ' + b"9" * 400 + b', "event": "fault"}',
    b'{"epoch": 1, "event": ["fault"]}',
    b'{"epoch": 1, "event": "drill", "bound_s": "54.3"}',
    b'{"epoch": 1, "event": "drill", "speed": null, "fault": 5}',
    b'{"epoch": 1, "event": "health"}',
]
"""Lines that a journal of events can hold after an accident."""


def test_a_damaged_journal_gives_what_is_sound(world: World) -> None:
    """Events that cannot be read are left out; a history without them is not held."""
    timeline = Timeline(world.clock)
    timeline.recall(b"\n".join([*JOURNAL, b'{"epoch": 101, "event": "heal"}']))

    assert [line["event"] for line in _lines(timeline.merged(START))] == ["start", "heal", "eof"]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_drill_is_resumed_from_its_journal(
    world: World, log: Log, settings: Settings, tmp_path: Path, damaged: bool
) -> None:
    """Whatever is left of the tool's events, the history ends in order; without them nothing is known of the drill."""
    world.load_since = world.clock.now
    directory = tmp_path / "r1"
    directory.mkdir()
    known = b'{"epoch": 1000001, "event": "drill", "fault": "stop", "speed": 2.5, "bound_s": 54.3}'
    (directory / EVENTS).write_bytes(b"\n".join(JOURNAL if damaged else [known]))
    result = resume(world, settings, log, directory=tmp_path, healed=True, clock=world.clock)

    assert (result.fault, result.speed, result.bound_s) == (("?", 1.0, 0.0) if damaged else ("stop", 2.5, 54.3))
    events = [line["event"] for line in _lines(result.history.read_bytes()) if "event" in line]
    assert events == ["start", *([] if damaged else ["drill"]), "heal", "eof"]
    assert judge_file(result.history).verdict == "unknown"
    assert sorted(one.name for one in directory.iterdir()) == [EVENTS, result.history.name]


def test_a_history_appears_whole(tmp_path: Path) -> None:
    """Who reads the old file while the new one is written has the old one to its end."""
    path = tmp_path / "history.jsonl"
    save(path, b"the old one")
    with path.open("rb") as reader:
        save(path, b"new")
        assert reader.read() == b"the old one"

    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [(path.name, b"new")]


def test_a_history_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """The error names the place; no half a file is left."""
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(OSError, match=r"history\.jsonl"):
        save(tmp_path / "history.jsonl", b"new")
    assert len(list(tmp_path.iterdir())) == 1


def test_the_load_names_the_format_that_its_reader_expects() -> None:
    """The probe imports nothing, so it has the number too."""
    assert load.FORMAT == FORMAT
