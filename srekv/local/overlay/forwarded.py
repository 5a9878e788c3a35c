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
from collections.abc import Callable
from typing import Any

from moto.dynamodb.responses import DynamoHandler

from srekv.local.database import Refused, Reply
from srekv.local.overlay.errors import Answer, Fault, render
from srekv.local.overlay.services import ITEM_CALLS
from srekv.local.overlay.world import World

NOTES = "srekv.notes"
ACTIVE_S = 10.0  # how long a new table of notes may take, wall-clock
_ARN = re.compile(rb"arn:aws:dynamodb:[\w-]*:\d{12}:table/")
_KEPT = ("x-amz-crc32", "x-amzn-requestid")

Document = dict[str, Any]


class ForwardedDynamoDb(DynamoHandler):
    """One request; moto parses it, the database answers it."""

    world: World

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
            "TagResource": self._change_tags,
            "UntagResource": self._change_tags,
            "UpdateContinuousBackups": self._update_recovery,
        }
        try:
            if action not in own:
                return self._as_ours(self.world.database.forward(action, self.region, self.raw_body), action)
            document = own[action](json.loads(self.raw_body))
            return self._as_ours((200, {}, json.dumps(document).encode()), action)
        except Refused as refused:
            return self._as_ours(refused.reply, action)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return render("json", Fault(500, "InternalServerError", f"the database does not answer: {error!r}"))

    def _as_ours(self, reply: Reply, action: str) -> Answer:
        """An answer with this cloud's ARNs; items are nobody's business, and their checksum holds."""
        status, headers, body = reply
        kept = {name: headers[name] for name in _KEPT if name in headers}
        if action not in ITEM_CALLS:
            kept.pop("x-amz-crc32", None)
            body = _ARN.sub(f"arn:aws:dynamodb:{self.region}:{self.world.settings.account}:table/".encode(), body)
        return status, {"Content-Type": "application/x-amz-json-1.0", **kept}, body

    def _ask(self, operation: str, **request: Any) -> Document:
        return self.world.database.call(operation, self.region, **request)

    def _create_table(self, request: Document) -> Document:
        tags = {tag["Key"]: tag["Value"] for tag in request.pop("Tags", [])}
        document = self._ask("CreateTable", **request)
        self._note(request["TableName"], {"tags": tags, "recovery": False})
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

    def _list_tags(self, request: Document) -> Document:
        tags = self._noted(_table_of(request["ResourceArn"]))["tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _change_tags(self, request: Document) -> Document:
        """TagResource has Tags, UntagResource TagKeys."""
        table, gone = _table_of(request["ResourceArn"]), request.get("TagKeys", ())
        notes = self._noted(table)
        tags = notes["tags"] | {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
        self._note(table, {**notes, "tags": {key: value for key, value in tags.items() if key not in gone}})
        return {}

    def _describe_recovery(self, request: Document) -> Document:
        notes = self._noted(request["TableName"], missing="TableNotFoundException")
        recovery = {"PointInTimeRecoveryStatus": "ENABLED" if notes["recovery"] else "DISABLED"}
        backups = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
        return {"ContinuousBackupsDescription": backups}

    def _update_recovery(self, request: Document) -> Document:
        notes = self._noted(request["TableName"], missing="TableNotFoundException")
        on = request["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        self._note(request["TableName"], {**notes, "recovery": on})
        return self._describe_recovery(request)

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
                raise Refused(render("json", Fault(400, missing, "Requested resource not found"))) from None
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
            keys = [{"AttributeName": "table", "KeyType": "HASH"}]
            kinds = [{"AttributeName": "table", "AttributeType": "S"}]
            made = {"KeySchema": keys, "AttributeDefinitions": kinds, "BillingMode": "PAY_PER_REQUEST"}
            self._ask("CreateTable", TableName=NOTES, **made)
            end = time.monotonic() + ACTIVE_S
            while self._ask("DescribeTable", TableName=NOTES)["Table"]["TableStatus"] != "ACTIVE":
                if time.monotonic() > end:
                    raise TimeoutError(f"the table {NOTES} is not ACTIVE after {ACTIVE_S:g} s") from None
                time.sleep(0.02)
            self._ask("PutItem", TableName=NOTES, Item=item)


def _table_of(arn: str) -> str:
    return arn.rpartition("table/")[2]
