"""AWS's parts agree only after a moment: refusals that pass, and listings that lag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

ROLE = "EC2_DynamoDB_Access"


def _once(answer: Any) -> Callable[[Any], Any]:
    """Answers the first call; the server answers the others."""
    answers = [answer]
    return lambda _: answers.pop() if answers else None


@pytest.mark.parametrize(
    ("operation", "code", "calls"),
    [
        ("ChangeResourceRecordSets", "PriorRequestNotComplete", 2),
        ("AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound", 2),
        # EC2 takes none of the rules when one is a duplicate, so they are added one by one
        ("AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", 21),
    ],
)
def test_up_tries_again(world: Any, operation: str, code: str, calls: int) -> None:
    """A refusal that passes does not end `up`, and nothing is missing afterwards."""
    world.calls.answers[operation] = _once(world.refusal(code))

    world.up()

    assert world.calls.log.count(operation) == calls
    assert world.up().repairs == []


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("ChangeResourceRecordSets", "PriorRequestNotComplete"),
        ("DeleteHostedZone", "PriorRequestNotComplete"),
        ("DeleteInstanceProfile", "DeleteConflict"),
        ("DeleteRole", "DeleteConflict"),
        ("DeleteSecurityGroup", "DependencyViolation"),
    ],
)
def test_down_tries_again(world: Any, operation: str, code: str) -> None:
    """A refusal that passes does not end `down`, and nothing is left."""
    world.up()
    world.calls.answers[operation] = _once(world.refusal(code))

    assert world.down()[0] == ()
    assert world.calls.log.count(operation) == 2


def test_a_profile_that_ec2_does_not_see_yet(world: Any) -> None:
    """A running instance is given a new profile as patiently as a new instance is launched with one."""
    world.up()
    ec2 = world.by_hand("ec2")
    for one in ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]:
        ec2.disassociate_iam_instance_profile(AssociationId=one["AssociationId"])
    unseen = f"Value ({ROLE}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    world.calls.answers["AssociateIamInstanceProfile"] = _once(world.refusal("InvalidParameterValue", unseen))

    world.up()

    assert world.up().repairs == []


def test_down_looks_again_while_something_gone_is_listed(world: Any) -> None:
    """A role that IAM shows once more after its deletion is not left."""
    world.up()
    role = world.by_hand("iam").get_role(RoleName=ROLE)["Role"]
    shown = {key: role[key] for key in ("Path", "RoleName", "RoleId", "Arn", "CreateDate")}
    once = _once(world.success(Roles=[shown], IsTruncated=False))
    world.calls.answers["ListRoles"] = lambda body: once(body) if "DeleteRole" in world.calls.log else None

    assert world.down()[0] == ()
    assert world.calls.log.count("ListRoles") == 2
