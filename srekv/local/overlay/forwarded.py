"""DynamoDB as somebody else's database has it, and what such databases leave out: tags and point-in-time recovery.

DynamoDB Local answers tags and backups with UnknownOperationException. They have to live as long as the table, so they
are kept beside it: in a table NOTES of the same database, which goes with the last of ours.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from moto.dynamodb.responses import DynamoHandler

from srekv.local.database import Database, Refused, Reply
from srekv.local.overlay.errors import Answer, Fault, render
from srekv.local.overlay.world import World

NOTES = "srekv.notes"
ITEM_CALLS = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
"""Handed on as they are, without a lock: the database sees to their order."""

ACTIVE_S = 10.0
"""How long a new table of notes may take, wall-clock seconds."""

_ARN = re.compile(rb"arn:aws:dynamodb:[\w-]*:\d{12}:table/")
_KEPT = ("x-amz-crc32", "x-amzn-requestid")
_NOT_FOUND = "Requested resource not found"

Document = dict[str, Any]


class ForwardedDynamoDb(DynamoHandler):
    """One request; moto parses it, the database answers it."""

    def __init__(self, world: World, database: Database) -> None:
        super().__init__()
        self._account = world.settings.account
        self._database = database

    def call_action(self) -> Answer:
        """The database's answer, or ours."""
        action = self._get_action() or ""
        own: dict[str, Callable[[Document], Document]] = {
            "CreateTable": self._create_table,
            "DeleteTable": self._delete_table,
            "DescribeContinuousBackups": self._describe_recovery,
            "ListBackups": self._list_backups,
            "ListTables": self._list_tables,
            "ListTagsOfResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "UpdateContinuousBackups": self._update_recovery,
        }
        try:
            if action not in own:
                return self._as_ours(self._database.forward(action, self.region, self.raw_body), action)
            document = own[action](json.loads(self.raw_body))
            return self._as_ours((200, {}, json.dumps(document).encode()), action)
        except Refused as refused:
            return self._as_ours(refused.reply, action)
        except (OSError, http.client.HTTPException, ValueError) as error:
            fault = Fault(status=500, code="InternalServerError", message=f"the database does not answer: {error!r}")
            return render("json", fault, str(uuid.uuid4()))

    def _as_ours(self, reply: Reply, action: str) -> Answer:
        """An answer with this cloud's ARNs; items are nobody's business, and their checksum holds."""
        status, headers, body = reply
        kept = {name: headers[name] for name in _KEPT if name in headers}
        if action not in ITEM_CALLS:
            kept.pop("x-amz-crc32", None)
            body = _ARN.sub(f"arn:aws:dynamodb:{self.region}:{self._account}:table/".encode(), body)
        return status, {"Content-Type": "application/x-amz-json-1.0", **kept}, body

    def _ask(self, operation: str, **request: Any) -> Document:
        return self._database.call(operation, self.region, **request)

    # Tables.

    def _create_table(self, request: Document) -> Document:
        tags = request.pop("Tags", [])
        document = self._ask("CreateTable", **request)
        self._note(request["TableName"], {"tags": _pairs(tags), "recovery": False})
        return document

    def _delete_table(self, request: Document) -> Document:
        document = self._ask("DeleteTable", **request)
        with contextlib.suppress(Refused):  # there were no notes
            self._ask("DeleteItem", TableName=NOTES, Key={"table": {"S": request["TableName"]}})
            if not self._ask("Scan", TableName=NOTES, Limit=1)["Count"]:
                self._ask("DeleteTable", TableName=NOTES)
        return document

    def _list_tables(self, request: Document) -> Document:
        document = self._ask("ListTables", **request)
        return {**document, "TableNames": [name for name in document["TableNames"] if name != NOTES]}

    # What databases leave out.

    def _list_tags(self, request: Document) -> Document:
        tags = self._noted(_table_of(request["ResourceArn"]))["tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _tag(self, request: Document) -> Document:
        table = _table_of(request["ResourceArn"])
        notes = self._noted(table)
        self._note(table, {**notes, "tags": notes["tags"] | _pairs(request["Tags"])})
        return {}

    def _untag(self, request: Document) -> Document:
        table = _table_of(request["ResourceArn"])
        notes = self._noted(table)
        kept = {key: value for key, value in notes["tags"].items() if key not in request["TagKeys"]}
        self._note(table, {**notes, "tags": kept})
        return {}

    def _describe_recovery(self, request: Document) -> Document:
        return _recovery(on=self._noted(request["TableName"], missing="TableNotFoundException")["recovery"])

    def _update_recovery(self, request: Document) -> Document:
        table = request["TableName"]
        notes = self._noted(table, missing="TableNotFoundException")
        on = request["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        self._note(table, {**notes, "recovery": on})
        return _recovery(on=on)

    def _list_backups(self, request: Document) -> Document:
        try:
            return self._ask("ListBackups", **request)
        except Refused as refused:
            if refused.code != "UnknownOperationException":
                raise
            return {"BackupSummaries": []}

    def _noted(self, table: str, missing: str = "ResourceNotFoundException") -> Document:
        """What is noted of a table; raises Refused, with that code, when there is no such table."""
        try:
            self._ask("DescribeTable", TableName=table)
        except Refused as refused:
            if refused.code == "ResourceNotFoundException":
                raise Refused(_refusal(missing, _NOT_FOUND)) from None
            raise
        item: Document = {}
        with contextlib.suppress(Refused):  # nothing was ever noted
            key = {"table": {"S": table}}
            item = self._ask("GetItem", TableName=NOTES, Key=key, ConsistentRead=True).get("Item", {})
        notes: Document = json.loads(item["notes"]["S"]) if item else {"tags": {}, "recovery": False}
        return notes

    def _note(self, table: str, notes: Document) -> None:
        item = {"table": {"S": table}, "notes": {"S": json.dumps(notes)}}
        try:
            self._ask("PutItem", TableName=NOTES, Item=item)
        except Refused as refused:
            if refused.code != "ResourceNotFoundException":
                raise
            self._ask(
                "CreateTable",
                TableName=NOTES,
                KeySchema=[{"AttributeName": "table", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "table", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            self._await_notes()
            self._ask("PutItem", TableName=NOTES, Item=item)

    def _await_notes(self) -> None:
        end = time.monotonic() + ACTIVE_S
        while self._ask("DescribeTable", TableName=NOTES)["Table"]["TableStatus"] != "ACTIVE":
            if time.monotonic() > end:
                raise TimeoutError(f"the table {NOTES} is not ACTIVE after {ACTIVE_S:g} s")
            time.sleep(0.02)


def _table_of(arn: str) -> str:
    return arn.rpartition("table/")[2]


def _pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _recovery(*, on: bool) -> Document:
    description = {"PointInTimeRecoveryStatus": "ENABLED" if on else "DISABLED"}
    return {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": description,
        }
    }


def _refusal(code: str, message: str) -> Reply:
    return render("json", Fault(status=400, code=code, message=message), str(uuid.uuid4()))
