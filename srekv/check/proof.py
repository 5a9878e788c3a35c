"""A contradiction made small enough to be read.

A part of a history proves something about the whole only if the whole has at least the part's constraints. So an
answer may be left out (a read, a refused cas), and a change may be weakened to "unknown", but a change whose effect
some remaining answer saw is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from math import inf

from msgspec.structs import replace

from srekv.check.model import Operation

MARGINS = (0, 1, 10)
"""How far around the answers in question the first tries reach, in multiples of the time that they take."""


def smaller_parts(
    history: Sequence[Operation], answers: Sequence[Operation], contradicts: Callable[[Sequence[Operation]], bool]
) -> Iterator[list[Operation]]:
    """Parts of the history that still contradict themselves, each smaller than the one before, sorted by invocation.

    The first tries are the answers that have no explanation together, with the changes around them.
    """
    part = [one for one in history if one.outcome != "fail" and (one.op != "read" or one.outcome == "ok")]
    part = next((one for one in _first_tries(part, answers) if contradicts(one)), part)
    yield part
    size = max(1, len(part) // 2)
    while size:
        position, before = 0, len(part)
        while position < len(part):
            smaller = without(part, range(position, position + size))
            if len(smaller) < len(part) and contradicts(smaller):
                part = smaller
                yield part
            else:
                position += size
        if size > 1 or len(part) == before:  # what was left out last may be what another one depended on
            size //= 2


def _first_tries(part: Sequence[Operation], answers: Sequence[Operation]) -> Iterator[list[Operation]]:
    in_question = {id(one) for one in answers}
    others = {place for place, one in enumerate(part) if not one.mutates and id(one) not in in_question}
    far = [_far_from(answers, part, margin) for margin in MARGINS]
    for left_out in (*(one | others for one in far), others, *far):
        yield without(part, left_out)


def _far_from(answers: Sequence[Operation], part: Sequence[Operation], margin: float) -> set[int]:
    """The positions of what does not touch the time of the answers."""
    first = min(one.invoke for one in answers)
    last = max(one.invoke if one.complete is None else one.complete for one in answers)
    reach = margin * (last - first)
    times = [(one.invoke, inf if one.complete is None else one.complete) for one in part]
    return {
        position
        for position, (invoke, complete) in enumerate(times)
        if invoke > last + reach or complete < first - reach
    }


def _weakened(operation: Operation) -> Operation:
    return replace(operation, outcome="unknown", complete=None)


def without(part: Sequence[Operation], chosen: Container[int]) -> list[Operation]:
    """The part without the chosen answers, and without the chosen changes as far as nothing else depends on them.

    A change that is left out may have been undone by the next one unseen; one that something depends on is weakened.
    What remains depends on the values that it read or expected, and, where an expectation failed, on every change.
    """
    kept = [one for index, one in enumerate(part) if index not in chosen]
    open_question = [one for index, one in enumerate(part) if index in chosen and one.mutates]
    conflicts = any(one.outcome == "conflict" for one in kept)
    needed = {value for one in kept for value in _needed(one)}
    while found := [one for one in open_question if conflicts or one.leaves in needed]:
        left_out = {id(one) for one in found}
        open_question = [one for one in open_question if id(one) not in left_out]
        kept += [_weakened(one) for one in found]
        needed |= {value for one in found for value in _needed(one)}
    return sorted(kept, key=lambda one: one.invoke)


def _needed(operation: Operation) -> tuple[str | None, ...]:
    """The value that the operation saw or expected."""
    if operation.op == "read":
        return (operation.value,)
    return (operation.expect,) if operation.op == "cas" else ()
