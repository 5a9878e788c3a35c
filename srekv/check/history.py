"""Reading a history: lines in any order, one outcome for each id, unknown members are ignored.

What cannot be read is damage with the line's number in the file, never an error: whoever judges the history decides
what it may still prove. Every event and operation that is read holds what its kind may hold, and nothing else.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import msgspec

from srekv.check.formats.lines import DECODER, Damage, short
from srekv.check.model import Event, History, Json, Kind, Operation, Outcome, inconsistency
from srekv.drill import events as schema
from srekv.drill.model import FORMER_KINDS, HEADLINE

_DEEPEST = 32
"""How deep objects and lists may be nested."""

_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?=[\s,]))')
"""The id of half a line, where it is the first member."""

_MEMBER = re.compile(rb'"(?:op|event)"\s*:')
"""What makes even a damaged line one of a history."""


_Seconds = Annotated[float, msgspec.Meta(ge=0, le=schema.LONGEST_S)]
_Scalar = str | int | float | None


class _Line(msgspec.Struct, gc=False):
    """The members of an operation's line; others are ignored."""

    op: Kind
    key: str
    invoke: _Seconds
    outcome: Outcome
    complete: _Seconds | None = None
    client: _Scalar = None
    value: Any = None
    expect: Any = None
    id: _Scalar = None
    node: str | None = None
    final: bool | None = None
    zoo: str | None = None
    error: str | None = None


class _Ordinary(_Line, forbid_unknown_fields=True, gc=False):
    """A line as most tools write it, and srekv.probe does: decoded in one step."""

    value: _Scalar = None
    expect: _Scalar = None
    address: str | None = None
    status: int | None = None
    attempts: int | None = None
    gave_up: float | None = None


_DECODE = msgspec.json.Decoder(_Ordinary).decode


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pauses Python's cyclic garbage collector; afterwards it is as it was.

    Reading and judging make millions of objects that live until the verdict and refer to one another in no cycle: the
    collector would walk over all of them again and again, for two thirds of the time, and find nothing.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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
    count, first, last = 0, b"", (0, b"")
    for number, line in enumerate(lines, start=1):
        text = line if isinstance(line, bytes) else line.encode(errors="surrogatepass")
        if text and not text.isspace():
            reader.take(number, text)
            count, first, last = count + 1, first or text, (number, text)
    if count > 1 and first.endswith(b"\n") and not last[1].endswith(b"\n"):
        reader.take_half(*last)
    return reader.history(count)


@dataclass
class _Reader:
    """What was read so far: operations, the lines that they were first on, and their places by id."""

    operations: list[Operation] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    known: dict[object, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    damaged: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    once: dict[str, int] = field(default_factory=dict)
    is_history: bool = False

    def take(self, number: int, text: bytes) -> None:
        """Read a line that is not blank."""
        try:
            try:
                line: _Line = _DECODE(text)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                members = _object(text)
                if "event" in members:
                    return self._event(number, members)
                line = _checked(members)
            self._operation(number, line)
        except Damage as error:
            self.damaged[number] = str(error)
            self.is_history = self.is_history or bool(_MEMBER.search(text))

    def take_half(self, number: int, text: bytes) -> None:
        """The last line again, without its end: one that can be read is whole, but for the `eof`, which ends a file."""
        cut, ident = "the last line is cut off", _half_an_identity(text)
        place = self.known.get(ident)
        if number not in self.damaged:
            if self.once.get("eof") == number:
                self.damaged[number] = cut
        elif place is not None and self.operations[place].outcome == "unknown":
            del self.damaged[number]
            self.notes.append(f"line {number}: {cut}; the operation {short(ident)} counts as unknown")
        else:
            self.damaged[number] = cut

    def history(self, lines: int) -> History:
        """Everything that was read, of so many lines."""
        for written in (one.members["lines"] for one in self.events if one.event == "eof"):
            if written != lines:
                self.damaged.setdefault(self.once["eof"], f"{written} lines were written, {lines} are there")
        for number, one in zip(self.numbers, self.operations, strict=True) if self.values else ():
            if any(type(value) is str and value in self.values for value in (one.value, one.expect)):
                self.damaged[number] = "it has a value as a string that another operation has as another JSON value"
        return History(
            operations=tuple(sorted(self.operations, key=attrgetter("invoke"))),
            events=tuple(sorted(self.events, key=attrgetter("at"))),
            damaged=tuple(f"line {number}: {why}" for number, why in sorted(self.damaged.items())),
            notes=tuple(self.notes),
            is_history=self.is_history or bool(self.operations or self.events),
        )

    def _event(self, number: int, line: dict[str, Any]) -> None:
        if why := schema.damage(line):
            raise Damage(why)
        name = line["event"]
        if name in schema.ONCE and self.once.setdefault(name, number) != number:
            raise Damage(f"a second {name}, the first is line {self.once[name]}: two histories in one file")
        members = {name: value for name, value in line.items() if name not in {"event", "at"} and value is not None}
        self.events.append(Event(event=name, at=float(line.get("at") or 0.0), members=members))

    def _operation(self, number: int, line: _Line) -> None:
        """A line without an id is an operation of its own. Each name of a client or key is kept once."""
        names, client, value, expect = self.names, line.client, line.value, line.expect
        if type(client) is not str:
            client = "" if client is None else str(client)
        operation = Operation(
            client=names.setdefault(client, client),
            op=line.op,
            key=names.setdefault(line.key, line.key),
            value=value if value is None or type(value) is str else self._json(value),
            expect=expect if expect is None or type(expect) is str else self._json(expect),
            invoke=line.invoke,
            complete=None if line.outcome == "unknown" else line.complete,
            outcome=line.outcome,
            node=line.node or "",
            final=line.final is True,
            policy=FORMER_KINDS.get(line.zoo, line.zoo) if line.zoo else HEADLINE,
            error=line.error or "",
        )
        if why := inconsistency(operation):
            raise Damage(why)
        place = None if line.id is None else self.known.setdefault(line.id, len(self.operations))
        if place is None or place == len(self.operations):
            self.operations.append(operation)
            self.numbers.append(number)
        else:
            self.operations[place] = _joined(self.operations[place], operation, self.numbers[place])

    def _json(self, value: object) -> str:
        """A value that is no string. The number 1 is not the string "1": a history with both is wrong somewhere."""
        try:
            text = Json.of(value)
        except ValueError:
            raise Damage(f"{short(value)} is not a number that JSON can hold") from None
        self.values.add(text)
        return text


def _object(text: bytes) -> dict[str, Any]:
    try:
        whole = text.decode().strip(" \t\r\n")
        line, end = DECODER.raw_decode(whole)
    except UnicodeDecodeError as error:
        raise Damage(f"not UTF-8: {error.reason} at byte {error.start + 1}") from error
    except ValueError as error:
        raise Damage(f"not JSON: {short(str(error))}") from error
    except RecursionError as error:
        raise Damage("nested too deep") from error
    if not isinstance(line, dict):
        raise Damage("not an object")
    if end != len(whole):
        raise Damage(f"not JSON: something follows at character {end + 1}")
    if text.count(b"{") + text.count(b"[") > _DEEPEST and _is_deep(line, _DEEPEST):
        raise Damage("nested too deep")
    if b"\\u" in text:
        try:
            json.dumps(line, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Damage("a string with half a surrogate pair") from None
    return line


def _is_deep(value: object, left: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not left or any(_is_deep(one, left - 1) for one in inner)


def _checked(members: dict[str, Any]) -> _Line:
    """An operation's line, of these members; an unknown outcome has no completion, whatever stands there."""
    if members.get("outcome") == "unknown":
        members = {**members, "complete": None}
    try:
        return msgspec.convert(members, _Line)
    except msgspec.ValidationError as error:
        raise Damage(short(str(error))) from None


def _half_an_identity(text: bytes) -> object:
    """The id in half a line; None when it is not whole itself."""
    match = _ID.match(text)
    try:
        return _object(b'{"id": %b}' % match[1])["id"] if match else None
    except Damage:
        return None


def _joined(known: Operation, new: Operation, first: int) -> Operation:
    """One operation of two lines that share an id: what is known of its outcome wins over unknown, in any order."""
    if _invocation(known) != _invocation(new):
        raise Damage(f"it shares its id with line {first} and is another operation")
    if known.outcome == "unknown":
        return new if new.outcome != "unknown" else max(known, new, key=attrgetter("error", "node"))
    if new.outcome != "unknown" and known != new:
        raise Damage(f"it shares its id with line {first} and has another outcome")
    return known


def _invocation(one: Operation) -> tuple[object, ...]:
    """What is known of an operation when it is invoked; what a read finds is not."""
    value = None if one.op == "read" else one.value
    return one.client, one.op, one.key, value, one.expect, one.invoke, one.final, one.policy
