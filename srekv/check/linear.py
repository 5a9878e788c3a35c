"""Linearizability of a key-value register: is there one order of the operations that explains every answer?

Keys are judged apart: a history is linearizable when each key's part is (Herlihy and Wing's locality). Where each value
has one writer, zones decide. Where an answer may show one of several writes, a search chooses the write first; where
that leaves too many choices, a walk through the states decides.

A contradiction is made small enough to be read. A part of a history proves something about the whole only if the whole
has at least the part's constraints. So an answer may be left out (a read, a refused cas), and a change may be weakened
to "unknown", but a change whose effect some remaining answer saw is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from srekv.check.budget import BUDGET, Budget, OutOfBudgetError
from srekv.check.model import Judgement, Operation, end
from srekv.check.search import settle
from srekv.check.states import walk
from srekv.check.zones import ContradictionError, Register, arrange

TRIAL = 20
"""How many comparisons the choice of writes may take for each operation before states are tried instead."""

LEAST, MOST = 12_000, 200_000
"""A proof is made smaller with as many comparisons as the verdict took, within these limits: 0.1 to 2 s. Each
operation that is read again counts as one."""

MARGINS = (0, 1, 10)
"""How far around the answers in question the first tries reach, in multiples of the time that they take."""

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
    """Operations that contradict each other whatever the others did; few, as far as the budget lasts.

    The first tries are the answers that have no explanation together, with the changes around them; then ever smaller
    pieces are left out.
    """
    if found.proven:
        return found.operations

    def contradicts(part: Sequence[Operation]) -> bool:
        budget.spend(len(part))
        return contradiction(part, budget) is not None

    part = [one for one in history if one.outcome != "fail" and (one.op != "read" or one.outcome == "ok")]
    with suppress(OutOfBudgetError):
        part = next((one for one in _first_tries(part, found.operations) if contradicts(one)), part)
        size = max(1, len(part) // 2)
        while size:
            position, before = 0, len(part)
            while position < len(part):
                smaller = without(part, range(position, position + size))
                if len(smaller) < len(part) and contradicts(smaller):
                    part = smaller
                else:
                    position += size
            if size > 1 or len(part) == before:  # what was left out last may be what another one depended on
                size //= 2
    return tuple(part)


def _first_tries(part: Sequence[Operation], answers: Sequence[Operation]) -> Iterator[list[Operation]]:
    in_question = {id(one) for one in answers}
    others = {place for place, one in enumerate(part) if not one.mutates and id(one) not in in_question}
    first = min(one.invoke for one in answers)
    last = max(one.invoke if one.complete is None else one.complete for one in answers)
    reaches = [margin * (last - first) for margin in MARGINS]
    far = [
        {place for place, one in enumerate(part) if one.invoke > last + reach or end(one) < first - reach}
        for reach in reaches
    ]
    for left_out in (*(one | others for one in far), others, *far):
        yield without(part, left_out)


def without(part: Sequence[Operation], chosen: Container[int]) -> list[Operation]:
    """The part without the chosen answers, and without the chosen changes as far as nothing else depends on them.

    A change that is left out may have been undone by the next one unseen; one that something depends on is weakened.
    What remains depends on the values that it read or expected, and, where an expectation failed, on every change.
    """
    kept = [one for index, one in enumerate(part) if index not in chosen]
    open_question = [one for index, one in enumerate(part) if index in chosen and one.mutates]
    conflicts = any(one.outcome == "conflict" for one in kept)
    needed = _needed(kept)
    while found := [one for one in open_question if conflicts or one.leaves in needed]:
        left_out = {id(one) for one in found}
        open_question = [one for one in open_question if id(one) not in left_out]
        kept += [replace(one, outcome="unknown", complete=None) for one in found]
        needed |= _needed(found)
    return sorted(kept, key=lambda one: one.invoke)


def _needed(operations: Iterable[Operation]) -> set[str | None]:
    return {one.value if one.op == "read" else one.expect for one in operations if one.op in {"read", "cas"}}
