"""What a refusal of IAM says: the missing action by its name, in AWS's recorded words and without them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from srekv.provision.engine.answers import explain
from srekv.provision.engine.denial import advice
from srekv.provision.permissions import operator_actions

USER = "User: arn:aws:iam::123456789012:user/operator"
ZONE = "arn:aws:route53:::hostedzone/Z0123456789"
ROLE = "arn:aws:iam::123456789012:role/srekv/srekv/EC2_DynamoDB_Access"
INSTANCE = "arn:aws:ec2:us-east-1:123456789012:instance/*"
PARAMETER = "arn:aws:ssm:us-east-1::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
ENCODED = "Encoded authorization failure message: 4OBlPkwW0ZM-abc_DEF"


MESSAGES = {
    "R17": ("ChangeResourceRecordSets", "route53:ChangeResourceRecordSets", ZONE),
    "R17-listing": ("ListHostedZones", "route53:ListHostedZones", ""),
    "I8": ("AddRoleToInstanceProfile", "iam:PassRole", ROLE),
    "S5": ("GetParameter", "ssm:GetParameter", PARAMETER),
    "role-that-is-not-there": ("GetRole", "iam:GetRole", "role EC2_DynamoDB_Access"),
    "E14": ("RunInstances", "ec2:RunInstances", INSTANCE),
    "without-a-reason": ("DescribeTable", "dynamodb:DescribeTable", ROLE),
}
"""Row -> operation, missing action, and the resource that AWS's recorded message names."""


def _message(row: str) -> str:
    _, action, resource = MESSAGES[row]
    words = f"{USER} is not authorized to perform: {action}" + (f" on resource: {resource}" if resource else "")
    because = f" because no identity-based policy allows the {action} action"
    if row == "E14":
        return f"You are not authorized to perform this operation. {words}{because}. {ENCODED}"
    return words if row == "without-a-reason" else words + because


@pytest.mark.parametrize("row", MESSAGES)
def test_names_what_aws_names(row: str) -> None:
    """The action and the resource of AWS's message are the advice; the encoded part is left out."""
    (operation, action, resource), message = MESSAGES[row], _message(row)
    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, operation)
    error = explain(refused, "doing")
    where = f" on {resource}" if resource else ""
    assert str(error.next_step) == f"allow {action}{where}; srekv policy prints all that srekv needs"
    assert "Encoded" not in error.why
    assert message.partition(" Encoded")[0] in error.why


@pytest.mark.parametrize(
    ("action", "command"),
    [
        ("ec2:ModifyVpcAttribute", "srekv policy --fix-vpc"),
        ("kms:CreateGrant", "srekv policy --ebs-key ARN"),
        ("ec2:StopInstances", "srekv policy"),
    ],
)
def test_the_policy_that_is_named_has_the_action(action: str, command: str) -> None:
    """What the policy allows only on request is asked for by its option."""
    found = advice("Whatever", f"{USER} is not authorized to perform: {action} on resource: {INSTANCE}")
    assert str(found).endswith(f"; {command} prints all that srekv needs")


def test_an_explicit_deny_is_not_cured_by_allowing() -> None:
    """A policy that forbids wins over every one that allows: that one has to go."""
    message = f"{USER} is not authorized to perform: ec2:StopInstances on resource: {INSTANCE} with an explicit deny"
    found = advice("StopInstances", f"{message} in a service control policy")
    assert str(found) == f"take back the policy that denies ec2:StopInstances on {INSTANCE}"


@pytest.mark.parametrize("action", operator_actions())
def test_every_action_is_found_by_its_operation(action: str) -> None:
    """EC2's old message names nothing: the operation tells, and a call that asks for more than one action tells all."""
    named = str(advice(_operation_of(action), "You are not authorized to perform this operation."))
    assert action in named.partition(";")[0].split()


def _operation_of(action: str) -> str:
    """An operation that asks for the action."""
    implied = {
        "cloudwatch:TagResource": "PutMetricAlarm",
        "dynamodb:TagResource": "CreateTable",
        "iam:PassRole": "RunInstances",
        "iam:TagInstanceProfile": "CreateInstanceProfile",
    }
    return implied.get(action, action.partition(":")[2])


def test_an_unknown_operation_is_named() -> None:
    """Nothing is made up about a call that the policy does not know."""
    assert str(advice("Whatever", "no")).startswith("allow the action behind Whatever; ")
