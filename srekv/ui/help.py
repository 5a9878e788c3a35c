"""How `--help` reads: commands in the order in which they are met, examples line by line."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import click

PROMPT = "$ "
"""How each line of an example begins; a paragraph that begins so keeps its lines."""

_VERBATIM = "\b\n"
"""Click's own mark for such a paragraph."""


class Command(click.Command):
    """A command whose help has examples."""

    def __init__(self, name: str | None, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002 - Click's name
        super().__init__(name, help=_marked(help), **settings)

    @property
    def examples(self) -> Sequence[str]:
        """The command lines in its help."""
        lines = (self.help or "").splitlines()
        return [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]


class Group(click.Group):
    """Commands in the order in which they are defined."""

    command_class = Command
    group_class = type

    def __init__(self, name: str | None = None, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002 - as above
        super().__init__(name, help=_marked(help), **settings)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """Their names, in that order."""
        return list(self.commands)


class LazyGroup(Group):
    """A group that imports a command's module when the command is called or asked for its help.

    Attributes:
        package: where the modules are; each is named as its command and has it as `command`.
    """

    def __init__(self, name: str | None = None, *, package: str, lazy: Mapping[str, str], **settings: Any) -> None:
        super().__init__(name, **settings)
        self.package = package
        self.commands = {one: click.Command(one, short_help=text) for one, text in lazy.items()}

    def load(self, name: str) -> click.Command:
        """The command itself; what stands in `commands` is its name and its help in one sentence."""
        command: click.Command = importlib.import_module(f"{self.package}.{name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's way from words to a command: the name, the command, and the words after it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name else command, rest


def _marked(text: str | None) -> str | None:
    if text is None:
        return None
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(_VERBATIM + one if one.startswith(PROMPT) else one for one in paragraphs)
