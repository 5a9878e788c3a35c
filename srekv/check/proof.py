"""A contradiction made small enough to be read.

A part of a history proves something about the whole only if the whole has at least the part's constraints. So an
answer may be left out (a read, a refused cas), and a change may be weakened to "unknown", but a change whose effect
some remaining answer saw is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from srekv.check.model import Operation

TRIES = 400
"""How many smaller parts are tried before the proof is small enough."""


def smallest(
    history: Sequence[Operation], failed: Operation, contradicts: Callable[[Sequence[Operation]], bool]
) -> tuple[Operation, ...]:
    """The fewest operations found that still contradict each other, in the order of their invocation."""
    part = _until(history, failed)
    tries = TRIES
    size = max(1, len(part) // 2)
    while size and tries > 0:
        position, before = 0, len(part)
        while position < len(part) and tries > 0:
            smaller = without(part, range(position, position + size))
            tries -= 1
            if len(smaller) < len(part) and contradicts(smaller):
                part = smaller
            else:
                position += size
        if size > 1 or len(part) == before:  # what was left out last may be what another one depended on
            size //= 2
    return tuple(part)


def _until(history: Sequence[Operation], failed: Operation) -> list[Operation]:
    """What had begun when the answer came that cannot be; what had not ended by then had no outcome yet."""
    end = failed.complete if failed.complete is not None else failed.invoke
    begun = [one for one in history if one.invoke <= end and one.outcome != "fail"]
    part = [one if one.complete is None or one.complete <= end else _weakened(one) for one in begun]
    return [one for one in part if one.op != "read" or one.outcome != "unknown"]


def _weakened(operation: Operation) -> Operation:
    return replace(operation, outcome="unknown", complete=None)


def without(part: Sequence[Operation], chosen: range) -> list[Operation]:
    """The part without the chosen answers, and without the chosen changes as far as nothing else depends on them.

    A change that is left out may have been undone by the next one unseen; one that something depends on is weakened.
    What remains depends on the values that it read or expected, and, where an expectation failed, on every change.
    """
    kept = [one for index, one in enumerate(part) if index not in chosen]
    open_question = [one for index, one in enumerate(part) if index in chosen and one.mutates]
    conflicts = any(one.outcome == "conflict" for one in kept)
    needed = {value for one in kept for value in _needed(one)}
    while found := [one for one in open_question if conflicts or one.leaves in needed]:
        open_question = [one for one in open_question if one not in found]
        kept += [_weakened(one) for one in found]
        needed |= {value for one in found for value in _needed(one)}
    return sorted(kept, key=lambda one: one.invoke)


def _needed(operation: Operation) -> tuple[str | None, ...]:
    """The value that the operation saw or expected."""
    if operation.op == "read":
        return (operation.value,)
    return (operation.expect,) if operation.op == "cas" else ()
