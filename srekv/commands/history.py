"""What commands do with recorded runs: their objectives, reading and judging a history, a verdict's exit code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from srekv.check.formats import Format
from srekv.check.model import History, Verdict
from srekv.drill.model import Objectives
from srekv.errors import FindingError, UnknownError, UsageError
from srekv.ui.console import Screen
from srekv.ui.options import Number, option

HISTORY = "history.jsonl"


@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions:
    """What a recorded run is held to, instead of what it was held to when it ran."""

    max_outage: float | None = option(
        "--max-outage", type=Number(0), metavar="S", help="Objective: longest outage, seconds."
    )
    max_lost: int | None = option(
        "--max-lost", type=click.IntRange(0), help="Objective: acknowledged writes lost.  [default: 0]"
    )
    min_availability: float | None = option(
        "--min-availability", type=Number(0, 1), metavar="SHARE", help="Objective: minimum availability, 0-1."
    )

    @property
    def objectives(self) -> Objectives | None:
        """The objectives that were given; None: those that the history carries."""
        found = Objectives(max_outage_s=self.max_outage, max_lost=self.max_lost, min_availability=self.min_availability)
        return None if found == Objectives() else found


def read_and_judge(
    screen: Screen, path: Path, objectives: Objectives | None, *, format_: Format | None = None
) -> tuple[History, Verdict]:
    """The history in a file and the verdict over it, with progress on the screen; errors as of `read_history`."""
    from srekv.check.verdict import judge_history

    with screen.progress(beat_s=1) as narration:  # seconds that this may be silent at first, without a terminal
        with narration.busy(f"reading {path.name}"):
            history = read_history(path, format_)
        with narration.busy(f"judging {len(history.operations):,} operations") as advance:
            return history, judge_history(history, objectives=objectives, progress=advance)


def sealed(verdict: Verdict, file: Path, *, show_held: bool = False) -> Verdict:
    """The verdict over the history in a file, and a violation if that is not the one that was judged before.

    With `show_held` a finding also states that it still is; a report drawn again is to be the same report.
    """
    from srekv.check.verdict import worst
    from srekv.report.folder import judge_seal

    seal = judge_seal(file)
    if seal is None or (seal.verdict == "held" and not show_held):
        return verdict
    findings = (*verdict.findings, seal)
    return replace(verdict, findings=findings, verdict=worst(one.verdict for one in findings))


def history_file(path: Path) -> Path:
    """A history file, or the one in a report's directory."""
    history = path / HISTORY if path.is_dir() else path
    if not history.is_file():
        raise UsageError(f"there is no {HISTORY} in {path}", next_step="name a history file or a run's directory")
    return history


def read_history(path: Path, format_: Format | None = None, *, must_be_one: bool = True) -> History:
    """The history in a file.

    Raises:
        UsageError: a line holds an operation that srekv cannot judge; or, if it must be a history, none of its lines is
            an operation or an event.
    """
    from srekv.check.formats import FORMATS, FormatError, read

    try:
        history = read(path, format_)
    except FormatError as error:
        raise UsageError(
            f"{path} cannot be judged", why=str(error), next_step="srekv judges reads and changes of single registers"
        ) from error
    if must_be_one and history.damaged and not history.is_history:
        raise UsageError(
            f"{path} is no history",
            why=f"none of its lines is an operation or an event; {history.damaged[0]}",
            next_step=f"name the {HISTORY} of a run, or another format with --format: {', '.join(FORMATS)}",
        )
    return history


def conclude(verdict: Verdict) -> None:
    """The exit code of a verdict: raise FindingError if it is violated, UnknownError if it is inconclusive."""
    reason = verdict.decisive
    if reason is None:
        return
    why = f"{reason.checker}: {reason.summary}"
    if verdict.verdict == "violated":
        raise FindingError("the verdict is: violated", why=why, next_step="the proof is above and in the history")
    raise UnknownError(
        "the verdict is: inconclusive", why=why, next_step=reason.fix or "the findings above show what is missing"
    )
