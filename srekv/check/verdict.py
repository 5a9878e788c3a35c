"""The verdict over a history: each checker's finding, of which the worst decides.

A checker that crashes says unknown; it does not take the others down with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from pathlib import Path

from srekv.check.history import parse, paused_collector, read
from srekv.check.linear import judge_linear
from srekv.check.lost import judge_lost, losses
from srekv.check.model import CALLED, History, Judgement, Operation, Ruling, Timing, Verdict, by_key, impossible
from srekv.check.steady import doubt, in_doubt, judge_steady
from srekv.check.timing import judge_timing, measure
from srekv.drill.events import FORMAT
from srekv.drill.model import Objectives

_IS_FINAL = attrgetter("final")


def judge_file(source: Path | str | Iterable[str | bytes], *, objectives: Objectives | None = None) -> Verdict:
    """Judge a history file: its path, or its lines. Without `objectives` those count that the history carries."""
    if isinstance(source, Path | str):
        return judge_history(read(Path(source)), objectives=objectives)
    return judge_history(parse(source), objectives=objectives)


def judge_operations(operations: Iterable[Operation]) -> Verdict:
    """Judge operations, which may be of another program; see `srekv.check.judge`.

    Raises:
        ValueError: an operation that cannot be.
    """
    found = tuple(operations)
    for place, one in enumerate(found):
        if why := impossible(one):
            raise ValueError(f"operation {place}: {why}")
    ordered = tuple(sorted(found, key=lambda one: one.invoke))
    return judge_history(History(operations=ordered, events=(), damaged=()))


@paused_collector()
def judge_history(
    history: History, *, objectives: Objectives | None = None, progress: Callable[[str], object] = str
) -> Verdict:
    """Judge a parsed history with every checker that applies to it; `progress` takes how many keys are judged."""
    if objectives is None:
        recorded = history.members("drill").get("promises") or {}
        objectives = Objectives(**{name: recorded.get(name) for name in vars(Objectives())})
    # our own load reads every key in the end, unless it was killed
    finals = objectives.max_lost is not None or history.first("start") or any(map(_IS_FINAL, history.operations))
    keys = by_key(history.operations)
    found, allowed = losses(keys), objectives.max_lost or 0
    if any(one.good for one in history.operations):
        findings = [
            _guarded("lost", lambda: judge_lost(found, finals_expected=bool(finals), allowed=allowed)),
            _guarded("linear", lambda: judge_linear(keys, progress=progress)),
        ]
    else:
        nothing = "no operation was answered: there is nothing to judge"
        findings = [Judgement(checker=one, verdict="unknown", summary=nothing) for one in ("lost", "linear")]
    timing = measure(history)
    findings += _judge_times(history, timing, objectives)
    if history.damaged:  # the write that a read saw may be on a line that cannot be read
        findings = [in_doubt(one, "lines of the history are damaged") for one in findings]
    findings += [Judgement(checker="history", verdict="unknown", summary=gap) for gap in _gaps(history)]
    findings += [Judgement(checker="history", verdict="held", summary=note) for note in history.notes]
    linear = next(one.verdict for one in findings if one.checker == "linear")
    return Verdict(
        verdict=worst(one.verdict for one in findings),
        operations=len(history.operations),
        acknowledged=found.acknowledged,
        lost=found.lost,
        linearizable=None if linear == "unknown" else linear == "held",
        findings=tuple(findings),
        timing=timing,
    )


def _judge_times(history: History, timing: Timing | None, objectives: Objectives) -> list[Judgement]:
    """What depends on how long something took: proven only by a steady drill on a machine that keeps up."""
    held_to = _judge_objectives(objectives, timing)
    if timing is None:
        return held_to
    steady = _guarded("steady", lambda: judge_steady(history, timing.fault_at))
    cause, fix = doubt(history, steady, timing.fault_at)
    found = [_guarded("timing", lambda: judge_timing(timing)), *held_to]
    return [steady, *(in_doubt(one, cause, fix=fix) if cause else one for one in found)]


def _judge_objectives(objectives: Objectives, timing: Timing | None) -> list[Judgement]:
    """One finding for each objective about time; `lost` judges the one about writes. Unknown without a fault."""
    longest, least = objectives.max_outage_s, objectives.min_availability
    outage_s, share = (timing.outage_s, timing.availability) if timing else (None, None)
    found = []
    for checker, limit, unit, measured, sign in (
        ("max-outage", longest, " s", outage_s, 1),
        ("min-availability", least, "", share, -1),
    ):
        if limit is None:
            continue
        ruling: Ruling = "unknown"
        if measured is not None:
            ruling = "held" if sign * measured <= sign * limit else "violated"
        seen = "nothing was" if measured is None else f"{measured:.4g}"
        summary = f"{seen} measured, the objective is {limit:g}{unit}"
        found.append(Judgement(checker=checker, verdict=ruling, summary=summary))
    return found


def worst(rulings: Iterable[Ruling]) -> Ruling:
    """The worst ruling: violated over unknown over held; held when there is none."""
    return min(rulings, key=list(CALLED).index, default="held")


def _gaps(history: History) -> Iterator[str]:
    """What the history lacks. A load writes its `start` first, and its drill the other events last of all."""
    kinds = {one.event: one for one in history.events}
    start = kinds.get("start")
    whole = ("end", "eof") if start is not None and (start.members.get("format") or 0) >= FORMAT else ()
    missing = [kind for kind in ("drill", "fault", "heal", *whole) if kind not in kinds]
    if history.damaged:
        yield f"{len(history.damaged)} lines could not be understood: {history.damaged[0]}"
    if not history.operations:
        yield "it has no operation to judge"
    if missing and start is not None:
        yield f"it has a start and no {', '.join(missing)}: its end is missing, or the load ran without a drill"


def _guarded(checker: str, judgement: Callable[[], Judgement]) -> Judgement:
    try:
        return judgement()
    except Exception as error:  # noqa: BLE001 - a crashed checker knows nothing, whatever it crashed of
        return Judgement(checker=checker, verdict="unknown", summary=f"the checker failed: {error!r}")
