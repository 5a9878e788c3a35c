"""Law 4: what is not this stack's survives whatever is done."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.errors import NotOursError


def test_a_zone_that_is_taken_meanwhile_is_refused(world: Any) -> None:
    """AWS itself refuses a second zone of a name in one VPC (R8); that becomes NotOursError."""
    before = world.listing()
    world.calls.answers["CreateHostedZone"] = lambda _: world.refusal(
        "ConflictingDomainExists", "The VPC vpc-x in region R has already been associated with the hosted zone Z ..."
    )
    with pytest.raises(NotOursError, match=r"sre-test\.local"):
        world.up()
    world.calls.clear()
    assert world.down()[0] == ()
    assert world.listing() == before


def test_neighbours_survive(world: Any) -> None:
    """Another stack, and hand-made resources of every kind in the same VPC: byte for byte as before."""
    world.up("other", alarms=True)
    ec2, route53 = world.by_hand("ec2"), world.by_hand("route53")
    ec2.associate_address(AllocationId=world.put_address(), InstanceId=world.put_instance())
    world.put_key_pair("srekv-key")
    world.put_group("mine")
    world.put_table("mine")
    record = {"Name": "svc.mine.local", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "10.9.9.9"}]}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    route53.change_resource_record_sets(HostedZoneId=world.put_zone("mine.local"), ChangeBatch={"Changes": changes})
    world.put_check("mine")
    world.put_role("mine")
    world.put_profile("mine")
    before = world.listing()

    world.up(alarms=True)
    beside = world.listing()
    world.up(ttl=60, threshold=2)
    world.down()

    assert world.listing() == before
    for kind, resources in before.items():
        if kind != "subnets":  # these count their free addresses
            assert all(one in beside[kind] for one in resources), kind


def test_two_stacks_do_not_collide(world: Any) -> None:
    """Two stacks of one account share no name and no zone, and each is quiet beside the other."""
    world.up()
    world.up("other")
    assert world.up().done == {}
    assert world.up("other").done == {}
    resources = world.stack()[0].resources(), world.stack("other")[0].resources()
    names = [{(one.kind, one.name) for one in stack if one.kind != "address"} for stack in resources]
    ids = [{one.id for one in stack} for stack in resources]
    assert not names[0] & names[1]
    assert not ids[0] & ids[1]
    zones = [zone["HostedZone"]["Name"] for zone in world.listing()["zones"]]
    assert sorted(zones) == ["other.sre-test.local.", "sre-test.local."]
    world.down()
    assert world.up("other").done == {}
