"""Rules of DynamoDB, SSM and the tagging API that no single question shows: what takes a while, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from srekv.conformance.model import Raw, Refusal

Make = Callable[..., Any]
SEEDS = range(8)


def codes(seen: list[Any]) -> list[str]:
    """The code of each refusal; "" for an answer."""
    return [one.code if isinstance(one, Refusal) else "" for one in seen]


def described(state: str = "ACTIVE") -> dict[str, Any]:
    """A table as a backend describes it that is done at once."""
    return {"Table": {"TableName": "t", "TableStatus": state}}


def created() -> dict[str, Any]:
    """What a backend answers to CreateTable and DeleteTable."""
    return {"TableDescription": {"TableName": "t", "TableStatus": "ACTIVE", "KeySchema": []}}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_takes_a_while_to_come(bench: Make, seed: int) -> None:
    """Rule table-not-seen and table-creating: perhaps not found once, then CREATING once or twice, then ACTIVE."""
    account = bench("table-not-seen", "table-creating", seed=seed)
    assert account.call("dynamodb", "CreateTable", created(), TableName="t")["TableDescription"]["TableStatus"] == (
        "CREATING"
    )
    looks = [account.call("dynamodb", "DescribeTable", described(), TableName="t") for _ in range(4)]
    states = [one.code if isinstance(one, Refusal) else one["Table"]["TableStatus"] for one in looks]
    assert states[-1] == "ACTIVE"
    assert 1 <= states.count("CREATING") <= 2
    assert states.count("ResourceNotFoundException") <= 1
    assert states == sorted(states, key=["ResourceNotFoundException", "CREATING", "ACTIVE"].index)


@pytest.mark.parametrize(
    ("operation", "code"),
    [("PutItem", "ResourceNotFoundException"), ("DeleteTable", "ResourceInUseException")],
)
def test_a_new_table_is_refused_to_whoever_does_not_wait(bench: Make, operation: str, code: str) -> None:
    """Rule table-creating: items and the deletion are refused for one or two tries, each in its own words."""
    account = bench("table-creating")
    account.call("dynamodb", "CreateTable", created(), TableName="t")
    seen = codes([account.call("dynamodb", operation, created(), TableName="t") for _ in range(3)])
    assert seen in ([code, "", ""], [code, code, ""])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_takes_a_while_to_go(bench: Make, seed: int) -> None:
    """Rule table-deleting: DELETING for one or two looks though the backend has forgotten it."""
    account = bench("table-deleting", seed=seed)
    gone = account.call("dynamodb", "DeleteTable", created(), TableName="t")
    assert gone == {"TableDescription": {"TableName": "t", "TableStatus": "DELETING"}}
    looks = [account.call("dynamodb", "DescribeTable", described("gone"), TableName="t") for _ in range(3)]
    shown = [json.loads(one.body)["Table"]["TableStatus"] for one in looks if isinstance(one, Raw)]
    assert shown in (["DELETING"], ["DELETING", "DELETING"])
    assert not isinstance(looks[-1], Raw)
    account.call("dynamodb", "DeleteTable", created(), TableName="t")
    lists = [account.call("dynamodb", "ListTables", {"TableNames": []})["TableNames"] for _ in range(3)]
    assert lists in ([["t"], [], []], [["t"], ["t"], []])
    account.call("dynamodb", "DeleteTable", created(), TableName="t")
    again = [account.call("dynamodb", "CreateTable", created(), TableName="t") for _ in range(3)]
    assert codes(again)[0] == "ResourceInUseException"
    assert codes(again)[-1] == ""


@pytest.mark.parametrize("seed", SEEDS)
def test_recovery_is_too_early_at_first(bench: Make, seed: int) -> None:
    """Rule recovery-too-early: one or two tries after the creation are refused, by the table's name."""
    account = bench("recovery-too-early", seed=seed)
    account.call("dynamodb", "CreateTable", created(), TableName="t")
    assert codes([account.call("dynamodb", "UpdateContinuousBackups", TableName="other")]) == [""]
    seen = [account.call("dynamodb", "UpdateContinuousBackups", TableName="t") for _ in range(3)]
    early = "ContinuousBackupsUnavailableException"
    assert codes(seen) in ([early, "", ""], [early, early, ""])
    assert seen[0].message == "Backups are being enabled for the table: t. Please retry later"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_instance_registers_late(bench: Make, seed: int) -> None:
    """Rule ssm-not-registered: a new instance is missing from the list, or refused, for one or two looks."""
    for operation, answer in (("DescribeInstanceInformation", "list"), ("SendCommand", "command")):
        account = bench("ssm-not-registered", seed=seed)
        launched = {"InstanceId": "i-1", "State": {"Name": "pending"}}
        account.call("ec2", "RunInstances", {"Instances": [launched], "OwnerId": "42"})
        if answer == "list":
            lists = [
                account.call("ssm", operation, {"InstanceInformationList": [{"InstanceId": "i-1"}]})[
                    "InstanceInformationList"
                ]
                for _ in range(3)
            ]
            assert [len(one) for one in lists] in ([0, 1, 1], [0, 0, 1])
        else:
            seen = [account.call("ssm", operation, {}, InstanceIds=["i-1"]) for _ in range(3)]
            assert codes(seen) in (["InvalidInstanceId", "", ""], ["InvalidInstanceId", "InvalidInstanceId", ""])
            assert seen[0].message == "Instances [[i-1]] not in a valid state for account 42"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_invocation_appears_late(bench: Make, seed: int) -> None:
    """Rule ssm-invocation-late and ssm-invocations-empty: not there once or twice, the list empty at most once."""
    account = bench("ssm-invocation-late", "ssm-invocations-empty", seed=seed)
    account.call("ssm", "SendCommand", {"Command": {"CommandId": "c"}}, InstanceIds=["i-1"])
    seen = codes([account.call("ssm", "GetCommandInvocation", CommandId="c", InstanceId="i-1") for _ in range(3)])
    assert seen in (["InvocationDoesNotExist", "", ""], ["InvocationDoesNotExist", "InvocationDoesNotExist", ""])
    lists = [
        account.call("ssm", "ListCommandInvocations", {"CommandInvocations": ["x"]}, CommandId="c")[
            "CommandInvocations"
        ]
        for _ in range(2)
    ]
    assert lists in ([["x"], ["x"]], [[], ["x"]])


def _tagged(arn: str) -> dict[str, Any]:
    return {"ResourceARN": arn, "Tags": [{"Key": "srekv:stack", "Value": "a"}]}


def test_the_tagging_api_lists_ghosts(bench: Make) -> None:
    """Rule tagging-lags: by the seed what is new is missed once; what has gone stays listed."""
    vpc, group = (_tagged(f"arn:aws:ec2:us-east-1:1:{kind}/x") for kind in ("vpc", "security-group"))
    missed = set()
    for seed in SEEDS:
        account = bench("tagging-lags", seed=seed)

        def listed(found: list[Any], account: Any = account, **filters: Any) -> list[Any]:
            answer = account.call(
                "resourcegroupstaggingapi", "GetResources", {"ResourceTagMappingList": found}, **filters
            )
            resources: list[Any] = answer["ResourceTagMappingList"]
            return resources

        missed.add(len(listed([vpc, group])))
        assert listed([vpc, group]) == [vpc, group]
        assert listed([group]) == [group, vpc]
        assert listed([], ResourceTypeFilters=["ec2:vpc"]) == [vpc]
        assert listed([], TagFilters=[{"Key": "srekv:stack", "Values": ["b"]}]) == []
        assert listed([], TagFilters=[{"Key": "other"}]) == []
    assert len(missed) > 1
