"""Linearizability of a key-value register: is there one order of the operations that explains every answer?

Keys are judged apart: a history is linearizable when each key's part is (Herlihy and Wing's locality). Where each value
has one writer, zones decide. Where an answer may show one of several writes, a search chooses the write first; where
that leaves too many choices, a walk through the states decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from srekv.check.budget import BUDGET, Budget, OutOfBudgetError
from srekv.check.model import Judgement, Operation
from srekv.check.proof import smaller_parts
from srekv.check.search import settle
from srekv.check.states import walk
from srekv.check.zones import ContradictionError, arrange

TRIAL = 20
"""How many steps the choice of writes may take for each operation before states are tried instead."""

REDUCTION = 100_000
"""How many operations are read again to make a proof smaller: less than a second."""


def judge_linear(operations: Iterable[Operation], *, budget: int = BUDGET) -> Judgement:
    """Judge every key; the first one that no order explains is shown, reduced to the operations that contradict."""
    by_key: dict[str, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    left = Budget(budget)
    undecided = []
    for key, history in by_key.items():
        try:
            found = contradiction(history, left)
        except OutOfBudgetError:
            undecided.append(key)
            left.left = budget // 10
            continue
        if found is not None:
            summary = f"no order of the operations on {key} explains this answer of client {found.culprit.client}"
            return Judgement(checker="linear", verdict="violated", summary=summary, proof=_proof(history, found))
    if undecided:
        summary = f"{len(undecided)} of {len(by_key)} keys undecided, {undecided[0]} among them"
        return Judgement(checker="linear", verdict="unknown", summary=summary)
    return Judgement(checker="linear", verdict="held", summary=f"one order explains every answer on {len(by_key)} keys")


def contradiction(history: Sequence[Operation], budget: Budget) -> ContradictionError | None:
    """What no order of the operations on one key explains; None when the history is linearizable.

    Raises:
        OutOfBudgetError: it could not be decided within the budget.
    """
    try:
        register = arrange(history)
        trial = Budget(min(budget.left, TRIAL * len(history)))
        try:
            settle(register, trial)
        except OutOfBudgetError:
            walk(history, budget)
    except ContradictionError as found:
        return found
    return None


def _proof(history: Sequence[Operation], found: ContradictionError) -> tuple[Operation, ...]:
    """Operations that contradict each other whatever the others did; few, as far as the reduction comes."""
    if found.proven:
        return found.operations
    budget = Budget(REDUCTION)

    def contradicts(part: Sequence[Operation]) -> bool:
        budget.spend(len(part))
        return contradiction(part, budget) is not None

    part: Sequence[Operation] = history
    try:
        for part in smaller_parts(history, found.operations, contradicts):  # noqa: B007 - the last one counts
            pass
    except OutOfBudgetError:
        pass
    return tuple(part)
