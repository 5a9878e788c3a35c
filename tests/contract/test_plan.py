"""What only looks changes nothing, whatever it looks at; what cannot be done is known before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from srekv.commands.status import look
from srekv.errors import ImmutableError, NotOursError
from srekv.ui.console import Screen

READS = frozenset(
    {
        *("DescribeAddresses", "DescribeInstances", "DescribeInstanceTypeOfferings", "DescribeKeyPairs"),
        *("DescribeManagedPrefixLists", "DescribeRouteTables", "DescribeSecurityGroups", "DescribeSubnets"),
        *(
            "DescribeVolumes",
            "DescribeVpcAttribute",
            "DescribeVpcs",
            "DescribeAccountAttributes",
            "DescribeNetworkAcls",
        ),
        *("GetInstanceProfile", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies"),
        *("DescribeContinuousBackups", "DescribeTable", "ListTagsOfResource"),
        *("GetCheckerIpRanges", "GetHealthCheckStatus", "GetHostedZone", "ListHealthChecks", "ListHostedZones"),
        "ListHostedZonesByVPC",
        *("ListResourceRecordSets", "ListTagsForResource", "ListTagsForResources"),
        *(
            "DescribeAlarms",
            "ListDashboards",
            "GetDashboard",
            "GetParameter",
            "DescribeInstanceInformation",
            "GetCommandInvocation",
        ),
    }
)
"""Every operation that a command may call which says that it changes nothing; a new one is to be thought about."""

ASKS = "SendCommand"
"""How `status` asks for the name: private names are answered inside the VPC only, so a node has to ask."""


def _missing(_world: Any) -> None:
    """There is no stack."""


def _whole(world: Any) -> None:
    world.up(alarms=True)


def _drifted(world: Any) -> None:
    """Half of everything is wrong or gone."""
    world.up(alarms=True)
    ec2, route53 = world.by_hand("ec2"), world.by_hand("route53")
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["srekv-web"]}])["SecurityGroups"][0]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    node = {"Name": "tag:srekv:node", "Values": ["az1"]}
    instance = ec2.describe_instances(Filters=[node])["Reservations"][0]["Instances"][0]["InstanceId"]
    address = ec2.describe_addresses(Filters=[{**node, "Values": ["az2"]}])["Addresses"][0]["AllocationId"]
    ec2.stop_instances(InstanceIds=[instance])
    ec2.delete_tags(Resources=[instance, address, group["GroupId"]], Tags=[{"Key": "srekv:stack"}])
    for check in route53.list_health_checks()["HealthChecks"]:
        route53.update_health_check(HealthCheckId=check["Id"], IPAddress="8.8.8.8")
    world.by_hand("iam").delete_role_policy(RoleName="EC2_DynamoDB_Access", PolicyName="srekv-node")
    world.by_hand("cloudwatch").delete_dashboards(DashboardNames=["srekv-dashboard"])


def _status(world: Any) -> None:
    screen = Screen(as_json=True, quiet=True)
    with screen.progress() as narration:
        look(world.stack()[0], narration)


@pytest.mark.parametrize("state", [_missing, _whole, _drifted])
def test_looking_changes_nothing(strict: Any, state: Any) -> None:
    """`up --dry-run`, `down --dry-run` and `status` make reading calls only, and the account stays as it is."""
    state(strict)
    before = strict.listing()
    asked: list[Any] = []
    strict.calls.clear()

    strict.up(dry=True, alarms=True)
    planned = set(strict.calls.log)
    strict.down(dry=True)
    removed = set(strict.calls.log)
    strict.calls.answers[ASKS] = asked.append
    _status(strict)
    looked = set(strict.calls.log)

    assert planned | removed | looked - {ASKS} <= READS
    assert strict.listing() == before
    assert all("resolve svc.sre-test.local" in str(one) for one in asked)


@pytest.fixture
def standing(strict: Any) -> Iterator[Any]:
    """A whole stack whose role has lost a tag: something that `up` would repair."""
    strict.up()
    strict.by_hand("iam").untag_role(RoleName="EC2_DynamoDB_Access", TagKeys=["Name"])
    yield strict
    strict.calls.clear()


def test_what_cannot_change_is_shown_with_the_rest(standing: Any) -> None:
    """A plan has a row for each field that cannot change, with what to do, and goes on; `up` itself changes nothing."""
    given = {"interval": 30, "instance_type": "t3.micro", "zone": "x.local", "azs": ("us-east-1e", "us-east-1f")}

    planned = standing.up(dry=True, **given)

    refused = {one.detail: str(one.next_step) for one in planned.changes if one.action == "cannot change"}
    for field in (
        "RequestInterval 10 -> 30",
        "type t2.micro -> t3.micro",
        "name sre-test.local -> x.local",
        "zones us-east-1a, us-east-1b -> us-east-1e, us-east-1f",
    ):
        assert "srekv down, then up" in refused[field]
    assert ("role", "change", "tags: Name lost") in planned.repairs
    assert {one.kind for one in planned.changes} >= {"table", "address", "security group rules", "role policy"}
    assert standing.calls.mutating == []

    with pytest.raises(ImmutableError):
        standing.up(**given)
    assert standing.calls.mutating == []


def test_a_key_schema_cannot_change(strict: Any) -> None:
    """A table of ours with another key is refused before anything is made."""
    strict.by_hand("dynamodb").create_table(
        TableName="SREKeyValue",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "srekv:stack", "Value": "srekv"}],
    )

    with pytest.raises(ImmutableError) as caught:
        strict.up()

    assert caught.value.field == "KeySchema"
    assert strict.calls.mutating == []


def test_a_table_without_our_tag_is_not_taken(strict: Any) -> None:
    """Data is never taken by its name alone; the refusal says how to give the tag back."""
    strict.up()
    dynamodb = strict.by_hand("dynamodb")
    arn = dynamodb.describe_table(TableName="SREKeyValue")["Table"]["TableArn"]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["srekv:stack"])

    with pytest.raises(NotOursError) as caught:
        strict.stack()[0].plan()

    assert f"aws dynamodb tag-resource --resource-arn {arn} --tags Key=srekv:stack,Value=srekv" in str(caught.value)


def test_alarms_that_are_no_longer_wanted_go(strict: Any) -> None:
    """`up --no-alarms` on a stack with alarms removes them and says so in its plan; they cost money."""
    strict.up(alarms=True)
    planned = strict.up(dry=True, alarms=False)

    done = strict.up(alarms=False)

    assert done.done == planned.done
    assert done.done == {("alarm", "delete"): 3, ("dashboard", "delete"): 1, ("role", "change"): 1}
    assert not {"alarms", "dashboards"} & strict.census().keys()
    assert strict.up().repairs == []


def test_down_takes_what_has_lost_its_tag(strict: Any) -> None:
    """An instance, an address and a group of ours without the stack's tag go with the rest."""
    before = strict.census()
    strict.up()
    ec2 = strict.by_hand("ec2")
    node = {"Name": "tag:srekv:node", "Values": ["az1"]}
    instance = ec2.describe_instances(Filters=[node])["Reservations"][0]["Instances"][0]["InstanceId"]
    address = ec2.describe_addresses(Filters=[{**node, "Values": ["az2"]}])["Addresses"][0]["AllocationId"]
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["srekv-web"]}])["SecurityGroups"]
    ec2.delete_tags(Resources=[instance, address, group[0]["GroupId"]], Tags=[{"Key": "srekv:stack"}])

    strict.down()

    assert strict.census() == before
