"""Every command and option, as `--help` tells them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from reference.markdown import code, page, prose, table
from srekv.cli import main_group
from srekv.ui.help import LazyGroup

HEAD = """\
Options that stand before the command say for which stack it is; those after it belong to the command.
`srekv COMMAND --help` prints the same. Each option has an environment variable too, which counts when the option is
not given: `SREKV_` and the option's name for one before the command (`SREKV_TARGET=aws`), with the command's name in
between for the others (`SREKV_UP_INTERVAL=30`, `SREKV_FAILOVER_TEST_FAULT=power`). How commands end:
[exit codes](exit-codes.md). What `--output json` prints: [documents](documents.md)."""


def commands() -> str:
    """The page."""
    return page("Commands", HEAD, *(_section(context) for context in contexts()))


def contexts() -> Iterator[click.Context]:
    """Every command in its context: `srekv` itself, then each as `--help` lists them, a group before its own."""
    yield from _below(click.Context(main_group, info_name="srekv", **main_group.context_settings))


def _below(context: click.Context) -> Iterator[click.Context]:
    yield context
    for name, command in _commands(context.command):
        yield from _below(click.Context(command, info_name=name, parent=context))


def _commands(group: click.Command) -> Iterator[tuple[str, click.Command]]:
    """The commands of a group, by name."""
    for name, command in group.commands.items() if isinstance(group, click.Group) else ():
        yield name, group.load(name) if isinstance(group, LazyGroup) else command


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"## {context.command_path}", code(usage), *_description(command.help or "")]
    records = [record for one in command.params if (record := one.get_help_record(context)) and record[1]]
    if records:
        parts.append(table(("option", "meaning"), ((f"`{option}`", prose(text)) for option, text in records)))
    if isinstance(command, click.Group):
        rows = ((_link(context, name), prose(one.get_short_help_str(200))) for name, one in _commands(command))
        parts.append(table(("command", "what it does"), rows))
    return "\n\n".join(parts)


def _description(text: str) -> Iterator[str]:
    r"""The paragraphs of a help text; one that begins with \b keeps its lines."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        yield code(inspect.cleandoc(rest)) if first == "\b" else prose(paragraph)


def _link(context: click.Context, name: str) -> str:
    whole = f"{context.command_path} {name}"
    return f"[`{whole}`](#{whole.replace(' ', '-')})"
