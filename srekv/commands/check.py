"""The command `check`: judge a recorded history."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from srekv.check.formats import FORMATS, Format
from srekv.commands.history import Objectives, conclude, history_file, read_and_judge, read_history, sealed
from srekv.commands.session import pass_invocation
from srekv.drill.model import Promises
from srekv.errors import SrekvError, UsageError
from srekv.ui.console import Screen
from srekv.ui.context import Invocation
from srekv.ui.options import OneOf, argument, click_command, option


@dataclass(frozen=True, kw_only=True)
class Options(Objectives):
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
    if options.export is None:
        check(invocation.screen, options.file, options.promises, format_=options.format_)
    elif options.promises:
        raise UsageError("--export takes no objectives", next_step="srekv check without --export judges a history")
    else:
        export_history(invocation.screen, options.file, format_=options.format_)


def check(screen: Screen, file: Path, promises: Promises | None, *, format_: Format | None = None) -> None:
    """Judge a recorded history again, and whether it is still the one that was judged, if it ever was.

    Args:
        screen: where the verdict is shown.
        file: the history, or a directory with one.
        promises: what the run is held to; None: what the history itself carries.
        format_: the format of the file; None: it is recognised.

    Raises:
        UsageError: the file is no history, or has an operation that srekv cannot judge.
        FindingError: violated.
        UnknownError: unknown.
    """
    from srekv.report.data import figures
    from srekv.report.terminal import verdict_view

    path = history_file(file)
    _, verdict = read_and_judge(screen, path, promises, format_=format_)
    verdict = sealed(verdict, path, told=True)
    screen.show(verdict_view(verdict))
    screen.document(figures(verdict))
    conclude(verdict)


def export_history(screen: Screen, file: Path, *, format_: Format | None = None) -> None:
    """Print a history as Jepsen's history.edn; a JSON document has its lines.

    Raises:
        UsageError: the file is no history, or has an operation that srekv cannot judge.
        SrekvError: lines are damaged.
    """
    from srekv.check.formats.export import jepsen

    path = history_file(file)
    history = read_history(path, format_)
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
