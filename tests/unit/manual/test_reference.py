"""The reference says what the code says: commands, options, variables, links."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from manual.runner import ROOT
from reference.__main__ import MAKERS, PAGES
from reference.commands import contexts

VARIABLE = re.compile(r'"((?:SREKV|XDG|AWS)_[A-Z_]*[A-Z]|NO_COLOR)"')
HANDED_ON = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
"""What `srekv local env` prints for other tools; srekv itself leaves them to boto3."""


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_page_is_up_to_date(name: str) -> None:
    """It is what the code says now."""
    assert (PAGES / name).read_text() == MAKERS[name](), "make reference writes it"


def test_every_command_and_option_is_in_the_reference() -> None:
    """Each with its own heading or row, read from what a reader sees."""
    page = (PAGES / "commands.md").read_text()
    for context in contexts():
        assert f"\n## {context.command_path}\n" in page
        section = page.partition(f"\n## {context.command_path}\n")[2].partition("\n## ")[0]
        for option in options(context):
            assert re.search(rf"^\| `.*{option}\b", section, re.MULTILINE), f"{context.command_path} {option}"


def test_every_variable_that_the_code_reads_is_in_the_reference() -> None:
    """Wherever its name stands in the code."""
    page = (PAGES / "configuration.md").read_text()
    unknown = {name for name in variables() if name not in page} - HANDED_ON
    assert unknown == set(), "scripts/reference/configuration.py names them"


def test_help_of_the_installed_command_is_the_reference() -> None:
    """What is read from Click's objects is what a reader's terminal prints."""
    printed = subprocess.run(
        [sys.executable, "-m", "srekv", "failover-test", "--help"], capture_output=True, text=True, check=True
    ).stdout
    context = next(one for one in contexts() if one.command_path == "srekv failover-test")
    assert set(options(context)) == set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", printed, re.MULTILINE)) - {"--help"}


def options(context: click.Context) -> Iterator[str]:
    """The long names of a command's own options."""
    for one in context.command.get_params(context):
        if isinstance(one, click.Option) and not one.hidden and "--help" not in one.opts:
            yield from (name for name in (*one.opts, *one.secondary_opts) if name.startswith("--"))


def variables() -> set[str]:
    """Environment variables that srekv's code names, each a text of its own."""
    texts = (path.read_text() for path in (ROOT / "srekv").rglob("*.py"))
    return {name for text in texts for name in VARIABLE.findall(text)}
