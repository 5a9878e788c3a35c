"""The laws that every step keeps: idempotent, complete, tidy, and honest about what it would do."""

from __future__ import annotations

from typing import Any

from srekv.doctor.preflight import refuse

FIRST_CALLS, SECOND_CALLS = 55, 25
"""At most so many calls a first and a second `up` may make."""


def test_up_twice_changes_nothing(world: Any) -> None:
    """Law 1: the second `up` leaves everything alone and makes no mutating call, within the budget of calls."""
    world.up(preflight=refuse)
    assert len(world.calls.log) <= FIRST_CALLS, world.calls.log
    before = world.listing()

    log = world.up(preflight=refuse)

    assert world.calls.mutating == []
    assert len(world.calls.log) <= SECOND_CALLS, world.calls.log
    assert log.done == {}
    assert world.listing() == before


def test_down_leaves_the_server_as_it_was(world: Any) -> None:
    """Law 3: after `down` nothing is there that was not there before; a second `down` finds nothing."""
    before = world.listing()
    world.up(alarms=True)
    assert world.census() != {kind: len(found) for kind, found in before.items() if found}

    left, log = world.down()
    assert left == ()
    assert {change.action for change in log.changes} == {"delete"}
    assert world.listing() == before

    left, log = world.down()
    assert left == ()
    assert log.changes == []
    assert world.calls.mutating == []


def test_observes_each_resource_once(world: Any) -> None:
    """`resources` lists every kind of a whole stack, each one once, and nothing of an empty account."""
    stack, _ = world.stack()
    assert stack.resources() == ()
    world.up(alarms=True)
    kinds = sorted(one.kind for one in world.stack()[0].resources())
    assert kinds == sorted(
        ["role", "instance profile", "security group", "table", "hosted zone", "dashboard"]
        + ["address", "instance", "health check", "record"] * 2
        + ["alarm"] * 3
    )


def test_each_step_creates_and_removes_its_own(world: Any) -> None:
    """Step by step: ensured twice, the second time quietly; destroyed twice; then observed empty."""
    world.up(alarms=True)
    steps = world.steps()
    for step in steps.all:
        assert [op for op in [*step.ensure(), *step.settle()] if op.action != "leave"] == []
    for step in steps.all:
        mine = step.observe()
        assert len({(one.kind, one.id) for one in mine}) == len(mine)
    world.down()
    for step in world.steps().all:
        assert step.observe() == ()
        assert list(step.destroy()) == []


def test_dry_run_of_up_announces_what_up_does(world: Any) -> None:
    """On an empty account: no mutating call, and the same kinds and actions as the real run."""
    before = world.listing()
    planned = world.up(dry=True, alarms=True)
    assert world.calls.mutating == []
    assert world.listing() == before
    assert planned.done == world.up(alarms=True).done


def test_dry_run_announces_repairs(world: Any) -> None:
    """On a damaged stack: the same, through everything that depends on the damage."""
    world.up()
    ec2, route53 = world.by_hand("ec2"), world.by_hand("route53")
    address = ec2.describe_addresses()["Addresses"][0]
    ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])
    instance = world.listing()["instances"][1]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance])
    route53.delete_health_check(HealthCheckId=route53.list_health_checks()["HealthChecks"][0]["Id"])
    before = world.listing()

    planned = world.up(dry=True)

    assert world.calls.mutating == []
    assert world.listing() == before
    assert planned.done == world.up().done
    assert world.up().done == {}


def test_dry_run_of_down_announces_what_down_does(world: Any) -> None:
    """No mutating call, everything still there, and then exactly that is removed."""
    world.up(alarms=True)
    before = world.listing()
    left, planned = world.down(dry=True)
    assert left == ()
    assert world.calls.mutating == []
    assert world.listing() == before
    assert planned.done == world.down()[1].done
