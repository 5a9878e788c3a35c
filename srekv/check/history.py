"""Reading a history: lines in any order, one outcome for each id, unknown members are ignored.

What cannot be read is damage with the line's number in the file, never an error: whoever judges the history decides
what it may still prove. Every event and operation that is read holds what its kind may hold, and nothing else.

An operation as most tools write it is decoded and checked in one step. Every other line is read member by member, and
damage is reported from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from srekv.check.collector import paused_collector
from srekv.check.formats.lines import short
from srekv.check.model import Event, History, Json, Kind, Operation, Outcome
from srekv.drill import events as schema
from srekv.drill.model import FORMER_KINDS, HEADLINE

_KINDS = ("read", "write", "cas", "delete")
_OUTCOMES = ("ok", "conflict", "fail", "unknown")

_OWN = ("event", "at")
"""Members of an event that are not of its kind."""

_DEEPEST = 32
"""How deep objects and lists may be nested."""

_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?=[\s,]))')
"""The id of half a line, where it is the first member."""


_MEMBER = re.compile(rb'"(?:op|event)"\s*:')
"""What makes even a damaged line one of a history."""


class _DamagedError(ValueError):
    """A line that is neither an operation nor an event."""


def read(path: Path) -> History:
    """The history in a file.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        return parse(file)


@paused_collector()
def parse(lines: Iterable[str | bytes]) -> History:
    """The history in these lines; a line that cannot be understood is reported, not raised.

    A load that is killed may leave half a line at the end: where that is the outcome of an operation that was announced
    before, it is a note, because the operation counts as unknown; else it is damage.
    """
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        reader.take(number, line if isinstance(line, bytes) else line.encode(errors="surrogatepass"))
    return reader.history()


_Seconds = Annotated[float, msgspec.Meta(ge=0, le=schema.LONGEST_S)]


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An ordinary operation: no member but these, and each of a usual type."""

    op: Kind
    key: str
    invoke: _Seconds
    outcome: Outcome
    complete: _Seconds | None = None
    client: str | int | float | None = None
    value: str | int | float | None = None
    expect: str | int | float | None = None
    id: str | int | float | None = None
    node: str | None = None
    final: bool | None = None
    zoo: str | None = None
    error: str | None = None


_DECODE = msgspec.json.Decoder(_Line).decode


def _ordinary(text: bytes, names: dict[str, str]) -> tuple[Operation, str | float | None] | None:
    """The operation on an ordinary line, and its id; None for any other line, damaged or not.

    `names` keeps each client's and each key's name once.
    """
    try:
        line = _DECODE(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    op, outcome, invoke, value, client = line.op, line.outcome, line.invoke, line.value, line.client
    complete = line.complete if outcome != "unknown" else None
    if complete is None:
        if outcome not in {"unknown", "fail"}:
            return None
    elif complete < invoke:
        return None
    if (value is None and op in {"write", "cas"}) or (outcome == "conflict" and op != "cas"):
        return None
    client = client if type(client) is str else "" if client is None else str(client)
    operation = Operation(
        client=names.setdefault(client, client),
        op=op,
        key=names.setdefault(line.key, line.key),
        value=value if value is None or type(value) is str else Json.of(value),
        expect=line.expect if line.expect is None or type(line.expect) is str else Json.of(line.expect),
        invoke=invoke,
        complete=complete,
        outcome=outcome,
        node=line.node or "",
        final=line.final is True,
        zoo=kind_of(line.zoo),
        error=line.error or "",
    )
    return operation, line.id


@dataclass
class _Reader:
    """What was read so far: operations, the lines that they were first on, and their places by id."""

    operations: list[Operation] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    known: dict[object, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    damaged: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    once: dict[str, int] = field(default_factory=dict)
    is_history: bool = False
    lines: int = 0
    ended: bool = False
    number: int = 0
    last: bytes = b""

    def take(self, number: int, text: bytes) -> None:
        """Read a line."""
        if not text.strip():
            return
        self.ended = self.ended or (self.lines > 0 and self.last.endswith(b"\n"))
        self.lines, self.number, self.last = self.lines + 1, number, text
        try:
            if found := _ordinary(text, self.names):
                self._operation(number, *found)
            elif "event" in (line := _object(text)):
                self._event(number, line)
            else:
                self._operation(number, _operation(line), _identity(line))
        except _DamagedError as error:
            self.damaged[number] = str(error)
        self.is_history = self.is_history or number not in self.damaged or bool(_MEMBER.search(text))

    def history(self) -> History:
        """Everything that was read."""
        self._judge_the_end()
        self._judge_the_values()
        return History(
            operations=tuple(sorted(self.operations, key=attrgetter("invoke"))),
            events=tuple(sorted(self.events, key=lambda one: one.at)),
            damaged=tuple(f"line {number}: {why}" for number, why in sorted(self.damaged.items())),
            notes=tuple(self.notes),
            is_history=self.is_history,
        )

    def _event(self, number: int, line: dict[str, Any]) -> None:
        if why := schema.damage(line):
            raise _DamagedError(why)
        name = line["event"]
        if name in schema.ONCE and self.once.setdefault(name, number) != number:
            raise _DamagedError(f"a second {name}, the first is line {self.once[name]}: two histories in one file")
        members = {member: value for member, value in line.items() if member not in _OWN and value is not None}
        self.events.append(Event(event=name, at=float(line.get("at") or 0.0), members=members))

    def _operation(self, number: int, operation: Operation, ident: str | float | None) -> None:
        """A line without an id is an operation of its own."""
        place = len(self.operations)
        if ident is not None:
            place = self.known.setdefault(ident, place)
        if place < len(self.operations):
            self.operations[place] = _joined(self.operations[place], operation, self.numbers[place])
        else:
            self.operations.append(operation)
            self.numbers.append(number)

    def _judge_the_end(self) -> None:
        """Whether the last line is whole, and whether as many lines are there as the `eof` counts."""
        if self.ended and not self.last.endswith(b"\n"):
            self._judge_half_a_line()
        for eof in (one for one in self.events if one.event == "eof"):
            written = eof.members["lines"]
            if written != self.lines:
                self.damaged.setdefault(self.once["eof"], f"{written} lines were written, {self.lines} are there")

    def _judge_the_values(self) -> None:
        """The number 1 is not the string "1"; a history with both is either wrong or wrongly written."""
        values = {value for one in self.operations for value in (one.value, one.expect) if type(value) is Json}
        for number, one in zip(self.numbers, self.operations, strict=True) if values else ():
            if any(type(value) is str and value in values for value in (one.value, one.expect)):
                self.damaged[number] = "it has a value as a string that another operation has as another JSON value"

    def _judge_half_a_line(self) -> None:
        """A line without its end that can be read is whole, unless it is the `eof`: that one ends with the file."""
        number, cut = self.number, "the last line is cut off"
        if number not in self.damaged:
            if self.once.get("eof") == number:
                self.damaged[number] = cut
            return
        ident = _half_an_identity(self.last)
        place = self.known.get(ident)
        if place is not None and self.operations[place].outcome == "unknown":
            del self.damaged[number]
            self.notes.append(f"line {number}: {cut}; the operation {short(ident)} counts as unknown")
        else:
            self.damaged[number] = cut


def _no_constant(name: str) -> None:
    raise _DamagedError(f"not JSON: {name}")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _object(text: bytes) -> dict[str, Any]:
    try:
        whole = text.decode().strip(" \t\r\n")
        line, end = _DECODER.raw_decode(whole)
    except _DamagedError:
        raise
    except UnicodeDecodeError as error:
        raise _DamagedError(f"not UTF-8: {error.reason} at byte {error.start + 1}") from error
    except ValueError as error:
        raise _DamagedError(f"not JSON: {short(str(error))}") from error
    except RecursionError as error:
        raise _DamagedError("nested too deep") from error
    if not isinstance(line, dict):
        raise _DamagedError("not an object")
    if end != len(whole):
        raise _DamagedError(f"not JSON: something follows at character {end + 1}")
    if text.count(b"{") + text.count(b"[") > _DEEPEST and _is_deep(line, _DEEPEST):
        raise _DamagedError("nested too deep")
    if b"\\u" in text and _has_lone_surrogate(line):
        raise _DamagedError("a string with half a surrogate pair")
    return line


def _is_deep(value: object, left: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not left or any(_is_deep(one, left - 1) for one in inner)


def _has_lone_surrogate(line: dict[str, Any]) -> bool:
    try:
        json.dumps(line, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _identity(line: dict[str, Any]) -> str | float | None:
    """What lines of one operation share."""
    ident: str | float | None = line.get("id")
    if ident is not None and type(ident) not in {str, int, float}:
        raise _DamagedError(f"id is {short(ident)}, not a string or a number")
    return ident


def _half_an_identity(text: bytes) -> object:
    """The id in half a line; None when it is not whole itself."""
    match = _ID.match(text)
    try:
        return _object(b'{"id": %b}' % match[1])["id"] if match else None
    except _DamagedError:
        return None


def _joined(known: Operation, new: Operation, first: int) -> Operation:
    """One operation of two lines that share an id: what is known of its outcome wins over unknown, in any order."""
    if _invocation(known) != _invocation(new):
        raise _DamagedError(f"it shares its id with line {first} and is another operation")
    if known.outcome == "unknown":
        return new if new.outcome != "unknown" else max(known, new, key=lambda one: (one.error, one.node))
    if new.outcome != "unknown" and known != new:
        raise _DamagedError(f"it shares its id with line {first} and has another outcome")
    return known


def _invocation(one: Operation) -> tuple[object, ...]:
    """What is known of an operation when it is invoked; what a read finds is not."""
    value = None if one.op == "read" else one.value
    return one.client, one.op, one.key, value, one.expect, one.invoke, one.final, one.zoo


def _operation(line: dict[str, Any]) -> Operation:
    op, outcome, key = line.get("op"), line.get("outcome"), line.get("key")
    if op not in _KINDS or outcome not in _OUTCOMES or not isinstance(key, str):
        wrong = {"op": op, "outcome": outcome, "key": key}
        raise _DamagedError(", ".join(f"{name} {short(value)}" for name, value in wrong.items()))
    if outcome == "conflict" and op != "cas":
        raise _DamagedError(f"a {op} cannot conflict")
    invoke = _time(line, "invoke")
    complete = None
    if outcome != "unknown" and not (outcome == "fail" and line.get("complete") is None):
        complete = _time(line, "complete")
        if complete < invoke:
            raise _DamagedError("it completed before it was invoked")
    return Operation(
        client=_client(line),
        op=op,
        key=key,
        value=_value(line, "value", required=op in {"write", "cas"}),
        expect=_value(line, "expect"),
        invoke=invoke,
        complete=complete,
        outcome=outcome,
        node=_text(line, "node"),
        final=_flag(line, "final"),
        zoo=kind_of(_text(line, "zoo")),
        error=_text(line, "error"),
    )


def _time(line: dict[str, Any], name: Literal["invoke", "complete"]) -> float:
    value = line.get(name)
    if type(value) not in {int, float} or not 0 <= value <= schema.LONGEST_S:  # type: ignore[operator]
        raise _DamagedError(f"{name} is {short(value)}, not a number of seconds since the start")
    return float(value)  # type: ignore[arg-type]


def _client(line: dict[str, Any]) -> str:
    value = line.get("client")
    if value is not None and type(value) not in {str, int, float}:
        raise _DamagedError(f"client is {short(value)}, not a name or a number")
    return "" if value is None else str(value)


def _text(line: dict[str, Any], name: str) -> str:
    value = line.get(name)
    if value is not None and not isinstance(value, str):
        raise _DamagedError(f"{name} is {short(value)}, not a string")
    return value or ""


def _flag(line: dict[str, Any], name: str) -> bool:
    value = line.get(name)
    if value is not None and not isinstance(value, bool):
        raise _DamagedError(f"{name} is {short(value)}, not true or false")
    return bool(value)


def _value(line: dict[str, Any], name: str, *, required: bool = False) -> str | None:
    value = line.get(name)
    if value is None and required:
        raise _DamagedError(f"{name} is missing")
    if value is None or isinstance(value, str):
        return value
    try:
        return Json.of(value)
    except ValueError:
        raise _DamagedError(f"{name} is {short(value)}, not a number that JSON can hold") from None


def kind_of(recorded: str | None) -> str:
    """The kind of client that a line names, by today's name; the headline's where there is none."""
    return FORMER_KINDS.get(recorded or "", recorded or HEADLINE)
