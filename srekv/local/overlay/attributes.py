"""Attribute values as DynamoDB stores them: numbers trimmed, sets without duplicates, sizes counted. Pure.

Sources: DynamoDB Developer Guide, "Supported data types and naming rules", "Item sizes and formats" and "Quotas"; what
they leave open is as DynamoDB Local does it. Texts are moto's and dynalite's, who had them from AWS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact
from typing import Any

LARGEST_ITEM = 409_600
"""Bytes, included."""

PARTITION_KEY, SORT_KEY = 2048, 1024
"""Bytes that a key's value may have, included."""

DIGITS = 38
EXACT = 300
"""Digits with which any sum of two numbers is exact: from 1E+125 to 1E-130."""

_LARGEST, _SMALLEST = 125, -130
_CONTEXT = Context(prec=EXACT, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact])
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_TRIMMED = re.compile(r"0|-?[1-9]\d{0,37}", re.ASCII)
_SETS = ("SS", "NS", "BS")


class InvalidValue(Exception):
    """A request that DynamoDB refuses with a ValidationException of this text."""


def normalise(document: Any) -> None:
    """Put every number in a request or an answer as DynamoDB stores it, in place; raises InvalidValue.

    An attribute may be named N as well; its value is then no text, so the two cannot be mistaken.
    """
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "N" and isinstance(value, str):
                document[name] = number(value)
            elif name in _SETS and isinstance(value, list) and not any(isinstance(one, dict) for one in value):
                document[name] = _members(name, value)
            elif isinstance(value, dict | list):
                normalise(value)
    elif isinstance(document, list):
        for value in document:
            normalise(value)


def _members(kind: str, values: list[Any]) -> list[Any]:
    kept = [number(value) for value in values] if kind == "NS" else values
    if len(set(kept)) < len(kept):
        shown = f"[{', '.join(map(str, values))}]"
        raise InvalidValue(f"One or more parameter values were invalid: Input collection {shown} contains duplicates.")
    return kept


def number(text: str) -> str:
    """A number without leading and trailing zeros, exponent and sign of zero. Raises InvalidValue."""
    if _TRIMMED.fullmatch(text):
        return text
    if not _NUMBER.fullmatch(text):
        raise InvalidValue(f"The parameter cannot be converted to a numeric value: {text}")
    try:
        value = _CONTEXT.normalize(Decimal(text))
    except Inexact:
        value = None
    if value is None or len(value.as_tuple().digits) > DIGITS:
        raise InvalidValue(f"Attempting to store more than {DIGITS} significant digits in a Number")
    if value and not _SMALLEST <= value.adjusted() <= _LARGEST:
        word, than = ("overflow", "larger") if value.adjusted() > 0 else ("underflow", "smaller")
        raise InvalidValue(f"Number {word}. Attempting to store a number with magnitude {than} than supported range")
    return f"{value:f}" if value else "0"


def item_size(item: Mapping[str, Any]) -> int:
    """The bytes that DynamoDB counts for an item: its attributes' names and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(value: Mapping[str, Any]) -> int:
    """The bytes of one value, numbers already trimmed, binary as bytes or as Base64."""
    ((kind, inner),) = value.items()
    if kind == "M":
        return 3 + len(inner) + item_size(inner)
    if kind == "L":
        return 3 + len(inner) + sum(map(value_size, inner))
    if kind in _SETS:
        return _sum_sizes(kind[0], inner)
    return _sum_sizes(kind, (inner,))


def _sum_sizes(kind: str, values: Iterable[Any]) -> int:
    if kind == "S":
        return sum(len(value.encode()) for value in values)
    if kind == "N":
        return sum(map(_number_size, values))
    if kind == "B":
        return sum(len(one) if isinstance(one, bytes) else len(one) * 3 // 4 - one[-2:].count("=") for one in values)
    return 1  # BOOL and NULL


def _number_size(text: str) -> int:
    """A byte for each two digits, counted in pairs from the decimal point, one for the exponent, one for a minus."""
    value = _CONTEXT.normalize(Decimal(text))
    sign, digits, _ = value.as_tuple()
    is_single = value.adjusted() % 2 == 0  # the first pair holds one digit
    return 1 + sign + (len(digits) + is_single + 1) // 2 if value else 1
