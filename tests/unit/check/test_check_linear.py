"""Linearizability against a brute-force reference, and on histories with known answers."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from srekv.check.budget import Budget, OutOfBudgetError
from srekv.check.linear import contradiction, judge_linear, without
from srekv.check.model import Judgement, Operation, by_key
from srekv.check.states import walk
from srekv.check.zones import ContradictionError

VALUES = ("a", "b", None)


def op(kind: str, value: str | None, begin: float, end: float | None, **fields: Any) -> Operation:
    """An operation on key k; without an end it is of unknown outcome."""
    outcome = fields.pop("outcome", "ok" if end is not None else "unknown")
    return Operation(
        client=fields.pop("client", "0"),
        op=kind,  # type: ignore[arg-type] - tests name kinds as strings
        key=fields.pop("key", "k"),
        value=value,
        invoke=begin,
        complete=end,
        outcome=outcome,
        **fields,
    )


def judged(history: Sequence[Operation], **settings: Any) -> Judgement:
    """The checker's finding."""
    return judge_linear(by_key(history), **settings)


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


def by_search(history: Sequence[Operation]) -> bool:
    """Whether some order explains the history: every order, one operation after the other, no state tried twice."""
    relevant = [one for one in history if one.outcome != "fail" and (one.op, one.outcome) != ("read", "unknown")]
    ends = [math.inf if one.outcome == "unknown" or one.complete is None else one.complete for one in relevant]
    sure = sum(1 << index for index, one in enumerate(relevant) if one.outcome != "unknown")
    tried = set()
    stack: list[tuple[int, str | None]] = [(0, None)]
    while stack:
        done, state = stack.pop()
        if done & sure == sure:
            return True
        if (done, state) in tried:
            continue
        tried.add((done, state))
        first = min(end for index, end in enumerate(ends) if not done >> index & 1)
        stack += (
            (done | 1 << index, after(one, state))
            for index, one in enumerate(relevant)
            if not done >> index & 1 and one.invoke <= first and needs(one, state)
        )
    return False


def brute_force(history: Sequence[Operation]) -> bool:
    """The definition itself: some subset of the unknown ones, some order that respects time, every answer right."""
    relevant = [one for one in history if one.outcome != "fail" and (one.op, one.outcome) != ("read", "unknown")]
    sure = [one for one in relevant if one.outcome != "unknown"]
    unsure = [one for one in relevant if one.outcome == "unknown"]
    for size in range(len(unsure) + 1):
        for chosen in itertools.combinations(unsure, size):
            if any(_explains(order) for order in itertools.permutations([*sure, *chosen])):
                return True
    return False


def _explains(order: Sequence[Operation]) -> bool:
    state = None
    for index, one in enumerate(order):
        if any(later.complete is not None and later.complete < one.invoke for later in order[index + 1 :]):
            return False
        if not needs(one, state):
            return False
        state = after(one, state)
    return True


@st.composite
def _operations(draw: st.DrawFn) -> Operation:
    kind = draw(st.sampled_from(["read", "write", "cas", "delete"]))
    begin = draw(st.integers(0, 8))
    outcomes = ["ok", "ok", "unknown", "fail"] + (["conflict"] if kind == "cas" else [])
    outcome = draw(st.sampled_from(outcomes))
    end = None if outcome == "unknown" else float(begin + draw(st.integers(0, 5)))
    written = draw(st.sampled_from(VALUES[:2]))
    value = {"read": draw(st.sampled_from(VALUES)), "delete": None}.get(kind, written)
    expect = draw(st.sampled_from(VALUES)) if kind == "cas" else None
    return op(kind, value, float(begin), end, outcome=outcome, expect=expect)


@settings(max_examples=300, deadline=None)
@given(st.lists(_operations(), max_size=5))
def test_agrees_with_the_definition(history: list[Operation]) -> None:
    """The search and the brute-force reference give the same answer, values repeated or not."""
    assert (contradiction(history, Budget()) is None) == brute_force(history)


@settings(max_examples=300, deadline=None)
@given(st.lists(_operations(), max_size=5), st.integers(0, 4), st.integers(1, 4))
def test_a_smaller_part_proves_something_about_the_whole(history: list[Operation], first: int, size: int) -> None:
    """Whatever is left out, a history that has an order keeps having one: a proof never accuses an innocent."""
    relevant = [one for one in history if one.outcome != "fail" and (one.op, one.outcome) != ("read", "unknown")]
    if brute_force(relevant):
        assert brute_force(without(relevant, range(first, first + size)))


def register_history(seed: int, *, operations: int, clients: int, unknown: float) -> list[Operation]:
    """What a correct register may answer: every operation takes effect at one moment between its ends."""
    chance = random.Random(seed)
    free = [0.0] * clients
    planned = []
    for number in range(operations):
        client = min(range(clients), key=free.__getitem__)
        begin = free[client]
        effect = begin + chance.random()
        end = effect + chance.random()
        free[client] = end + chance.random() / 5
        planned.append((effect, number, client, begin, end))
    state: str | None = None
    history = []
    for _, number, client, begin, end in sorted(planned):
        kind = chance.choices(["write", "read", "cas", "delete"], [40, 40, 15, 5])[0]
        lost = chance.random() < unknown
        effective = not lost or chance.random() < 0.5
        expect = state if chance.random() < 0.7 else "other"
        outcome = "unknown" if lost else "conflict" if kind == "cas" and expect != state else "ok"
        value = state if kind == "read" else None if kind == "delete" else f"v{number}"
        one = op(
            kind,
            value,
            begin,
            None if lost else end,
            outcome=outcome,
            client=str(client),
            expect=expect if kind == "cas" else None,
        )
        history.append(one)
        if effective and one.mutates and needs(one, state):
            state = after(one, state)
    return history


def ticking_history(chance: random.Random) -> list[Operation]:
    """What a correct register may answer, in whole seconds, so that many moments are equal; values may repeat."""
    clients, unknown, repeated = chance.randint(1, 6), chance.choice([0, 0.1, 0.3]), chance.choice([0, 0, 0.2, 1])
    weights = chance.choice([[40, 40, 15, 5], [40, 40, 0, 0], [30, 40, 0, 30], [20, 30, 40, 10], [40, 30, 30, 0]])
    free = [0] * clients
    planned = []
    for number in range(chance.randint(2, 22)):
        client = min(range(clients), key=free.__getitem__)
        begin = free[client] + chance.randint(0, 2)
        effect = begin + chance.randint(0, 4)
        end = effect + chance.randint(0, 4)
        free[client] = end + chance.randint(0, 1)
        planned.append((effect, chance.random(), number, begin, end))
    state: str | None = None
    history = []
    for _, _, number, begin, end in sorted(planned):
        kind = chance.choices(["write", "read", "cas", "delete"], weights)[0]
        lost = chance.random() < unknown
        expect = state if chance.random() < 0.6 else chance.choice(["a", "v1", "v2", None])
        written = chance.choice("abc") if chance.random() < repeated else f"v{number}"
        value = {"read": state, "delete": None}.get(kind, written)
        outcome = "unknown" if lost else "conflict" if kind == "cas" and expect != state else "ok"
        one = op(kind, value, begin, None if lost else end, outcome=outcome, expect=expect if kind == "cas" else None)
        history.append(one)
        if (not lost or chance.random() < 0.5) and one.mutates and needs(one, state):
            state = after(one, state)
    return history


def broken(chance: random.Random, history: list[Operation]) -> list[Operation]:
    """The history with one mistake: another answer or expectation, an operation lost, doubled or at another time."""
    position = chance.randrange(len(history))
    one = history[position]
    seen = [other.leaves for other in history if other.mutates] + [None]
    later = chance.randint(-6, 6)
    shifted = replace(one, invoke=one.invoke + later, complete=None if one.complete is None else one.complete + later)
    changed = (
        [replace(one, value=chance.choice(seen))] if one.op == "read" else [replace(one, expect=chance.choice(seen))]
    )
    instead = chance.choice([changed, [], [one, replace(one)], [shifted]])
    return [*history[:position], *instead, *history[position + 1 :]]


def _walks(history: list[Operation]) -> bool:
    """Whether the walk through the states, which decides only what nothing else did, explains the history."""
    with contextlib.suppress(ContradictionError):
        walk(history, Budget())
        return True
    return False


def assert_agreement(seed: int) -> None:
    """Checker and plain search agree about a history, and a proof is a contradiction by itself."""
    chance = random.Random(seed)
    history = ticking_history(chance)
    if chance.random() < 0.6:
        history = broken(chance, history)
    judgement = judged(history)
    assert judgement.verdict == ("held" if by_search(history) else "violated")
    assert judgement.verdict == "held" or not by_search(judgement.proof)
    assert judgement.verdict == ("held" if _walks(history) else "violated")


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_agrees_with_a_plain_search(seed: int) -> None:
    """Valid histories and broken ones, with unknown outcomes, deletes, repeated values and equal moments."""
    assert_agreement(seed)


@pytest.mark.sweep
@pytest.mark.parametrize("part", range(10))
def test_agrees_with_a_plain_search_50000_times(part: int) -> None:
    """The same at length: make check-test."""
    for seed in range(part * 5_000, (part + 1) * 5_000):
        assert_agreement(seed)


@pytest.mark.parametrize("seed", range(8))
def test_a_correct_register_is_never_accused(seed: int) -> None:
    """Three hundred operations of five clients with a dozen unknowns, decided well within the budget."""
    history = register_history(seed, operations=300, clients=5, unknown=0.04)
    assert judged(history, budget=50_000).verdict == "held"


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_stale_read_is_found_and_proved(seed: int) -> None:
    """A read of a value that was certainly overwritten is a violation, and the proof alone is one too."""
    history = register_history(seed, operations=60, clients=3, unknown=0.05)
    end = max(one.complete or one.invoke for one in history)
    tail = [
        op("write", "old", end + 1, end + 2),
        op("write", "new", end + 3, end + 4),
        op("read", "old", end + 5, end + 6),
    ]
    judgement = judged([*history, *tail])

    assert judgement.verdict == "violated"
    assert not by_search(judgement.proof)
    assert len(judgement.proof) <= 4


def test_the_classic_stale_read() -> None:
    """Write a, write b, read a: three operations, and all three are the proof."""
    history = [op("write", "a", 0, 1), op("write", "b", 2, 3), op("read", "a", 4, 5)]
    assert judged(history).proof == tuple(history)


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        ([], "held"),
        ([op("read", None, 0, 1)], "held"),
        ([op("read", "a", 0, 1)], "violated"),
        ([op("write", "a", 0, 1), op("read", None, 1, 2)], "held"),
        ([op("write", "a", 0, None), op("read", None, 1, 2), op("read", "a", 3, 4)], "held"),
        ([op("write", "a", 0, None), op("read", "a", 1, 2), op("read", None, 3, 4)], "violated"),
        ([op("delete", None, 0, None), op("write", "a", 1, 2), op("read", None, 3, 4)], "held"),
        ([op("cas", "a", 0, 1, expect=None), op("cas", "b", 2, 3, expect=None)], "violated"),
        ([op("write", "a", 0, 1), op("cas", "b", 2, 3, expect="a", outcome="conflict")], "violated"),
        ([op("write", "a", 0, 1), op("cas", "b", 2, 3, expect="c", outcome="conflict")], "held"),
        ([op("write", "a", 0, 1, outcome="fail"), op("read", "a", 2, 3)], "violated"),
    ],
)
def test_known_answers(history: list[Operation], verdict: str) -> None:
    """Small histories whose answer is plain."""
    assert judged(history).verdict == verdict


def test_keys_are_judged_apart() -> None:
    """The same value on two keys is no contradiction; one bad key is enough."""
    good = [op("write", "a", 0, 1, key="x"), op("read", None, 2, 3, key="y")]
    assert judged(good).verdict == "held"
    assert judged([*good, op("read", "a", 2, 3, key="y")]).verdict == "violated"


def ambiguous(key: str) -> list[Operation]:
    """Two reads of the absence that either of two deletes explains."""
    writes = [op("write", f"v{number}", number, number + 3, key=key) for number in range(2)]
    deletes = [op("delete", None, number, number + 4, key=key) for number in range(2)]
    return [*writes, *deletes, *(op("read", None, 4.5, 6, key=key) for _ in range(2))]


def test_too_hard_is_unknown() -> None:
    """Out of budget is unknown, never held, and says which key."""
    with pytest.raises(OutOfBudgetError):
        contradiction(ambiguous("k"), Budget(1))
    judgement = judged(ambiguous("k"), budget=1)
    assert judgement.verdict == "unknown"
    assert "k" in judgement.summary


def test_a_budget_is_for_the_whole_history() -> None:
    """A thousand keys that are too hard cost no more than the budget, whatever is tried for each of them."""
    whole = Budget(1_000)
    given_up = 0
    for number in range(1_000):
        try:
            contradiction(ambiguous(str(number)), whole.share(whole.left // 2))
        except OutOfBudgetError:
            given_up += 1
    assert whole.left >= 0
    assert given_up > 900


def test_progress_counts_keys() -> None:
    """It is reported from the start, and no more often than once for a thousand operations."""
    seen: list[str] = []
    judged([op("read", None, 0, 1, key=str(number)) for number in range(2_500)], progress=seen.append)
    assert seen == ["0 of 2,500 keys", "1,000 of 2,500 keys", "2,000 of 2,500 keys"]


def test_a_violation_outweighs_a_key_that_is_too_hard() -> None:
    """A later key is still judged after one was given up."""
    assert judged([*ambiguous("k"), op("read", "a", 0, 1, key="z")], budget=1).verdict == "violated"
