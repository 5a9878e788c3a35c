"""Acknowledged changes that were gone in the end, and values that nobody wrote.

The final reads, made after the load has ended, are held against every acknowledged change of their key. The rule is
sound with unknown outcomes: a change is lost only if no order of the operations explains the final read with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from srekv.check.model import Judgement, Operation

_ALL_THERE = "the final reads account for every acknowledged change"


@dataclass(frozen=True)
class Losses:
    """What became of the acknowledged changes.

    Attributes:
        pairs: the lost changes, each with the final read that shows it.
        phantoms: reads of values that nobody wrote.
        unread: how many acknowledged changes have no final read of their key.
        finals_expected: whether those are needed for a verdict.
    """

    pairs: tuple[tuple[Operation, Operation], ...]
    phantoms: tuple[Operation, ...]
    unread: int
    finals_expected: bool

    @property
    def lost(self) -> int:
        """How many acknowledged changes are gone."""
        return len(self.pairs)


def losses(operations: Iterable[Operation], *, finals_expected: bool) -> Losses:
    """Judge every key's last known state; without a final read its changes stay unread."""
    by_key: dict[str, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    pairs: list[tuple[Operation, Operation]] = []
    phantoms: list[Operation] = []
    unread = 0
    for history in by_key.values():
        changes = [one for one in history if one.mutates]
        phantoms += _phantoms(history, changes)
        finals = [one for one in history if one.final and one.outcome == "ok"]
        if not finals:
            unread += sum(one.acknowledged for one in changes)
            continue
        last = max(finals, key=lambda one: one.invoke)
        pairs += [(one, last) for one in changes if one.acknowledged and _is_lost(one, last, changes)]
    return Losses(tuple(pairs), tuple(phantoms), unread, finals_expected)


def _is_lost(change: Operation, last: Operation, changes: list[Operation]) -> bool:
    """Whether the last read contradicts a change that was acknowledged before it.

    It does not if it saw what the change left, or what another change left that may have come later.
    """
    if _end(change) >= last.invoke or last.value == change.leaves:
        return False
    explained = any(
        other.leaves == last.value and _end(other) >= change.invoke and other.invoke <= _end(last)
        for other in changes
        if other is not change
    )
    return not explained


def _phantoms(history: list[Operation], changes: list[Operation]) -> list[Operation]:
    """Reads that found a value which nobody had begun to write."""
    begun: dict[str | None, float] = {}
    for change in changes:
        begun[change.leaves] = min(begun.get(change.leaves, math.inf), change.invoke)
    return [
        one
        for one in history
        if one.op == "read"
        and one.outcome == "ok"
        and one.value is not None
        and begun.get(one.value, math.inf) > _end(one)
    ]


def _end(operation: Operation) -> float:
    return math.inf if operation.complete is None else operation.complete


def judge_lost(found: Losses, *, allowed: int = 0) -> Judgement:
    """Held when every acknowledged change is accounted for; unknown when its key was to be read in the end and was not.

    `allowed` is how many may be gone, if somebody promised no better.
    """
    if found.lost > allowed:
        change, read = found.pairs[0]
        summary = f"{found.lost} acknowledged change{'s' * (found.lost > 1)} gone at the end"
        return Judgement(checker="lost", verdict="violated", summary=summary, proof=(change, read))
    if found.phantoms:
        summary = f"{len(found.phantoms)} reads found a value that was never written"
        return Judgement(checker="lost", verdict="violated", summary=summary, proof=found.phantoms[:1])
    if found.unread:
        summary = f"{found.unread} acknowledged changes on keys without a final read"
        return Judgement(checker="lost", verdict="unknown" if found.finals_expected else "held", summary=summary)
    summary = f"{found.lost} acknowledged changes gone, {allowed} allowed" if found.lost else _ALL_THERE
    return Judgement(checker="lost", verdict="held", summary=summary)
