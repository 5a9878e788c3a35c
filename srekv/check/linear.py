"""Linearizability of a key-value register: is there one order of the operations that explains every answer?

Keys are judged apart: a history is linearizable when each key's part is (Herlihy and Wing's locality). For one key the
search walks the history in time and keeps every state that the key may be in (Wing and Gong, with Lowe's just-in-time
rule): an operation takes its place no sooner than an answer needs it. What keeps that small:

- a configuration is (state, open operations that already took place); equal ones are one, and of two that differ only
  in the unknown operations they used up, the one that used fewer can do all that the other can;
- an operation of unknown outcome never has to take place, so it does only where it gives an open operation the state
  which that one needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from srekv.check.model import Judgement, Operation
from srekv.check.proof import smallest

BUDGET = 1_000_000
"""How many configurations a whole history may take (some 10 s) before the answer is unknown."""

_Used = frozenset[int]
_Shape = tuple[str | None, _Used]


class OutOfBudgetError(Exception):
    """The search was given up."""


@dataclass
class Budget:
    """Configurations that may still be looked at."""

    left: int = BUDGET

    def spend(self) -> None:
        """Account for one; raises OutOfBudgetError when none is left."""
        self.left -= 1
        if self.left < 0:
            raise OutOfBudgetError


def judge_linear(operations: Iterable[Operation], *, budget: int = BUDGET) -> Judgement:
    """Judge every key; the first one that no order explains is shown, reduced to the operations that contradict."""
    by_key: dict[str, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    purse = Budget(budget)
    undecided = []
    for key, history in by_key.items():
        try:
            failed = contradiction(history, purse)
        except OutOfBudgetError:
            undecided.append(key)
            purse.left = budget // 10
            continue
        if failed is not None:
            summary = f"no order of the operations on {key} explains this answer of client {failed.client}"
            return Judgement(checker="linear", verdict="violated", summary=summary, proof=_proof(history, failed))
    if undecided:
        summary = f"{len(undecided)} of {len(by_key)} keys undecided, {undecided[0]} among them"
        return Judgement(checker="linear", verdict="unknown", summary=summary)
    return Judgement(checker="linear", verdict="held", summary=f"one order explains every answer on {len(by_key)} keys")


def _proof(history: Sequence[Operation], failed: Operation) -> tuple[Operation, ...]:
    def contradicts(part: Sequence[Operation]) -> bool:
        try:
            return contradiction(part, Budget(20_000)) is not None
        except OutOfBudgetError:
            return False

    return smallest(history, failed, contradicts)


def contradiction(history: Iterable[Operation], budget: Budget) -> Operation | None:
    """The first operation on one key whose answer no order explains; None when the history is linearizable.

    Raises:
        OutOfBudgetError: it could not be decided within the budget.
    """
    search = _Search(budget)
    for operation, returns in _moments(history):
        if not returns:
            search.invoke(operation)
        elif not search.complete(operation):
            return operation
    return None


def _moments(history: Iterable[Operation]) -> Iterator[tuple[Operation, bool]]:
    """Invocations and answers in time; operations that touch at one instant count as overlapping."""
    moments: list[tuple[float, bool, int, Operation]] = []
    for index, operation in enumerate(history):
        if operation.outcome == "fail" or (operation.op == "read" and operation.outcome == "unknown"):
            continue
        moments.append((operation.invoke, False, index, operation))
        if operation.complete is not None and operation.outcome != "unknown":
            moments.append((operation.complete, True, index, operation))
    moments.sort(key=lambda moment: moment[:3])
    for _, returns, _, operation in moments:
        yield operation, returns


def needs(operation: Operation, state: str | None) -> bool:
    """Whether the operation can take place in that state with the answer it got."""
    if operation.op == "read":
        return operation.value == state
    if operation.op == "cas":
        return (operation.expect == state) != (operation.outcome == "conflict")
    return True


def after(operation: Operation, state: str | None) -> str | None:
    """The state that the operation leaves."""
    return operation.leaves if operation.mutates else state


@dataclass
class _Configurations:
    """Sets of (state, open operations done, unknown operations used); none that another one makes superfluous."""

    found: dict[_Shape, list[_Used]] = field(default_factory=dict)

    def add(self, shape: _Shape, unknown: _Used) -> bool:
        """Whether it is new: no known one reaches the same with fewer unknown operations."""
        known = self.found.get(shape)
        if known is None:
            self.found[shape] = [unknown]
            return True
        if any(other <= unknown for other in known):
            return False
        self.found[shape] = [other for other in known if not unknown <= other] + [unknown]
        return True

    def __iter__(self) -> Iterator[tuple[_Shape, _Used]]:
        for shape, unknowns in self.found.items():
            for unknown in unknowns:
                yield shape, unknown


class _Search:
    """The configurations that explain the history so far."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._open: dict[int, Operation] = {}
        self._unknown: dict[int, Operation] = {}
        self._now = _Configurations()
        self._now.add((None, frozenset()), frozenset())

    def invoke(self, operation: Operation) -> None:
        """From here on the operation may take place."""
        (self._unknown if operation.outcome == "unknown" else self._open)[id(operation)] = operation

    def complete(self, operation: Operation) -> bool:
        """The operation's answer arrived: it has taken place. False when no configuration allows that."""
        me = id(operation)
        results = _Configurations()
        seen = _Configurations()
        alone = len(self._open) == 1
        for (state, done), unknown in self._now:
            if me in done:
                results.add((state, done - {me}), unknown)
            elif alone and needs(operation, state):  # nothing else has to take place before it
                self._budget.spend()
                results.add((after(operation, state), done), unknown)
            else:
                self._explore(operation, ((state, done), unknown), seen, results)
        del self._open[me]
        self._now = results
        return bool(results.found)

    def _explore(
        self, goal: Operation, start: tuple[_Shape, _Used], seen: _Configurations, results: _Configurations
    ) -> None:
        """Every way to let open operations take place, the goal last."""
        stack = [start]
        while stack:
            shape, unknown = stack.pop()
            if not seen.add(shape, unknown):
                continue
            self._budget.spend()
            state, done = shape
            if needs(goal, state):
                results.add((after(goal, state), done), unknown)
            stack += (
                ((after(one, state), done | {ident}), unknown)
                for ident, one in self._open.items()
                if one is not goal and ident not in done and needs(one, state)
            )
            stack += (
                ((self._unknown[ident].leaves, done), unknown | {ident})
                for ident in self._helpful(state, done, unknown)
            )

    def _helpful(self, state: str | None, done: _Used, unknown: _Used) -> Iterator[int]:
        """Unknown operations whose effect an open one needs; of those with the same effect the first will do."""
        if not self._unknown:
            return
        waiting = [one for ident, one in self._open.items() if ident not in done]
        any_change = any(one.outcome == "conflict" and one.expect == state for one in waiting)
        wanted = {one.value if one.op == "read" else one.expect for one in waiting if one.op in {"read", "cas"}}
        unused = [(ident, one) for ident, one in self._unknown.items() if ident not in unknown]
        wanted |= {one.expect for _, one in unused if one.op == "cas"}
        effects = set()
        for ident, one in unused:
            if one.leaves == state or (one.op == "cas" and one.expect != state):
                continue
            if (any_change or one.leaves in wanted) and (one.op, one.expect, one.leaves) not in effects:
                effects.add((one.op, one.expect, one.leaves))
                yield ident
