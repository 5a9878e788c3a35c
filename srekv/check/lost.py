"""Acknowledged changes that were gone in the end, and values that nobody wrote.

The final reads, made after the load has ended, are held against every acknowledged change of their key. The rule is
sound with unknown outcomes: a change is lost only if no order of the operations explains the final read with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from srekv.check.model import Judgement, Operation, end


@dataclass(frozen=True)
class Losses:
    """What became of the acknowledged changes.

    Attributes:
        acknowledged: how many there are.
        pairs: the lost ones, each with the final read that shows it.
        phantoms: reads of values that nobody wrote.
        unread: how many have no final read of their key.
    """

    acknowledged: int
    pairs: tuple[tuple[Operation, Operation], ...]
    phantoms: tuple[Operation, ...]
    unread: int

    @property
    def lost(self) -> int:
        """How many acknowledged changes are gone."""
        return len(self.pairs)


def losses(keys: Mapping[str, Sequence[Operation]]) -> Losses:
    """Judge every key's last known state; without a final read its changes stay unread."""
    pairs: list[tuple[Operation, Operation]] = []
    phantoms: list[Operation] = []
    acknowledged = unread = 0
    for history in keys.values():
        begun: dict[str | None, float] = {}
        reads: list[Operation] = []
        made: list[Operation] = []
        unknown: list[Operation] = []
        for one in history:
            outcome = one.outcome
            if one.op == "read":
                if outcome == "ok":
                    reads.append(one)
            elif outcome in {"ok", "unknown"}:
                (made if outcome == "ok" else unknown).append(one)
                value = None if one.op == "delete" else one.value
                if one.invoke < begun.get(value, inf):
                    begun[value] = one.invoke
        acknowledged += len(made)
        phantoms += [one for one in reads if one.value is not None and begun.get(one.value, inf) > end(one)]
        finals = [one for one in reads if one.final]
        if finals:
            last = max(finals, key=lambda one: one.invoke)
            pairs += [(one, last) for one in _lost(made, last, [*made, *unknown])]
        else:
            unread += len(made)
    return Losses(acknowledged, tuple(pairs), tuple(phantoms), unread)


def _lost(made: Iterable[Operation], last: Operation, changes: Iterable[Operation]) -> list[Operation]:
    """The changes that the last read contradicts.

    It does not if it saw what the change left, or what another change left that may have come later.
    """
    seen = [one for one in changes if one.leaves == last.value and one.invoke <= end(last)]
    latest = max(map(end, seen), default=-inf)
    return [one for one in made if end(one) < last.invoke and one.leaves != last.value and latest < one.invoke]


def judge_lost(found: Losses, *, finals_expected: bool, allowed: int = 0) -> Judgement:
    """Held when every acknowledged change is accounted for; unknown when its key was to be read in the end and was not.

    `finals_expected` is whether every key was to be read, `allowed` how many changes may be gone.
    """
    if found.lost > allowed:
        summary = f"{found.lost} acknowledged change{'s' * (found.lost > 1)} gone at the end"
        return Judgement(checker="lost", verdict="violated", summary=summary, proof=found.pairs[0])
    if found.phantoms:
        summary = f"{len(found.phantoms)} reads found a value that was never written"
        return Judgement(checker="lost", verdict="violated", summary=summary, proof=found.phantoms[:1])
    if found.unread:
        summary = f"{found.unread} acknowledged changes on keys without a final read"
        return Judgement(checker="lost", verdict="unknown" if finals_expected else "held", summary=summary)
    summary = "the final reads account for every acknowledged change"
    if found.lost:
        summary = f"{found.lost} acknowledged changes gone, {allowed} allowed"
    return Judgement(checker="lost", verdict="held", summary=summary)
