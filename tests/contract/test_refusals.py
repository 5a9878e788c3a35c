"""What can be refused is refused before the first call that changes something, and a plan says the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from srekv.doctor.preflight import refuse
from srekv.errors import NotOursError, SrekvError, UsageError
from tests.support.world import World

ROLE = "EC2_DynamoDB_Access"
ALARM, DASHBOARD = "srekv-az1-unhealthy", "srekv-dashboard"
Make = Callable[[Any], object]


def _claimed_group(world: Any) -> None:
    """It looks like ours, and its tag says that it is another stack's."""
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "srekv:stack", "Value": "other"}]}]
    world.put_group("srekv-web", Description="srekv stack srekv: the web servers", TagSpecifications=tags)


def _shared_zone(world: Any) -> None:
    """Another account's zone: the VPC's list has it, and nothing else of it may be read."""
    summary = {"HostedZoneId": "Z1", "Name": "sre-test.local.", "Owner": {"OwningAccount": "111122223333"}}
    world.calls.answers["ListHostedZonesByVPC"] = lambda _: world.success(HostedZoneSummaries=[summary])
    world.calls.answers["GetHostedZone"] = lambda _: world.refusal("AccessDenied", "no")


def _zone_untold(world: Any) -> None:
    """The endpoint cannot list the zones of a VPC: the account's own are looked through."""
    world.put_zone("sre-test.local")
    world.calls.answers["ListHostedZonesByVPC"] = lambda _: world.refusal("UnknownOperationException")


def _full_subnets(world: Any) -> None:
    subnets = [{**one, "AvailableIpAddressCount": 0} for one in world.listing()["subnets"]]
    world.calls.answers["DescribeSubnets"] = lambda _: world.success(Subnets=subnets)


def _arm_image(world: Any) -> None:
    image = {"ImageId": "ami-1", "Architecture": "arm64", "RootDeviceName": "/dev/xvda"}
    world.calls.answers["DescribeImages"] = lambda _: world.success(Images=[image])


def _no_room(world: Any) -> None:
    quota = {"AttributeName": "vpc-max-elastic-ips", "AttributeValues": [{"AttributeValue": "1"}]}
    world.calls.answers["DescribeAccountAttributes"] = lambda _: world.success(AccountAttributes=[quota])


def _role_and_vpc(world: Any) -> None:
    """What --fix-vpc would change is refused with the rest."""
    world.put_role(ROLE)
    world.by_hand("ec2").modify_vpc_attribute(VpcId=world.vpc(), EnableDnsHostnames={"Value": False})


def _nothing(_: Any) -> None:
    """The request itself is the reason."""


CASES: Mapping[str, tuple[Make, Mapping[str, Any], type[SrekvError], str]] = {
    "role": (partial(World.put_role, name=ROLE), {}, NotOursError, ROLE),
    "role, with --fix-vpc": (_role_and_vpc, {"fix_vpc": True}, NotOursError, ROLE),
    "profile": (partial(World.put_profile, name=ROLE), {}, NotOursError, ROLE),
    "table": (World.put_table, {}, NotOursError, "SREKeyValue"),
    "group": (partial(World.put_group, name="srekv-web"), {}, NotOursError, "srekv-web"),
    "group of another stack": (_claimed_group, {}, NotOursError, "srekv-web"),
    "alarm": (partial(World.put_alarm, name=ALARM), {"alarms": True}, NotOursError, ALARM),
    "dashboard": (partial(World.put_dashboard, name=DASHBOARD), {"alarms": True}, NotOursError, DASHBOARD),
    "key pair": (partial(World.put_key_pair, name="srekv-key"), {"create_key": "new"}, NotOursError, "srekv-key"),
    "zone": (partial(World.put_zone, name="sre-test.local"), {}, NotOursError, r"sre-test\.local"),
    # the resolver takes the most specific zone, and never goes on to ours
    "narrower zone": (partial(World.put_zone, name="svc.sre-test.local"), {}, SrekvError, r"svc\.sre-test\.local"),
    "another account's zone": (_shared_zone, {}, NotOursError, r"sre-test\.local"),
    "zone, of a VPC that is not told": (_zone_untold, {}, NotOursError, r"sre-test\.local"),
    "full subnets": (_full_subnets, {}, SrekvError, "no free address"),
    "image of another processor": (_arm_image, {"ami": "ami-1"}, UsageError, "ami-1 is for arm64"),
    "no image": (_nothing, {"ami": "ami-0123456789abcdef0"}, UsageError, "there is no image"),
    "no key pair": (_nothing, {"key_name": "missing"}, UsageError, "there is no key pair missing"),
    "no folder for the key": (_nothing, {"create_key": "/nowhere/key"}, UsageError, "cannot be written"),
    "no VPC": (_nothing, {"vpc_id": "vpc-0123456789abcdef0"}, UsageError, "there is no VPC"),
    "no subnet": (_nothing, {"subnets": ("subnet-1", "subnet-2")}, UsageError, "is no subnet"),
    "no room for addresses": (_no_room, {}, SrekvError, "no room for the nodes' Elastic IPs"),
}
"""What makes it impossible, the options, and the refusal: its kind, which has the exit code, and a part of it."""


@pytest.mark.parametrize("case", CASES)
def test_refused_before_anything_is_made(world: Any, case: str, tmp_path: Path) -> None:
    """`up` and its plan raise the same, no call changes anything, and `down` leaves it all as it was."""
    make, options, kind, words = CASES[case]
    given = {name: str(tmp_path / value) if name == "create_key" else value for name, value in options.items()}
    make(world)
    before = world.listing()
    refused = []
    for dry in (True, False):
        world.account.forget()
        stack, log = world.stack(dry=dry, **given)
        with pytest.raises(kind, match=words) as caught:
            stack.up(wait=False, preflight=refuse)
        refused.append((caught.value.what, caught.value.why, caught.value.exit_code))
        assert caught.value.next_step
        assert world.calls.mutating == []
        assert log.changes == []
    assert refused[0] == refused[1]
    world.calls.answers.clear()
    assert world.down()[0] == ()
    assert world.listing() == before
    assert list(tmp_path.iterdir()) == []


def test_a_stack_that_stands_is_refused_as_early(world: Any) -> None:
    """Later `up`s too: what has been taken from the stack meanwhile is known before anything is repaired."""
    world.up()
    dynamodb, ec2 = world.by_hand("dynamodb"), world.by_hand("ec2")
    arn = dynamodb.describe_table(TableName="SREKeyValue")["Table"]["TableArn"]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["srekv:stack"])
    ec2.release_address(AllocationId=_free(ec2))
    _no_room(world)
    for dry in (True, False):
        with pytest.raises(NotOursError, match="SREKeyValue"):
            world.up(dry=dry)
        assert world.calls.mutating == []
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "srekv:stack", "Value": "srekv"}])
    for dry in (True, False):
        stack, _ = world.stack(dry=dry)
        with pytest.raises(SrekvError, match="no room"):
            stack.up(wait=False, preflight=refuse)
        assert world.calls.mutating == []


def _free(ec2: Any) -> str:
    """One address of the stack, taken off its instance."""
    address: dict[str, str] = ec2.describe_addresses()["Addresses"][0]
    ec2.disassociate_address(AssociationId=address["AssociationId"])
    return address["AllocationId"]


def test_a_zone_of_another_vpc_is_in_nobodys_way(world: Any) -> None:
    """Private zones of one name may be as many as there are VPCs; so may public ones."""
    vpc = world.by_hand("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    world.put_zone("sre-test.local", vpc=vpc)
    world.by_hand("route53").create_hosted_zone(Name="sre-test.local", CallerReference="public")
    world.put_zone("local", reference="another")
    assert world.up().done["hosted zone", "create"] == 1
    assert world.up().done == {}


def test_the_command_says_it_before_it_begins(world: Any, tmp_path: Path) -> None:
    """`up --zone` of a zone that is there: exit code 3, with --dry-run too, and no stack."""
    world.put_zone("corp.internal")
    before = world.listing()
    words = ["--stack", "orders", "up", "--no-wait", "--zone", "corp.internal"]
    for more in (["--dry-run"], []):
        done = world.invoke(*words, *more, folder=tmp_path)
        assert isinstance(done.exception, NotOursError)
        assert done.exception.exit_code == 3
        assert "corp.internal" in done.exception.what
        assert world.listing() == before
