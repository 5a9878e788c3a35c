#!/usr/bin/env bash
# Package: moto 5.2.5 with py-partiql-parser 0.6.3 (PyPI)
# Behaviour: DynamoDB's PartiQL takes a placeholder for any value, and table names in double quotes. In moto an INSERT with
#   a placeholder ends in a TypeError; and BatchExecuteStatement does not find a table whose name is quoted in a SELECT,
#   though ExecuteStatement does.
# Output seen on 2026-11-30:
#   INSERT with a placeholder: TypeError
#   SELECT of a quoted table: 1 item
#   the same in a batch: ResourceNotFound
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[dynamodb]==5.2.5' py-partiql-parser==0.6.3

seen=$("$work/venv/bin/python" - <<'PYTHON'
import boto3
from moto import mock_aws

SELECT = {"Statement": 'SELECT * FROM "T" WHERE k = ?', "Parameters": [{"S": "1"}]}
INSERT = {"Statement": "INSERT INTO \"T\" VALUE {'k': ?}", "Parameters": [{"S": "2"}]}

with mock_aws():
    dynamodb = boto3.client("dynamodb", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    dynamodb.create_table(
        TableName="T",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="T", Item={"k": {"S": "1"}})
    try:
        dynamodb.execute_statement(**INSERT)
        print("INSERT with a placeholder: done")
    except Exception as error:
        print("INSERT with a placeholder:", type(error).__name__)
    print("SELECT of a quoted table:", len(dynamodb.execute_statement(**SELECT)["Items"]), "item")
    (answer,) = dynamodb.batch_execute_statement(Statements=[SELECT])["Responses"]
    print("the same in a batch:", answer.get("Error", {}).get("Code", "found"))
PYTHON
)
echo "$seen"
[ "$seen" = "INSERT with a placeholder: TypeError
SELECT of a quoted table: 1 item
the same in a batch: ResourceNotFound" ]
