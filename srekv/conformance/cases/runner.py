"""Puts the cases to an account, one after the other, and removes what they made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import ClientError

from srekv.conformance.cases.answer import NotAskedError, Seen
from srekv.conformance.cases.desk import FAILURES, Desk, code_of
from srekv.conformance.cases.model import Case

Verdict = Literal["ok", "differs", "not asked"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a case.

    Attributes:
        seen: the answer; None when it was not asked.
        reason: why it was not asked.
        failed: it was to be asked and could not be.
        left: what the case made and could not remove.
    """

    case: Case
    verdict: Verdict
    seen: Seen | None = None
    reason: str = ""
    failed: bool = False
    left: tuple[str, ...] = ()


def put(case: Case, home: Desk) -> Outcome:
    """Put one case; what it made for itself is removed, what others share stays."""
    desk = home.beside(case.answers)
    try:
        outcome = _asked(case, desk)
    finally:
        left = tuple(desk.clear())
    return Outcome(
        case=case,
        verdict=outcome.verdict,
        seen=outcome.seen,
        reason=outcome.reason,
        failed=outcome.failed,
        left=left,
    )


def _asked(case: Case, desk: Desk) -> Outcome:
    try:
        seen = case.ask(desk)
    except NotAskedError as error:
        return Outcome(case=case, verdict="not asked", reason=str(error), failed=True)
    except ClientError as error:
        reason = f"{error.operation_name}: {code_of(error)}: {error.response.get('Error', {}).get('Message', '')}"
        return Outcome(case=case, verdict="not asked", reason=reason, failed=True)
    except FAILURES as error:
        return Outcome(case=case, verdict="not asked", reason=str(error), failed=True)
    agrees = any(answer.matches(seen) for answer in case.answers)
    return Outcome(case=case, verdict="ok" if agrees else "differs", seen=seen)


def put_all(
    cases: Iterable[Case], home: Desk, *, expensive: bool, tell: Callable[[Outcome], None] = lambda _: None
) -> tuple[list[Outcome], list[str]]:
    """Put them all, then remove what they shared.

    Returns:
        The outcomes, and what could not be removed.
    """
    outcomes: list[Outcome] = []
    try:
        for case in cases:
            if case.expensive and not expensive:
                outcome = Outcome(case=case, verdict="not asked", reason="launches an instance: --expensive asks it")
            else:
                outcome = put(case, home)
            outcomes.append(outcome)
            tell(outcome)
    finally:
        left = home.clear()
    return outcomes, [one for outcome in outcomes for one in outcome.left] + left
