"""What a case is: a question, and the answers that were recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk
from srekv.conformance.model import Rule


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
