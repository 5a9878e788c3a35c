"""The two policies as documents: nothing unknown in them, as narrow as a linter knows, and small enough for IAM."""

from __future__ import annotations

import itertools
import json
from typing import Any

import parliament
import pytest

from srekv.provision.permissions import (
    LARGEST_POLICY,
    node_policy,
    operator_actions,
    operator_policy,
    partition_of,
    reads,
    size,
)

LONGEST = {"account": "123456789012", "region": "ap-southeast-1", "stack": "a" * 20}
SCOPES: tuple[dict[str, Any], ...] = (
    {},
    {"account": "123456789012"},
    {"account": "123456789012", "region": "us-east-1"},
    {"stack": "srekv"},
    LONGEST,
    {"region": "cn-north-1", "partition": "aws-cn"},
    {"fix_vpc": True},
    {"ebs_key": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
)

WHOSE_EVER = {
    "cloudwatch:DescribeAlarms",  # a listing by prefix is of all alarms
    "ec2:DescribeInstanceAttribute",  # doctor looks at zones that others made
    "ec2:DescribeVpcAttribute",
    "ec2:GetManagedPrefixListEntries",
    "iam:GetPolicy",  # what somebody attached to the nodes' role
    "iam:GetPolicyVersion",
    "iam:GetRole",  # the operator's own, whatever its path
}
"""What could be bound to a resource and is not: nobody knows beforehand to which."""


def _findings(policy: Any) -> list[Any]:
    return list(parliament.analyze_policy_string(json.dumps(policy)).findings)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_the_linter_finds_nothing(scope: dict[str, Any]) -> None:
    """No unknown action, no invalid resource or condition; statements that share an action complete each other."""
    policy = operator_policy(**scope)
    found = [one for one in _findings(policy) if one.issue != "RESOURCE_MISMATCH"]
    assert [(one.issue, set(one.detail)) for one in found] == [("RESOURCE_STAR", WHOSE_EVER)]


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_the_statements_of_an_action_name_all_its_resources(scope: dict[str, Any]) -> None:
    """Together they name each resource that the service requires: an action that lacks one could never be allowed."""
    resources: dict[str, list[str]] = {}
    for statement in operator_policy(**scope)["Statement"]:
        for action in _listed(statement["Action"]):
            resources.setdefault(action, []).extend(_listed(statement["Resource"]))
    statements = [{"Effect": "Allow", "Action": action, "Resource": named} for action, named in resources.items()]
    found = _findings({"Version": "2012-10-17", "Statement": statements})
    assert [one.detail for one in found if one.issue != "RESOURCE_STAR"] == []


def test_the_linter_finds_nothing_in_the_nodes_policy() -> None:
    """The nodes may touch items of one table; what the agent needs cannot be narrowed."""
    policy = node_policy("arn:aws:dynamodb:us-east-1:123456789012:table/SREKeyValue")
    assert _findings(policy) == []
    assert not {action for one in policy["Statement"] for action in _listed(one["Action"]) if action.endswith("*")}


def test_iam_takes_it() -> None:
    """The whole fits into one managed policy, and however it is bound, each half does."""
    assert size(operator_policy(fix_vpc=True)) <= LARGEST_POLICY
    assert size(operator_policy(account="123456789012", region="us-east-1", stack="demo")) <= LARGEST_POLICY
    for part in ("reading", "changing"):
        assert size(operator_policy(**LONGEST, part=part)) <= LARGEST_POLICY


def test_a_vpc_is_changed_only_where_that_is_asked_for() -> None:
    """`up` without --fix-vpc never changes a VPC: the policy does not allow it."""
    changes = [{action for action, _, _ in _permits(operator_policy(fix_vpc=asked))} for asked in (False, True)]
    assert changes[1] - changes[0] == {"ec2:ModifyVpcAttribute"}


def _permits(policy: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (action, resource, json.dumps(one.get("Condition")))
        for one in policy["Statement"]
        for action, resource in itertools.product(_listed(one["Action"]), _listed(one["Resource"]))
    }


def test_the_halves_are_the_whole() -> None:
    """What reads and what changes, together, permit what the whole does; the reading half changes nothing."""
    reading, changing = (operator_policy(part=part) for part in ("reading", "changing"))
    assert _permits(reading) | _permits(changing) == _permits(operator_policy())
    assert all(reads(action) for action, _, _ in _permits(reading))


def test_no_action_is_a_pattern() -> None:
    """Every action is written out, and none lets the operator widen its own rights beyond the nodes' role."""
    actions = operator_actions()
    assert not [action for action in actions if "*" in action]
    assert not {"iam:AttachRolePolicy", "iam:CreateUser", "iam:CreatePolicy", "sts:AssumeRole"} & set(actions)


def test_roles_are_passed_to_ec2_only() -> None:
    """PassRole is bound to the stack's own path and to EC2; China's EC2 has two names (I8)."""
    for scope, services in (({}, "ec2.amazonaws.com"), ({"partition": "aws-cn"}, None)):
        statements = operator_policy(**scope)["Statement"]
        passing = next(one for one in statements if "iam:PassRole" in _listed(one["Action"]))
        passed_to = passing["Condition"]["StringEquals"]["iam:PassedToService"]
        assert ":role/srekv/" in passing["Resource"]
        assert passed_to == (services or ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"])


@pytest.mark.parametrize(
    ("region", "partition"),
    [("*", "aws"), ("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_partitions(region: str, partition: str) -> None:
    """China and GovCloud are partitions of their own."""
    assert partition_of(region) == partition
