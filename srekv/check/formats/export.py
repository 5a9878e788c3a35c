"""Writes a history as Jepsen's `history.edn`, so that Jepsen, Knossos and elle read it.

One line for each invocation and completion, in the order of time. What Jepsen has no place for is lost: events, names
and kinds of clients, fractions of a nanosecond, and the name of the key where there is only one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from srekv.check.formats.edn import Name, written
from srekv.check.formats.jepsen import CONFLICT
from srekv.check.model import Operation, end, plain


def jepsen(operations: Sequence[Operation]) -> Iterator[str]:
    """The lines of a `history.edn`.

    A process is a thread of one client; after an unknown outcome it is never used again, and the thread continues with
    the next number that is the same modulo the number of threads. Such an operation, and one without a time of
    completion, is completed at the end. Of equal times invocations come first: those operations overlap.
    """
    order = sorted(operations, key=lambda one: one.invoke)
    processes = _processes(order)
    values = (plain(value) for one in order for value in (one.value, one.expect))
    keyed = len({one.key for one in order}) > 1 or any(isinstance(value, list | dict) for value in values)
    moments = [(one.invoke, 0, index) for index, one in enumerate(order)]
    moments += [(end(one), 1, index) for index, one in enumerate(order)]
    last = max((at for at, _, _ in moments if at < inf), default=0.0)
    for number, (at, side, index) in enumerate(sorted(moments)):
        one = order[index]
        outcome = {"ok": "ok", "unknown": "info"}.get(one.outcome, "fail")
        row: dict[Name, Any] = {
            Name("type"): Name(outcome if side else "invoke"),
            Name("f"): Name("write" if one.op == "delete" else one.op),
            Name("value"): _value(one, keyed=keyed, completed=bool(side)),
            Name("time"): round(min(at, last) * 1e9),
            Name("process"): processes[index],
            Name("index"): number,
        }
        if one.final:
            row[Name("final?")] = True
        if side and one.node:
            row[Name("node")] = one.node
        if side and (one.error or one.outcome == "conflict"):
            row[Name("error")] = CONFLICT if one.outcome == "conflict" else one.error
        yield written(row)


def _processes(order: Sequence[Operation]) -> list[int]:
    threads: dict[str, list[int]] = {}
    free: list[float] = []
    taken = []
    generations: list[int] = []
    for one in order:
        own = threads.setdefault(one.client, [])
        thread = next((each for each in own if free[each] < one.invoke), len(free))
        if thread == len(free):
            own.append(thread)
            free.append(-inf)
            generations.append(0)
        taken.append((thread, generations[thread]))
        free[thread] = end(one)
        if free[thread] == inf:
            free[thread] = -inf
            generations[thread] += 1
    return [thread + generation * len(free) for thread, generation in taken]


def _value(one: Operation, *, keyed: bool, completed: bool) -> object:
    value = plain(one.value) if one.op != "read" or (completed and one.outcome == "ok") else None
    if one.op == "delete":
        value = None
    if one.op == "cas":
        value = [plain(one.expect), value]
    return [one.key, value] if keyed else value
