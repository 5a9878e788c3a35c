"""Reads the cases, cases.toml: each a question, and the answers that were recorded."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from srekv.conformance.model import RULES, Rule


@dataclass(frozen=True)
class Answer:
    """HTTP status, Error.Code ("" for success), and the error's text or what a success showed.

    The text of a recorded answer is a regular expression that must be found ("" matches any).
    """

    status: int
    code: str = ""
    text: str = ""

    def matches(self, seen: Answer) -> bool:
        """Whether this recorded answer is what was seen."""
        same = (self.status, self.code) == (seen.status, seen.code)
        return same and re.search(self.text, seen.text, re.DOTALL) is not None

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.status, self.code, self.text) if part)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question; its members are those of cases.toml."""

    rule: Rule
    law: str
    answers: tuple[Answer, ...]
    needs: str = ""
    expensive: bool = False
    unknown_key: bool = False
    first: Sequence[tuple[str, Mapping[str, Any]]] = ()
    call: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    shows: str = ""
    changes: Sequence[tuple[str, Mapping[str, Any]]] = ()

    @property
    def id(self) -> str:
        """The rule's id: one question a rule."""
        return self.rule.id


def _read() -> Iterator[Case]:
    members = tomllib.loads(Path(__file__).with_name("cases.toml").read_text(encoding="utf-8"))
    for name, given in members.items():
        own = {member: given.pop(member) for member in ("source", "says") if member in given}
        rows = tuple(given.pop("rows", RULES[name].rows))
        answers = tuple(Answer(*recorded) for recorded in given.pop("answers"))
        yield Case(rule=replace(RULES[name], rows=rows, **own), answers=answers, **{"law": name, **given})


CASES = tuple(_read())
"""In the order in which they are asked."""
