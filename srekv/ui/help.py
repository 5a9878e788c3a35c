"""How `--help` reads: commands in the order in which they are met, examples line by line."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import click


def keep_examples(text: str | None) -> str:
    r"""A help text with Click's mark for a paragraph that keeps its lines, `\b`, at each one that starts with `$ `."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join("\b\n" + one if one.startswith("$ ") else one for one in paragraphs)


class Group(click.Group):
    """Commands in the order in which they are defined."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """Their names, in that order."""
        return list(self.commands)


class LazyGroup(Group):
    """A group that imports a command, `command` in the module of its name, when it is called or asked for its help."""

    def __init__(self, name: str | None = None, *, package: str, lazy: Mapping[str, str], **settings: Any) -> None:
        super().__init__(name, **settings | {"help": keep_examples(settings.get("help"))})
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
