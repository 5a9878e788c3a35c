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


def _because(action: str) -> str:
    return f"because no identity-based policy allows the {action} action"


@pytest.mark.parametrize(
    ("operation", "message", "action", "resource"),
    [
        pytest.param(
            "ChangeResourceRecordSets",
            f"{USER} is not authorized to perform: route53:ChangeResourceRecordSets on resource: {ZONE} "
            + _because("route53:ChangeResourceRecordSets"),
            "route53:ChangeResourceRecordSets",
            ZONE,
            id="R17",
        ),
        pytest.param(
            "ListHostedZones",
            f"{USER} is not authorized to perform: route53:ListHostedZones " + _because("route53:ListHostedZones"),
            "route53:ListHostedZones",
            "",
            id="R17-listing",
        ),
        pytest.param(
            "RunInstances",
            f"You are not authorized to perform this operation. {USER} is not authorized to perform: "
            f"ec2:RunInstances on resource: {INSTANCE} {_because('ec2:RunInstances')}. {ENCODED}",
            "ec2:RunInstances",
            INSTANCE,
            id="E14",
        ),
        pytest.param(
            "AddRoleToInstanceProfile",
            f"{USER} is not authorized to perform: iam:PassRole on resource: {ROLE} {_because('iam:PassRole')}",
            "iam:PassRole",
            ROLE,
            id="I8",
        ),
        pytest.param(
            "GetParameter",
            f"{USER} is not authorized to perform: ssm:GetParameter on resource: {PARAMETER} "
            + _because("ssm:GetParameter"),
            "ssm:GetParameter",
            PARAMETER,
            id="S5",
        ),
        pytest.param(
            "GetRole",
            f"{USER} is not authorized to perform: iam:GetRole on resource: role EC2_DynamoDB_Access "
            + _because("iam:GetRole"),
            "iam:GetRole",
            "role EC2_DynamoDB_Access",
            id="role-that-is-not-there",
        ),
        pytest.param(
            "DescribeTable",
            f"{USER} is not authorized to perform: dynamodb:DescribeTable on resource: {ROLE}",
            "dynamodb:DescribeTable",
            ROLE,
            id="without-a-reason",
        ),
    ],
)
def test_names_what_aws_names(operation: str, message: str, action: str, resource: str) -> None:
    """The action and the resource of AWS's message are the advice; the encoded part is left out."""
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
