"""A lease on nodes that are launched, that run, that have stopped; renewed, taken back, lost, over."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from srekv.errors import SrekvError, UsageError

TAG = "srekv:lease"
BEHAVIOR: Any = "instanceInitiatedShutdownBehavior"
HOUR = 3600.0


def _instances(world: Any) -> list[Any]:
    return sorted(world.listing()["instances"], key=lambda one: str(one["Placement"]["AvailabilityZone"]))


def _ids(world: Any) -> list[str]:
    return [one["InstanceId"] for one in _instances(world)]


def _tag(resource: Mapping[str, Any]) -> str:
    return next((tag["Value"] for tag in resource.get("Tags", ()) if tag["Key"] == TAG), "")


def _shown(world: Any) -> set[str]:
    """The end of the lease as role and instances have it."""
    role = next(one for one in world.listing()["roles"] if one["RoleName"] == "EC2_DynamoDB_Access")
    return {_tag(role), *(_tag(one) for one in _instances(world))}


def _behaviors(world: Any) -> set[str]:
    ec2 = world.by_hand("ec2")
    answers = [ec2.describe_instance_attribute(InstanceId=one, Attribute=BEHAVIOR) for one in _ids(world)]
    return {answer["InstanceInitiatedShutdownBehavior"]["Value"] for answer in answers}


def _carried(world: Any, instance_id: str) -> str:
    """The end that an instance's user data carries, "" without one."""
    answer = world.by_hand("ec2").describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    files = yaml.safe_load(gzip.decompress(base64.b64decode(answer["UserData"]["Value"])))["write_files"]
    return next((one["content"] for one in files if one["path"] == "/opt/srekv/lease-until"), "").strip()


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _past(**ago: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**ago)


class Agents:
    """SSM agents of nodes: every command succeeds unless `result` says otherwise; `scripts` by instance.

    `told` is what each node has in its file: its lease's end in seconds since the epoch, "" without one.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.scripts: list[tuple[str, str]] = []
        self.told: dict[str, str] = {}
        self.result: dict[str, Any] = {"Status": "Success", "ResponseCode": 0}
        world.calls.answers["DescribeInstanceInformation"] = self._registered
        world.calls.answers["SendCommand"] = self._send
        world.calls.answers["GetCommandInvocation"] = self._ended

    def _registered(self, _: Any) -> Any:
        online = [{"InstanceId": one, "PingStatus": "Online"} for one in _ids(self._world)]
        return self._world.success(InstanceInformationList=online)

    def _send(self, body: Any) -> Any:
        asked = json.loads(body)
        instance, script = asked["InstanceIds"][0], asked["Parameters"]["commands"][0]
        if not script.startswith("cat "):
            self.scripts.append((instance, script))
            if self.result["Status"] == "Success":
                self.told[instance] = "".join(re.findall(r"echo (\d+) >", script))
        return self._world.success(Command={"CommandId": "c" * 36})

    def _ended(self, body: Any) -> Any:
        instance = json.loads(body)["InstanceId"]
        return self._world.success(**self.result, StandardOutputContent=self.told.get(instance, ""))


def test_nodes_are_born_with_their_lease(world: Any) -> None:
    """User data, the shutdown's meaning and the tags say it at the launch; a second `up` finds nothing to do."""
    before = datetime.now(UTC)
    world.up(lease_s=2 * HOUR)
    (shown,) = _shown(world)
    end = _moment(shown)
    assert timedelta(seconds=-1) <= end - before - timedelta(hours=2) < timedelta(seconds=30)
    assert {_carried(world, one) for one in _ids(world)} == {str(int(end.timestamp()))}
    assert _behaviors(world) == {"terminate"}
    assert not {"SendCommand", "ModifyInstanceAttribute"} & set(world.calls.log)

    assert world.up().done == {}
    assert world.calls.mutating == []
    assert len(world.calls.log) <= 25
    assert world.stack()[0].run.config.lease == end


def test_a_node_without_a_lease_stops_at_its_own_shutdown(world: Any) -> None:
    """EC2's default; nothing is read or written that only a lease needs."""
    world.up()
    assert _shown(world) == {""}
    assert {_carried(world, one) for one in _ids(world)} == {""}
    assert _behaviors(world) == {"stop"}
    assert "DescribeInstanceAttribute" not in world.calls.log


def test_a_lease_is_given_renewed_and_taken_back_without_a_launch(world: Any) -> None:
    """The same instances throughout; each change reaches the node first, then the tag, and the role last."""
    world.up()
    ids = _ids(world)

    told = Agents(world)
    given = world.up(lease_s=HOUR)
    (first,) = _shown(world)
    assert [(kind, action) for kind, action, _ in given.repairs] == [("instance", "change")] * 2 + [("role", "change")]
    assert _behaviors(world) == {"terminate"}
    assert [one for one, _ in told.scripts] == ids
    assert f"echo {int(_moment(first).timestamp())} > /opt/srekv/lease-until.new" in told.scripts[0][1]
    assert world.up().done == {}

    world.up(lease_s=3 * HOUR)
    (second,) = _shown(world)
    assert _moment(second) - _moment(first) >= timedelta(hours=2)

    taken = world.up(lease=None)
    assert taken.repairs[-1] == ("role", "change", f"srekv:lease {second} removed")
    assert _shown(world) == {""}
    assert _behaviors(world) == {"stop"}
    assert "rm -f /opt/srekv/lease-until" in told.scripts[-1][1]
    assert world.up().done == {}
    assert _ids(world) == ids


def test_a_lease_that_a_node_does_not_take_is_not_promised(world: Any) -> None:
    """The command fails, so does `up`, naming the node; neither tag nor role say what does not hold."""
    world.up()
    told = Agents(world)
    told.result = {"Status": "Failed", "ResponseCode": 1, "StandardErrorContent": "read-only file system"}
    with pytest.raises(SrekvError, match=r"az1 \(i-\w+\) did not receive its lease") as caught:
        world.up(lease_s=HOUR)
    assert "read-only file system" in caught.value.why
    assert "terminate" in str(caught.value.next_step)
    assert _shown(world) == {"", "pending"}

    told.result = {"Status": "Failed", "ResponseCode": 3}
    with pytest.raises(SrekvError, match="did not receive") as caught:
        world.up(lease_s=HOUR)
    assert "older version" in caught.value.why
    assert _shown(world) == {""}


@pytest.mark.parametrize("call", ["SendCommand", "ModifyInstanceAttribute", "CreateTags"])
def test_an_up_that_was_cut_off_while_it_told_a_node_leaves_a_mark(world: Any, call: str) -> None:
    """The next `up`, with no word about a lease, tells that node what the stack promises."""
    world.up(lease_s=HOUR)
    (end,) = _shown(world)
    told = Agents(world)
    world.account.kill_after(call, 1)
    with pytest.raises(world.Killed):
        world.up(lease_s=3 * HOUR)
    world.calls.clear()
    told = Agents(world)

    assert world.up().repairs == [("instance", "change", f"lease pending -> {end}")]
    assert set(told.told.values()) == {str(int(_moment(end).timestamp()))}
    assert _shown(world) == {end}
    assert world.up().done == {}


@pytest.mark.parametrize(("call", "number"), [("CreateTags", 1), ("SendCommand", 1), ("CreateTags", 2)])
def test_two_ups_with_different_leases(world: Any, call: str, number: int) -> None:
    """One comes whole between two calls of the other: each node was told what its tag says, and the role promises."""
    world.up(lease_s=HOUR)
    told = Agents(world)
    world.calls.before(call, number, lambda: world.up(lease_s=3 * HOUR))
    world.up(lease_s=2 * HOUR)
    (end,) = _shown(world)
    assert set(told.told.values()) == {str(int(_moment(end).timestamp()))}
    assert world.up().done == {}


def test_a_lost_tag_and_a_changed_attribute_are_repaired(world: Any) -> None:
    """Each alone, and nothing else with it."""
    world.up(lease_s=HOUR)
    (end,) = _shown(world)
    ec2, primary = world.by_hand("ec2"), _ids(world)[0]
    ec2.modify_instance_attribute(InstanceId=primary, Attribute=BEHAVIOR, Value="stop")
    assert world.up(dry=True).repairs == [("instance", "change", "at its own shutdown stop -> terminate")]
    assert world.up().repairs == [("instance", "change", "at its own shutdown stop -> terminate")]
    assert _behaviors(world) == {"terminate"}

    told = Agents(world)
    ec2.delete_tags(Resources=[primary], Tags=[{"Key": TAG}])
    assert world.up().repairs == [("instance", "change", f"lease none -> {end}")]
    assert [one for one, _ in told.scripts] == [primary]
    assert _shown(world) == {end}


def test_a_plan_with_a_lease_changes_nothing(world: Any) -> None:
    """`up --lease --dry-run` shows what would be told to whom."""
    world.up()
    plan = world.up(dry=True, lease_s=HOUR)
    assert [(kind, action) for kind, action, _ in plan.repairs] == [("instance", "change")] * 2 + [("role", "change")]
    assert world.calls.mutating == []


def test_a_missing_node_gets_the_lease_of_the_stack(world: Any) -> None:
    """What is launched later ends with the others."""
    world.up(lease_s=2 * HOUR)
    world.by_hand("ec2").terminate_instances(InstanceIds=_ids(world)[:1])
    (end,) = _shown(world)
    world.up()
    assert _shown(world) == {end}
    assert {_carried(world, one) for one in _ids(world)} == {str(int(_moment(end).timestamp()))}


def test_a_stack_whose_lease_is_over_is_not_gone_on_with(world: Any) -> None:
    """A plain `up` refuses before it changes anything; with a lease, or without, the nodes come back; `down` works."""
    world.up(lease_s=HOUR)
    world.by_hand("ec2").terminate_instances(InstanceIds=_ids(world))  # what the nodes did to themselves
    past = _past(hours=3).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.by_hand("iam").tag_role(RoleName="EC2_DynamoDB_Access", Tags=[{"Key": TAG, "Value": past}])
    with pytest.raises(UsageError, match="lease is over: it ended 3 h ago"):
        world.up()
    assert world.calls.mutating == []

    world.up(lease=None)
    assert _shown(world) == {""}
    assert len(_ids(world)) == 2
    Agents(world)
    world.up(lease_s=HOUR)
    assert world.down()[0] == ()


def test_a_node_that_stopped_over_the_end_of_its_lease_is_replaced(world: Any) -> None:
    """Started, it would end before anybody could renew its lease."""
    world.up(lease_s=HOUR)
    primary, secondary = _ids(world)
    ec2 = world.by_hand("ec2")
    ec2.stop_instances(InstanceIds=[primary])
    past = _past(minutes=1).strftime("%Y-%m-%dT%H:%M:%SZ")
    ec2.create_tags(Resources=[primary], Tags=[{"Key": TAG, "Value": past}])
    done = world.up().done
    assert (done["instance", "delete"], done["instance", "create"]) == (1, 1)
    assert "StartInstances" not in world.calls.log
    assert primary not in _ids(world)
    assert secondary in _ids(world)
    assert len(_shown(world)) == 1
    assert len({one["ImageId"] for one in _instances(world)}) == 1


def test_a_killed_up_with_a_lease_ends_in_one_stack(world: Any) -> None:
    """The launch that is repeated has the parameters of the first, so EC2 would know it by its token."""
    tokens: list[tuple[str, str]] = []

    def note(body: Mapping[str, Any]) -> None:
        tokens.append((body["ClientToken"], body["UserData"]))

    world.calls.answers["RunInstances"] = note
    world.account.kill_after("RunInstances", 2)
    with pytest.raises(world.Killed):
        world.up(lease_s=HOUR)
    first = set(tokens)
    world.calls.clear()
    world.by_hand("ec2").terminate_instances(InstanceIds=_ids(world))  # as if DescribeInstances did not show them yet

    tokens.clear()
    Agents(world)
    world.calls.answers["RunInstances"] = note
    world.up(lease_s=HOUR + 60)
    assert set(tokens) >= first
    assert len(_ids(world)) == 2
    assert len(_shown(world)) == 1


def test_two_first_ups_with_different_leases(strict: Any) -> None:
    """The nodes are launched once; whoever promised what, the next `up` sees it and makes it true."""
    told = Agents(strict)
    strict.calls.before("RunInstances", 1, lambda: strict.up(lease_s=3 * HOUR))
    strict.up(lease_s=2 * HOUR)
    assert len(_ids(strict)) == 2

    strict.up()
    (end,) = _shown(strict)
    assert set(told.told.values()) <= {str(int(_moment(end).timestamp()))}
    assert strict.up().done == {}
