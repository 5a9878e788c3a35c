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


def console(lines: str) -> str:
    """A block of commands."""
    return f"```console\n{lines}\n```\n"


def test_a_command_has_its_line_and_its_output(tmp_path: Path) -> None:
    """Lines are counted as an editor counts them."""
    (block,) = found(tmp_path, "# Title\n\n" + console("$ one\nseen\n$ two"))
    assert [(one.line, one.text, one.output) for one in block.commands] == [(4, "one", ("seen",)), (6, "two", ())]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        (console("$ one \\\n    --more\n$ two"), ["one \\\n    --more", "two"]),
        (console("$ cat > file <<'END'\n$ no command\nEND\nseen"), ["cat > file <<'END'\n$ no command\nEND"]),
        ("```yaml\n$ no\n```\n\n```\n$ no\n```\n", []),
    ],
    ids=["after a backslash", "to the end of a here-document", "not in other languages"],
)
def test_where_a_command_ends(tmp_path: Path, text: str, texts: list[str]) -> None:
    """A command may have several lines; output, workflows and programs are none."""
    assert [one.text for block in found(tmp_path, text) for one in block.commands] == texts


@pytest.mark.parametrize(
    ("text", "exits"),
    [(console("$ one\n$ echo $?\n1\n$ two"), [1, 0]), ("<!-- exits: 2 -->\n" + console("$ one\n$ two"), [0, 2])],
)
def test_the_page_may_show_another_exit_code(tmp_path: Path, text: str, exits: list[int]) -> None:
    """As a reader would ask for it, which is not run, or in a comment about the last command."""
    (block,) = found(tmp_path, text)
    assert [one.exits for one in block.commands] == exits


def test_what_a_block_says_besides_its_commands(tmp_path: Path) -> None:
    """Why it is not run, the answer that is typed, and a remark for the reader."""
    (block,) = found(tmp_path, "<!-- not run: opens a browser -->\n" + console("$ down  # all\nRemove it? [y/N]: y"))
    (command,) = block.commands
    assert (block.not_run, command.answers, command.bare) == ("opens a browser", "y\n", "down")


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
