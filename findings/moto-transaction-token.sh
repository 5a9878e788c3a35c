#!/usr/bin/env bash
# Package: moto 5.2.5, boto3 1.43.106 (PyPI)
# Behaviour: TransactWriteItems with the ClientRequestToken of an earlier call applies the transaction again. DynamoDB
#   documents the token as the key of idempotency for ten minutes: the repeated call succeeds and changes nothing. A retry
#   after a lost answer counts twice in tests on moto, once on AWS.
# Output seen on 2026-11-30: 2
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[dynamodb]==5.2.5' boto3==1.43.106
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

seen=$("$work/venv/bin/python" - <<'PYTHON'
import boto3
from moto import mock_aws

KEY = {"TableName": "counters", "Key": {"name": {"S": "a"}}}
ADD_ONE = KEY | {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
with mock_aws():
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName="counters",
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for _ in range(2):
        dynamodb.transact_write_items(TransactItems=[{"Update": ADD_ONE}], ClientRequestToken="one-and-the-same")
    print(dynamodb.get_item(**KEY)["Item"]["n"]["N"])
PYTHON
)
echo "the counter after one transaction, sent twice with one token: $seen"
[ "$seen" = 2 ]
