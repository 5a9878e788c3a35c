"""DynamoDB: tables take a while to come and to go, and are refused meanwhile."""

from __future__ import annotations

import json
from typing import Any

from srekv.conformance.model import (
    Answer,
    Call,
    Conditions,
    EventuallyVisible,
    Raw,
    Refusal,
    ResponseRule,
    ServiceRules,
    hide_new,
    param,
)

_ITEMS = "PutItem GetItem UpdateItem DeleteItem Query Scan BatchGetItem BatchWriteItem"
_NOT_FOUND = Refusal("ResourceNotFoundException", "Requested resource not found")
_LEFT_OUT = ("KeySchema", "AttributeDefinitions", "CreationDateTime")
"""What the description of a table that goes does not have (B5)."""


class Tables(ServiceRules):
    """Tables on their way in and out, by name: for some polls."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._creating, self._deleting = EventuallyVisible(), EventuallyVisible()
        self._going: dict[str, dict[str, Any]] = {}  # descriptions of tables that the backend has already removed
        self.rules = (
            *hide_new(
                "table-not-seen",
                conditions,
                lambda name: Refusal(_NOT_FOUND.code, f"{_NOT_FOUND.message}: Table: {name} not found"),
                made_by="CreateTable",
                things=param("TableName"),
                polls=(0, 1),
                hidden_from="DescribeTable DescribeContinuousBackups",
                named=param("TableName"),
            ),
            ResponseRule("table-creating", f"{_ITEMS} DeleteTable UpdateTable", refuse=self._refuse_creating),
            ResponseRule("table-creating", "CreateTable DescribeTable", change=self._show_creating),
            ResponseRule("table-deleting", "CreateTable DescribeTable DeleteTable", refuse=self._answer_deleting),
            ResponseRule("table-deleting", "DeleteTable", change=self._start_deleting),
            ResponseRule("table-deleting", "ListTables", change=self._list_deleting),
            *hide_new(
                "recovery-too-early",
                conditions,
                lambda name: Refusal(
                    "ContinuousBackupsUnavailableException",
                    f"Backups are being enabled for the table: {name}. Please retry later",
                ),
                made_by="CreateTable",
                things=param("TableName"),
                polls=(1, 2),
                hidden_from="UpdateContinuousBackups",
                named=param("TableName"),
            ),
        )

    def _refuse_creating(self, call: Call) -> Refusal | None:
        name = call.params.get("TableName", "")
        if not self._creating.poll(name):
            return None
        if call.operation in {"DeleteTable", "UpdateTable"}:
            return _in_use(name, "created")
        return _NOT_FOUND

    def _show_creating(self, call: Call, answer: Answer) -> None:
        name = call.params["TableName"]
        if call.operation == "CreateTable":
            self._creating.start(name, self._conditions.polls("table-creating", call, 1, 2))
            answer["TableDescription"]["TableStatus"] = "CREATING"
        elif not call.replayed and self._creating.poll(name):
            answer["Table"]["TableStatus"] = "CREATING"

    def _answer_deleting(self, call: Call) -> Refusal | Raw | None:
        """Answer for a table that the backend has already forgotten."""
        name = call.params["TableName"]
        if not self._deleting.poll(name):
            return None
        if call.operation == "CreateTable":
            return _in_use(name, "deleted")
        member = "Table" if call.operation == "DescribeTable" else "TableDescription"
        body = json.dumps({member: self._going[name]}).encode()
        return Raw(200, {"Content-Type": "application/x-amz-json-1.0"}, body)

    def _start_deleting(self, call: Call, answer: Answer) -> None:
        if call.replayed:
            return
        table = answer["TableDescription"]
        for member in _LEFT_OUT:
            table.pop(member, None)
        table["TableStatus"] = "DELETING"
        name = table["TableName"]
        self._going[name] = {member: value for member, value in table.items() if isinstance(value, str | int | bool)}
        self._deleting.start(name, self._conditions.polls("table-deleting", call, 1, 2))
        self._creating.end(name)

    def _list_deleting(self, _call: Call, answer: Answer) -> None:
        if not answer.get("LastEvaluatedTableName"):
            leaving = [name for name in self._going if self._deleting.poll(name)]
            answer["TableNames"] = sorted({*answer["TableNames"], *leaving})


def _in_use(name: str, what: str) -> Refusal:
    text = f"Attempt to change a resource which is still in use: Table is being {what}: {name}"
    return Refusal("ResourceInUseException", text)
