"""What a leftover costs and how it is removed by hand; the screen of a removal that left something."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from srekv.cli import run
from srekv.commands.down import bill, conclude, left_error, leftovers_json, month_usd, proof_line
from srekv.commands.sweep import show_kept
from srekv.errors import FindingError, SrekvError, UsageError
from srekv.prices import leftover_costs, total_usd
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.leftover import BY_HAND, Leftover, by_hand, in_order, restore_by_hand
from srekv.provision.naming import Names, origin_of, stack_of_backup, stack_of_path, stack_of_title
from srekv.provision.removal import Removal
from srekv.provision.steps.table import Holding, check_name
from srekv.ui.console import Screen, counted
from srekv.ui.context import Invocation

BACKUP = "arn:aws:dynamodb:us-east-1:1:table/SREKeyValue/backup/0123"


def _thing(kind: str, **more: Any) -> Leftover:
    members = {"id": f"{kind}-1", "name": kind, "stack": "srekv", "region": "eu-west-1", **more}
    return Leftover(kind=kind, **members)


@pytest.mark.parametrize(
    ("kind", "state", "variant", "gib", "usd"),
    [
        ("instance", "running", "t2.micro", 0, 8.468),
        ("instance", "stopped", "t2.micro", 0, 0),
        ("instance", "shutting-down", "m7i.large", 0, 0),
        ("volume", "available", "", 8, 0.64),
        ("address", "idle", "", 0, 3.65),
        ("address", "associated", "", 0, 3.65),
        ("hosted zone", "present", "", 0, 0.50),
        ("health check", "present", "10", 0, 1.50),
        ("health check", "present", "30", 0, 0.50),
        ("alarm", "OK", "", 0, 0.10),
        ("dashboard", "present", "", 0, 3.00),
        ("table", "ACTIVE", "", 2, 0.90),
        ("backup", "AVAILABLE", "", 2, 0.20),
        ("role", "present", "", 0, 0),
        ("security group", "present", "", 0, 0),
    ],
)
def test_prices(kind: str, state: str, variant: str, gib: float, usd: float) -> None:
    """What is billed is billed by kind, state and size; what costs nothing costs nothing."""
    costs = leftover_costs(kind, state=state, variant=variant, gib=gib)
    assert costs is not None
    assert total_usd(costs) == pytest.approx(usd)
    assert all(cost.price.source and cost.price.read for cost in costs)


def test_an_unknown_price_is_said() -> None:
    """An instance type that is not in the list has no price, and a sum with it is a lower bound."""
    things = [_thing("instance", state="running", variant="x8g.48xlarge"), _thing("address")]
    assert month_usd(things) == (pytest.approx(3.65), False)
    assert bill(things) == "at least 3.65 USD a month"
    assert leftovers_json(things[:1], profile=None)[0]["usd_month"] is None


def test_commands_by_hand() -> None:
    """Each names the Region, also where the service is in none: it tells the partition."""
    assert by_hand(_thing("address")) == ("aws ec2 release-address --allocation-id address-1 --region eu-west-1",)
    role = _thing("role", region="", ties=(("inline policy", "their policy"),))
    assert by_hand(role, profile="lab") == (
        "aws iam delete-role-policy --role-name role --policy-name 'their policy' --profile lab",
        "aws iam delete-role --role-name role --profile lab",
    )
    assert all("{" not in command for kind in BY_HAND for command in by_hand(_thing(kind)))


def test_no_command_that_would_fail() -> None:
    """What goes with its instance needs none, what is going is waited for, what a stranger holds only he can free."""
    node, group = _thing("instance", id="i-1"), _thing("security group", holders=("i-1",))
    assert by_hand(_thing("volume", state="in-use"), [node]) == ()
    assert by_hand(_thing("volume", state="available")) != ()
    assert by_hand(group, [node, group]) != ()
    assert by_hand(group, [group]) == ()
    ending = _thing("table", state="DELETING")
    assert by_hand(ending) == ("aws dynamodb wait table-not-exists --table-name table --region eu-west-1",)


def test_what_others_hold_is_freed_first() -> None:
    """A command takes the holder off, then the thing goes; a disk is waited for."""
    group = _thing("security group", held=True, ties=(("command", "ec2 modify-x --groups sg-2"),))
    assert by_hand(group) == (
        "aws ec2 modify-x --groups sg-2 --region eu-west-1",
        "aws ec2 delete-security-group --group-id 'security group-1' --region eu-west-1",
    )
    disk = _thing("volume", state="in-use", held=True, ties=(("attachment", "i-9"), ("detaching", "")))
    assert [command.split()[2] for command in by_hand(disk)] == ["detach-volume", "wait", "delete-volume"]


FAILED = SrekvError("failed: delete table T", why="DeleteTable: no", next_step="allow it")
HELD = HeldError("the group was not deleted", why="held by eni-1")


@pytest.mark.parametrize(
    ("refused", "code", "why"),
    [
        ({}, 1, ""),
        ({"g": HELD}, 1, "held by eni-1"),
        ({"g": HELD, "t": FAILED}, 3, "DeleteTable: no"),
    ],
)
def test_what_is_left_and_why(refused: dict[str, SrekvError], code: int, why: str) -> None:
    """Exit code 1 for what is left or held, 3 where a call failed; the price in both."""
    error = left_error(Removal(left=(_thing("address"),), refused=refused))
    assert error.exit_code == code
    assert "1 left: 3.65 USD a month" in error.what
    assert why in error.why


def test_what_holds_goes_first() -> None:
    """The commands are printed in an order in which they work."""
    kinds = ["role", "instance profile", "hosted zone", "security group", "record", "instance", "address"]
    ordered = [one.kind for one in in_order([_thing(kind) for kind in kinds])]
    assert ordered == [
        "address",
        "instance",
        "security group",
        "record",
        "hosted zone",
        "instance profile",
        "role",
    ]


def test_a_backup_comes_back_with_its_tag() -> None:
    """A restored table has no tags, so the second command makes it the stack's again."""
    restore, tag = restore_by_hand(_thing("backup", id=BACKUP, region="us-east-1"), "SREKeyValue")
    assert f"--target-table-name SREKeyValue --backup-arn {BACKUP}" in restore
    assert "--resource-arn arn:aws:dynamodb:us-east-1:1:table/SREKeyValue " in tag
    assert "Key=srekv:stack,Value=srekv" in tag


@pytest.mark.parametrize("stack", ["srekv", "my-lab", "zone"])
def test_marks_lead_back_to_their_stack(stack: str) -> None:
    """Whoever reads a path, a reference, a backup's name or a title finds the stack that wrote it."""
    names = Names(stack)
    assert stack_of_path(names.path) == stack
    assert origin_of(names.reference_prefix("az1") + "0123") == (stack, "az1")
    assert origin_of(names.reference_prefix("zone") + "0123-1") == (stack, "zone")
    assert stack_of_backup(names.backup("before.1")) == stack
    assert stack_of_title(f"srekv stack {stack}") == stack


@pytest.mark.parametrize(
    "text", ["", "mine", "srekv", "srekv:x", "srekv:x:mine:1", "srekv:x:zone:", "/srekv/", "/x/y/"]
)
def test_other_marks_lead_nowhere(text: str) -> None:
    """What only looks like a mark of ours belongs to nobody."""
    assert stack_of_path(text) == origin_of(text)[0] == stack_of_backup(text) == stack_of_title(text) == ""


def test_a_stack_that_left_something(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit 1: what is left with its price, the command that removes it, and what else is there."""
    removal = Removal(
        left=(_thing("address", name="192.0.2.1"), _thing("security group", note="held by eni-1")),
        kept=(_thing("backup", id=BACKUP, name="srekv.srekv.before"),),
        others=("other",),
        calls=("ec2:DescribeAddresses", "ec2:DescribeVolumes", "iam:ListRoles"),
    )
    with pytest.raises(FindingError, match=r"2 left: 3\.65 USD a month") as caught:
        conclude(_invocation(tmp_path), removal)
    assert caught.value.exit_code == 1
    shown = capsys.readouterr().out
    for words in (
        "2 left (verified by ec2 DescribeAddresses, DescribeVolumes; iam ListRoles)",
        "aws ec2 release-address --allocation-id address-1 --region eu-west-1",
        "held by eni-1",
        f"to delete it: aws dynamodb delete-backup --backup-arn {BACKUP}",
        "to restore it: aws dynamodb restore-table-from-backup",
        "other stacks of this account: other",
    ):
        assert words in shown


def _invocation(home: Path) -> Invocation:
    return Invocation(
        target="aws", stack="srekv", region=None, profile=None, home=home, screen=Screen(as_json=False, quiet=True)
    )


def test_what_a_sweep_keeps_goes_by_a_command_on_its_own_stack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names the target, the stack and its Region, or it would be about another stack."""
    show_kept(_invocation(tmp_path), [_thing("table", stack="blue")])
    assert capsys.readouterr().out.endswith("removed by: srekv --target aws --stack blue --region eu-west-1 down\n")


def test_json_of_a_leftover() -> None:
    """The document carries what a script needs, as plain JSON values."""
    made = datetime(2026, 11, 1, tzinfo=UTC)
    (document,) = json.loads(json.dumps(leftovers_json([_thing("volume", gib=8.0, created=made)], profile=None)))
    assert document["created"] == "2026-11-01T00:00:00+00:00"
    assert document["usd_month"] == pytest.approx(0.64)
    assert document["command"].startswith("aws ec2 delete-volume")


def test_words() -> None:
    """Counts read as a person would write them."""
    assert counted(["address", "table", "address", "health check"]) == "2 addresses, 1 table, 1 health check"
    assert (str(Holding(1)), str(Holding(0)), str(Holding(9, more=True))) == ("1 item", "0 items", "more than 9 items")
    assert proof_line(["iam:ListRoles"]) == "iam ListRoles"


@pytest.mark.parametrize("name", ["", "my backup", "ä", "x" * 201, "a/b"])
def test_impossible_backup_names(name: str) -> None:
    """Refused before any call, with a name that would do."""
    with pytest.raises(UsageError) as caught:
        check_name(name)
    check_name(caught.value.next_step.removeprefix("--backup "))


def test_an_impossible_age(capsys: pytest.CaptureFixture[str]) -> None:
    """--older-than takes durations only."""
    assert run(["sweep", "--older-than", "soon"]) == 2
    assert "--older-than 'soon'" in capsys.readouterr().err
