"""The events of a history: which members each kind has, and what they may hold. Readers get no others.

A member may always be null or absent, unless the event means nothing without it. Members that are not named here are
kept as they are; nothing computes with them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

FORMAT = 2
"""The `format` that a `start` names: the history ends with an `eof`. Older ones name none and have no `eof`."""

LONGEST_S = 1e10
"""The longest time in a history, seconds: 300 years. Unix times fit, milliseconds do not."""

RATES = (0.001, 1_000_000)
"""The lowest and the highest rate of a load, operations a second."""


class Kind(NamedTuple):
    """What a member may hold, and the same in words."""

    words: str
    fits: Callable[[Any], bool]


def number(low: float, high: float, unit: str = "") -> Kind:
    """A finite number; true and false are none."""
    words = f"a number from {low:g} to {high:g}{unit}"
    return Kind(words, lambda value: type(value) in {int, float} and low <= value <= high)


def _members(**kinds: Kind) -> Kind:
    words = "an object with " + ", ".join(f"{name} ({kind.words})" for name, kind in kinds.items())
    return Kind(words, lambda value: isinstance(value, dict) and not _misfit(value, kinds))


def _misfit(found: dict[str, Any], kinds: dict[str, Kind]) -> str:
    """The first member that holds what it may not, "" if there is none."""
    return next((name for name, kind in kinds.items() if _given(found, name) and not kind.fits(found[name])), "")


def _given(found: dict[str, Any], name: str) -> bool:
    return found.get(name) is not None


SECONDS = number(-LONGEST_S, LONGEST_S, " seconds")
_TEXT = Kind("a string", lambda value: isinstance(value, str))
_TEXTS = Kind("a list of strings", lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value))
_FLAG = Kind("true or false", lambda value: isinstance(value, bool))
_WHOLE = Kind("a whole number", lambda value: type(value) is int)
COUNT = Kind("a whole number, 0 or more", lambda value: type(value) is int and 0 <= value <= sys.maxsize)
_SPEED = number(0.001, 1_000_000)
DURATION = number(0, LONGEST_S, " seconds")
SHARE = number(0, 1)
_TTL = number(0, 2**32 - 1, " seconds")
_NODE = _members(node=_TEXT, address=_TEXT, check=_TEXT)
_FAULT = {"fault": _TEXT, "node": _TEXT, "what": _TEXT}
_WORD = {"check": _TEXT, "node": _TEXT, "healthy": _FLAG, "clock": _TEXT}

MEMBERS: dict[str, dict[str, Kind]] = {
    "start": {
        **dict.fromkeys(("name", "resolver", "run"), _TEXT),
        **dict.fromkeys(("format", "port", "keys"), COUNT),
        "epoch": SECONDS,
        "speed": _SPEED,
        "seed": _WHOLE,
        "rate": number(*RATES),
        "timeout_s": DURATION,
        "clients": _TEXTS,
    },
    "drill": {
        **dict.fromkeys(("run", "fault", "title", "name", "stack", "region", "vantage"), _TEXT),
        **dict.fromkeys(("primary", "secondary"), _NODE),
        **dict.fromkeys(("clients", "keys"), COUNT),
        **dict.fromkeys(("bound_s", "op_timeout_s"), DURATION),
        "expect": _members(switch=_FLAG, outage=_FLAG, lost=COUNT),
        "promises": _members(max_outage_s=number(0, sys.float_info.max), max_lost=COUNT, min_availability=SHARE),
        "interval": number(1, 86_400, " seconds"),
        "threshold": number(1, 1_000),
        "ttl": _TTL,
        "rate": number(*RATES),
        "zoo": _TEXTS,
        "seed": _WHOLE,
        "speed": _SPEED,
        "versions": Kind("an object", lambda value: isinstance(value, dict)),
    },
    "fault": _FAULT,
    "heal": _FAULT,
    "dns": {"asked": SECONDS, "answer": _TEXTS, "ttl": _TTL, "rcode": _TEXT, "authoritative": _FLAG},
    "health": {**_WORD, "checkers": COUNT, "failing": COUNT},
    "observation": {**_WORD, "checker": _TEXT},
    "lag": {"late": DURATION},
    "end": {"removed": COUNT, "left": _TEXTS},
    "resumed": {},
    "eof": {"lines": COUNT},
}
"""Event -> its members -> what they may hold."""

_NEEDED = {"dns": ("answer",), "health": ("healthy",), "observation": ("healthy",), "lag": ("late",), "eof": ("lines",)}
"""Event -> the members without which it means nothing."""

ONCE = ("start", "drill", "eof")
"""Events that are in a history once: two of them are two histories in one file."""


def damage(line: dict[str, Any]) -> str:
    """Why a line with the member `event` is none that can be read; "" when it can. `at` is its time, seconds.

    An event of another kind is anybody's: it needs no time, and is ignored.
    """
    event = line.get("event")
    if not isinstance(event, str):
        return "event is not a string"
    if "op" in line:
        return "it has op and event: a line is an operation or an event"
    kinds = MEMBERS.get(event)
    needed = () if kinds is None else ("at", *_NEEDED.get(event, ()))
    if missing := [name for name in needed if not _given(line, name)]:
        return f"the event {event} has no {missing[0]}"
    kinds = {"at": SECONDS, **(kinds or {})}
    name = _misfit(line, kinds)
    return f"{name} of the event {event} is not {kinds[name].words}" if name else ""
