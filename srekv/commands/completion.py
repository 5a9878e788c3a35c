"""Completion in the shell: what may be typed next, from what this machine knows. No call is made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from srekv.ui.options import OneOf, argument, as_parts, click_command

VARIABLE = "_SREKV_COMPLETE"  # set by a shell that asks for completions: the name that Click derives from ours


class _Equals(ShellComplete):
    """As Click's, and it completes the value in --option=value too."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """What may follow these words, given how the next one starts."""
        if incomplete == "=":  # bash takes the sign for a word of its own
            incomplete = ""
        elif args[-1:] == ["="]:
            args = args[:-1]
        option, equals, begun = incomplete.partition("=")
        if not equals or not option.startswith("--"):
            return super().get_completions(args, incomplete)
        return [
            CompletionItem(f"{option}={one.value}", type=one.type, help=one.help)
            for one in super().get_completions([*args, option], begun)
        ]


class _Bash(_Equals, BashComplete):
    pass


class _Zsh(_Equals, ZshComplete):
    pass


class _Fish(_Equals, FishComplete):
    """Values may have a comma in them."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


SHELLS: dict[str, type[ShellComplete]] = {one.name: add_completion_class(one) for one in (_Bash, _Zsh, _Fish)}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `completion`."""

    shell: str = argument(type=OneOf(list(SHELLS)))


@click_command("completion", Options)
def command(context: click.Context, options: Options) -> None:
    """Print the script by which a shell completes srekv.

    Tab then completes commands, options, and values such as faults, Regions and profiles. Bash from 4.4 on; zsh after
    compinit; for fish the file is read when it is needed.

    $ echo 'eval "$(srekv completion bash)"' >> ~/.bashrc
    $ echo 'eval "$(srekv completion zsh)"' >> ~/.zshrc
    $ srekv completion fish > ~/.config/fish/completions/srekv.fish
    """
    shell = SHELLS[options.shell](context.find_root().command, {}, "srekv", VARIABLE)
    click.echo(shell.source(), nl=False)


def proposing(
    values: Callable[[], Iterable[tuple[str, str]]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]:
    """A completer of values, each with what it is, "" when there is nothing to report; nothing if they cannot be read.

    In an option of several parts with commas between them the last part is completed, and none comes twice. Shells
    read proposals line by line, and show them: names with control characters are left out.
    """

    def complete(_context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        before, comma, last = begun.rpartition(",") if parameter.callback is as_parts else ("", "", begun)
        taken = before.split(",")
        with contextlib.suppress(Exception):
            return [
                CompletionItem(f"{before}{comma}{value}", help=what or None)
                for value, what in values()
                if value.startswith(last) and value not in taken and value.isprintable()
            ]
        return []

    return complete


def regions() -> Iterable[tuple[str, str]]:
    """AWS's Regions, as botocore knows them."""
    from srekv.provision.engine.clients import known_regions

    return known_regions().items()


def profiles() -> Iterable[tuple[str, str]]:
    """Those of the AWS configuration files."""
    from srekv.sessions import new_session

    return [(one, "") for one in new_session().available_profiles]
