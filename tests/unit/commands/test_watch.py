"""How a watch goes on and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from srekv.cli import run
from srekv.commands.watch import follow
from srekv.watch.model import Sample, Snapshot, Timeline

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_watch_outlives_what_it_cannot_see_and_ends_with_its_cloud() -> None:
    """A problem is told once and waited out; when the cloud is gone too, that is the last word."""
    problems = ["", "no answer", "no answer", "", "gone"]
    looks = iter(
        Snapshot(at=NOON + timedelta(seconds=second), stack=Sample(problem=problem))
        for second, problem in enumerate(problems)
    )
    answers = iter([False, False, True])
    shown: list[Timeline] = []

    follow(lambda: next(looks), shown.append, pause_s=0, has_stopped=lambda: next(answers))

    told = ["cannot see the stack: no answer", "the stack can be seen again", "cannot see the stack: gone"]
    told.append("the local cloud has stopped: the watch ends")
    assert [one.text for one in shown[-1].events] == told
    assert [one.text for story in shown for one in story.news] == told
    assert len(shown) == len(problems)
    assert list(answers) == []


def test_calls_are_not_written_over_the_live_screen(
    monkeypatch: pytest.MonkeyPatch, on_a_terminal: Callable[[Callable[[], object]], str]
) -> None:
    """On one terminal --watch and --verbose exclude each other, and the advice parts them; nothing was looked at."""
    monkeypatch.setenv("TERM", "xterm")
    codes: list[int] = []

    said = on_a_terminal(lambda: codes.append(run(["--stack", "blue", "-v", "status", "--watch"])))

    assert codes == [2]
    assert "srekv --stack blue -v status --watch 2> calls.log" in said
