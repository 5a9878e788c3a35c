"""The part of IAM's policy language that decides what a node may do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from srekv.local.overlay.permissions import allows

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/T"


def document(*statements: dict[str, Any]) -> str:
    """A policy document of statements that allow GetItem on T unless they say otherwise."""
    base = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE}
    return json.dumps({"Statement": [{**base, **statement} for statement in statements]})


CASES = {
    "exact": ([document({})], True),
    "nothing": ([], False),
    "other action": ([document({"Action": "dynamodb:PutItem"})], False),
    "other table": ([document({"Resource": TABLE + "2"})], False),
    "wildcards": ([document({"Action": "dynamodb:*Item", "Resource": "arn:aws:dynamodb:*:*:table/?"})], True),
    "any case of an action": ([document({"Action": ["DynamoDB:getitem"]})], True),
    "a dot is a dot": ([document({"Action": "dynamodb.GetItem"})], False),
    "deny wins": ([document({}), document({"Effect": "Deny", "Action": "*", "Resource": "*"})], False),
    "allow with a condition": ([document({"Condition": {"Bool": {"aws:SecureTransport": "true"}}})], False),
    "not action": ([json.dumps({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}})], True),
}


@pytest.mark.parametrize(("documents", "allowed"), CASES.values(), ids=CASES.keys())
def test_policies_decide_as_iam_does(documents: list[str], allowed: bool) -> None:
    """One Allow that matches and no Deny that does."""
    assert allows(documents, "dynamodb:GetItem", TABLE) is allowed
