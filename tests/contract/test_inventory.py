"""The inventory: every kind that srekv can create, in every state, on every page; and nothing of anybody else's."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from srekv.errors import SrekvError
from srekv.provision.naming import Names

TAGS = [{"Key": "srekv:stack", "Value": "srekv"}, {"Key": "Name", "Value": "srekv-az1"}]

WHOLE = {
    "instance": 2,
    "volume": 2,
    "address": 2,
    "security group": 1,
    "key pair": 1,
    "table": 1,
    "health check": 2,
    "hosted zone": 1,
    "record": 2,
    "role": 1,
    "instance profile": 1,
    "alarm": 3,
    "dashboard": 1,
}


def _tagged(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": TAGS}]


def test_a_whole_stack(world: Any, tmp_path: Any) -> None:
    """Everything that `up` makes is found, with its stack; every kind that `status` shows is among it."""
    world.up(alarms=True, create_key=str(tmp_path / "key"))
    inventory = world.take()
    assert Counter(one.kind for one in inventory.leftovers) == WHOLE
    assert inventory.stacks == ("srekv",)
    shown = Counter(one.kind for one in world.stack()[0].resources())
    assert shown.items() <= WHOLE.items()
    dated = {one.kind for one in inventory.leftovers if one.created}
    assert {"instance", "volume", "key pair", "table", "role", "instance profile", "alarm", "dashboard"} == dated
    (role,) = (one for one in inventory.leftovers if one.kind == "role")
    (zone,) = (one for one in inventory.leftovers if one.kind == "hosted zone")
    assert role.region == zone.region == "us-east-1"


def test_every_state_that_costs_or_blocks(world: Any) -> None:
    """A stopped instance, a detached volume, an idle address, a lone interface, an untagged check, a backup."""
    ec2, route53, dynamodb = (world.by_hand(service) for service in ("ec2", "route53", "dynamodb"))
    image = ec2.describe_images()["Images"][0]["ImageId"]
    launched = ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2, TagSpecifications=_tagged("instance"))
    stopped, ended = (one["InstanceId"] for one in launched["Instances"])
    ec2.stop_instances(InstanceIds=[stopped])
    ec2.terminate_instances(InstanceIds=[ended])
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=8, TagSpecifications=_tagged("volume"))
    world.put_address(stack="srekv")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = world.put_group("srekv-web", TagSpecifications=_tagged("security-group"))
    interface = ec2.create_network_interface(
        SubnetId=subnet["SubnetId"], Groups=[group], TagSpecifications=_tagged("network-interface")
    )["NetworkInterface"]["NetworkInterfaceId"]
    config = {"Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 80, "ResourcePath": "/health", "RequestInterval": 10}
    route53.create_health_check(CallerReference="srekv:srekv:az1:0123", HealthCheckConfig=config)
    world.put_table(stack="srekv")
    dynamodb.create_backup(TableName="SREKeyValue", BackupName=Names("srekv").backup("before"))

    found = {(one.kind, one.state): one for one in world.all_stacks().name_holders(world.take().of("srekv"))}
    assert set(found) == {
        ("instance", "stopped"),
        ("volume", "available"),
        ("address", "idle"),
        ("network interface", "available"),
        ("security group", "present"),
        ("health check", "present"),
        ("table", "ACTIVE"),
        ("backup", "AVAILABLE"),
    }
    assert found["security group", "present"].note == f"held by {interface}"
    assert found["health check", "present"].variant == "10"
    assert found["volume", "available"].gib == 8


def test_nothing_of_others(world: Any) -> None:
    """What has one of our names and none of our marks is nobody's leftover."""
    ec2 = world.by_hand("ec2")
    world.put_address()
    world.put_key_pair("srekv-key")
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
    world.put_group("srekv-web")
    for path in ("/", "/srekv/", "/mine/srekv/", "/srekv/srekv/mine/"):
        world.put_role("mine" + path.replace("/", "-"), Path=path)
        world.put_profile("mine" + path.replace("/", "-"), Path=path)
    for reference in ("mine", "srekv", "srekv:srekv:mine:1"):
        world.put_check(reference)
    world.put_zone("sre-test.local", reference="mine:srekv:zone:1")
    for table in ("SREKeyValue", "SREKeyValue-mine"):
        world.put_table(table)
    world.by_hand("dynamodb").create_backup(TableName="SREKeyValue", BackupName="before")
    world.put_alarm("srekv-az1-unhealthy")
    for number, widgets in enumerate(((), ({"markdown": "mine"},), (None,))):
        world.put_dashboard(f"srekv-dashboard-{number}", *widgets)
    assert world.take().leftovers == ()


def test_every_page(world: Any) -> None:
    """A listing of several pages is read to its end."""
    config = {"Type": "HTTP", "IPAddress": "192.0.2.1"}

    def page(_: Any) -> Any:
        asked.append(len(asked) + 1)
        number = asked[-1]
        check = {"Id": f"check-{number}", "CallerReference": f"srekv:srekv:az{number}:01", "HealthCheckConfig": config}
        more = {"IsTruncated": True, "NextMarker": "2"} if number == 1 else {"IsTruncated": False}
        return world.success(HealthChecks=[check], Marker="", MaxItems="1", **more)

    asked: list[int] = []
    world.calls.answers["ListHealthChecks"] = page
    assert [one.id for one in world.take().leftovers] == ["check-1", "check-2"]


def test_a_refused_listing_proves_nothing(world: Any) -> None:
    """Whoever may not list a kind is told so: "0 left" would be a guess."""
    world.calls.answers["DescribeVolumes"] = lambda _: world.refusal("UnauthorizedOperation", "You are not authorized")
    with pytest.raises(SrekvError, match="DescribeVolumes"):
        world.take()


def test_a_broken_lease_hides_nothing(world: Any) -> None:
    """A tag that is no time leaves its resource in the inventory, without a lease."""
    world.put_address(stack="srekv", lease="soon")
    (found,) = world.take().leftovers
    assert (found.kind, found.lease) == ("address", None)


OURS = {"srekv:stack": "srekv", "srekv:node": "az1"}
THEIRS = {"srekv:stack": "other", "srekv:node": "az1"}


def _show(world: Any, tags: dict[str, str], *, hears: bool) -> Any:
    """The stack's listings, where EC2 has an instance and an address that show these tags.

    `hears`: it honours filters; then both are found under our tag, whatever tags they show.
    """
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    instance = {"InstanceId": "i-1", "State": {"Name": "running"}, "Tags": listed}
    address = {"AllocationId": "eipalloc-1", "PublicIp": "198.51.100.1", "Tags": listed}

    def answer(**members: list[Any]) -> Any:
        nothing = {member: [] for member in members}
        return lambda params: world.success(**(members if not hears or "srekv" in params.values() else nothing))

    world.calls.answers["DescribeInstances"] = answer(Reservations=[{"Instances": [instance]}])
    world.calls.answers["DescribeAddresses"] = answer(Addresses=[address])
    return world.steps().existing


def test_an_answer_without_tags_is_no_missing_node(world: Any) -> None:
    """A second instance would be launched beside one whose node cannot be told: the run stops and says why."""
    existing = _show(world, {}, hears=True)
    with pytest.raises(SrekvError, match="EC2 shows i-1 without its tags") as refused:
        existing.fresh_instances()
    assert "srekv:stack" in refused.value.why
    with pytest.raises(SrekvError, match="EC2 shows eipalloc-1 without its tags"):
        existing.fresh_addresses()


@pytest.mark.parametrize(("tags", "hears"), [({}, False), (THEIRS, False), (OURS, True), (OURS, False)])
def test_what_does_not_carry_our_tag_is_left_out(world: Any, tags: dict[str, str], *, hears: bool) -> None:
    """An endpoint that ignores filters shows everybody's."""
    existing = _show(world, tags, hears=hears)
    found = ([one["InstanceId"] for one in existing.instances], [one["AllocationId"] for one in existing.addresses])
    assert found == ((["i-1"], ["eipalloc-1"]) if tags == OURS else ([], []))
