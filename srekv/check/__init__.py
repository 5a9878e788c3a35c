"""Judges histories: from what clients did and saw to a verdict. `judge` is the entrance for other programs."""

from __future__ import annotations

from collections.abc import Iterable

from srekv.check.model import Judgement, Operation, Verdict

__all__ = ["Judgement", "Operation", "Verdict", "judge"]


def judge(operations: Iterable[Operation]) -> Verdict:
    """Judge operations on keys, each of which starts absent.

    Args:
        operations: in any order; times are seconds on one clock, which may start anywhere at or after 0.

    Returns:
        held, violated or unknown, with a finding for each checker: `linear`, whether for each key one order of the
        operations explains every answer, and `lost`, whether final reads account for every acknowledged change. A
        violated finding has the operations that prove it.

    Raises:
        ValueError: an operation that cannot be; its place in `operations`, counted from 0, and why.
    """
    from srekv.check.verdict import judge_operations

    return judge_operations(operations)
