#!/usr/bin/env bash
# Package: moto 5.2.5, boto3 1.43.106 (PyPI)
# Behaviour: an UpdateItem that is refused with a ValidationException in its second clause keeps what its first clause set.
#   DynamoDB makes an update whole or not at all. A test on moto that retries after such a refusal reads values that AWS
#   would never have stored.
# Output seen on 2026-11-30: ValidationException ['a', 'name', 'text']
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[dynamodb]==5.2.5' boto3==1.43.106
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

seen=$("$work/venv/bin/python" - <<'PYTHON'
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

KEY = {"name": {"S": "k"}}
with mock_aws():
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="items", Item=KEY | {"text": {"S": "no number"}})
    try:
        dynamodb.update_item(
            TableName="items",
            Key=KEY,
            UpdateExpression="SET a = :a ADD #text :one",
            ExpressionAttributeNames={"#text": "text"},
            ExpressionAttributeValues={":a": {"S": "half"}, ":one": {"N": "1"}},
        )
    except ClientError as error:
        print(error.response["Error"]["Code"], sorted(dynamodb.get_item(TableName="items", Key=KEY)["Item"]))
PYTHON
)
echo "the refusal of an update, and the attributes of its item afterwards: $seen"
[ "$seen" = "ValidationException ['a', 'name', 'text']" ]
