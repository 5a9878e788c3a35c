"""Linearizability of a key-value register: is there one order of the operations that explains every answer?

Keys are judged apart: a history is linearizable when each key's part is (Herlihy and Wing's locality). Where each value
has one writer, zones decide. Where an answer may show one of several writes, a search chooses the write first; where
that leaves too many choices, a walk through the states decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from srekv.check.budget import BUDGET, Budget, OutOfBudgetError
from srekv.check.model import Judgement, Operation
from srekv.check.proof import smaller_parts
from srekv.check.search import settle
from srekv.check.states import walk
from srekv.check.zones import ContradictionError, Register, arrange

TRIAL = 20
"""How many comparisons the choice of writes may take for each operation before states are tried instead."""

LEAST, MOST = 12_000, 200_000
"""A proof is made smaller with as many comparisons as the verdict took, within these limits: 0.1 to 2 s. Each
operation that is read again counts as one."""

NEWS = 1_000
"""Progress is reported once for so many operations."""


def judge_linear(
    keys: Mapping[str, Sequence[Operation]], *, budget: int | None = None, progress: Callable[[str], object] = str
) -> Judgement:
    """Judge every key; one that no order explains is shown, reduced to the operations that contradict.

    First the zones of all keys are compared, then what is ambiguous is tried: most violations need no trial.

    Args:
        keys: the operations on each.
        budget: comparisons that the history may cost; None: BUDGET, and TRIAL for each operation.
        progress: takes how many keys are judged.
    """
    count = sum(map(len, keys.values()))
    whole = Budget(BUDGET + TRIAL * count if budget is None else budget)
    start = whole.left
    undecided = []
    judged = reported = 0
    try:
        arranged = ((key, arrange(history)) for key, history in keys.items())
        registers = {key: register for key, register in arranged if register.heads or register.watchers}
        for place, (key, history) in enumerate(keys.items()):
            if judged >= reported:
                progress(f"{place:,} of {len(keys):,} keys")
                reported = judged + NEWS
            judged += len(history)
            try:
                if key in registers:
                    _try(history, registers.pop(key), whole.share(whole.left // 2))
            except OutOfBudgetError:
                undecided.append(key)
    except ContradictionError as found:
        key = found.culprit.key
        summary = f"no order of the operations on {key} explains this answer of client {found.culprit.client}"
        cost = count + start - whole.left
        proof = _proof(keys[key], found, Budget(max(LEAST, min(MOST, cost))))
        return Judgement(checker="linear", verdict="violated", summary=summary, proof=proof)
    if undecided:
        summary = f"{len(undecided)} of {len(keys)} keys undecided, {undecided[0]} among them"
        return Judgement(checker="linear", verdict="unknown", summary=summary)
    return Judgement(checker="linear", verdict="held", summary=f"one order explains every answer on {len(keys)} keys")


def contradiction(history: Sequence[Operation], budget: Budget) -> ContradictionError | None:
    """What no order of the operations on one key explains; None when the history is linearizable.

    Raises:
        OutOfBudgetError: it could not be decided within the budget.
    """
    try:
        _try(history, arrange(history), budget)
    except ContradictionError as found:
        return found
    return None


def _try(history: Sequence[Operation], register: Register, budget: Budget) -> None:
    """Raise ContradictionError if what is ambiguous on one key has no explanation."""
    try:
        settle(register, budget.share(TRIAL * len(history)))
    except OutOfBudgetError:
        walk(history, budget)


def _proof(history: Sequence[Operation], found: ContradictionError, budget: Budget) -> tuple[Operation, ...]:
    """Operations that contradict each other whatever the others did; few, as far as the reduction comes."""
    if found.proven:
        return found.operations

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
