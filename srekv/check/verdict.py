"""The verdict over a history: every checker's word, the worst of them last word.

A checker that crashes says unknown; it does not take the others down with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from srekv.check.collector import paused_collector
from srekv.check.history import parse, read
from srekv.check.linear import judge_linear
from srekv.check.lost import judge_lost, losses
from srekv.check.model import WORST_FIRST, History, Judgement, Operation, Ruling, Timing, Verdict, impossible
from srekv.check.promises import judge_promises, recorded
from srekv.check.steady import doubt, in_doubt, judge_steady
from srekv.check.timing import judge_timing, measure
from srekv.drill.events import FORMAT
from srekv.drill.model import Promises


def judge_file(source: Path | str | Iterable[str | bytes], *, promises: Promises | None = None) -> Verdict:
    """Judge a history file: its path, or its lines. Without `promises` those count that the history carries."""
    if isinstance(source, Path | str):
        return judge_history(read(Path(source)), promises=promises)
    return judge_history(parse(source), promises=promises)


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
    history: History, *, promises: Promises | None = None, progress: Callable[[str], object] = str
) -> Verdict:
    """Judge a parsed history with every checker that applies to it; `progress` takes how many keys are judged."""
    promised = recorded(history.events) if promises is None else promises
    finals = any(one.final for one in history.operations) or promised.max_lost is not None
    found = losses(history.operations, finals_expected=finals or _has_load(history))
    timing = measure(history)
    answered = any(one.good for one in history.operations)
    if answered:
        findings = [
            _guarded("lost", lambda: judge_lost(found, allowed=promised.max_lost or 0)),
            _guarded("linear", lambda: judge_linear(history.operations, progress=progress)),
        ]
    else:
        findings = [_nothing("lost"), _nothing("linear")]
    findings += _judge_times(history, timing, promised)
    if history.damaged:  # the write that a read saw may be on a line that cannot be read
        findings = [in_doubt(one, "lines of the history are damaged") for one in findings]
    findings += [Judgement(checker="history", verdict="unknown", summary=gap) for gap in _gaps(history)]
    findings += [Judgement(checker="history", verdict="held", summary=note) for note in history.notes]
    linear = next(one.verdict for one in findings if one.checker == "linear")
    return Verdict(
        verdict=worst(one.verdict for one in findings),
        operations=len(history.operations),
        acknowledged=sum(one.acknowledged for one in history.operations),
        lost=found.lost,
        linearizable=None if linear == "unknown" else linear == "held",
        findings=tuple(findings),
        timing=timing,
    )


def _judge_times(history: History, timing: Timing | None, promised: Promises) -> list[Judgement]:
    """What depends on how long something took: proven only by a steady drill on a machine that keeps up."""
    if timing is None:
        return list(judge_promises(promised, None))
    steady = _guarded("steady", lambda: judge_steady(history, timing.fault_at))
    found = [_guarded("timing", lambda: judge_timing(timing)), *judge_promises(promised, timing)]
    cause, fix = doubt(history, steady, timing.fault_at)
    return [steady, *(in_doubt(one, cause, fix=fix) if cause else one for one in found)]


def worst(rulings: Iterable[Ruling]) -> Ruling:
    """The worst ruling: violated over unknown over held; held when nobody said anything."""
    return min(rulings, key=WORST_FIRST.index, default="held")


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


def _nothing(checker: str) -> Judgement:
    return Judgement(checker=checker, verdict="unknown", summary="no operation was answered: there is nothing to judge")


def _has_load(history: History) -> bool:
    """Whether our own load wrote the history: it reads every key in the end, unless it was killed."""
    return any(event.event == "start" for event in history.events)


def _guarded(checker: str, judgement: Callable[[], Judgement]) -> Judgement:
    try:
        return judgement()
    except Exception as error:  # noqa: BLE001 - a crashed checker knows nothing, whatever it crashed of
        return Judgement(checker=checker, verdict="unknown", summary=f"the checker failed: {error!r}")
