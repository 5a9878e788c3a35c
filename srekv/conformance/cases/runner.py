"""Puts the cases to an account, one after the other, and removes what they made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import ClientError

from srekv.conformance.cases.catalogue import Answer, Case
from srekv.conformance.cases.context import FAILURES, CaseContext, NotAskedError, code_of
from srekv.conformance.cases.questions import ask

Verdict = Literal["ok", "differs", "not asked"]


@dataclass(kw_only=True)
class Outcome:
    """What came of a case.

    Attributes:
        seen: the answer; None when it was not asked.
        reason: why it was not asked.
        failed: it was to be asked and could not be.
        left: what the case made and could not remove.
    """

    case: Case
    verdict: Verdict = "not asked"
    seen: Answer | None = None
    reason: str = ""
    failed: bool = False
    left: tuple[str, ...] = ()


def put(case: Case, home: CaseContext) -> Outcome:
    """Put one case; what it made for itself is removed, what others share stays."""
    context = home.child(case.answers)
    outcome = Outcome(case=case)
    try:
        outcome.seen = seen = ask(case, context)
        outcome.verdict = "ok" if any(answer.matches(seen) for answer in case.answers) else "differs"
    except (*FAILURES, NotAskedError) as error:
        outcome.failed, outcome.reason = True, str(error)
        if isinstance(error, ClientError):
            message = error.response.get("Error", {}).get("Message", "")
            outcome.reason = f"{error.operation_name}: {code_of(error)}: {message}"
    finally:
        outcome.left = tuple(context.clear())
    return outcome


def put_all(
    cases: Iterable[Case], home: CaseContext, *, expensive: bool, report: Callable[[Outcome], None] = lambda _: None
) -> tuple[list[Outcome], list[str]]:
    """Put them all, then remove what they shared.

    Returns:
        The outcomes, and what could not be removed.
    """
    outcomes: list[Outcome] = []
    try:
        for case in cases:
            if case.expensive and not expensive:
                outcome = Outcome(case=case, reason="launches an instance: --expensive asks it")
            else:
                outcome = put(case, home)
            outcomes.append(outcome)
            report(outcome)
    finally:
        left = home.clear()
    return outcomes, [one for outcome in outcomes for one in outcome.left] + left
