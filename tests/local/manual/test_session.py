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


def test_what_a_command_sets_the_next_one_finds(session: Session) -> None:
    """Variables and the working directory."""
    session.run("mkdir deep && cd deep && colour=green")
    assert session.run('echo "$colour in $(basename "$PWD")"').output == "green in deep"


def test_a_command_has_its_exit_code_and_both_outputs(session: Session) -> None:
    """Standard error counts as what a reader sees."""
    ended = session.run("echo out; echo err >&2; false")
    assert (ended.code, ended.output) == (1, "out\nerr")


def test_a_pipe_fails_where_any_part_of_it_does(session: Session) -> None:
    """A page that pipes a failing srekv into another program would otherwise pass."""
    assert session.run("(exit 3) | cat").code == 3


def test_answers_are_typed_and_nothing_else_is(session: Session) -> None:
    """Without an answer a command that asks finds the end of its input."""
    assert session.run("read answer; echo $answer", answers="y\n").output == "y"
    assert session.run("read answer").code == 1


def test_a_command_that_does_not_end_has_no_exit_code(session: Session) -> None:
    """What it printed so far is there."""
    ended = session.run("echo begun; cat /dev/zero >/dev/null", deadline_s=0.5)
    assert (ended.code, ended.output) == (None, "begun")


def test_a_command_that_ends_the_shell_has_no_exit_code(session: Session) -> None:
    """The page's later commands could not run."""
    assert session.run("exit 0").code is None
