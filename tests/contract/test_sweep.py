"""`srekv sweep` as a user calls it: what it shows, takes, leaves and proves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from srekv.errors import FindingError, SrekvError, UsageError
from srekv.provision.inventory.stacks import judge

Sweep = Callable[..., Result]


@pytest.fixture
def sweep(world: Any, tmp_path: Path) -> Sweep:
    """Runs `srekv --target aws sweep ARGUMENTS` on the world's server, with JSON on stdout."""

    def run(*arguments: str, output: str = "json", answer: str = "") -> Result:
        result: Result = world.invoke("--output", output, "sweep", *arguments, folder=tmp_path, answer=answer)
        return result

    return run


def _document(result: Result) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(result.stdout)
    return document


def _verdicts(document: Mapping[str, Any]) -> dict[str, str]:
    return {one["stack"]: one["verdict"] for one in document["stacks"]}


def _role(world: Any, stack: str, **tags: str) -> None:
    """The role of a stack of which there is nothing more."""
    marks = {"stack": stack, "region": "us-east-1", **tags}
    listed = [{"Key": f"srekv:{key}", "Value": value} for key, value in marks.items()]
    world.put_role(f"EC2_DynamoDB_Access-{stack}", Path=f"/srekv/{stack}/", Tags=listed)


def test_a_young_stack_is_left_and_an_old_one_asked_about(world: Any, sweep: Sweep) -> None:
    """Shown with its bill; the question names the bill and the data, and without a yes nothing goes: exit 2."""
    world.up()
    world.by_hand("dynamodb").put_item(TableName="SREKeyValue", Item={"key": {"S": "k"}})
    before = world.listing()
    result = sweep("--yes")
    assert result.exception is None, result.exception
    document = _document(result)
    assert (document["left"], document["changes"], len(document["proof"])) == ([], [], 14)
    (stack,) = document["stacks"]
    assert (stack["verdict"], stack["due"], stack["usd_month"]) == ("young", False, pytest.approx(29.02, abs=0.1))

    asked = sweep("--older-than", "0s", answer="n\n", output="text")
    assert isinstance(asked.exception, UsageError)
    assert asked.exception.exit_code == 2
    assert "1 item in the table of srekv, without a backup" in asked.stderr
    assert "USD a month" in asked.stderr
    assert "2 instances" in asked.stdout
    assert world.listing() == before


def test_halves_of_stacks_go(world: Any, sweep: Sweep) -> None:
    """A stack whose `up` was killed, and things without a role: all goes, and a neighbour's stays."""
    world.put_address()
    before = world.listing()
    world.account.kill_after("RunInstances", 1)
    with pytest.raises(world.Killed):
        world.up("killed")
    world.calls.clear()
    world.put_address(stack="orphan")
    world.put_check("srekv:orphan:az1:01")

    planned = sweep("--older-than", "0s", "--dry-run")
    assert isinstance(planned.exception, FindingError)
    document = _document(planned)
    assert _verdicts(document) == {"killed": "old", "orphan": "old"}
    assert {"address", "health check"} <= {one["kind"] for one in document["left"]}
    result = sweep("--older-than", "0s", "--yes")
    assert result.exception is None, result.exception
    assert _document(result)["left"] == []
    assert world.listing() == before


def test_why_something_was_not_removed(world: Any, sweep: Sweep) -> None:
    """A warning for each refusal, the reason in what is left, and the command that undoes it; the rest goes."""
    world.up()
    ec2, instance = world.by_hand("ec2"), world.listing()["instances"][0]["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})

    result = sweep("--older-than", "0s", "--yes")

    assert isinstance(result.exception, FindingError)
    assert f"the instance {instance} is protected against termination" in result.stderr
    left = {one["kind"]: one for one in _document(result)["left"]}
    assert set(left) == {"instance", "volume", "instance profile", "role"}  # moto lets the group go
    assert "disableApiTermination" in left["instance"]["note"]
    allow, terminate, _ = left["instance"]["command"].split(" && ")
    assert "modify-instance-attribute" in allow
    assert "terminate-instances" in terminate
    assert instance in left["volume"]["note"]
    assert "it names the Region" in left["role"]["note"]


def test_leases(world: Any, sweep: Sweep) -> None:
    """A stack whose lease is over goes at any age and is shown first; one whose lease is not over stays."""
    for stack, end in (("aa-leased", timedelta(hours=1)), ("zz-expired", -timedelta(hours=1))):
        _role(world, stack, lease=(datetime.now(UTC) + end).strftime("%Y-%m-%dT%H:%M:%SZ"))
    document = _document(sweep("--yes", "--older-than", "9d"))
    assert list(_verdicts(document)) == ["zz-expired", "aa-leased"]
    assert [one["expired"] for one in document["stacks"]] == [True, False]
    assert world.take().stacks == ("aa-leased",)


def test_kept_data_stays(world: Any, sweep: Sweep) -> None:
    """A table without a role and a backup are shown and left; --backups takes the backup, nothing the table."""
    world.put_table("SREKeyValue-kept", stack="kept")
    world.put_address(stack="kept")
    world.by_hand("dynamodb").create_backup(TableName="SREKeyValue-kept", BackupName="srekv.kept.before")
    document = _document(sweep("--older-than", "0s", "--yes"))
    assert [one["kind"] for one in document["kept"]] == ["table", "backup"]
    assert [one["kind"] for one in document["changes"]] == ["address"]
    document = _document(sweep("--older-than", "1h", "--backups", "--yes"))
    assert document["changes"] == []
    assert [(one["due"], one["why"]) for one in document["stacks"]] == [(False, "kept on purpose")]
    document = _document(sweep("--older-than", "0s", "--backups", "--yes"))
    assert [one["kind"] for one in document["changes"]] == ["backup"]
    assert [(one["due"], one["why"]) for one in document["stacks"]] == [(True, "backups older than asked for")]
    assert [one.kind for one in world.take().leftovers] == ["table"]


def test_other_regions(world: Any) -> None:
    """Each Region's own things are found in it, what is everywhere once, and a stack of another Region is not due."""
    _role(world, "near")
    world.put_address(stack="near")
    world.put_address(stack="far", region="eu-west-1")
    account = world.all_stacks()
    assert {"us-east-1", "eu-west-1"} <= set(account.regions())

    later = datetime.now(UTC) + timedelta(days=2)
    both = account.inventory(["eu-west-1", "us-east-1"]).leftovers
    assert sorted(one.kind for one in both) == ["address", "address", "role"]
    found = judge(both, now=later, older_than=timedelta(days=1), regions=("eu-west-1", "us-east-1"), everywhere=False)
    assert [(one.stack, one.region, one.verdict) for one in found] == [
        ("far", "eu-west-1", "old"),
        ("near", "us-east-1", "old"),
    ]
    only = account.inventory(["eu-west-1"]).leftovers
    alone = judge(only, now=later, older_than=timedelta(days=1), regions=("eu-west-1",), everywhere=False)
    assert [(one.stack, one.verdict) for one in alone] == [("far", "old"), ("near", "elsewhere")]


def test_a_forbidden_region(world: Any) -> None:
    """Another Region that the organisation forbids is named and does not hide the rest; the user's own one must do."""
    _role(world, "near")
    world.calls.answers["DescribeVolumes"] = lambda _: world.refusal("UnauthorizedOperation", "explicit deny")
    inventory = world.all_stacks().inventory(["eu-west-1"])
    assert [one.kind for one in inventory.leftovers] == ["role"]
    assert "DescribeVolumes" in inventory.refused["eu-west-1"].what
    with pytest.raises(SrekvError, match="DescribeVolumes"):
        world.all_stacks().inventory(["us-east-1"])


def _found(world: Any) -> tuple[Any, Any]:
    """The account's stacks, and the only one of them, judged due."""
    account = world.all_stacks()
    leftovers = account.inventory(["us-east-1"]).leftovers
    now = datetime.now(UTC) + timedelta(days=2)
    (remains,) = judge(leftovers, now=now, older_than=timedelta(days=1), regions=("us-east-1",), everywhere=False)
    assert remains.is_due
    return account, remains


def test_a_stack_that_is_made_meanwhile_stays(world: Any) -> None:
    """An address of a stack without a role is a remainder, until `up` makes the role: that is asked for once more."""
    world.put_address(stack="coming")
    account, remains = _found(world)
    _role(world, "coming")
    _, log = world.stack("coming")
    with pytest.raises(SrekvError, match="skipped"):
        account.remove(remains, log)
    assert sorted(one.kind for one in world.take().leftovers) == ["address", "role"]


def test_a_lease_that_is_renewed_meanwhile_holds(world: Any) -> None:
    """Asking takes time, in which the owner may renew the lease: then the stack stays; otherwise it goes."""
    _role(world, "leased", lease="2026-01-01T00:00:00Z")
    account, remains = _found(world)
    _, log = world.stack("leased")
    renew = [{"Key": "srekv:lease", "Value": "2126-01-01T00:00:00Z"}]
    world.by_hand("iam").tag_role(RoleName="EC2_DynamoDB_Access-leased", Tags=renew)
    with pytest.raises(SrekvError, match="skipped"):
        account.remove(remains, log)
    world.by_hand("iam").untag_role(RoleName="EC2_DynamoDB_Access-leased", TagKeys=["srekv:lease"])
    world.by_hand("iam").tag_role(
        RoleName="EC2_DynamoDB_Access-leased", Tags=[{"Key": "srekv:lease", "Value": "2026-01-01T00:00:00Z"}]
    )
    assert account.remove(remains, log).left == ()
