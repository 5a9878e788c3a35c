"""The note that outlives a drill, the heal that `up` makes of it, and the door for a vantage point."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.errors import SrekvError
from srekv.provision.target import AwsFaultTarget

NOTE = "fault=hang run=0123abcd at=1790000000 until=1790000600 by=host/4711"


@pytest.fixture
def target(world: Any) -> AwsFaultTarget:
    """The target of a whole stack."""
    world.up()
    return world.stack()[0].fault_target  # type: ignore[no-any-return]


def _rules(world: Any) -> set[str]:
    groups = world.by_hand("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["srekv-web"]}])
    permissions = groups["SecurityGroups"][0]["IpPermissions"]
    return {peer["CidrIp"] for permission in permissions for peer in permission["IpRanges"]}


def test_a_note_is_read_back(target: AwsFaultTarget) -> None:
    """It survives a stop; removing it twice is fine."""
    primary = target.deployment().node("primary")
    target.remember(primary, NOTE)
    target.stop(primary)
    assert target.deployment().fault == NOTE
    target.forget(primary)
    target.forget(primary)
    assert target.deployment().fault == ""


def test_up_heals_what_is_noted(world: Any, target: AwsFaultTarget) -> None:
    """The guard sees the note before anything is changed; the heal gets the repaired stack, only with a note."""
    primary, check = target.deployment().node("primary"), target.deployment().check("primary")
    target.remember(primary, NOTE)
    target.stop(primary)
    target.invert(check, inverted=True)
    guarded: list[tuple[str, str]] = []
    healed: list[Any] = []

    def guard(note: str) -> None:
        guarded.append((note, target.deployment().node("primary").state))

    stack, _ = world.stack()
    stack.up(wait=False, guard=guard, heal=healed.append)
    assert guarded == [(NOTE, "stopped")]
    assert [one.fault for one in healed] == [NOTE]
    assert healed[0].node("primary").state == "running"
    assert not target.deployment().check("primary").inverted
    target.forget(primary)
    world.stack()[0].up(wait=False, guard=guard, heal=healed.append)
    assert (len(guarded), len(healed)) == (2, 1)


def test_a_guard_that_refuses_keeps_up_from_everything(world: Any, target: AwsFaultTarget) -> None:
    """A drill that goes on is not healed away."""
    primary = target.deployment().node("primary")
    target.remember(primary, NOTE)
    target.stop(primary)

    def guard(_: str) -> None:
        raise SrekvError("a drill is going on")

    with pytest.raises(SrekvError, match="going on"):
        world.stack()[0].up(wait=False, guard=guard)
    assert target.deployment().node("primary").state == "stopped"


def test_a_vantage_point_is_let_in_and_out(world: Any, target: AwsFaultTarget) -> None:
    """Its public address gets a rule; twice is once, and whoever came second leaves the rule to the first."""
    before = _rules(world)
    address = target.admit(target.deployment().node("secondary").instance_id)
    opened = _rules(world)
    again = target.admit(target.deployment().node("secondary").instance_id)
    target.dismiss(again)

    # A node's own address has a rule already, so that nothing was opened and nothing is closed.
    assert (address, again, opened, _rules(world)) == ("", "", before, before)


def test_a_foreign_instance_gets_a_rule_of_its_own(world: Any, target: AwsFaultTarget) -> None:
    """The rule is closed by `dismiss`, also twice, or by the next `up`."""
    ec2, node = world.by_hand("ec2"), target.deployment().node("secondary")
    like = ec2.describe_instances(InstanceIds=[node.instance_id])["Reservations"][0]["Instances"][0]
    instance = ec2.run_instances(
        ImageId=like["ImageId"], InstanceType="t2.micro", SubnetId=like["SubnetId"], MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]
    before = _rules(world)
    address = target.admit(instance)
    assert _rules(world) - before == {f"{address}/32"}
    target.dismiss(address)
    target.dismiss(address)
    assert _rules(world) == before
    target.admit(instance)
    world.up()
    assert _rules(world) == before
    ec2.terminate_instances(InstanceIds=[instance])


def test_a_vantage_point_needs_a_public_address(target: AwsFaultTarget) -> None:
    """Nobody knows from where an instance without one would come."""
    with pytest.raises(SrekvError):
        target.admit("i-0123456789abcdef0")
