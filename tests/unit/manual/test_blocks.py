"""A page's commands are found as a reader finds them, and what breaks the convention is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from manual.blocks import Block, ManualError, blocks


def found(tmp_path: Path, text: str) -> tuple[Block, ...]:
    """The blocks of a page with this text."""
    page = tmp_path / "page.md"
    page.write_text(text)
    return blocks(page)


def test_a_command_has_its_line_and_its_output(tmp_path: Path) -> None:
    """Lines are counted as an editor counts them."""
    (block,) = found(tmp_path, "# Title\n\n```console\n$ one\nseen\n$ two\n```\n")
    assert [(one.line, one.text, one.output) for one in block.commands] == [(4, "one", ("seen",)), (6, "two", ())]


def test_a_command_goes_on_after_a_backslash(tmp_path: Path) -> None:
    """It is one command of two lines."""
    (block,) = found(tmp_path, "```console\n$ one \\\n    --more\n$ two\n```\n")
    assert [one.text for one in block.commands] == ["one \\\n    --more", "two"]


def test_a_command_goes_on_to_the_end_of_its_document(tmp_path: Path) -> None:
    """What stands in a here-document is no output and no command."""
    (block,) = found(tmp_path, "```console\n$ cat > file <<'END'\n$ no command\nEND\nseen\n```\n")
    assert [(one.text, one.output) for one in block.commands] == [("cat > file <<'END'\n$ no command\nEND", ("seen",))]


def test_other_languages_are_no_commands(tmp_path: Path) -> None:
    """Output of its own, workflows, programs."""
    assert found(tmp_path, "```yaml\n$ no\n```\n\n```\n$ no\n```\n") == ()


def test_the_page_may_show_another_exit_code(tmp_path: Path) -> None:
    """As a reader would look for it; that look is not run."""
    (block,) = found(tmp_path, "```console\n$ one\n$ echo $?\n1\n$ two\n```\n")
    assert [(one.text, one.exits) for one in block.commands] == [("one", 1), ("two", 0)]


def test_a_comment_may_say_the_exit_code(tmp_path: Path) -> None:
    """It is about the last command."""
    (block,) = found(tmp_path, "<!-- exits: 2 -->\n```console\n$ one\n$ two\n```\n")
    assert [one.exits for one in block.commands] == [0, 2]


def test_a_block_that_is_not_run_has_its_reason(tmp_path: Path) -> None:
    """Its commands are known all the same."""
    (block,) = found(tmp_path, "<!-- not run: opens a browser -->\n```console\n$ one\n```\n")
    assert block.not_run == "opens a browser"


def test_an_answer_in_the_output_is_typed(tmp_path: Path) -> None:
    """A page shows it as a terminal does."""
    (block,) = found(tmp_path, "```console\n$ srekv down\nRemove the stack? [y/N]: y\n```\n")
    assert block.commands[0].answers == "y\n"


def test_a_remark_is_no_part_of_a_command(tmp_path: Path) -> None:
    """It is there for the reader."""
    (block,) = found(tmp_path, "```console\n$ make test    # all of it\n```\n")
    assert block.commands[0].bare == "make test"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```console\nsrekv up\n```\n", "page.md:2: output before the first command"),
        ("```console\n```\n", 'no line of this block begins with "$ "'),
        ("```console\n$ one\n", "page.md:1: this block is not closed"),
        ("<!-- not run: -->\n```console\n$ one\n```\n", "does not say why"),
        ("<!-- exits: no -->\n```console\n$ one\n```\n", "no is no exit code"),
    ],
)
def test_what_breaks_the_convention_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A command that no test runs must not look like one that is run."""
    with pytest.raises(ManualError, match=words.replace("$", r"\$")):
        found(tmp_path, text)
