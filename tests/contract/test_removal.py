"""`down`: the proof at its end, and the data that it keeps or backs up."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from srekv.errors import SrekvError, UsageError
from srekv.provision.stack import Stack
from srekv.provision.steps.table import Holding

ITEM = {"key": {"S": "k"}, "value": {"B": b"v"}}

PROOF = {
    *("ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeAddresses", "ec2:DescribeNetworkInterfaces"),
    *("ec2:DescribeSecurityGroups", "ec2:DescribeKeyPairs", "dynamodb:ListTables", "dynamodb:ListBackups"),
    *("route53:ListHealthChecks", "route53:ListHostedZones", "iam:ListRoles", "iam:ListInstanceProfiles"),
    *("cloudwatch:DescribeAlarms", "cloudwatch:ListDashboards"),
}


TAGS = [{"Key": "srekv:stack", "Value": "srekv"}]


def _put(world: Any) -> None:
    world.by_hand("dynamodb").put_item(TableName="SREKeyValue", Item=ITEM)


def _items(world: Any) -> list[Any]:
    items: list[Any] = world.by_hand("dynamodb").scan(TableName="SREKeyValue")["Items"]
    return items


def test_the_proof(strict: Any) -> None:
    """Nothing left, said by the native listing of every kind, all of which were made after the last deletion."""
    strict.put_address(stack="other")
    before = strict.listing()
    strict.up(alarms=True)
    strict.account.forget()
    removal = strict.stack()[0].down()
    assert (removal.left, removal.kept, removal.others) == ((), (), ("other",))
    assert set(removal.calls) == PROOF
    log = strict.calls.log
    last = max(position for position, name in enumerate(log) if name in strict.calls.mutating)
    assert {call.partition(":")[2] for call in removal.calls} <= set(log[last:])
    assert strict.listing() == before


def test_the_proof_asks_for_the_holders_of_nothing_but_what_is_left(world: Any) -> None:
    """Beside another stack, whose things are all in use, each kind is listed once; the holder of ours is named."""
    world.up("other")
    world.up()
    profiles = world.by_hand("iam")
    once = {"DescribeInstances", "DescribeNetworkInterfaces", "DescribeSecurityGroups", "ListInstanceProfiles"}

    def proof() -> Counter[str]:
        removal, _, _ = world.remove()
        log = world.calls.log
        last = max((number for number, name in enumerate(log) if name in world.calls.mutating), default=0)
        made.append(removal)
        return Counter(log[last + 1 :])

    made: list[Any] = []
    assert {call: number for call, number in proof().items() if call in once} == dict.fromkeys(once, 1)
    assert made[0].left == ()

    world.put_role("EC2_DynamoDB_Access", Path="/srekv/srekv/")
    profiles.create_instance_profile(InstanceProfileName="theirs")
    profiles.add_role_to_instance_profile(InstanceProfileName="theirs", RoleName="EC2_DynamoDB_Access")
    proof()
    assert [one.note for one in made[1].left] == ["held by the instance profile theirs"]


def test_a_detached_volume_goes(world: Any) -> None:
    """A disk that outlived its instance carries our tag and costs money; a stranger's stays."""
    tags = [{"ResourceType": "volume", "Tags": TAGS}]
    ec2 = world.by_hand("ec2")
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=8, TagSpecifications=tags)
    mine = ec2.create_volume(AvailabilityZone="us-east-1a", Size=8)["VolumeId"]
    left, log = world.down()
    assert (left, log.done) == ((), {("volume", "delete"): 1})
    assert [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]] == [mine]


def test_keep_table(strict: Any) -> None:
    """The table and its items stay when everything else goes, protected or not, and the next `up` takes them."""
    strict.up(deletion_protection=True)
    _put(strict)
    stack = strict.stack()[0]
    assert stack.holding() == Holding(1)
    with pytest.raises(SrekvError, match="protected"):
        stack.down()
    removal = stack.down(keep_table=True)
    assert (removal.left, [one.name for one in removal.kept]) == ((), ["SREKeyValue"])
    assert strict.census()["tables"] == 1
    assert "roles" not in strict.census()

    log = strict.up()
    assert ("table", "create") not in log.done
    assert _items(strict) == [ITEM]


def test_backup_and_back(strict: Any) -> None:
    """Taken when the nodes are gone and before the table goes; what the product tells brings the items back."""
    strict.up()
    _put(strict)
    strict.account.forget()
    dry, plan = strict.stack(dry=True)
    assert dry.down(backup="before").calls == ()
    assert strict.calls.mutating == []
    assert (plan.done["backup", "create"], plan.done["instance", "delete"]) == (1, 2)

    removal = strict.stack()[0].down(backup="before")
    assert (removal.left, [one.name for one in removal.kept]) == ((), ["srekv.srekv.before"])
    log = strict.calls.log
    assert log.index("TerminateInstances") < log.index("CreateBackup") < log.index("DeleteTable")

    dynamodb, (backup,) = strict.by_hand("dynamodb"), removal.kept
    restored = dynamodb.restore_table_from_backup(TargetTableName="SREKeyValue", BackupArn=backup.id)
    dynamodb.tag_resource(ResourceArn=restored["TableDescription"]["TableArn"], Tags=TAGS)
    assert strict.stack()[0].holding() == Holding(1)
    assert _items(strict) == [ITEM]


def test_backup_waits_and_survives_a_lost_answer(world: Any) -> None:
    """One backup although its answer was lost, and the table goes only when it is AVAILABLE."""
    world.put_table(stack="srekv")
    world.account.forget()
    looks: list[str] = []

    def status(_: Any) -> Any:
        looks.append("CREATING" if not looks else "AVAILABLE")
        details = {"BackupStatus": looks[-1], "BackupArn": "a", "BackupName": "n", "BackupType": "USER"}
        return world.success(BackupDescription={"BackupDetails": details})

    world.calls.answers["DescribeBackup"] = status
    world.account.lose_answer("CreateBackup", 1)
    removal = world.stack()[0].down(backup="before")
    assert looks == ["CREATING", "AVAILABLE"]
    assert (removal.left, len(removal.kept)) == ((), 1)
    assert world.calls.log.count("CreateBackup") == 1
    assert "tables" not in world.census()


def test_a_backup_that_cannot_be(world: Any) -> None:
    """No table, or a name that is taken: refused before anything; a backup that AWS refuses keeps the table."""
    with pytest.raises(UsageError, match="no table to back up"):
        world.stack()[0].down(backup="before")
    world.put_table(stack="srekv")
    world.by_hand("dynamodb").create_backup(TableName="SREKeyValue", BackupName="srekv.srekv.before")
    world.account.forget()
    with pytest.raises(UsageError, match="backup before already"):
        world.stack()[0].down(backup="before")
    assert world.calls.mutating == []

    world.calls.answers["CreateBackup"] = lambda _: world.refusal("AccessDeniedException", "no")
    with pytest.raises(SrekvError, match="backup"):
        world.stack()[0].down(backup="second")
    assert world.census()["tables"] == 1


def test_another_region_is_refused(world: Any) -> None:
    """Half of a stack shows in every Region: `down` in a wrong one is refused before anything."""
    tags = [*TAGS, {"Key": "srekv:region", "Value": "us-east-1"}]
    world.put_role("EC2_DynamoDB_Access", Path="/srekv/srekv/", Tags=tags)
    with pytest.raises(UsageError, match="the stack srekv is in us-east-1, not in eu-west-1"):
        world.stack(region="eu-west-1")[0]


def _take_role_away(world: Any) -> None:
    """What somebody does who tidies IAM up by hand."""
    iam, name = world.by_hand("iam"), "EC2_DynamoDB_Access"
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="srekv-node")
    iam.delete_role(RoleName=name)


def _take_zone_away(world: Any) -> None:
    route53 = world.by_hand("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in records if one["Type"] == "A"]
    route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
    route53.delete_hosted_zone(Id=zone["Id"])


def _take_checks_away(world: Any) -> None:
    route53 = world.by_hand("route53")
    for check in route53.list_health_checks()["HealthChecks"]:
        route53.delete_health_check(HealthCheckId=check["Id"])


def test_another_region_is_refused_without_the_role(world: Any) -> None:
    """Zone, checks and profile tell as well whose they are: none of them goes while their nodes run elsewhere."""
    world.up()
    for take_away in (_take_role_away, _take_zone_away, _take_checks_away):
        take_away(world)
        before = world.listing()
        for work in (Stack.down, lambda stack: stack.up(wait=False)):
            with pytest.raises(UsageError, match="the stack srekv is in us-east-1, not in eu-west-1"):
                work(world.stack(region="eu-west-1")[0])
        assert world.listing() == before

    assert world.down()[0] == ()
    assert world.census() == world.EMPTY


def test_a_zone_that_lost_its_tags_tells_its_region_by_its_vpc(world: Any) -> None:
    """As do the zones of stacks that an older srekv has made."""
    world.up()
    _take_role_away(world)
    _take_checks_away(world)
    (zone,) = world.listing()["zones"]
    world.by_hand("route53").change_tags_for_resource(
        ResourceType="hostedzone",
        ResourceId=zone["HostedZone"]["Id"].rpartition("/")[2],
        RemoveTagKeys=["srekv:region", "srekv:stack"],
    )
    world.by_hand("iam").delete_instance_profile(InstanceProfileName="EC2_DynamoDB_Access")
    with pytest.raises(UsageError, match="the stack srekv is in us-east-1"):
        world.stack(region="eu-west-1")[0].down()


def test_the_question_and_the_document(world: Any, tmp_path: Path) -> None:
    """The question counts the items and names the choice; the document has the proof, the items and what is kept."""
    world.put_table(stack="srekv")
    _put(world)
    declined = world.invoke("down", folder=tmp_path, answer="n\n")
    assert isinstance(declined.exception, UsageError)
    assert "and its table with 1 item, without a backup?" in declined.stderr
    assert "--keep-table and --backup NAME" in str(declined.exception.next_step)
    assert _items(world) == [ITEM]

    kept = world.invoke("--output", "json", "down", "--keep-table", folder=tmp_path, answer="y\n")
    assert "but keep its table with 1 item?" in kept.stderr
    document = json.loads(kept.stdout)
    assert (document["items"], document["left"], len(document["proof"])) == (1, [], 14)
    assert [(one["kind"], one["usd_month"]) for one in document["kept"]] == [("table", 0.0)]
    assert _items(world) == [ITEM]


def test_what_outlives_its_instance_is_waited_for_by_its_name(world: Any) -> None:
    """E30: an interface may be listed for minutes after its instance's end; no command removes it faster."""
    lingering = {"NetworkInterfaceId": "eni-late", "Status": "in-use", "Groups": [], "TagSet": TAGS}
    looks = [[lingering]] * 4

    def interfaces(_: Any) -> Any:
        return world.success(NetworkInterfaces=looks.pop()) if looks else None

    world.calls.answers["DescribeNetworkInterfaces"] = interfaces
    left, log = world.down()
    assert (left, looks) == ((), [])
    assert log.waits == ["EC2: network interface eni-late to be listed no more"]
