"""Whether the service answered under load before the fault: without a steady state a drill measures something else."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

from srekv.check.model import TIMED_OUT, History, Judgement, Operation
from srekv.errors import Advice, CommandLine

FAILED_OPERATIONS, FAILED_SHARE = 2, 0.05
"""More failures than both, counted and as a share of the operations before the fault, are no steady state."""

TIMEOUT_S = 2.0
"""A client's timeout where the history does not record it."""

SPEEDS = (10, 5, 2, 1)
"""Clock speeds that `srekv up` chooses from."""

SLOWER = 4
"""A machine that fails at one speed is advised to run at this fraction of it, or slower."""

LATE_S, LATE_SHARE = 0.25, 0.1
"""A machine keeps a load waiting that is later than this, in AWS-equivalent seconds, for more than this share of time:
a request takes several such waits, and a checker grants it 2 s, as clients do."""


def judge_steady(history: History, fault_at: float) -> Judgement:
    """Held when at most FAILED_OPERATIONS, or FAILED_SHARE, of the operations before the fault failed, else unknown.

    Unknown without any.
    """
    settings = history.members("start", "drill")
    before = before_fault(history, fault_at, timeout_s=_timeout_s(settings))
    failed = [one for one in before if not one.good]
    summary = f"{len(failed)} of {len(before)} operations before the fault failed"
    if not before:
        return Judgement(checker="steady", verdict="unknown", summary="no operation before the fault is recorded")
    if len(failed) <= FAILED_OPERATIONS or len(failed) <= FAILED_SHARE * len(before):
        return Judgement(checker="steady", verdict="held", summary=summary)
    causes = Counter(one.cause for one in failed).most_common()
    kinds = ", ".join(f"{count} x {cause}" for cause, count in causes)
    slow = causes[0][0] == TIMED_OUT and (not _lags(history, -math.inf) or bool(waiting(history, until=fault_at)))
    speed, timeout_s = settings.get("speed") or 1.0, _timeout_s(settings)
    fix: Advice = CommandLine("srekv status") + " and " + CommandLine("srekv doctor") + " show why"
    cause = "the service or the vantage point was not in a steady state"
    if slow and speed > 1:  # a clock that runs fast shortens the timeouts, not what a request takes
        cause = f"machine too busy for speed {speed:g}: a {timeout_s:g} s timeout is {timeout_s / speed:g} s here"
        fix = _relief(settings)
    return Judgement(checker="steady", verdict="unknown", summary=f"{summary} ({kinds}): {cause}", fix=fix)


def waiting(history: History, *, since: float = -math.inf, until: float = math.inf) -> str:
    """How the machine kept the load waiting in that time, for a person; "" if it did not, or if nothing shows it."""
    lags = _lags(history, since, until)
    late = sum(one > LATE_S for one in lags)
    if late > LATE_SHARE * len(lags):
        return f"the machine kept the load waiting in {late} of {len(lags)} s"
    worst, timeout_s = max(lags, default=0.0), _timeout_s(history.members("start", "drill"))
    return f"the machine stood still for {worst:.1f} s" if worst >= timeout_s else ""


def _lags(history: History, since: float, until: float = math.inf) -> list[float]:
    """How late the load's own work was done, second by second."""
    return [one.members["late"] for one in history.events if one.event == "lag" and since <= one.at <= until]


def doubt(history: History, steady: Judgement, fault_at: float) -> tuple[str, Advice]:
    """Why the times after the fault may be the machine's doing, and the fix; "" and "" if they are the service's."""
    if cause := waiting(history, since=fault_at):
        return cause, _relief(history.members("start", "drill"))
    return ("the drill was not steady", steady.fix) if steady.verdict != "held" else ("", "")


def before_fault(history: History, fault_at: float, *, timeout_s: float) -> tuple[Operation, ...]:
    """The operations whose outcome is not the fault's doing: ended by then, or begun one timeout before it.

    An operation without an end (its answer never came) had all the time that its client grants it if it began one
    timeout before the fault. One that began later may have failed because of the fault, and does not count. Final
    reads are left out.
    """

    def due(one: Operation) -> float:
        return min(one.invoke + timeout_s, math.inf if one.complete is None else one.complete)

    return tuple(one for one in history.operations if not one.final and due(one) <= fault_at)


def in_doubt(finding: Judgement, cause: str, *, fix: Advice = "") -> Judgement:
    """The finding, inconclusive if it was violated: what it shows may be the cause's doing, not the service's."""
    if finding.verdict != "violated":
        return finding
    return replace(finding, verdict="unknown", summary=f"{finding.summary}; not proven, as {cause}", fix=fix)


def _timeout_s(settings: dict[str, Any]) -> float:
    return settings.get("op_timeout_s") or settings.get("timeout_s") or TIMEOUT_S


def _relief(settings: dict[str, Any]) -> Advice:
    """What gives a drill the time that it needs."""
    speed = settings.get("speed") or 1.0
    if speed <= 1:
        return "drill again while the machine that runs the load has less to do"
    slower = next((one for one in SPEEDS if one * SLOWER <= speed), SPEEDS[-1])
    return "srekv local stop, then " + CommandLine(f"srekv up --speed {slower}")
