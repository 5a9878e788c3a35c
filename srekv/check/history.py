"""Reading a history: lines in any order, the last line of an id wins, unknown members are ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from srekv.check.model import HEADLINE, Event, History, Operation

_KINDS = ("read", "write", "cas", "delete")
_OUTCOMES = ("ok", "conflict", "fail", "unknown")


class _DamagedError(ValueError):
    """A line that is neither an operation nor an event."""


def parse(lines: Iterable[str]) -> History:
    """The history in these lines; a line that cannot be understood is reported, not raised.

    A drill that is killed may leave half a line at the end: that one is no damage, its operation was announced before.
    A file that has nothing else is none of ours.
    """
    operations: dict[object, Operation] = {}
    events: list[Event] = []
    damaged: list[str] = []
    texts = [text for text in lines if text.strip()]
    for number, text in enumerate(texts, start=1):
        try:
            line = _object(text)
            if "event" in line:
                events.append(_event(line))
            else:
                operations[_identity(line, number)] = _operation(line)
        except _DamagedError as error:
            if number < len(texts) or text.endswith("\n") or len(texts) == 1:
                damaged.append(f"line {number}: {error}")
    return History(
        operations=tuple(sorted(operations.values(), key=lambda one: one.invoke)),
        events=tuple(sorted(events, key=lambda one: one.at)),
        damaged=tuple(damaged),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise _DamagedError(f"not JSON: {error}") from error
    if not isinstance(line, dict):
        raise _DamagedError("not an object")
    return line


def _identity(line: dict[str, Any], number: int) -> object:
    """What lines of one operation share; a line without an id is an operation of its own."""
    return str(line["id"]) if "id" in line else number


def _event(line: dict[str, Any]) -> Event:
    if not isinstance(line["event"], str):
        raise _DamagedError("event is not a string")
    members = {name: value for name, value in line.items() if name not in {"event", "at"}}
    return Event(event=line["event"], at=_time(line, "at", default=0.0), members=members)


def _operation(line: dict[str, Any]) -> Operation:
    op, outcome, key = line.get("op"), line.get("outcome"), line.get("key")
    if op not in _KINDS or outcome not in _OUTCOMES or not isinstance(key, str):
        raise _DamagedError(f"op {op!r}, outcome {outcome!r}, key {key!r}")
    if outcome == "conflict" and op != "cas":
        raise _DamagedError(f"a {op} cannot conflict")
    invoke = _time(line, "invoke")
    complete = None
    if outcome != "unknown" and not (outcome == "fail" and line.get("complete") is None):
        complete = _time(line, "complete")
        if complete < invoke:
            raise _DamagedError("it completed before it was invoked")
    return Operation(
        client=str(line.get("client", "")),
        op=op,
        key=key,
        value=_text(line, "value", required=op in {"write", "cas"}),
        expect=_text(line, "expect"),
        invoke=invoke,
        complete=complete,
        outcome=outcome,
        node=str(line.get("node") or ""),
        final=bool(line.get("final")),
        zoo=str(line.get("zoo") or HEADLINE),
        error=str(line.get("error") or ""),
    )


def _time(line: dict[str, Any], name: str, default: float | None = None) -> float:
    value = line.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _DamagedError(f"{name} is {value!r}, not a number of seconds")
    return float(value)


def _text(line: dict[str, Any], name: str, *, required: bool = False) -> str | None:
    value = line.get(name)
    if value is None and required:
        raise _DamagedError(f"{name} is missing")
    if value is not None and not isinstance(value, str):
        return json.dumps(value, sort_keys=True)  # any JSON value will do, as long as equal ones are equal
    return value
