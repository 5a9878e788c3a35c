"""DynamoDB's laws: tables take a while to come and to go, and are refused meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.conformance.model import Call, Conditions, Law, Lenient, Moments, Raw, Refusal, Rule

_ITEMS = frozenset(
    {"PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"}
)
_NOT_WHILE_PASSING = frozenset({"DeleteTable", "UpdateTable"})
_DOCUMENTED = "documentation of CreateTable, DescribeTable and DeleteTable"
_LEFT_OUT = ("KeySchema", "AttributeDefinitions", "CreationDateTime")
"""What the description of a table that goes does not have (B5)."""


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set."""
    phases = Phases(conditions)
    return (TableNotSeen(phases), TableCreating(phases), TableDeleting(phases), RecoveryTooEarly(conditions))


@dataclass
class Phases:
    """Tables on their way in and out, by name: for so many looks.

    Attributes:
        unseen: created, and not described yet.
        going: the descriptions of tables that the backend has already removed.
    """

    conditions: Conditions
    unseen: Moments = field(default_factory=Moments)
    creating: Moments = field(default_factory=Moments)
    deleting: Moments = field(default_factory=Moments)
    going: dict[str, dict[str, Any]] = field(default_factory=dict)

    def looks(self, rule: Rule, call: Call, low: int, high: int) -> int:
        """How long a moment lasts that begins with this call."""
        return self.conditions.between(rule, f"{call.operation}#{call.number}", low, high)


class _TableLaw(Lenient):
    """A law that looks at tables on their way."""

    def __init__(self, phases: Phases) -> None:
        self.phases = phases


class TableNotSeen(_TableLaw):
    """DescribeTable is eventually consistent."""

    rule = Rule(
        id="table-not-seen",
        rows=("aws-facts 5",),
        source=_DOCUMENTED,
        says="A new table may not be found by the first DescribeTable.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse the first look, by the seed."""
        if call.service != "dynamodb" or call.operation not in {"DescribeTable", "DescribeContinuousBackups"}:
            return None
        name = _table(call)
        return _not_found(name) if self.phases.unseen.look(name) else None

    def after(self, call: Call, _answer: dict[str, Any]) -> None:
        """A table has been created."""
        if call.operation == "CreateTable":
            self.phases.unseen.begin(_table(call), self.phases.looks(self.rule, call, 0, 1))


class TableCreating(_TableLaw):
    """CreateTable answers before the table is there."""

    rule = Rule(
        id="table-creating",
        rows=("B1", "B4"),
        source=f"localstack dynamodb/test_dynamodb, recorded 2025-10-08; {_DOCUMENTED}",
        says="A new table is CREATING for a while: no items, no change, no deletion until it is ACTIVE.",
    )

    def before(self, call: Call) -> Refusal | None:
        """Refuse what needs the table."""
        if call.service != "dynamodb" or not self.phases.creating.lasts(_table(call)):
            return None
        name = _table(call)
        if call.operation in _ITEMS and self.phases.creating.look(name):
            return Refusal("ResourceNotFoundException", "Requested resource not found")
        if call.operation in _NOT_WHILE_PASSING and self.phases.creating.look(name):
            return _in_use(name, "created")
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Show it as CREATING."""
        if call.operation == "CreateTable":
            self.phases.creating.begin(_table(call), self.phases.looks(self.rule, call, 1, 2))
            answer["TableDescription"]["TableStatus"] = "CREATING"
        elif call.operation == "DescribeTable" and not call.replayed and self.phases.creating.look(_table(call)):
            answer["Table"]["TableStatus"] = "CREATING"


class TableDeleting(_TableLaw):
    """DeleteTable answers before the table has gone."""

    rule = Rule(
        id="table-deleting",
        rows=("B5",),
        source=f"localstack dynamodb/test_dynamodb; {_DOCUMENTED}",
        says="A table that is deleted is DELETING first, not described in full, and its name is not free yet.",
    )

    def before(self, call: Call) -> Refusal | Raw | None:
        """Answer for a table that the backend has already forgotten."""
        name = _table(call) if call.service == "dynamodb" else ""
        if not self.phases.deleting.lasts(name):
            return None
        if call.operation == "CreateTable" and self.phases.deleting.look(name):
            return _in_use(name, "deleted")
        if call.operation in {"DescribeTable", "DeleteTable"} and self.phases.deleting.look(name):
            member = "Table" if call.operation == "DescribeTable" else "TableDescription"
            return _answer({member: self.phases.going[name]})
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Show it as DELETING."""
        if call.service != "dynamodb" or call.replayed:
            return
        if call.operation == "DeleteTable":
            table = answer["TableDescription"]
            for member in _LEFT_OUT:
                table.pop(member, None)
            table["TableStatus"] = "DELETING"
            self.phases.going[table["TableName"]] = {
                name: value for name, value in table.items() if isinstance(value, str | int | bool)
            }
            self.phases.deleting.begin(table["TableName"], self.phases.looks(self.rule, call, 1, 2))
            self.phases.creating.end(table["TableName"])
        elif call.operation == "ListTables" and not answer.get("LastEvaluatedTableName"):
            leaving = [name for name in self.phases.going if self.phases.deleting.look(name)]
            answer["TableNames"] = sorted({*answer["TableNames"], *leaving})


class RecoveryTooEarly(Lenient):
    """Backups are enabled behind the scenes, after the table is ACTIVE."""

    rule = Rule(
        id="recovery-too-early",
        rows=("aws-facts 5",),
        source="documentation of UpdateContinuousBackups; scalar-labs/scalardb#347; aws-amplify/amplify-backend#1654",
        says="Point-in-time recovery cannot be switched on for some seconds, also when the table is ACTIVE.",
    )

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._early = Moments()

    def before(self, call: Call) -> Refusal | None:
        """Refuse the first tries."""
        name = _table(call)
        if call.operation == "UpdateContinuousBackups" and self._early.look(name):
            return Refusal(
                "ContinuousBackupsUnavailableException",
                f"Backups are being enabled for the table: {name}. Please retry later",
            )
        return None

    def after(self, call: Call, _answer: dict[str, Any]) -> None:
        """A table has been created."""
        if call.operation == "CreateTable":
            tries = self._conditions.between(self.rule, f"{call.operation}#{call.number}", 1, 2)
            self._early.begin(_table(call), tries)


def _table(call: Call) -> str:
    return str(call.params.get("TableName", "")) if call.service == "dynamodb" else ""


def _not_found(name: str) -> Refusal:
    return Refusal("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")


def _in_use(name: str, what: str) -> Refusal:
    text = f"Attempt to change a resource which is still in use: Table is being {what}: {name}"
    return Refusal("ResourceInUseException", text)


def _answer(document: Mapping[str, Any]) -> Raw:
    return Raw(200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(document).encode())
