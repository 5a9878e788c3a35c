"""An endpoint may ignore what a listing was asked for: what is touched is chosen by the mark in the answer (law 4).

MiniStack 1.5.33 ignores some of EC2's filters. So each filter, each list of ids or names and each prefix of a reading
call is dropped on its way to the endpoint, one of each operation at a time and all at once, while every command runs
beside neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from srekv.commands.status import look
from srekv.doctor import preflight
from srekv.provision.naming import Names
from srekv.ui.console import Screen
from tests.support.doctor import diagnose_zone

READING = ("Describe", "List")
SELECTING = {
    *("Filters", "InstanceIds", "VpcIds", "SubnetIds", "KeyNames", "ImageIds", "GroupIds", "AttributeNames"),
    *("AlarmNames", "AlarmNamePrefix", "AlarmTypes", "DashboardNamePrefix", "PathPrefix", "BackupType"),
    *("StartRecordName", "StartRecordType", "MaxItems"),
}
"""The parameters of reading calls that choose among things, where the call can be made without them."""

ROUNDS = 8
"""So many lives drop one selector of each operation at a time."""


class Deaf:
    """Hears every reading call before it is built, and drops what chooses in it, if it is one of `ignored`."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.ignored: set[tuple[str, str]] = set()

    def __call__(self, *, model: Any, params: dict[str, Any], **_: Any) -> None:
        """Listens to botocore's before-parameter-build; the parameters' own objects stay as they are."""
        if not model.name.startswith(READING):
            return
        for member in SELECTING & params.keys():
            if member == "Filters":
                params[member] = [one for one in params[member] if self._counts(model.name, f"Filters {_name(one)}")]
                if not params[member]:
                    del params[member]
            elif not self._counts(model.name, member):
                del params[member]

    def _counts(self, operation: str, selector: str) -> bool:
        self.seen.add((operation, selector))
        return (operation, selector) not in self.ignored


def _name(one: Mapping[str, Any]) -> str:
    return str(one.get("Name") or one["Key"])


def _neighbours(world: Any) -> None:
    """Another stack, and what others have made: without tags, or with names and descriptions like ours."""
    world.up("other", alarms=True)
    ec2, first = world.by_hand("ec2"), world.put_instance()
    ec2.associate_address(AllocationId=world.put_address(), InstanceId=first)
    ec2.stop_instances(InstanceIds=[world.put_instance()])
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
    world.put_key_pair("mine")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    for zone, block in (("us-east-1a", "10.9.1.0/24"), ("us-east-1b", "10.9.2.0/24")):
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)
    _groups(world, vpc)
    world.put_role("mine")
    world.put_profile("mine")
    world.by_hand("iam").add_role_to_instance_profile(InstanceProfileName="mine", RoleName="mine")
    ec2.associate_iam_instance_profile(IamInstanceProfile={"Name": "mine"}, InstanceId=first)
    world.put_alarm("mine", stack="srekv")
    world.put_dashboard("mine", {"markdown": "srekv stack srekv"})


def _groups(world: Any, vpc: str) -> None:
    """Security groups that share a name, a description or a tag with ours, and not all of them."""
    ours, home = Names("srekv").security_group, world.vpc()
    tag = {"Key": "srekv:stack", "Value": "other"}
    for name, description, place, tags in (
        ("mine", "mine", home, []),
        ("mine-too", "srekv stack srekv: the web servers", home, []),
        ("mine-with-a-tag", "mine", home, [tag]),
        (ours, "mine", vpc, []),
        ("srekv-web-2", "srekv stack other: the web servers", vpc, []),
    ):
        specification = {"TagSpecifications": [{"ResourceType": "security-group", "Tags": tags}]} if tags else {}
        world.put_group(name, Description=description, VpcId=place, **specification)


@pytest.fixture(scope="module")
def crowded(_world: Any) -> Any:
    """An account with neighbours; nobody resets it while this module runs."""
    _world.reset()
    _neighbours(_world)
    return _world


@pytest.fixture
def deaf(crowded: Any) -> Iterator[Deaf]:
    """What the endpoint does not hear, for one test."""
    deaf = Deaf()
    crowded.calls.clear()
    crowded.calls.listeners["before-parameter-build"] = deaf
    yield deaf
    crowded.calls.listeners.clear()
    crowded.calls.clear()
    if crowded.stack()[0].role:
        crowded.down()  # a test has failed: the next one begins with an empty account


def _life(world: Any, folder: Path) -> dict[str, Any]:
    """Every command once, from nothing to nothing; what each came to."""
    key = folder / "key"
    before = sorted((one.id, one.severity) for one in preflight.findings(world.steps()))
    made = world.up(alarms=True, create_key=str(key)).done
    again = world.up(alarms=True, create_key=str(key)).done
    mutating = world.calls.mutating
    _strip(world)
    repaired = world.up(alarms=True, create_key=str(key)).repairs
    stack = world.stack()[0]
    screen = Screen(as_json=True, quiet=True)
    world.calls.answers["SendCommand"] = lambda _: world.refusal("InvalidInstanceId")
    with screen.progress() as narration:
        seen = look(stack, narration)
    diagnosis = diagnose_zone(world)
    primary = stack.fault_target.deployment().node("primary")
    stranger = next(one for one in world.listing()["instances"] if "PublicIpAddress" in one and "Tags" not in one)
    stack.fault_target.dismiss(stack.fault_target.admit(stranger["InstanceId"]))
    stack.fault_target.stop(primary)
    stopped = stack.fault_target.deployment().node("primary").state
    stack.fault_target.start(primary)
    there = world.all_stacks().name_holders(world.take().of("srekv"))
    listed = sorted((one.kind, one.state, one.held, len(one.holders)) for one in there)
    left, gone = world.down()
    return {
        "before up": before,
        "up": made,
        "second up": (again, mutating),
        "repairs": repaired,
        "status": sorted((one.kind, one.state) for one in seen.resources),
        "drift": seen.drift,
        "problem": seen.problem,
        "doctor": sorted({(one.id, one.severity) for one in diagnosis.findings}),
        "failover": stopped,
        "listed": listed,
        "down": (left, gone.done),
        "second down": world.down()[1].done,
    }


def _strip(world: Any) -> None:
    """An address and an instance of ours lose the stack's tag, another instance its profile."""
    ec2, tags = world.by_hand("ec2"), [{"Key": "srekv:stack", "Value": "srekv"}]
    mine = [one for one in world.listing()["instances"] if tags[0] in one.get("Tags", ())]
    first, second = sorted(mine, key=lambda one: str(one["Placement"]["AvailabilityZone"]))
    address = next(one for one in ec2.describe_addresses()["Addresses"] if one["InstanceId"] == first["InstanceId"])
    association = ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [first["InstanceId"]]}]
    )["IamInstanceProfileAssociations"][0]
    ec2.disassociate_iam_instance_profile(AssociationId=association["AssociationId"])
    ec2.delete_tags(Resources=[address["AllocationId"], second["InstanceId"]], Tags=tags)


@pytest.fixture(scope="module")
def expected(crowded: Any, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the commands come to on an endpoint that hears all, and on which selectors they rely."""
    deaf = Deaf()
    crowded.calls.clear()
    crowded.calls.listeners["before-parameter-build"] = deaf
    came = _life(crowded, tmp_path_factory.mktemp("plain"))
    crowded.calls.listeners.clear()
    crowded.calls.clear()
    return {**came, "selectors": deaf.seen}


@pytest.mark.parametrize("ignored", [*range(ROUNDS), "all"])
def test_a_selector_that_is_ignored(
    crowded: Any, expected: Mapping[str, Any], deaf: Deaf, ignored: int | str, tmp_path: Path
) -> None:
    """Every command comes to the same, it ends, and nothing of the neighbours' has changed."""
    before = crowded.listing()
    for operation in {operation for operation, _ in expected["selectors"]}:
        them = sorted(one for one in expected["selectors"] if one[0] == operation)
        assert len(them) <= ROUNDS
        deaf.ignored.update(them if ignored == "all" else them[int(ignored) : int(ignored) + 1])

    came = _life(crowded, tmp_path)

    crowded.calls.listeners.clear()
    assert crowded.listing() == before
    assert came == {name: value for name, value in expected.items() if name != "selectors"}
