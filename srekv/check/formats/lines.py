"""What every reader of a format has in common: numbered lines, damage, and the error for what srekv cannot judge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Reads JSON, of which NaN and infinity are no part."""

SHOWN = 60
"""How many characters of a wrong value a message shows."""


class FormatError(ValueError):
    """A line holds an operation that srekv cannot judge; leaving it out would change what the history proves."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"line {number}: {why}")


class Damage(ValueError):
    """Why a line cannot be understood."""


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, str | Damage]]:
    """The lines as text, each with its number in the file, counted from 1."""
    for number, line in enumerate(lines, start=1):
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            yield number, Damage(f"not UTF-8: {error.reason} at byte {error.start + 1}")


def short(value: object) -> str:
    """A wrong value, for a message."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
