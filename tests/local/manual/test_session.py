"""A session is a shell as a reader has it, and it always comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from manual.session import Session

pytestmark = pytest.mark.local


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """One in an empty directory."""
    with Session(tmp_path, tmp_path, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}) as one:
        yield one


def test_a_command_is_run_as_a_reader_runs_it(session: Session) -> None:
    """What it sets the next one finds; both outputs count; a pipe fails where any part of it does."""
    session.run("mkdir deep && cd deep && colour=green")
    assert session.run('echo "$colour in $(basename "$PWD")"').output == "green in deep"
    ended = session.run("echo out; echo err >&2; false")
    assert (ended.code, ended.output) == (1, "out\nerr")
    assert session.run("(exit 3) | cat").code == 3


def test_answers_are_typed_and_nothing_else_is(session: Session) -> None:
    """Without an answer a command that asks finds the end of its input."""
    assert session.run("read answer; echo $answer", answers="y\n").output == "y"
    assert session.run("read answer").code == 1


@pytest.mark.parametrize("end", ["cat /dev/zero >/dev/null", "exit 0"])
def test_a_command_that_does_not_come_back_has_no_exit_code(session: Session, end: str) -> None:
    """It takes too long, or ends the shell, in which the page's later commands could not run; its output is there."""
    ended = session.run(f"echo begun; {end}", deadline_s=0.5)
    assert (ended.code, ended.output) == (None, "begun")
