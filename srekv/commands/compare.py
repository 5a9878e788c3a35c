"""The command `compare`: is one run, or one set of runs, worse than another?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click
from rich.table import Table

from srekv.check.compare import Difference, Measures
from srekv.commands.history import HISTORY, read_history, sealed
from srekv.commands.session import pass_invocation
from srekv.errors import FindingError, UnknownError, UsageError
from srekv.ui.console import plain_table
from srekv.ui.context import Invocation
from srekv.ui.options import Number, argument, click_command, option
from srekv.ui.text import Text


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `compare`."""

    a: Path = argument(type=click.Path(exists=True, path_type=Path))
    b: Path = argument(type=click.Path(exists=True, path_type=Path))
    tolerance: float = option(
        "--tolerance", type=Number(0, 1000), default=0.1, help="How much longer an outage may be: 0.1 is a tenth."
    )


@click_command("compare", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Compare two runs: is B worse than A?

    A and B are histories, verdict.json files, or directories with any number of runs, which count by their medians.
    Exits 1 if it is worse, 4 if a run is inconclusive or lacks a figure that others have.

    $ srekv compare baseline report --tolerance 0.2
    """
    from srekv.check.compare import compare, conclusion

    a, b = options.a, options.b
    sides = [_side(path) for path in (a, b)]
    differences = compare(*sides, tolerance=options.tolerance)
    worse = conclusion(differences)
    gaps = [f"{run.name}: {run.gap}" for side in sides for run in side if run.gap]
    screen = invocation.screen
    conclusions = {
        True: ("B is worse", "bold red"),
        None: ("inconclusive: B cannot be compared with A", "bold yellow"),
        False: ("B is not worse", "bold green"),
    }
    screen.show(_differences(differences), Text(*conclusions[worse]))
    for gap in gaps:
        screen.show(gap)
    screen.document(
        {
            "worse": worse,
            "tolerance": options.tolerance,
            "runs": {"a": len(sides[0]), "b": len(sides[1])},
            "measures": [one._asdict() for one in differences],
            "inconclusive": gaps,
        }
    )
    if worse:
        measures = ", ".join(one.measure for one in differences if one.worse)
        raise FindingError(f"{b} is worse: {measures}", next_step="compare several runs: one may be chance")
    if worse is None:
        raise UnknownError(
            f"{b} cannot be compared with {a}",
            why=gaps[0]
            if gaps
            else ", ".join(f"{one.measure}: {one.note}" for one in differences if one.worse is None),
            next_step="srekv check shows what a run lacks; drill again, or leave that run out",
        )


def _side(path: Path) -> list[Measures]:
    """The runs under a path: a history, a verdict.json, or a directory with any number of runs.

    A run's history is judged anew, and held to its seal; a verdict.json counts as it stands where its history was not
    kept.
    """
    from srekv.check.formats import format_of
    from srekv.check.verdict import judge_history
    from srekv.report.folder import VERDICT

    if path.suffix == ".json" and format_of(path) == "srekv":
        return [_recorded(path)]
    histories = sorted(path.rglob(HISTORY)) if path.is_dir() else [path]
    kept = {one.parent for one in histories}
    verdicts = sorted(one for one in path.rglob(VERDICT) if one.parent not in kept)
    if not histories + verdicts:
        raise UsageError(
            f"there is no {HISTORY} and no {VERDICT} in {path}", next_step="name a history file or a directory of runs"
        )
    return [
        *(
            Measures.of(sealed(judge_history(read_history(one, must_be_one=False)), one), name=str(one))
            for one in histories
        ),
        *map(_recorded, verdicts),
    ]


def _recorded(path: Path) -> Measures:
    try:
        return Measures.from_json(json.loads(path.read_text(encoding="utf-8")), name=str(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is no verdict", why=str(error), next_step="name a verdict.json or a history"
        ) from error


def _differences(differences: tuple[Difference, ...]) -> Table:
    table = plain_table("measure", "A", "B", "", "", right=("A", "B"))
    words = {True: ("worse", "bold red"), None: ("unknown", "bold yellow"), False: ("ok", "green")}
    for one in differences:
        figures = ("-" if value is None else f"{value:.4g}" for value in (one.a, one.b))
        table.add_row(one.measure, *figures, Text(*words[one.worse]), Text(one.note, "dim"))
    return table
