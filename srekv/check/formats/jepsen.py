"""Reads Jepsen's histories: one map for each invocation and one for each completion.

The order of the lines is the clock: `:time` may be missing, equal or out of order, and Jepsen's own checkers do not
read it (https://github.com/jepsen-io/history). What process `:nemesis` does is a fault, which shows nothing of a
register: it is left out.

`:ok` took effect, `:info` and an invocation without a completion may have, at any time after the invocation. `:fail`
had no effect, and shows nothing else: a compare-and-set may have failed for another reason than its expectation, a
service without a leader for one. Knossos leaves failures out, too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from srekv.check.formats import edn
from srekv.check.formats.lines import DECODER, Damage, FormatError, numbered, short
from srekv.check.model import History, Json, Kind, Operation, Outcome

REGISTER = "register"
"""The key of a history that has only one register, which Jepsen does not name."""

CONFLICT = edn.Name("srekv/conflict")
"""The `:error` of a compare-and-set that failed because of its expectation; written by srekv alone."""

LONGEST_NS = 10**19
"""The longest time in a history, nanoseconds: 300 years."""

_OUTCOMES: dict[str, Outcome] = {"ok": "ok", "fail": "fail", "info": "unknown"}
_KINDS: dict[str, Kind] = {"read": "read", "write": "write", "cas": "cas", "delete": "delete"}
_MICRO: dict[str, Kind] = {"r": "read", "read": "read", "w": "write", "write": "write"}
_BETWEEN = re.compile(r"[\s,\[\]]*")
_NOT_JUDGED = "srekv judges each register by itself"


def parse_edn(lines: Iterable[bytes]) -> History:
    """The history in a `history.edn`: maps, or one vector of maps.

    Raises:
        FormatError: an operation that srekv does not judge.
    """
    return history(edn.read(numbered(lines)))


def parse_json(lines: Iterable[bytes]) -> History:
    """The history in a `history.json`: objects, or one array of objects, with the members of the EDN.

    Raises:
        FormatError: an operation that srekv does not judge.
    """
    return history(_objects(b"".join(lines)))


def _objects(data: bytes) -> Iterator[tuple[int, object]]:
    """Each object, or `Damage`, with the number of its line."""
    text = data.decode(errors="surrogateescape")
    position, number, brackets = 0, 1, 0
    while True:
        between = _BETWEEN.match(text, position)
        gap = between[0] if between else ""
        brackets += gap.count("[") - gap.count("]")
        number += gap.count("\n")
        position += len(gap)
        if position == len(text):
            break
        try:
            found, end = DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            found, end = Damage(f"not JSON: {short(str(error))}"), text.find("\n", position)
            end = len(text) if end < 0 else end
        yield number, found
        number += text.count("\n", position, end)
        position = end
    if brackets > 0:
        yield number, Damage("the end of the file is missing")


@dataclass(slots=True)
class _Call:
    """An invocation, and its completion as far as there is one. Times are seconds."""

    line: int
    process: int
    f: str
    value: Any
    invoke: float
    final: bool
    outcome: Outcome = "unknown"
    result: Any = None
    complete: float | None = None
    error: Any = None
    node: str = ""


def history(rows: Iterable[tuple[int, object]], *, refusals: bool = False) -> History:
    """The history of these maps, each with the number of its line.

    Args:
        rows: in the order of the file.
        refusals: a compare-and-set fails only where its expectation did not hold.

    Raises:
        FormatError: an operation that srekv does not judge.
    """
    reader = _Reader(refusals=refusals)
    for number, row in rows:
        try:
            reader.take(number, row)
        except Damage as error:
            reader.damaged.setdefault(number, str(error))
    operations = tuple(reader.operations())
    damaged = tuple(f"line {number}: {why}" for number, why in sorted(reader.damaged.items()))
    return History(operations=operations, events=(), damaged=damaged, is_history=bool(reader.calls))


class _Reader:
    """Pairs invocations and completions, as a process does one thing at a time, and makes operations of them.

    Only all calls together show where the keys stand.
    """

    def __init__(self, *, refusals: bool) -> None:
        self.calls: list[_Call] = []
        self.damaged: dict[int, str] = {}
        self._refusals = refusals
        self._open: dict[int, _Call] = {}
        self._last = -1.0
        self._types: dict[str, type] = {}
        self._shape = "register"

    def take(self, number: int, row: object) -> None:
        """One map of the file."""
        if isinstance(row, Damage):
            raise row
        if not isinstance(row, dict):
            raise Damage(f"{short(row)} is no operation")
        kind, process, f = row.get("type"), row.get("process"), row.get("f")
        if process == "nemesis":
            return
        if type(process) is not int:
            raise Damage(f"process is {short(process)}, neither a whole number nor nemesis")
        at = self._moment(row.get("time"))
        if f not in (*_KINDS, "txn"):
            raise FormatError(number, f"operation {short(f)} is none of {', '.join(_KINDS)}, txn")
        if kind == "invoke":
            before = self._open.get(process)
            call = _Call(number, process, f, row.get("value"), at, row.get("final?") is True)
            self._open[process] = call
            self.calls.append(call)
            if before is not None:
                raise Damage(f"process {process} invokes while its operation of line {before.line} is open")
        elif isinstance(kind, str) and kind in _OUTCOMES:
            done = self._open.pop(process, None)
            if done is None or done.f != f:
                raise Damage(f"process {process} completes a {f} that it did not invoke")
            done.outcome, done.result, done.error = _OUTCOMES[kind], row.get("value"), row.get("error")
            done.complete = None if done.outcome == "unknown" else at
            node = row.get("node")
            done.node = _printable(node) if isinstance(node, str) else ""
        else:
            raise Damage(f"type is {short(kind)}, none of invoke, ok, fail, info")

    def _moment(self, time: object) -> float:
        """Seconds since the start, always after the line before; a second later where the line has no time."""
        if time is None or time == -1:
            at = self._last + 1
        elif type(time) is int and 0 <= time <= LONGEST_NS:
            at = time / 1e9
        else:
            raise Damage(f"time is {short(time)}, not a number of nanoseconds since the start")
        self._last = at if at > self._last else math.nextafter(self._last, math.inf)
        return self._last

    def operations(self) -> Iterator[Operation]:
        """Every operation, in the order of invocation; what cannot be one becomes damage."""
        self._shape = _shape_of([call for call in self.calls if call.f != "txn"])
        for call in self.calls:
            try:
                yield self._operation(call)
            except Damage as error:
                self.damaged.setdefault(call.line, str(error))

    def _operation(self, call: _Call) -> Operation:
        op, key, argument = self._parts(call, call.value)
        outcome: Outcome = call.outcome
        if outcome == "ok" and op == "read":
            _, found, argument = self._parts(call, call.result)
            if found != key:
                raise Damage(f"it reads {short(key)} and completes with {short(found)}")
        elif outcome == "ok" and call.result not in (None, call.value):
            raise Damage(f"it completes with another value, {short(call.result)}")
        elif op in {"read", "delete"}:
            argument = None
        expect = None
        if op == "cas":
            if not _is_pair(argument) or argument[1] is None:
                raise Damage(f"a cas has two values, not {short(argument)}")
            expect, argument = argument
        if call.outcome == "fail" and op == "cas" and (self._refusals or call.error == CONFLICT):
            outcome = "conflict"
        return Operation(
            client=str(call.process),
            op="delete" if op == "write" and argument is None else op,
            key=REGISTER if key is None else str(self._text(key)),
            value=self._text(argument),
            expect=self._text(expect),
            invoke=call.invoke,
            complete=call.complete,
            outcome=outcome,
            node=call.node,
            final=call.final,
            error=_error(call),
        )

    def _parts(self, call: _Call, value: Any) -> tuple[Kind, Any, Any]:
        """What is done, on which key, None for the only register, and with which argument."""
        if call.f == "txn":
            return _transaction(call.line, value)
        op = _KINDS[call.f]
        if self._shape == "register":
            return op, None, value
        if self._shape == "map" and isinstance(value, dict):
            if len(value) != 1:
                raise FormatError(call.line, f"{op} of {len(value)} registers at once: {_NOT_JUDGED}")
            return op, *next(iter(value.items()))
        if not _is_pair(value) or value[0] is None:
            raise Damage(f"{short(value)} is no key with a value")
        return op, *value

    def _text(self, value: object) -> str | None:
        """A key or value as srekv has it; the number 1 and the string "1" are never taken for each other."""
        if value is None:
            return None
        try:
            text = str(value) if isinstance(value, str) else Json.of(value)
            text.encode()
        except (ValueError, TypeError):
            raise Damage(f"{short(repr(value))} is not a value that JSON can hold") from None
        if self._types.setdefault(text, type(value)) is not type(value):
            raise Damage(f"another line has {short(text)} as another kind of value")
        return text


def _shape_of(calls: list[_Call]) -> str:
    """Where keys stand: `[k v]`, as jepsen.independent writes them, `{k v}`, or nowhere, with one register only."""
    if calls and all(isinstance(call.value, dict) for call in calls):
        return "map"
    if calls and all(_is_pair(call.value) and (call.f != "cas" or _is_pair(call.value[1])) for call in calls):
        return "tuple"
    return "register"


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2


def _transaction(line: int, value: object) -> tuple[Kind, Any, Any]:
    """The one operation of a transaction, `[[:w k v]]`.

    More of them are one atomic step: judged key by key such a history could hold and be wrong.
    """
    steps = value if isinstance(value, list) else []
    if len(steps) != 1:
        raise FormatError(line, f"a transaction of {len(steps)} operations: {_NOT_JUDGED}")
    step = steps[0]
    if not isinstance(step, list) or len(step) != 3 or step[0] not in tuple(_MICRO):
        raise FormatError(line, f"{short(step)} in a transaction is neither a read nor a write of a register")
    return _MICRO[step[0]], step[1], step[2]


def _error(call: _Call) -> str:
    """The word for what went wrong; older tests put it where the value stands."""
    found = call.error
    if found is None and call.complete is None and call.result != call.value:
        found = call.result
    if found is None or found == CONFLICT:
        return ""
    return _printable(found if isinstance(found, str) else json.dumps(found, default=str))


def _printable(text: str) -> str:
    """Half a surrogate pair becomes an escape."""
    return text.encode(errors="backslashreplace").decode()
