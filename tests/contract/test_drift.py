"""Law 5: drift in a declared field is repaired, exactly that; what cannot change is an error; the rest is left be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from srekv.errors import ImmutableError
from srekv.provision.iam import POLICY, TRUST

ROLE = "EC2_DynamoDB_Access"
TABLE = "SREKeyValue"

Damage = Callable[[Any], object]
Repairs = list[tuple[str, str, str]]
"""Kind, action and a part of the detail of every change that `up` must report, in sorted order."""


@pytest.fixture
def standing(_world: Any) -> Iterator[Any]:
    """A whole stack, built once and shared: a test that passes has proved that it is whole again."""
    world = _world
    world.calls.clear()
    if not getattr(world, "whole", False) or not world.stack()[0].resources():
        world.reset()
        world.up(alarms=True)
    world.whole = False
    yield world
    world.calls.clear()


def _node(world: Any) -> str:
    """The instance of az1."""
    tags = [{"Name": "tag:srekv:node", "Values": ["az1"]}, {"Name": "instance-state-name", "Values": ["running"]}]
    found = world.by_hand("ec2").describe_instances(Filters=tags)["Reservations"]
    return str(found[0]["Instances"][0]["InstanceId"])


def _address(world: Any) -> Any:
    tags = [{"Name": "tag:srekv:node", "Values": ["az1"]}]
    return world.by_hand("ec2").describe_addresses(Filters=tags)["Addresses"][0]


def _group(world: Any) -> str:
    names = [{"Name": "group-name", "Values": ["srekv-web"]}]
    return str(world.by_hand("ec2").describe_security_groups(Filters=names)["SecurityGroups"][0]["GroupId"])


def _check(world: Any) -> str:
    """The health check of az1."""
    checks = world.by_hand("route53").list_health_checks()["HealthChecks"]
    return next(one["Id"] for one in checks if ":az1:" in one["CallerReference"])


def _zone(world: Any) -> str:
    return str(world.by_hand("route53").list_hosted_zones()["HostedZones"][0]["Id"])


def _records(world: Any) -> dict[str, Any]:
    """The failover records by PRIMARY and SECONDARY."""
    listed = world.by_hand("route53").list_resource_record_sets(HostedZoneId=_zone(world))["ResourceRecordSets"]
    return {one["Failover"]: one for one in listed if "Failover" in one}


def _batch(world: Any, *changes: tuple[str, Any]) -> None:
    batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
    world.by_hand("route53").change_resource_record_sets(HostedZoneId=_zone(world), ChangeBatch={"Changes": batch})


def _permission(port: int, cidr: str, text: str) -> list[dict[str, Any]]:
    ranges = [{"CidrIp": cidr, "Description": text}]
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ranges}]


def _policy_widened(world: Any) -> None:
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    world.by_hand("iam").put_role_policy(RoleName=ROLE, PolicyName=POLICY, PolicyDocument=json.dumps(wide))


def _policy_lost(world: Any) -> None:
    world.by_hand("iam").delete_role_policy(RoleName=ROLE, PolicyName=POLICY)


def _trust_changed(world: Any) -> None:
    trust = json.loads(json.dumps(TRUST).replace("ec2.", "lambda."))
    world.by_hand("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))


def _setting_lost(world: Any) -> None:
    world.by_hand("iam").untag_role(RoleName=ROLE, TagKeys=["srekv:ttl"])


def _role_name_lost(world: Any) -> None:
    world.by_hand("iam").untag_role(RoleName=ROLE, TagKeys=["Name"])


def _profile_emptied(world: Any) -> None:
    world.by_hand("iam").remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)


def _profile_of_another(world: Any) -> None:
    iam = world.by_hand("iam")
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName="mine")


def _rule_lost(world: Any) -> None:
    ec2, group = world.by_hand("ec2"), _group(world)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=_permission(80, "127.0.0.1/32", "srekv: operator"))


def _rule_of_ours_surplus(world: Any) -> None:
    world.by_hand("ec2").authorize_security_group_ingress(
        GroupId=_group(world), IpPermissions=_permission(80, "198.51.100.7/32", "srekv: operator")
    )


def _instance_stopped(world: Any) -> None:
    world.by_hand("ec2").stop_instances(InstanceIds=[_node(world)])


def _instance_terminated(world: Any) -> None:
    world.by_hand("ec2").terminate_instances(InstanceIds=[_node(world)])


def _association_lost(world: Any) -> None:
    world.by_hand("ec2").disassociate_address(AssociationId=_address(world)["AssociationId"])


def _address_released(world: Any) -> None:
    ec2, address = world.by_hand("ec2"), _address(world)
    ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])


def _metadata_open(world: Any) -> None:
    world.by_hand("ec2").modify_instance_metadata_options(InstanceId=_node(world), HttpTokens="optional")


def _instance_name_lost(world: Any) -> None:
    world.by_hand("ec2").delete_tags(Resources=[_node(world)], Tags=[{"Key": "Name"}])


def _instance_node_lost(world: Any) -> None:
    world.by_hand("ec2").delete_tags(Resources=[_node(world)], Tags=[{"Key": "srekv:node"}])


def _address_node_lost(world: Any) -> None:
    world.by_hand("ec2").delete_tags(Resources=[_address(world)["AllocationId"]], Tags=[{"Key": "srekv:node"}])


def _other_group(world: Any) -> None:
    ec2 = world.by_hand("ec2")
    default = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"]
    found = ec2.describe_instances(InstanceIds=[_node(world)])["Reservations"][0]["Instances"][0]
    interface = found["NetworkInterfaces"][0]
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=interface["NetworkInterfaceId"], Groups=[default[0]["GroupId"]]
    )


def _profile_taken_off(world: Any) -> None:
    ec2 = world.by_hand("ec2")
    filters = [{"Name": "instance-id", "Values": [_node(world)]}]
    found = ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]
    ec2.disassociate_iam_instance_profile(AssociationId=found[0]["AssociationId"])


def _profile_deleted(world: Any) -> None:
    iam = world.by_hand("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    iam.delete_instance_profile(InstanceProfileName=ROLE)


def _table_protected(world: Any) -> None:
    world.by_hand("dynamodb").update_table(TableName=TABLE, DeletionProtectionEnabled=True)


def _table_provisioned(world: Any) -> None:
    world.by_hand("dynamodb").update_table(
        TableName=TABLE,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    )


def _recovery_off(world: Any) -> None:
    world.by_hand("dynamodb").update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )


def _check_changed(**fields: Any) -> Damage:
    def damage(world: Any) -> None:
        world.by_hand("route53").update_health_check(HealthCheckId=_check(world), **fields)

    return damage


def _check_untagged(world: Any) -> None:
    world.by_hand("route53").change_tags_for_resource(
        ResourceType="healthcheck", ResourceId=_check(world), RemoveTagKeys=["srekv:stack"]
    )


def _check_deleted(world: Any) -> None:
    world.by_hand("route53").delete_health_check(HealthCheckId=_check(world))


def _zone_untagged(world: Any) -> None:
    world.by_hand("route53").change_tags_for_resource(
        ResourceType="hostedzone", ResourceId=_zone(world).rpartition("/")[2], RemoveTagKeys=["srekv:stack"]
    )


def _record_changed(**fields: Any) -> Damage:
    def damage(world: Any) -> None:
        _batch(world, ("UPSERT", {**_records(world)["PRIMARY"], **fields}))

    return damage


def _record_missing(world: Any) -> None:
    _batch(world, ("DELETE", _records(world)["SECONDARY"]))


def _check_of_the_other(world: Any) -> None:
    both = _records(world)
    _batch(world, ("UPSERT", {**both["PRIMARY"], "HealthCheckId": both["SECONDARY"]["HealthCheckId"]}))


def _simple_record(world: Any) -> None:
    both = _records(world)
    simple = {key: both["PRIMARY"][key] for key in ("Name", "Type", "TTL", "ResourceRecords")}
    _batch(world, ("DELETE", both["PRIMARY"]), ("DELETE", both["SECONDARY"]), ("CREATE", simple))


def _alarm_changed(world: Any) -> None:
    cloudwatch = world.by_hand("cloudwatch")
    alarm = cloudwatch.describe_alarms(AlarmNames=["srekv-az1-unhealthy"])["MetricAlarms"][0]
    kept = ("AlarmName", "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods")
    cloudwatch.put_metric_alarm(
        **{key: alarm[key] for key in kept}, Threshold=0.5, ComparisonOperator="LessThanThreshold"
    )


def _dashboard_changed(world: Any) -> None:
    cloudwatch = world.by_hand("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName="srekv-dashboard")["DashboardBody"])
    del body["widgets"][1]
    cloudwatch.put_dashboard(DashboardName="srekv-dashboard", DashboardBody=json.dumps(body))


def _dashboard_deleted(world: Any) -> None:
    world.by_hand("cloudwatch").delete_dashboards(DashboardNames=["srekv-dashboard"])


DRIFT: tuple[tuple[Damage, Repairs], ...] = (
    (_policy_widened, [("role policy", "change", "")]),
    (_policy_lost, [("role policy", "create", "")]),
    (_trust_changed, [("role", "change", "trust policy")]),
    (_setting_lost, [("role", "change", "srekv:ttl missing -> 10")]),
    (_role_name_lost, [("role", "change", "Name missing ->")]),
    (_profile_emptied, [("instance profile", "change", "added")]),
    (_profile_of_another, [("instance profile", "change", "added"), ("instance profile", "change", "mine removed")]),
    (_rule_lost, [("security group rules", "create", "80 for operator: 127.0.0.1/32")]),
    (_rule_of_ours_surplus, [("security group rules", "delete", "80 for operator: 198.51.100.7/32")]),
    (_instance_stopped, [("instance", "change", "stopped -> running")]),
    (_instance_terminated, [("address association", "create", "srekv-az1"), ("instance", "create", "t2.micro")]),
    (_association_lost, [("address association", "create", "srekv-az1")]),
    (
        _address_released,
        [
            ("address", "create", ""),
            ("address association", "create", "srekv-az1"),
            ("health check", "change", "IPAddress"),
            ("record", "change", "PRIMARY ResourceRecords"),
            ("security group rules", "create", "80 for node"),
            ("security group rules", "delete", "80 for node"),
        ],
    ),
    (_metadata_open, [("instance", "change", "IMDSv2")]),
    (_instance_name_lost, [("instance", "change", "tags")]),
    (_instance_node_lost, [("instance", "change", "tags")]),
    (_address_node_lost, [("address", "change", "tags")]),
    (_other_group, [("instance", "change", "security group")]),
    (_profile_taken_off, [("instance", "change", "instance profile")]),
    (
        _profile_deleted,
        [
            ("instance", "change", "instance profile"),
            ("instance", "change", "instance profile"),
            ("instance profile", "change", "added"),
            ("instance profile", "create", ""),
        ],
    ),
    (_table_protected, [("table", "change", "deletion protection True -> False")]),
    (_table_provisioned, [("table", "change", "billing PROVISIONED -> PAY_PER_REQUEST")]),
    (_recovery_off, [("point-in-time recovery", "create", "")]),
    (_check_changed(Port=81), [("health check", "change", "Port 81 -> 80")]),
    (_check_changed(ResourcePath="/"), [("health check", "change", "ResourcePath / -> /health")]),
    (_check_changed(FailureThreshold=9), [("health check", "change", "FailureThreshold 9 -> 3")]),
    (_check_changed(Inverted=True), [("health check", "change", "Inverted True -> False")]),
    (_check_changed(Disabled=True), [("health check", "change", "Disabled True -> False")]),
    (_check_changed(IPAddress="8.8.8.8"), [("health check", "change", "IPAddress 8.8.8.8 ->")]),
    (_check_untagged, [("health check", "change", "tags")]),
    (
        _check_deleted,
        [
            ("alarm", "change", ""),
            ("dashboard", "change", ""),
            ("health check", "create", ":80/health"),
            ("record", "change", "PRIMARY HealthCheckId"),
        ],
    ),
    (_zone_untagged, [("hosted zone", "change", "tags")]),
    (_record_changed(TTL=300), [("record", "change", "PRIMARY TTL 300 -> 10")]),
    (
        _record_changed(ResourceRecords=[{"Value": "10.0.0.1"}]),
        [("record", "change", "PRIMARY ResourceRecords [{'Value': '10.0.0.1'}] ->")],
    ),
    (_check_of_the_other, [("record", "change", "PRIMARY HealthCheckId")]),
    (_record_missing, [("record", "change", "SECONDARY")]),
    (_simple_record, [("record", "change", "removed")]),
    (_alarm_changed, [("alarm", "change", "")]),
    (_dashboard_changed, [("dashboard", "change", "")]),
    (_dashboard_deleted, [("dashboard", "create", "")]),
)


@pytest.mark.parametrize(
    ("damage", "repairs"), [pytest.param(*case, id=f"{number}-{case[0].__name__}") for number, case in enumerate(DRIFT)]
)
def test_drift_is_repaired(standing: Any, damage: Damage, repairs: Repairs) -> None:
    """`up` reports exactly the repairs of this damage, and the next run is quiet."""
    damage(standing)

    log = standing.up()

    assert [(kind, action) for kind, action, _ in log.repairs] == [(kind, action) for kind, action, _ in repairs]
    for (_, _, said), (_, _, wanted) in zip(log.repairs, repairs, strict=True):
        assert wanted in said
    assert standing.up().repairs == []
    assert standing.calls.mutating == []
    standing.whole = True


def test_what_we_do_not_declare_is_left_alone(standing: Any) -> None:
    """A user's own rule, tag, managed policy and record stay where they are; nothing is reported."""
    ec2, iam = standing.by_hand("ec2"), standing.by_hand("iam")
    ec2.authorize_security_group_ingress(
        GroupId=_group(standing), IpPermissions=_permission(443, "198.51.100.0/24", "my own")
    )
    ec2.create_tags(Resources=[_node(standing)], Tags=[{"Key": "mine", "Value": "yes"}])
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": "mine", "Value": "yes"}])
    note = {"Name": "note.sre-test.local.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"mine"'}]}
    _batch(standing, ("CREATE", note))
    before = standing.listing()

    assert standing.up().repairs == []

    assert standing.listing() == before
    _batch(standing, ("DELETE", note))
    ec2.revoke_security_group_ingress(
        GroupId=_group(standing), IpPermissions=_permission(443, "198.51.100.0/24", "my own")
    )
    standing.whole = True


def _subnets(world: Any) -> tuple[str, str]:
    """Two subnets that no node is in."""
    taken = {one["SubnetId"] for one in world.listing()["instances"]}
    free = [one["SubnetId"] for one in world.listing()["subnets"] if one["SubnetId"] not in taken]
    return free[0], free[1]


def _other_vpc(world: Any) -> str:
    ec2 = world.by_hand("ec2")
    vpc: str = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    return vpc


@pytest.mark.parametrize(
    ("field", "given", "have", "want"),
    [
        ("RequestInterval", lambda _: {"interval": 30}, 10, 30),
        ("type", lambda _: {"instance_type": "t3.micro"}, "t2.micro", "t3.micro"),
        ("zones", lambda _: {"azs": ("us-east-1e", "us-east-1f")}, "us-east-1a, us-east-1b", "us-east-1e, us-east-1f"),
        ("subnets", lambda world: {"subnets": _subnets(world)}, "subnet-", "subnet-"),
        ("name", lambda _: {"zone": "x.local"}, "sre-test.local", "x.local"),
        ("VPC", lambda world: {"vpc_id": _other_vpc(world)}, "vpc-", "vpc-"),
    ],
)
def test_what_cannot_change_is_an_error(standing: Any, field: str, given: Any, have: Any, want: Any) -> None:
    """Field, have and want are named, nothing is changed, and the next plain `up` is quiet: nothing was stored."""
    options = given(standing)
    before = standing.listing()

    with pytest.raises(ImmutableError) as caught:
        standing.up(**options)

    assert field.lower() in caught.value.field.lower()
    assert str(have) in str(caught.value.have)
    assert str(want) in str(caught.value.want)
    assert "srekv down" in caught.value.next_step
    assert standing.calls.mutating == []
    assert standing.listing() == before
    assert standing.up().repairs == []
    standing.whole = True
