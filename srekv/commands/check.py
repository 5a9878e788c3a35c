"""Commands that need no stack: judge, redraw and compare recorded histories; predict what none has shown yet."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from srekv.check.compare import Difference, Measures
from srekv.check.formats import Format
from srekv.check.model import History, Verdict
from srekv.check.predict import Choice, Prediction
from srekv.commands.up import conclude
from srekv.config import Config
from srekv.drill.model import Promises
from srekv.errors import FindingError, SrekvError, UnknownError, UsageError
from srekv.ui.console import Screen, grid, plain_table
from srekv.ui.text import Text

HISTORY = "history.jsonl"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report that was written: its verdict, what its verdict.json holds, and its page."""

    verdict: Verdict
    document: dict[str, Any]
    page: Path


def write_report(directory: Path, file: Path, *, promises: Promises | None = None) -> Report:
    """Judge a history and write the report over it; every figure comes from the history alone.

    Args:
        directory: where the report goes; made if it is not there.
        file: the history; copied there unless it is there.
        promises: what the run is held to; None: what the history itself carries.

    Raises:
        UsageError: the directory holds another run.
    """
    from srekv.check.history import read

    return _written(directory, file, read(file), promises)


def _written(directory: Path, file: Path, history: History, promises: Promises | None) -> Report:
    from srekv.check.verdict import judge_history
    from srekv.report.folder import PAGE, write

    verdict = _sealed(judge_history(history, promises=promises), file)
    return Report(verdict=verdict, document=write(directory, file, history, verdict), page=directory / PAGE)


def _sealed(verdict: Verdict, file: Path, *, told: bool = False) -> Verdict:
    """The verdict, and a violation if the file is not the one that was judged before.

    Args:
        verdict: about the history in the file.
        file: the history.
        told: a finding also says that it still is that one; a report drawn again is to be the same report.
    """
    from srekv.check.verdict import worst
    from srekv.report.seal import judge_seal

    seal = judge_seal(file)
    if seal is None or (seal.verdict == "held" and not told):
        return verdict
    findings = (*verdict.findings, seal)
    return replace(verdict, findings=findings, verdict=worst(one.verdict for one in findings))


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
    from srekv.check.verdict import judge_history
    from srekv.report.data import figures
    from srekv.report.terminal import verdict_view

    path = _history(file)
    verdict = _sealed(judge_history(_read(path, format_), promises=promises), path, told=True)
    screen.show(verdict_view(verdict))
    screen.document(figures(verdict))
    conclude(verdict)


def report(screen: Screen, file: Path, *, directory: Path | None, promises: Promises | None) -> None:
    """Redraw a report from its history alone.

    Raises:
        UsageError: the directory holds another run.
        FindingError: violated, or the history was changed after it was judged.
        UnknownError: unknown.
    """
    from srekv.report.terminal import verdict_view

    path = _history(file)
    written = _written(directory or path.parent, path, _read(path), promises)
    screen.show(verdict_view(written.verdict), Text(f"report: {written.page}", overflow="fold"))
    screen.document(written.document)
    conclude(written.verdict)


def _history(path: Path) -> Path:
    """A history file, or the one in a report's directory."""
    history = path / HISTORY if path.is_dir() else path
    if not history.is_file():
        raise UsageError(f"there is no {HISTORY} in {path}", next_step="name a history file or a run's directory")
    return history


def export(screen: Screen, file: Path, *, format_: Format | None = None) -> None:
    """Print a history as Jepsen's history.edn; a JSON document has its lines.

    Raises:
        UsageError: the file is no history, or has an operation that srekv cannot judge.
        SrekvError: lines are damaged.
    """
    from srekv.check.formats.export import jepsen

    path = _history(file)
    history = _read(path, format_)
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


def _read(path: Path, format_: Format | None = None) -> History:
    """The history in a file.

    Raises:
        UsageError: none of its lines is an operation or an event, or one is an operation that srekv cannot judge.
    """
    from srekv.check.formats import FORMATS

    history = _parse(path, format_)
    if history.damaged and not history.is_history:
        raise UsageError(
            f"{path} is no history",
            why=f"none of its lines is an operation or an event; {history.damaged[0]}",
            next_step=f"name the {HISTORY} of a run, or another format with --format: {', '.join(FORMATS)}",
        )
    return history


def _parse(path: Path, format_: Format | None = None) -> History:
    """What a file holds, be it a history or not.

    Raises:
        UsageError: a line holds an operation that srekv cannot judge.
    """
    from srekv.check.formats import FormatError, read

    try:
        return read(path, format_)
    except FormatError as error:
        raise UsageError(
            f"{path} cannot be judged", why=str(error), next_step="srekv judges reads and changes of single registers"
        ) from error


def compare(screen: Screen, a: Path, b: Path, *, tolerance: float) -> None:
    """Whether B is worse than A.

    Raises:
        FindingError: it is.
        UnknownError: a run is inconclusive, or lacks a figure that others have.
    """
    from srekv.check.compare import compare as compared
    from srekv.check.compare import conclusion

    sides = [_side(path) for path in (a, b)]
    differences = compared(*sides, tolerance=tolerance)
    worse = conclusion(differences)
    gaps = [f"{run.name}: {run.gap}" for side in sides for run in side if run.gap]
    screen.show(_differences(differences), _CONCLUSIONS[worse])
    for gap in gaps:
        screen.show(gap)
    screen.document(
        {
            "worse": worse,
            "tolerance": tolerance,
            "runs": {"a": len(sides[0]), "b": len(sides[1])},
            "measures": [one.to_json() for one in differences],
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
    from srekv.report.seal import VERDICT

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
        *(Measures.of(_sealed(judge_history(_parse(one)), one), name=str(one)) for one in histories),
        *map(_recorded, verdicts),
    ]


def _recorded(path: Path) -> Measures:
    """What a verdict.json says.

    Raises:
        UsageError: it is none.
    """
    try:
        return Measures.from_json(json.loads(path.read_text(encoding="utf-8")), name=str(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is no verdict", why=str(error), next_step="name a verdict.json or a history"
        ) from error


def _differences(differences: tuple[Difference, ...]) -> Table:
    table = plain_table()
    for heading, justify in (("measure", "left"), ("A", "right"), ("B", "right"), ("", "left"), ("", "left")):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for one in differences:
        table.add_row(
            one.measure, _number(one.before), _number(one.after), Text(*_WORDS[one.worse]), Text(one.note, "dim")
        )
    return table


_WORDS = {True: ("worse", "bold red"), None: ("unknown", "bold yellow"), False: ("ok", "green")}
_CONCLUSIONS = {
    True: Text("B is worse", "bold red"),
    None: Text("inconclusive: B cannot be compared with A", "bold yellow"),
    False: Text("B is not worse", "bold green"),
}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def predict(screen: Screen, *, interval: int, threshold: int, ttl: int, target: float | None) -> None:
    """What outage to expect of these settings, what the stack costs, and what meets a target.

    Raises:
        UsageError: no stack can have such settings.
        FindingError: no settings meet the target.
    """
    from srekv.check.predict import predict as predicted
    from srekv.check.predict import shortest_bound_s

    Config(interval=interval, threshold=threshold, ttl=ttl)
    prediction = predicted(interval=interval, threshold=threshold, ttl=ttl, target=target)
    screen.show(_prediction(prediction))
    screen.document(prediction.to_json())
    if target is not None and not prediction.choices:
        least = shortest_bound_s()
        raise FindingError(
            f"no settings keep every outage within {target:g} s",
            why=f"even interval 10, threshold 1, TTL 1 explain {least:.1f} s",
            next_step=f"promise {least:.0f} s or more, or fail over in the client",
        )


def _prediction(prediction: Prediction) -> Group:
    settings = prediction.settings
    title = f"interval {settings.interval} s, threshold {settings.threshold}, TTL {settings.ttl} s"
    outages = plain_table()
    for heading in ("outage, s", "best", "p50", "p95", "worst"):
        outages.add_column(heading, justify="left" if heading == "outage, s" else "right")
    for name, one in (("the machine stops", prediction.silent), ("the port refuses", prediction.refused)):
        outages.add_row(name, *(f"{value:.1f}" for value in (one.best, one.p50, one.p95, one.worst)))
    meant = "for a client that honours the TTL, asks twice a second and gives up after 2 s"
    healed = prediction.healing
    back = f"failback: the check passes {healed.p50:.1f} s (p95 {healed.p95:.1f} s) after the primary answers again"
    return Group(
        Text(title, "bold"),
        outages,
        Text(meant, "dim"),
        Text(back, "dim"),
        Text(),
        _bill(prediction),
        *_target(prediction),
    )


def _bill(prediction: Prediction) -> Group:
    document = prediction.to_json()
    rows = []
    for cost in prediction.costs:
        mark = "" if cost.price.confirmed else " (not confirmed)"
        note = f"  {cost.price.note}" if cost.price.note else ""
        units = f"{cost.units:g} x " if cost.units != 1 else ""
        rows.append((f"{cost.monthly:8.2f}", Text.assemble(f"{units}{cost.price.item}", (f"{mark}{note}", "dim"))))
    dates = sorted({cost.price.read for cost in prediction.costs})
    source = f"list prices of {document['region']}, on demand, read {dates[-1]}; sources: --output json"
    total = f"{document['usd_month']:.2f} USD a month, {document['usd_hour']:.3f} an hour while it is up"
    return Group(Text(total, "bold"), grid(*rows), Text(source, "dim"))


def _target(prediction: Prediction) -> list[Text]:
    if prediction.target is None:
        return []
    words = "meet" if prediction.meets else "do not meet"
    lines = [Text(), Text(f"these settings {words} a target of {prediction.target:g} s", "bold")]
    return lines + [
        Text(("cheapest: " if not index else "or: ") + _choice(one)) for index, one in enumerate(prediction.choices)
    ]


def _choice(one: Choice) -> str:
    fragile = "; a single failed round of probes makes it switch" if one.threshold == 1 else ""
    settings = f"--interval {one.interval} --threshold {one.threshold} --ttl {one.ttl}"
    return f"{settings}, at most {one.worst:.1f} s, {one.usd_month:.2f} USD a month{fragile}"
