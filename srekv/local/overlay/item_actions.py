"""The actions and the resources that IAM judges a DynamoDB call by. Pure.

Sources: Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB"; DynamoDB
Developer Guide, "Using IAM with DynamoDB transactions" and "IAM security policies with PartiQL for DynamoDB".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_PARTS = {
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
"""The parts of transactions, and their actions; transactions have none of their own."""

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_STATEMENT = re.compile(
    r"""\s* (?: EXISTS \s* \( \s* )?
    (?: (?P<Select> SELECT \b (?: "[^"]*" | [^"] )*? \b FROM ) | (?P<Insert> INSERT \s+ INTO )
      | (?P<Update> UPDATE ) | (?P<Delete> DELETE \s+ FROM ) ) \b
    \s* (?P<table> "[^"]+" | [\w-]+ ) (?: \s* \. \s* (?P<index> "[^"]+" | [\w-]+ ) )?""",
    re.IGNORECASE | re.VERBOSE,
)


def asked(action: str, request: dict[str, Any], tables: str) -> list[tuple[str, str]]:
    """Pairs of an action and a resource's ARN; each pair has to be allowed.

    Args:
        action: the API's operation.
        request: its parameters.
        tables: what the ARN of a table that is called by its name begins with.
    """
    return list(dict.fromkeys(_asked(action, request, tables))) or [(action, "*")]


def _asked(action: str, request: dict[str, Any], tables: str) -> Iterator[tuple[str, str]]:
    if action in ("TransactWriteItems", "TransactGetItems"):
        for entry in request.get("TransactItems", ()):
            parts = ((action, entry[kind]) for kind, action in _PARTS.items() if entry.get(kind))
            yield from ((action, _arn(part.get("TableName"), tables)) for action, part in parts)
    elif action in ("BatchGetItem", "BatchWriteItem"):
        yield from ((action, _arn(name, tables)) for name in request.get("RequestItems", ()))
    elif action == "ExecuteStatement":
        yield _of_statement(request, tables)
    elif action in ("BatchExecuteStatement", "ExecuteTransaction"):
        for one in request.get("Statements", request.get("TransactStatements", ())):
            yield _of_statement(one, tables)
    else:
        named = next(
            (request[member] for member in ("TableName", "ResourceArn", "BackupArn") if member in request), None
        )
        yield action, _arn(named, tables, request.get("IndexName"))


def _of_statement(request: dict[str, Any], tables: str) -> tuple[str, str]:
    """Of a PartiQL statement; EXISTS reads (assumed), and one that cannot be read could concern every table."""
    match = _STATEMENT.match(_LITERAL.sub("''", str(request.get("Statement", ""))))
    if match is None:
        return "PartiQLSelect", "*"
    verb = next(verb for verb in ("Select", "Insert", "Update", "Delete") if match[verb])
    table, index = (name.strip('"') if name else None for name in match.group("table", "index"))
    return f"PartiQL{verb}", _arn(table, tables, index)


def _arn(table: str | None, tables: str, index: str | None = None) -> str:
    """Of a table by its name or its ARN, or of an index of it; "*" without a table."""
    if not table:
        return "*"
    arn = table if table.startswith("arn:") else f"{tables}{table}"
    return f"{arn}/index/{index}" if index else arn
