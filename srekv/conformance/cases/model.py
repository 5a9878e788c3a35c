"""What a case is: a question, the recorded answer, and what was seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from srekv.conformance.model import Rule

if TYPE_CHECKING:
    from srekv.conformance.cases.desk import Desk


class NotAskedError(Exception):
    """The question cannot be put here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One answer: HTTP status, Error.Code ("" for success), and the error's text or what a success showed."""

    status: int
    code: str = ""
    text: str = ""

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.status, self.code, self.text) if part)


@dataclass(frozen=True)
class Answer:
    """An answer that was recorded; the text is a regular expression that must be found ("" matches any)."""

    status: int
    code: str = ""
    text: str = ""

    def matches(self, seen: Seen) -> bool:
        """Whether this is what was seen."""
        same = (self.status, self.code) == (seen.status, seen.code)
        return same and re.search(self.text, seen.text, re.DOTALL) is not None

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.status, self.code, self.text) if part)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question.

    Attributes:
        rule: what it is about.
        law: the id of the layer's rule that lets an emulator answer so; one that no law has: emulators answer so.
        needs: what it makes for the question, and removes again; "" for nothing.
        answers: the recorded answers; any of them will do.
        ask: puts the question.
        expensive: launches an instance.
    """

    rule: Rule
    law: str
    needs: str
    answers: tuple[Answer, ...]
    ask: Callable[[Desk], Seen]
    expensive: bool = False

    @property
    def id(self) -> str:
        """The rule's id: one question a rule."""
        return self.rule.id


def case(
    name: str,
    rows: str,
    says: str,
    *answers: Answer,
    source: str,
    needs: str = "",
    law: str = "",
    expensive: bool = False,
) -> Callable[[Callable[[Desk], Seen]], Case]:
    """Make a case of the function that asks.

    Args:
        name: the rule's id.
        rows: the rows of the recorded behaviour, separated by spaces.
        says: the rule in a sentence.
        *answers: the recorded answers.
        source: where they were recorded.
        needs: see Case.
        law: see Case; the rule's own id if not given.
        expensive: see Case.
    """
    rule = Rule(id=name, rows=tuple(rows.split()), source=source, says=says)

    def decorate(ask: Callable[[Desk], Seen]) -> Case:
        return Case(rule=rule, law=law or name, needs=needs, answers=answers, ask=ask, expensive=expensive)

    return decorate
