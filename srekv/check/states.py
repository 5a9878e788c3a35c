"""Walks through a key's history and keeps every state that the key may be in.

It decides what `srekv.check.search` gives up: values that repeat, next to operations of unknown outcome, leave too many
choices, but few states. The search is Wing and Gong's, with Lowe's rule: a change takes its place no sooner than an
answer needs it. A read, or a refused compare-and-set, takes its place as soon as a state fits it: it changes nothing.
A change of unknown outcome never has to take place, so it does only where it leaves what an open operation needs. Of
two states that differ in what is done, the one with more answers explained and fewer unknown changes used can do all
that the other can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from srekv.check.budget import Budget
from srekv.check.model import Operation, end
from srekv.check.zones import ContradictionError, fits

_Shape = tuple[str | None, int]
"""A value, and a bit for each open change that has taken place."""
_Spent = tuple[int, int]
"""A bit for each open answer that is explained, and one for each unknown change that is used."""


def walk(history: Iterable[Operation], budget: Budget) -> None:
    """Decide whether some order explains the operations on one key.

    Raises:
        ContradictionError: none does; `operations` is the answer at which that shows.
        OutOfBudgetError: it could not be decided within the budget.
    """
    moments = []  # invocations, then answers, in time: operations that touch at one instant overlap
    for one in history:
        if one.outcome != "fail" and (one.op, one.outcome) != ("read", "unknown"):
            moments.append((one.invoke, False, one))
            if end(one) < inf:
                moments.append((end(one), True, one))
    states = _Walk(budget)
    for _, returns, one in sorted(moments, key=lambda moment: moment[:2]):
        if not returns:
            states.invoke(one)
        elif not states.complete(one):
            raise ContradictionError([one], one, proven=False)


_States = dict[_Shape, list[_Spent]]
"""The states that are possible; none that another one makes superfluous."""


def _add(states: _States, shape: _Shape, spent: _Spent) -> bool:
    known = states.get(shape, [])
    if any(_is_better(other, spent) for other in known):
        return False
    states[shape] = [other for other in known if not _is_better(spent, other)] + [spent]
    return True


def _is_better(one: _Spent, other: _Spent) -> bool:
    """Whether one explains at least as many answers with at most the unknown changes of the other."""
    return one[0] | other[0] == one[0] and one[1] | other[1] == other[1]


class _Walk:
    """The states that explain the history so far."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bits: dict[int, int] = {}
        self._free: list[int] = []
        self._changes: dict[int, Operation] = {}
        self._answers: dict[int, Operation] = {}
        self._unknown: dict[int, Operation] = {}
        self._now: _States = {(None, 0): [(0, 0)]}

    def invoke(self, operation: Operation) -> None:
        """From here on the operation may take its place."""
        if operation.outcome == "unknown":
            self._unknown[1 << len(self._unknown)] = operation
            return
        bit = self._free.pop() if self._free else 1 << len(self._bits)
        self._bits[id(operation)] = bit
        (self._changes if operation.mutates else self._answers)[bit] = operation

    def complete(self, operation: Operation) -> bool:
        """The answer arrived: the operation has taken its place. False when no state allows that."""
        goal = self._bits.pop(id(operation))
        seen: _States = {}
        results: _States = {}
        now = ((shape, spent) for shape, spents in self._now.items() for spent in spents)
        stack = [(shape, (explained | self._fits(shape[0]), used)) for shape, (explained, used) in now]
        while stack:
            shape, spent = stack.pop()
            (state, done), (explained, used) = shape, spent
            self._budget.spend(1 + len(seen.get(shape, ())))
            if (done | explained) & goal:
                _add(results, (state, done & ~goal), (explained & ~goal, used))
            elif _add(seen, shape, spent):
                stack += self._next(shape, spent)
        self._changes.pop(goal, None)
        self._answers.pop(goal, None)
        self._free.append(goal)
        self._now = results
        return bool(results)

    def _fits(self, state: str | None) -> int:
        """The open answers that the state explains."""
        return sum(bit for bit, one in self._answers.items() if fits(one, state))

    def _next(self, shape: _Shape, spent: _Spent) -> Iterator[tuple[_Shape, _Spent]]:
        """The states that one more change leads to."""
        (state, done), (explained, used) = shape, spent
        for bit, one in self._changes.items():
            if not done & bit and fits(one, state):
                yield (one.leaves, done | bit), (explained | self._fits(one.leaves), used)
        for bit in self._helpful(state, done, explained, used):
            left = self._unknown[bit].leaves
            yield (left, done), (explained | self._fits(left), used | bit)

    def _helpful(self, state: str | None, done: int, explained: int, used: int) -> Iterator[int]:
        """Unknown changes whose effect an open operation needs; of those with the same effect the first will do."""
        if not self._unknown:
            return
        self._budget.spend(len(self._unknown))
        waiting = [one for bit, one in (*self._changes.items(), *self._answers.items()) if not (done | explained) & bit]
        any_change = any(one.outcome == "conflict" and one.expect == state for one in waiting)
        wanted = {one.value if one.op == "read" else one.expect for one in waiting if one.op in {"read", "cas"}}
        unused = [(bit, one) for bit, one in self._unknown.items() if not used & bit]
        wanted |= {one.expect for _, one in unused if one.op == "cas"}
        effects = set()
        for bit, one in unused:
            effect = (one.op, one.expect, one.leaves)
            if one.leaves == state or not fits(one, state) or effect in effects:
                continue
            if any_change or one.leaves in wanted:
                effects.add(effect)
                yield bit
