"""What IAM decides about a node's calls: what each is judged by, and what policies say to that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from srekv.local.overlay.permissions import BOUNDARY, IDENTITY, Policy, asked, decide

TABLES = "arn:aws:dynamodb:us-east-1:123456789012:table/"
TABLE = TABLES + "T"
MANAGED = "arn:aws:iam::123456789012:policy/P"


def document(*statements: dict[str, Any]) -> str:
    """A policy document of statements that allow GetItem on T unless they say otherwise."""
    base = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE}
    return json.dumps({"Statement": [{**base, **statement} for statement in statements]})


ALLOW, NOTHING = document({}), document()
DENY = document({"Effect": "Deny", "Action": "*", "Resource": "*"})
IMPLICIT = "because no identity-based policy allows the dynamodb:GetItem action"

LANGUAGE = {
    "exact": ([ALLOW], True),
    "nothing": ([], False),
    "other action": ([document({"Action": "dynamodb:PutItem"})], False),
    "other table": ([document({"Resource": TABLE + "2"})], False),
    "an index of it": ([document({"Resource": TABLE + "/index/*"})], False),
    "wildcards": ([document({"Action": "dynamodb:*Item", "Resource": "arn:aws:dynamodb:*:*:table/?"})], True),
    "any case of an action": ([document({"Action": ["DynamoDB:getitem"]})], True),
    "a dot is a dot": ([document({"Action": "dynamodb.GetItem"})], False),
    "allow with a condition": ([document({"Condition": {"Bool": {"aws:SecureTransport": "true"}}})], False),
    "not action": ([json.dumps({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}})], True),
    "not resource": (
        [json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "NotResource": TABLE}})],
        False,
    ),
    "one of two documents": ([NOTHING, ALLOW], True),
}


@pytest.mark.parametrize(("documents", "allowed"), LANGUAGE.values(), ids=LANGUAGE.keys())
def test_statements_match_as_iam_matches_them(documents: list[str], allowed: bool) -> None:
    """An Allow whose action and resource match."""
    decision = decide({IDENTITY: [Policy(one) for one in documents]}, "dynamodb:GetItem", TABLE)
    assert (decision.effect == "allowed", decision.reason) == ((True, "") if allowed else (False, IMPLICIT))


KINDS = {
    "boundary allows too": ({IDENTITY: [Policy(ALLOW)], BOUNDARY: [Policy(ALLOW)]}, "allowed", ""),
    "boundary allows other actions": (
        {IDENTITY: [Policy(ALLOW)], BOUNDARY: [Policy(document({"Action": "ec2:*"}))]},
        "implicitDeny",
        "because no permissions boundary allows the dynamodb:GetItem action",
    ),
    "boundary alone allows nothing": ({IDENTITY: [], BOUNDARY: [Policy(ALLOW)]}, "implicitDeny", IMPLICIT),
    "boundary is gone": (
        {IDENTITY: [Policy(ALLOW)], BOUNDARY: []},
        "implicitDeny",
        "because no permissions boundary allows the dynamodb:GetItem action",
    ),
    "explicit deny": (
        {IDENTITY: [Policy(ALLOW), Policy(DENY)]},
        "explicitDeny",
        "with an explicit deny in an identity-based policy",
    ),
    "explicit deny of a managed policy": (
        {IDENTITY: [Policy(ALLOW), Policy(DENY, MANAGED)]},
        "explicitDeny",
        f"with an explicit deny in an identity-based policy: {MANAGED}",
    ),
    "explicit deny in the boundary": (
        {IDENTITY: [Policy(ALLOW)], BOUNDARY: [Policy(DENY, MANAGED)]},
        "explicitDeny",
        f"with an explicit deny in a permissions boundary: {MANAGED}",
    ),
    "explicit before implicit": (
        {IDENTITY: [], BOUNDARY: [Policy(DENY, MANAGED)]},
        "explicitDeny",
        f"with an explicit deny in a permissions boundary: {MANAGED}",
    ),
    "deny with a condition": (
        {IDENTITY: [Policy(ALLOW), Policy(document({"Effect": "Deny", "Condition": {"Bool": {"x": "true"}}}))]},
        "explicitDeny",
        "with an explicit deny in an identity-based policy",
    ),
    "deny of another action": (
        {IDENTITY: [Policy(ALLOW), Policy(document({"Effect": "Deny", "Action": "dynamodb:PutItem"}))]},
        "allowed",
        "",
    ),
}


@pytest.mark.parametrize(("kinds", "effect", "reason"), KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_policy_counts(kinds: dict[str, list[Policy]], effect: str, reason: str) -> None:
    """An Allow in each, no Deny in any; the reason is in AWS's words."""
    assert decide(kinds, "dynamodb:GetItem", TABLE) == (effect, reason)


KEY, ITEM = {"k": {"S": "1"}}, {"k": {"S": "1"}, "g": {"S": "2"}}
BY_KEY = {"KeyConditionExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "1"}}}
BY_INDEX = {"KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "2"}}}
CHECK = {"TableName": "U", "Key": KEY, "ConditionExpression": "attribute_not_exists(k)"}
UPDATE = {"Key": KEY, "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"S": "3"}}}


def statements(*texts: str) -> list[dict[str, str]]:
    """For BatchExecuteStatement and ExecuteTransaction."""
    return [{"Statement": text} for text in texts]


CALLS: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]]]] = {
    "get": ("get_item", {"TableName": "T", "Key": KEY}, [("GetItem", "T")]),
    "put": ("put_item", {"TableName": "T", "Item": ITEM}, [("PutItem", "T")]),
    "update by ARN": ("update_item", {"TableName": TABLE, **UPDATE}, [("UpdateItem", "T")]),
    "query": ("query", {"TableName": "T", **BY_KEY}, [("Query", "T")]),
    "query of an index": ("query", {"TableName": "T", "IndexName": "idx", **BY_INDEX}, [("Query", "T/index/idx")]),
    "query of an index by ARN": (
        "query",
        {"TableName": TABLE, "IndexName": "idx", **BY_INDEX},
        [("Query", "T/index/idx")],
    ),
    "scan": ("scan", {"TableName": "T"}, [("Scan", "T")]),
    "scan of an index": ("scan", {"TableName": "T", "IndexName": "idx"}, [("Scan", "T/index/idx")]),
    "batch get": (
        "batch_get_item",
        {"RequestItems": {"T": {"Keys": [KEY]}, "U": {"Keys": [KEY]}}},
        [("BatchGetItem", "T"), ("BatchGetItem", "U")],
    ),
    "batch write": (
        "batch_write_item",
        {
            "RequestItems": {
                "T": [{"PutRequest": {"Item": ITEM}}],
                "U": [{"DeleteRequest": {"Key": KEY}}],
            }
        },
        [("BatchWriteItem", "T"), ("BatchWriteItem", "U")],
    ),
    "transaction that reads": (
        "transact_get_items",
        {"TransactItems": [{"Get": {"TableName": name, "Key": KEY}} for name in "TU"]},
        [("GetItem", "T"), ("GetItem", "U")],
    ),
    "transaction that writes": (
        "transact_write_items",
        {
            "TransactItems": [
                {"Put": {"TableName": "T", "Item": ITEM}},
                {"Update": {"TableName": "T", **UPDATE, "Key": {"k": {"S": "4"}}}},
                {"Delete": {"TableName": "T", "Key": {"k": {"S": "5"}}}},
                {"ConditionCheck": CHECK},
            ]
        },
        [("PutItem", "T"), ("UpdateItem", "T"), ("DeleteItem", "T"), ("ConditionCheckItem", "U")],
    ),
    "select": ("execute_statement", {"Statement": "SELECT * FROM \"T\" WHERE k='1'"}, [("PartiQLSelect", "T")]),
    "select of an index": (
        "execute_statement",
        {"Statement": 'select "from" , g\nfrom "T"."idx" where g=\' from "U" \''},
        [("PartiQLSelect", "T/index/idx")],
    ),
    "insert": ("execute_statement", {"Statement": "INSERT INTO \"T\" VALUE {'k': '7'}"}, [("PartiQLInsert", "T")]),
    "partiql update": (
        "execute_statement",
        {"Statement": "UPDATE T SET v='from U' WHERE k='1'"},
        [("PartiQLUpdate", "T")],
    ),
    "delete": ("execute_statement", {"Statement": "DELETE FROM \"T\" WHERE k='1'"}, [("PartiQLDelete", "T")]),
    "what is no statement": ("execute_statement", {"Statement": "DROP TABLE T"}, [("PartiQLSelect", "*")]),
    "batch of statements": (
        "batch_execute_statement",
        {"Statements": statements("SELECT * FROM \"T\" WHERE k='1'", "SELECT * FROM \"U\" WHERE k='1'")},
        [("PartiQLSelect", "T"), ("PartiQLSelect", "U")],
    ),
    "transaction of statements": (
        "execute_transaction",
        {
            "TransactStatements": statements(
                "EXISTS (SELECT * FROM \"U\" WHERE k='1')", "DELETE FROM \"T\" WHERE k='1'", "DELETE FROM T WHERE k='2'"
            )
        },
        [("PartiQLSelect", "U"), ("PartiQLDelete", "T")],
    ),
    "tags": ("list_tags_of_resource", {"ResourceArn": TABLE}, [("ListTagsOfResource", "T")]),
    "description": ("describe_table", {"TableName": "T"}, [("DescribeTable", "T")]),
    "tables": ("list_tables", {}, [("ListTables", "*")]),
}
"""A node's call, and the actions on tables and indexes that have to be allowed."""


def operation(method: str) -> str:
    """The API operation of a method of boto3."""
    return "".join(part.capitalize() for part in method.split("_"))


@pytest.mark.parametrize(("method", "request_", "needed"), CALLS.values(), ids=CALLS.keys())
def test_what_a_call_is_judged_by(method: str, request_: dict[str, Any], needed: list[tuple[str, str]]) -> None:
    """Parts of transactions and statements by their own actions, each table and index by its ARN."""
    pairs = [(action, where if where == "*" else TABLES + where) for action, where in needed]
    assert asked(operation(method), request_, TABLES) == pairs


@pytest.fixture
def node(cloud: Any) -> Any:
    """A DynamoDB client with a role's credentials; tables T and U exist, each with an index."""
    for name in "TU":
        cloud.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in "kg"],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "idx",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
    instance = cloud.launch(IamInstanceProfile={"Name": cloud.role()})
    return cloud.client("dynamodb", credentials=cloud.plane.credentials(machine=instance))


def refusal_of(call: Any, request: dict[str, Any]) -> str:
    """The message of a denial; "" for an answer or another error."""
    try:
        call(**request)
    except call.__self__.exceptions.ClientError as error:
        denied = error.response["Error"]["Code"] == "AccessDeniedException"
        return str(error.response["Error"]["Message"]) if denied else ""
    return ""


def test_each_of_them_has_to_be_allowed(cloud: Any, node: Any) -> None:
    """With all of them a call is let through; without any one it is refused, and the message names that one."""
    account = cloud.plane.world.settings.account

    def allow(allowed: list[tuple[str, str]]) -> None:
        listed = [{"Effect": "Allow", "Action": action, "Resource": where} for action, where in allowed]
        policy = {
            "Version": "2012-10-17",
            "Statement": [*listed, {"Effect": "Allow", "Action": "x:y", "Resource": "*"}],
        }
        cloud.client("iam").put_role_policy(RoleName="node", PolicyName="p", PolicyDocument=json.dumps(policy))

    for method, given, needed in CALLS.values():
        call, request = getattr(node, method), json.loads(json.dumps(given).replace("123456789012", account))
        places = [where if where == "*" else TABLES.replace("123456789012", account) + where for _, where in needed]
        pairs = [(f"dynamodb:{action}", where) for (action, _), where in zip(needed, places, strict=True)]
        for action, where in pairs:
            allow([pair for pair in pairs if pair != (action, where)])
            expected = f"{action} on resource: {where} because no identity-based policy allows the {action} action"
            assert refusal_of(call, request).endswith(f"is not authorized to perform: {expected}")
        allow(pairs)
        assert refusal_of(call, request) == "", method


EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def test_a_boundary_limits_what_a_role_may_do(cloud: Any, node: Any) -> None:
    """From the next call on, also in the simulator; taken away, it limits nothing; one of AWS's own will do."""
    iam = cloud.client("iam")
    iam.put_role_policy(RoleName="node", PolicyName="p", PolicyDocument=json.dumps(EVERYTHING))
    reads = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:Get*", "Resource": "*"}]}
    arn = iam.create_policy(PolicyName="b", PolicyDocument=json.dumps(reads))["Policy"]["Arn"]
    put, get = {"TableName": "T", "Item": ITEM}, {"TableName": "T", "Key": KEY}
    refused = "because no permissions boundary allows the dynamodb:PutItem action"

    iam.put_role_permissions_boundary(RoleName="node", PermissionsBoundary=arn)
    assert refusal_of(node.put_item, put).endswith(refused)
    assert refusal_of(node.get_item, get) == ""
    principal = iam.get_role(RoleName="node")["Role"]["Arn"]
    simulated = iam.simulate_principal_policy(
        PolicySourceArn=principal, ActionNames=["dynamodb:PutItem", "dynamodb:GetItem"]
    )
    assert [one["EvalDecision"] for one in simulated["EvaluationResults"]] == ["implicitDeny", "allowed"]

    iam.put_role_permissions_boundary(
        RoleName="node", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
    )
    assert refusal_of(node.put_item, put).endswith(refused)
    iam.delete_role_permissions_boundary(RoleName="node")
    assert refusal_of(node.put_item, put) == ""


def test_a_boundary_is_a_policy_that_exists(cloud: Any, refusal: Any) -> None:
    """Of a new role and of one that is there."""
    iam = cloud.client("iam")
    cloud.role()
    arn = f"arn:aws:iam::{cloud.plane.world.settings.account}:policy/none"
    expected = (404, "NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.")
    trust = {"AssumeRolePolicyDocument": '{"Version": "2012-10-17", "Statement": []}'}
    assert refusal(iam.create_role, RoleName="new", PermissionsBoundary=arn, **trust) == expected
    assert refusal(iam.put_role_permissions_boundary, RoleName="node", PermissionsBoundary=arn) == expected


def test_an_explicit_deny_is_named(cloud: Any, node: Any) -> None:
    """With the policy's ARN if it is a managed one, and in the simulator."""
    iam = cloud.client("iam")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "dynamodb:Put*", "Resource": "*"}]}
    arn = iam.create_policy(PolicyName="d", PolicyDocument=json.dumps(deny))["Policy"]["Arn"]
    iam.put_role_policy(RoleName="node", PolicyName="p", PolicyDocument=json.dumps(EVERYTHING))
    iam.attach_role_policy(RoleName="node", PolicyArn=arn)
    text = refusal_of(node.put_item, {"TableName": "T", "Item": ITEM})
    assert text.endswith(f"table/T with an explicit deny in an identity-based policy: {arn}")
    principal = iam.get_role(RoleName="node")["Role"]["Arn"]
    simulated = iam.simulate_principal_policy(PolicySourceArn=principal, ActionNames=["dynamodb:PutItem"])
    assert simulated["EvaluationResults"][0]["EvalDecision"] == "explicitDeny"
