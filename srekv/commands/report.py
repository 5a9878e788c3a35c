"""The command `report`: draw a report from its history alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from srekv.check.model import History, Verdict
from srekv.commands.history import ObjectiveOptions, conclude, history_file, read_and_judge, sealed
from srekv.commands.session import pass_invocation
from srekv.drill.model import Objectives
from srekv.ui.context import Invocation
from srekv.ui.options import argument, click_command, option
from srekv.ui.text import Text


@dataclass(frozen=True, kw_only=True)
class Options(ObjectiveOptions):
    """The options of `report`."""

    file: Path = argument(type=click.Path(exists=True, path_type=Path))
    directory: Path | None = option(
        "--dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where the report goes.  [default: the history's directory]",
    )


@click_command("report", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Redraw a report from a history alone.

    Writes report.html, verdict.json and junit.xml. Exits as check does.

    $ srekv report srekv-drills/1f2e3d4c/history.jsonl --dir report
    """
    from srekv.report.terminal import verdict_view

    screen, path = invocation.screen, history_file(options.file)
    written = _written(options.directory or path.parent, path, *read_and_judge(screen, path, options.objectives))
    screen.show(verdict_view(written.verdict), Text(f"report: {written.page}", overflow="fold"))
    screen.document(written.document)
    conclude(written.verdict)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report that was written: its verdict, what its verdict.json holds, and its page."""

    verdict: Verdict
    document: dict[str, Any]
    page: Path


def write_report(directory: Path, file: Path, *, objectives: Objectives | None = None) -> Report:
    """Judge a history and write the report over it; every figure comes from the history alone.

    The directory is made if it is not there, the file copied to it. None: the objectives that the history carries.

    Raises:
        UsageError: the directory holds another run.
    """
    from srekv.check.history import read
    from srekv.check.verdict import judge_history

    history = read(file)
    return _written(directory, file, history, judge_history(history, objectives=objectives))


def _written(directory: Path, file: Path, history: History, verdict: Verdict) -> Report:
    from srekv.report.folder import PAGE, write

    verdict = sealed(verdict, file)
    return Report(verdict=verdict, document=write(directory, file, history, verdict), page=directory / PAGE)
