"""What a role's documents allow, and how the operator's policy is put to IAM."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.doctor.permissions import Permissions, permission_findings, questions
from srekv.doctor.reach import allows
from srekv.provision.permissions import operator_actions, operator_policy

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/SREKeyValue"


def _allow(action: Any, resource: Any = TABLE, **more: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]}


DENY = {"Statement": {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}}


@pytest.mark.parametrize(
    ("documents", "allowed"),
    [
        ([_allow("dynamodb:GetItem")], True),
        ([_allow(["dynamodb:getitem", "x:y"])], True),
        ([_allow("dynamodb:*")], True),
        ([_allow("*", "*")], True),
        ([_allow("dynamodb:Get?tem", "arn:aws:dynamodb:*:table/SRE*")], True),
        ([_allow("dynamodb:GetItem", TABLE + "2")], False),
        ([_allow("dynamodb:PutItem")], False),
        ([_allow("dynamodb:GetItem", Condition={"Bool": {"x": "true"}})], False),
        ([_allow("dynamodb:GetItem"), DENY], False),
        ([{"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]}], True),
        ([{"Statement": [{"Effect": "Allow", "NotAction": "dynamodb:*", "Resource": "*"}]}], False),
        ([_allow("dynamodb:[G]etItem")], False),
        ([], False),
    ],
)
def test_documents_allow_or_not(documents: list[Any], allowed: bool) -> None:
    """One Allow and no Deny; wildcards are IAM's, conditions are taken on the strict side."""
    assert allows(documents, "dynamodb:GetItem", TABLE) is allowed


def test_every_action_is_put_to_iam_with_a_context_that_fits() -> None:
    """No wildcard is left inside an ARN, and every condition's key has a value of its kind."""
    asked = list(questions(operator_policy(account="123456789012", region="eu-west-1", stack="blue")))
    actions = {action for one in asked for action in one["ActionNames"]}
    assert actions == set(operator_actions()) - {"ec2:ModifyVpcAttribute"}
    assert all(resource == "*" or "*" not in resource for one in asked for resource in one["ResourceArns"])
    entries = {entry["ContextKeyName"]: entry for one in asked for entry in one["ContextEntries"]}
    assert entries["aws:RequestTag/srekv:stack"]["ContextKeyValues"] == ["blue"]
    assert entries["route53:VPCs"]["ContextKeyType"] == "stringList"


@pytest.mark.parametrize("refused", [None, {}])
def test_nothing_refused_is_no_finding(refused: dict[str, str] | None) -> None:
    """Whoever could not be asked about, or may do all, lacks nothing that is known."""
    assert not list(permission_findings(Permissions(who="x", refused=refused), severity="risk"))


def test_each_refused_action_is_named() -> None:
    """The finding shows IAM's word for each and where the policy comes from."""
    (finding,) = permission_findings(
        Permissions(who="arn:aws:iam::1:user/u", refused={"iam:PassRole": "explicitDeny"}), severity="prevents"
    )
    assert finding.proof == "iam:PassRole (explicitDeny)"
    assert "srekv policy" in str(finding.fix)
