"""The formats of histories, and how each is recognised: srekv's own, Jepsen's EDN and JSON, Porcupine's etcd logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

from srekv.check.formats.lines import FormatError
from srekv.check.model import History

__all__ = ["FORMATS", "Format", "FormatError", "format_of", "read", "recognise"]

Format = Literal["srekv", "jepsen", "jepsen-json", "porcupine"]

FORMATS: tuple[Format, ...] = get_args(Format)

_HEAD = 65536
"""How many bytes of a file are read to recognise its format."""

_MARKS: tuple[tuple[Format, re.Pattern[bytes]], ...] = (
    ("porcupine", re.compile(rb"^INFO\s+jepsen\.util\s+-\s", re.MULTILINE)),
    ("jepsen", re.compile(rb"(?:\s|,|;.*\n)*[\[(]?\s*(?:#[\w./-]+\s*)?\{\s*:")),
    ("jepsen-json", re.compile(rb"\s*\[\s*\{\s*\"")),
    ("jepsen-json", re.compile(rb"(?!.*\"(?:op|event)\"\s*:)\s*\{.*\"type\"\s*:\s*\"(?:invoke|ok|fail|info)\"")),
)
"""What a file of another format begins with; Porcupine's has such a line somewhere."""


def recognise(head: bytes) -> Format:
    """The format of a file, by the bytes that it begins with; srekv's own where it is none of the others."""
    found = (name for name, mark in _MARKS if (mark.search if name == "porcupine" else mark.match)(head))
    return next(found, "srekv")


def format_of(path: Path) -> Format:
    """The format of a file.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        return recognise(file.read(_HEAD))


def read(path: Path, format_: Format | None = None) -> History:
    """The history in a file, whatever its format; None: the format is recognised.

    Raises:
        OSError: it cannot be opened.
        FormatError: a line holds an operation that srekv cannot judge.
    """
    from srekv.check import history
    from srekv.check.formats import jepsen, porcupine

    name = format_ or format_of(path)
    if name == "srekv":
        return history.read(path)
    parse = {"jepsen": jepsen.parse_edn, "jepsen-json": jepsen.parse_json, "porcupine": porcupine.parse}[name]
    with path.open("rb") as file:
        return parse(file)
