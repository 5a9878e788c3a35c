"""The command `check`: judge a recorded history."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from srekv.check.formats import FORMATS, Format
from srekv.commands.history import ObjectiveOptions, conclude, history_file, read_and_judge, read_history, sealed
from srekv.commands.session import pass_invocation
from srekv.errors import SrekvError, UsageError
from srekv.ui.console import Screen
from srekv.ui.context import Invocation
from srekv.ui.options import OneOf, argument, click_command, option


@dataclass(frozen=True, kw_only=True)
class Options(ObjectiveOptions):
    """The options of `check`."""

    file: Path = argument(type=click.Path(exists=True, path_type=Path))
    format_: Format | None = option(
        "--format", type=OneOf(FORMATS), help="The history's format.  [default: recognised from its content]"
    )
    export: str | None = option(
        "--export", type=OneOf(["jepsen"]), help="Print the history as Jepsen's history.edn, without a verdict."
    )


@click_command("check", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Judge a recorded history.

    It is srekv's own, Jepsen's history.edn or history.json, or one of Porcupine's etcd logs. Exits 0 if it held, 1 if
    it is violated, 4 if it is inconclusive.

    $ srekv check srekv-drills/1f2e3d4c/history.jsonl
    $ srekv check --export jepsen srekv-drills/1f2e3d4c/history.jsonl > history.edn
    $ srekv check history.edn
    """
    from srekv.report.terminal import verdict_view

    screen, path = invocation.screen, history_file(options.file)
    if options.export is not None:
        _export(screen, path, options)
        return
    _, verdict = read_and_judge(screen, path, options.objectives, format_=options.format_)
    verdict = sealed(verdict, path, show_held=True)
    screen.show(verdict_view(verdict))
    screen.document(verdict.to_json())
    conclude(verdict)


def _export(screen: Screen, path: Path, options: Options) -> None:
    """Print a history as Jepsen's history.edn; a JSON document has its lines."""
    from srekv.check.formats.export import jepsen

    if options.objectives:
        raise UsageError("--export takes no objectives", next_step="srekv check without --export judges a history")
    history = read_history(path, options.format_)
    if history.damaged:
        raise SrekvError(
            f"{path} cannot be exported",
            why=f"without its damaged lines it would prove something else; {history.damaged[0]}",
            next_step=f"srekv check {shlex.quote(str(path))}",
        )
    lines = list(jepsen(history.operations))
    for line in () if screen.as_json else lines:
        sys.stdout.write(f"{line}\n")
    screen.document({"export": "jepsen", "lines": lines})
