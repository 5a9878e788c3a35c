"""DynamoDB (aws-recorded, section 7)."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from srekv.conformance.cases import things
from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk, code_of
from srekv.conformance.cases.model import Case, case

_RECORDED = "localstack dynamodb/test_dynamodb, recorded 2025-10-08"
_VERIFIED = "moto test_dynamodb, run on AWS in 2026"
_ABSENT = "srekv-conformance-absent"


def _create(desk: Desk, name: str, **settings: Any) -> Seen:
    return desk.ask(
        desk.dynamodb.create_table,
        made=lambda _: desk.later(f"table {name}", desk.dynamodb.delete_table, TableName=name),
        TableName=name,
        **{**things.KEY, **settings},
    )


@case(
    "table-exists",
    "B1",
    "A Region has one table of a name, and it cannot be created while it is.",
    Answer(400, "ResourceInUseException", r"^Table already exists: "),
    Answer(400, "ResourceInUseException", r"^Attempt to change a resource which is still in use: Table is being"),
    source=f"{_RECORDED}; terraform-aws-modules/terraform-aws-dynamodb-table#51",
    needs="a table",
)
def exists(desk: Desk) -> Seen:
    """Create it twice."""
    return _create(desk, things.table(desk))


@case(
    "table-creating",
    "B4",
    "A new table is CREATING, on demand, with nothing provisioned.",
    Answer(200, "", "^CREATING PAY_PER_REQUEST 0/0$"),
    source=_RECORDED,
    needs="a table",
)
def creating(desk: Desk) -> Seen:
    """Create a table and read the answer."""
    name = desk.name("table")
    answer = desk.surely(desk.dynamodb.create_table, TableName=name, Tags=desk.tags, **things.KEY)
    desk.later(f"table {name}", desk.dynamodb.delete_table, TableName=name)
    table = answer["TableDescription"]
    throughput = table["ProvisionedThroughput"]
    shown = (
        f"{table['TableStatus']} {table.get('BillingModeSummary', {}).get('BillingMode')} "
        f"{throughput['ReadCapacityUnits']}/{throughput['WriteCapacityUnits']}"
    )
    return Seen(status=answer["ResponseMetadata"]["HTTPStatusCode"], text=shown)


@case(
    "table-throughput",
    "B2",
    "An on-demand table has no provisioned throughput.",
    Answer(
        400,
        "ValidationException",
        "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
    ),
    source=_RECORDED,
)
def throughput(desk: Desk) -> Seen:
    """Create a table with both."""
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    return _create(desk, desk.name("table"), ProvisionedThroughput=units)


@case(
    "table-unknown",
    "B3",
    "A table that does not exist is refused by its name.",
    Answer(400, "ResourceNotFoundException", rf"^Requested resource not found: Table: {_ABSENT} not found$"),
    source=f"{_RECORDED}; moto, run on AWS",
)
def unknown(desk: Desk) -> Seen:
    """Describe it."""
    return desk.ask(desk.dynamodb.describe_table, TableName=_ABSENT)


@case(
    "item-table-unknown",
    "B3",
    "An item of a table that does not exist is refused without the name.",
    Answer(400, "ResourceNotFoundException", r"^Requested resource not found$"),
    source=f"{_RECORDED}; moto, run on AWS",
)
def item_table_unknown(desk: Desk) -> Seen:
    """Get it."""
    return desk.ask(desk.dynamodb.get_item, TableName=_ABSENT, Key={"pk": {"S": "a"}})


@case(
    "table-deleting",
    "B5",
    "A table that is deleted is DELETING first, and is not described in full.",
    Answer(200, "", "^DELETING$"),
    source="localstack dynamodb/test_dynamodb",
    needs="a table",
)
def deleting(desk: Desk) -> Seen:
    """Delete a table and read the answer."""
    name = things.new_table(desk)
    answer = desk.surely(desk.dynamodb.delete_table, TableName=name)
    table = answer["TableDescription"]
    more = [member for member in ("KeySchema", "AttributeDefinitions", "CreationDateTime") if member in table]
    return Seen(status=answer["ResponseMetadata"]["HTTPStatusCode"], text=" ".join([table["TableStatus"], *more]))


@case(
    "table-protected",
    "B5",
    "A protected table cannot be deleted.",
    Answer(
        400,
        "ValidationException",
        r"^Resource cannot be deleted as it is currently protected against deletion\. "
        r"Disable deletion protection first",
    ),
    source="aws-bench/aws-bench#41, 2026-08",
    needs="a table with deletion protection, which is switched off again",
)
def protected(desk: Desk) -> Seen:
    """Delete it."""
    name = things.new_table(desk, DeletionProtectionEnabled=True)
    desk.later(
        f"the protection of table {name}",
        desk.dynamodb.update_table,
        TableName=name,
        DeletionProtectionEnabled=False,
    )
    return desk.ask(desk.dynamodb.delete_table, TableName=name)


@case(
    "item-condition",
    "B6",
    "A condition that does not hold is refused, and shows the item on request.",
    Answer(400, "ConditionalCheckFailedException", r'^The conditional request failed \{"pk": \{"S": "b6"\}\}$'),
    source=f"{_RECORDED}; moto, run on AWS",
    needs="an item",
)
def condition(desk: Desk) -> Seen:
    """Put an item that must not be there."""
    table, item = things.table(desk), {"pk": {"S": "b6"}}
    desk.surely(desk.dynamodb.put_item, TableName=table, Item=item)
    try:
        desk.surely(
            desk.dynamodb.put_item,
            TableName=table,
            Item=item,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        text = f"{error.response['Error']['Message']} {json.dumps(error.response.get('Item'))}"
        return Seen(status=error.response["ResponseMetadata"]["HTTPStatusCode"], code=code_of(error), text=text)
    return Seen(status=200)


def _put(name: str, says: str, text: str, item: dict[str, Any]) -> Case:
    """A case that puts an item that DynamoDB refuses."""
    answer = Answer(400, "ValidationException", text)
    return case(name, "B7", says, answer, source=_VERIFIED, needs="a table")(
        lambda desk: desk.ask(desk.dynamodb.put_item, TableName=things.table(desk), Item=item)
    )


KEY_LENGTH = _put(
    "item-key-length",
    "A partition key has at most 2048 bytes.",
    r"Size of hashkey has exceeded the maximum size limit of ?2048 bytes",
    {"pk": {"S": "x" * 2049}},
)
KEY_EMPTY = _put(
    "item-key-empty",
    "A key is not empty.",
    r"^One or more parameter values are not valid\. The AttributeValue for a key attribute cannot contain an empty "
    r"string value\. Key: pk",
    {"pk": {"S": ""}},
)
SET_EMPTY = _put(
    "item-set-empty",
    "A set is not empty.",
    r"An number set  may not be empty",
    {"pk": {"S": "b7"}, "numbers": {"NS": []}},
)


@case(
    "item-key-schema",
    "B7",
    "A key has the attributes of the table's key.",
    Answer(400, "ValidationException", r"^The provided key element does not match the schema"),
    source=_VERIFIED,
    needs="a table",
)
def key_schema(desk: Desk) -> Seen:
    """Get an item by another attribute."""
    return desk.ask(desk.dynamodb.get_item, TableName=things.table(desk), Key={"other": {"S": "a"}})
