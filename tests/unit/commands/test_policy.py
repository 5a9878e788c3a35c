"""`srekv policy`: a document on stdout and nothing else, without any call; what cannot be is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from srekv.cli import main_group
from srekv.errors import UsageError
from srekv.provision.permissions import operator_policy


def _policy(*arguments: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    done = CliRunner(catch_exceptions=False).invoke(
        main_group, [*options, "policy", *arguments], standalone_mode=False, obj={}
    )
    if done.exception:
        raise done.exception
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("options", [(), ("--output", "json"), ("--target", "aws")])
def test_prints_the_policy(options: tuple[str, ...]) -> None:
    """Account, Region and stack are anything unless they are given; the output is the document in any case."""
    assert _policy(options=options) == operator_policy()


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (("--stack", "demo", "--region", "eu-west-1"), ()),
        ((), ("--stack", "demo", "--region", "eu-west-1")),
        (("--stack", "other"), ("--stack", "demo", "--region", "eu-west-1")),
    ],
)
def test_is_bound_to_what_is_given(options: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    """A stack and a Region bind it, given before the command or after it; after it wins."""
    assert _policy(*arguments, "--part", "reading", options=options) == operator_policy(
        stack="demo", region="eu-west-1", part="reading"
    )


def test_prints_the_nodes_policy() -> None:
    """The nodes' permissions name the one table of their stack."""
    statements = _policy("--node", "--account", "123456789012", options=("--stack", "demo"))["Statement"]
    assert statements[0]["Resource"] == "arn:aws:dynamodb:*:123456789012:table/SREKeyValue-demo"
    assert _policy("--node")["Statement"][0]["Resource"] == "arn:aws:dynamodb:*:*:table/SREKeyValue"


def test_lets_the_volumes_key_be_used_through_ec2_only() -> None:
    """Of one's own default key of EBS; an alias is refused, for no policy can name one."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    policy = _policy("--ebs-key", key, "--region", "eu-west-1")
    (mine,) = [one for one in policy["Statement"] if one["Resource"] == key]
    assert "kms:CreateGrant" in mine["Action"]
    assert mine["Condition"]["StringLike"] == {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}
    assert len(policy["Statement"]) == len(_policy("--region", "eu-west-1")["Statement"]) + 1
    with pytest.raises(UsageError, match="invalid value"):
        _policy("--ebs-key", "alias/mine")


def test_lets_a_vpc_be_changed_on_request() -> None:
    """Only `up --fix-vpc` changes a VPC, and whoever does not use it need not be allowed to."""
    assert _policy("--fix-vpc") == operator_policy(fix_vpc=True)
    assert "ec2:ModifyVpcAttribute" not in json.dumps(_policy())
    assert "ec2:ModifyVpcAttribute" in json.dumps(_policy("--fix-vpc"))


def test_follows_the_partition() -> None:
    """A Region of China has ARNs of China."""
    assert "arn:aws-cn:" in json.dumps(_policy("--region", "cn-north-1"))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--account", "12"), "invalid value for --account: '12'"),
        (("--region", "mars"), "--region"),
        (("--stack", "No Such"), "--stack"),
        (("--account", "123456789012", "--region", "ap-southeast-1", "--stack", "a" * 20), "IAM takes 6144"),
    ],
)
def test_refuses_what_cannot_be(arguments: tuple[str, ...], what: str) -> None:
    """An impossible value is a usage error; so is a document that IAM would not take."""
    with pytest.raises(UsageError, match=what):
        _policy(*arguments)
