"""Law 5: drift in a declared field is repaired, exactly that; what cannot change is an error; the rest is left be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from srekv.errors import ImmutableError
from srekv.provision.steps.iam import POLICY, TRUST

ROLE = "EC2_DynamoDB_Access"
TABLE = "SREKeyValue"
ALL = frozenset({"everything"})

Damage = Callable[[Any], object]
Row = tuple[str, str, str]
"""Kind, action and a part of the fields of one row of a plan."""


@dataclass(frozen=True)
class Case:
    """One drift.

    Attributes:
        name: what somebody did.
        damage: does it, past srekv.
        rows: what the plan must show and `up` must do, and nothing else.
        touches: what it is about; drifts of different things are looked at together, to save time.
    """

    name: str
    damage: Damage
    rows: tuple[Row, ...]
    touches: frozenset[str]


def _case(name: str, damage: Damage, *rows: Row, on: str = "everything") -> Case:
    return Case(name, damage, rows, frozenset(on.split()))


def _waves(cases: Iterable[Case]) -> list[list[Case]]:
    """The cases in as few groups as it takes to have each thing drift once in a group."""
    waves: list[list[Case]] = []
    for case in cases:
        for wave in waves:
            taken = frozenset().union(*(one.touches for one in wave))
            if not taken & case.touches and ALL not in (taken, case.touches):
                wave.append(case)
                break
        else:
            waves.append([case])
    return waves


@pytest.fixture
def standing(_strict: Any) -> Iterator[Any]:
    """A whole stack, built once and shared: a test that passes has proved that it is whole again."""
    world = _strict
    world.calls.clear()
    if getattr(world, "whole", "nobody") != _role_id(world):
        world.reset()
        world.up(alarms=True)
    world.whole = "nobody"
    yield world
    world.calls.clear()


def _role_id(world: Any) -> str:
    """The id of the stack's role, "" without one: another test may have emptied the account."""
    roles = world.by_hand("iam").list_roles(PathPrefix="/srekv/srekv/")["Roles"]
    return str(roles[0]["RoleId"]) if roles else ""


def _node(world: Any, node: str = "az1") -> str:
    """The instance of a node."""
    tags = [{"Name": "tag:srekv:node", "Values": [node]}, {"Name": "instance-state-name", "Values": ["running"]}]
    found = world.by_hand("ec2").describe_instances(Filters=tags)["Reservations"]
    return str(found[0]["Instances"][0]["InstanceId"])


def _address(world: Any, node: str = "az1") -> Any:
    tags = [{"Name": "tag:srekv:node", "Values": [node]}]
    return world.by_hand("ec2").describe_addresses(Filters=tags)["Addresses"][0]


def _group(world: Any) -> str:
    names = [{"Name": "group-name", "Values": ["srekv-web"]}]
    return str(world.by_hand("ec2").describe_security_groups(Filters=names)["SecurityGroups"][0]["GroupId"])


def _check(world: Any, node: str = "az1") -> str:
    """The health check of a node."""
    checks = world.by_hand("route53").list_health_checks()["HealthChecks"]
    return next(one["Id"] for one in checks if f":{node}:" in one["CallerReference"])


def _zone(world: Any) -> str:
    return str(world.by_hand("route53").list_hosted_zones()["HostedZones"][0]["Id"])


def _records(world: Any) -> dict[str, Any]:
    """The failover records by PRIMARY and SECONDARY."""
    listed = world.by_hand("route53").list_resource_record_sets(HostedZoneId=_zone(world))["ResourceRecordSets"]
    return {one["Failover"]: one for one in listed if "Failover" in one}


def _batch(world: Any, *changes: tuple[str, Any]) -> None:
    batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
    world.client("route53").change_resource_record_sets(HostedZoneId=_zone(world), ChangeBatch={"Changes": batch})


def _permission(port: int, cidr: str, text: str) -> list[dict[str, Any]]:
    ranges = [{"CidrIp": cidr, "Description": text}]
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ranges}]


def _call(service: str, operation: str, **arguments: Any) -> Damage:
    """One call past srekv; a function among the arguments is asked for its value."""

    def damage(world: Any) -> None:
        given = {key: value(world) if callable(value) else value for key, value in arguments.items()}
        getattr(world.by_hand(service), operation)(**given)

    return damage


def _policy(*statements: Any) -> Damage:
    def damage(world: Any) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        world.by_hand("iam").put_role_policy(RoleName=ROLE, PolicyName=POLICY, PolicyDocument=document)

    return damage


def _actions_widened(world: Any) -> None:
    iam = world.by_hand("iam")
    document = iam.get_role_policy(RoleName=ROLE, PolicyName=POLICY)["PolicyDocument"]
    document["Statement"][0]["Action"] = "dynamodb:*"
    _policy(*document["Statement"])(world)


def _trust_changed(world: Any) -> None:
    trust = json.loads(json.dumps(TRUST).replace("ec2.", "lambda."))
    world.by_hand("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))


def _profile_of_another(world: Any) -> None:
    iam = world.by_hand("iam")
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName="mine")


def _profile_deleted(world: Any) -> None:
    iam = world.by_hand("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    iam.delete_instance_profile(InstanceProfileName=ROLE)


def _profile_taken_off(world: Any) -> None:
    ec2 = world.by_hand("ec2")
    filters = [{"Name": "instance-id", "Values": [_node(world)]}]
    found = ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]
    ec2.disassociate_iam_instance_profile(AssociationId=found[0]["AssociationId"])


def _closed(world: Any) -> None:
    """The operator's rule is removed."""
    permissions = _permission(80, "127.0.0.1/32", "srekv: operator")
    world.by_hand("ec2").revoke_security_group_ingress(GroupId=_group(world), IpPermissions=permissions)


def _opened(port: int, cidr: str, *, last: int = 0) -> Damage:
    """A rule that says that it is srekv's."""

    def damage(world: Any) -> None:
        permissions = _permission(port, cidr, "srekv: operator")
        permissions[0]["ToPort"] = last or port
        world.by_hand("ec2").authorize_security_group_ingress(GroupId=_group(world), IpPermissions=permissions)

    return damage


def _widened(world: Any) -> None:
    _closed(world)
    _opened(80, "0.0.0.0/0")(world)


def _untagged(find: Callable[[Any], str], *keys: str) -> Damage:
    """Something of EC2's loses these tags."""
    return _call("ec2", "delete_tags", Resources=lambda it: [find(it)], Tags=[{"Key": key} for key in keys])


def _allocation(world: Any) -> str:
    return str(_address(world, "az2")["AllocationId"])


def _second(world: Any) -> str:
    return _node(world, "az2")


def _disk(world: Any) -> str:
    found = world.by_hand("ec2").describe_instances(InstanceIds=[_node(world)])["Reservations"][0]["Instances"][0]
    return str(found["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])


def _address_released(world: Any) -> None:
    ec2, address = world.by_hand("ec2"), _address(world)
    ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])


def _other_group(world: Any) -> None:
    ec2 = world.by_hand("ec2")
    default = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"]
    found = ec2.describe_instances(InstanceIds=[_second(world)])["Reservations"][0]["Instances"][0]
    interface = found["NetworkInterfaces"][0]
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=interface["NetworkInterfaceId"], Groups=[default[0]["GroupId"]]
    )


def _table_name_lost(world: Any) -> None:
    dynamodb = world.by_hand("dynamodb")
    arn = dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["Name"])


def _record_changed(**fields: Any) -> Damage:
    def damage(world: Any) -> None:
        _batch(world, ("UPSERT", {**_records(world)["PRIMARY"], **fields}))

    return damage


def _record_missing(world: Any) -> None:
    _batch(world, ("DELETE", _records(world)["SECONDARY"]))


def _check_of_the_other(world: Any) -> None:
    both = _records(world)
    _batch(world, ("UPSERT", {**both["PRIMARY"], "HealthCheckId": both["SECONDARY"]["HealthCheckId"]}))


def _replaced(world: Any, *records: Any) -> None:
    """Other records in place of both."""
    both = _records(world)
    deletions = [("DELETE", record) for record in both.values()]
    _batch(world, *deletions, *(("CREATE", record) for record in records))


def _swapped(world: Any) -> None:
    both = _records(world)
    other = {"PRIMARY": "SECONDARY", "SECONDARY": "PRIMARY"}
    _replaced(world, *({**record, "Failover": other[role]} for role, record in both.items()))


def _simple_record(world: Any) -> None:
    record = _records(world)["PRIMARY"]
    _replaced(world, {key: record[key] for key in ("Name", "Type", "TTL", "ResourceRecords")})


def _alias_by_name(world: Any) -> None:
    name = _records(world)["PRIMARY"]["Name"]
    _replaced(world, {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "example.com."}]})


def _alarm_changed(world: Any) -> None:
    cloudwatch = world.by_hand("cloudwatch")
    alarm = cloudwatch.describe_alarms(AlarmNames=["srekv-az1-unhealthy"])["MetricAlarms"][0]
    kept = ("AlarmName", "AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "Period")
    cloudwatch.put_metric_alarm(
        **{key: alarm[key] for key in (*kept, "EvaluationPeriods")},
        Threshold=0.5,
        ComparisonOperator="LessThanThreshold",
    )


def _dashboard_changed(world: Any) -> None:
    cloudwatch = world.by_hand("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName="srekv-dashboard")["DashboardBody"])
    del body["widgets"][1]
    cloudwatch.put_dashboard(DashboardName="srekv-dashboard", DashboardBody=json.dumps(body))


def _role_lost(*keys: str) -> Damage:
    return _call("iam", "untag_role", RoleName=ROLE, TagKeys=keys)


def _route53_untagged(kind: str, find: Callable[[Any], str]) -> Damage:
    lost = {"ResourceType": kind, "RemoveTagKeys": ["srekv:stack", "Name"]}
    return _call("route53", "change_tags_for_resource", ResourceId=lambda it: find(it).rpartition("/")[2], **lost)


def _check_changed(node: str, **fields: Any) -> Damage:
    return _call("route53", "update_health_check", HealthCheckId=lambda it: _check(it, node), **fields)


def _node_call(operation: str) -> Damage:
    return _call("ec2", operation, InstanceIds=lambda it: [_node(it)])


ASSOCIATION = ("address association", "create", "with srekv-az1")
RECOVERY_OFF = {"PointInTimeRecoveryEnabled": False}
GIVEN = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
CASES = (
    _case(
        "policy replaced",
        _policy({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        ("role policy", "change", "Allow * on * not wanted; Allow dynamodb:DeleteItem, "),
        on="policy",
    ),
    _case(
        "policy widened",
        _actions_widened,
        ("role policy", "change", "Action dynamodb:* -> dynamodb:DeleteItem, dynamodb:GetItem"),
        on="policy",
    ),
    _case(
        "policy lost",
        _call("iam", "delete_role_policy", RoleName=ROLE, PolicyName=POLICY),
        ("role policy", "create", ""),
        on="policy",
    ),
    _case(
        "trust changed",
        _trust_changed,
        ("role", "change", "trust policy: Principal lambda.amazonaws.com -> ec2.amazonaws.com"),
        on="trust",
    ),
    _case("setting lost", _role_lost("srekv:ttl"), ("role", "change", "srekv:ttl missing -> 10"), on="role"),
    _case("role's name lost", _role_lost("Name"), ("role", "change", "tags: Name lost"), on="role"),
    _case("role's stack lost", _role_lost("srekv:stack"), ("role", "change", "tags: srekv:stack lost"), on="role"),
    _case(
        "profile emptied",
        _call("iam", "remove_role_from_instance_profile", InstanceProfileName=ROLE, RoleName=ROLE),
        ("instance profile", "change", f"role {ROLE} added"),
        on="profile",
    ),
    _case(
        "profile of another",
        _profile_of_another,
        ("instance profile", "change", f"role {ROLE} added"),
        ("instance profile", "change", "role mine removed"),
        on="profile",
    ),
    _case(
        "profile's tags lost",
        _call("iam", "untag_instance_profile", InstanceProfileName=ROLE, TagKeys=["srekv:stack", "Name"]),
        ("instance profile", "change", "tags: srekv:stack lost, Name lost"),
        on="profile",
    ),
    _case(
        "profile deleted",
        _profile_deleted,
        ("instance", "change", f"instance profile a deleted {ROLE} -> {ROLE}"),
        ("instance", "change", f"instance profile a deleted {ROLE} -> {ROLE}"),
        ("instance profile", "change", "added"),
        ("instance profile", "create", ""),
    ),
    _case("profile taken off", _profile_taken_off, ("instance", "change", f"profile none -> {ROLE}"), on="az1"),
    _case(
        "rule lost",
        _closed,
        ("security group rules", "create", "ingress tcp 80 from 127.0.0.1/32 missing (operator)"),
        on="rules",
    ),
    _case(
        "rule added as ours",
        _opened(80, "198.51.100.7/32"),
        ("security group rules", "delete", "ingress tcp 80 from 198.51.100.7/32 not wanted (operator)"),
        on="rules",
    ),
    _case(
        "rule widened",
        _widened,
        ("security group rules", "create", "ingress tcp 80 from 127.0.0.1/32 missing (operator)"),
        ("security group rules", "delete", "ingress tcp 80 from 0.0.0.0/0 not wanted (operator)"),
        on="rules",
    ),
    _case(
        "ports widened",
        _opened(79, "127.0.0.1/32", last=90),
        ("security group rules", "delete", "ingress tcp 79-90 from 127.0.0.1/32 not wanted (operator)"),
        on="rules",
    ),
    _case(
        "group's tags lost",
        _untagged(_group, "srekv:stack", "Name"),
        ("security group", "change", "tags: srekv:stack lost, Name lost"),
        on="group",
    ),
    _case("instance stopped", _node_call("stop_instances"), ("instance", "change", "stopped -> running"), on="az1"),
    _case("instance terminated", _node_call("terminate_instances"), ASSOCIATION, ("instance", "create", "t2.micro")),
    _case(
        "metadata open",
        _call("ec2", "modify_instance_metadata_options", InstanceId=_second, HttpTokens="optional"),
        ("instance", "change", "IMDSv2 optional -> required"),
        on="az2",
    ),
    _case("instance's name lost", _untagged(_node, "Name"), ("instance", "change", "tags: Name lost"), on="az1"),
    _case(
        "instance's node lost",
        _untagged(_second, "srekv:node"),
        ("instance", "change", "tags: srekv:node lost"),
        on="az2",
    ),
    _case(
        "instance's tags lost",
        _untagged(_node, "srekv:stack", "srekv:node", "Name"),
        ("instance", "change", "tags: srekv:stack lost, Name lost, srekv:node lost"),
        on="az1 address1",
    ),
    _case("other group", _other_group, ("instance", "change", "security group sg-"), on="az2"),
    _case(
        "disk's tags lost",
        _untagged(_disk, "srekv:stack", "srekv:node"),
        ("volume", "change", "tags: srekv:stack lost, srekv:node lost"),
        on="disk",
    ),
    _case(
        "association lost",
        _call("ec2", "disassociate_address", AssociationId=lambda it: _address(it)["AssociationId"]),
        ASSOCIATION,
        on="az1 address1",
    ),
    _case(
        "address's node lost",
        _untagged(_allocation, "srekv:node"),
        ("address", "change", "tags: srekv:node lost"),
        on="address2",
    ),
    _case(
        "address's tags lost",
        _untagged(_allocation, "srekv:stack", "srekv:node", "Name"),
        ("address", "change", "tags: srekv:stack lost, Name lost, srekv:node lost"),
        on="address2 az2 check2",
    ),
    _case(
        "address released",
        _address_released,
        ("address", "create", ""),
        ASSOCIATION,
        ("health check", "change", "IPAddress"),
        ("record", "change", "PRIMARY ResourceRecords"),
        ("security group rules", "create", "ingress tcp 80 from"),
        ("security group rules", "delete", "not wanted (node)"),
    ),
    _case(
        "table protected",
        _call("dynamodb", "update_table", TableName=TABLE, DeletionProtectionEnabled=True),
        ("table", "change", "deletion protection True -> False"),
        on="table",
    ),
    _case(
        "table provisioned",
        _call("dynamodb", "update_table", TableName=TABLE, BillingMode="PROVISIONED", ProvisionedThroughput=GIVEN),
        ("table", "change", "billing PROVISIONED -> PAY_PER_REQUEST"),
        on="table",
    ),
    _case("table's name lost", _table_name_lost, ("table", "change", "tags: Name lost"), on="table"),
    _case(
        "recovery off",
        _call("dynamodb", "update_continuous_backups", TableName=TABLE, PointInTimeRecoverySpecification=RECOVERY_OFF),
        ("point-in-time recovery", "change", "off -> on"),
        on="recovery",
    ),
    _case("check's port", _check_changed("az1", Port=81), ("health check", "change", "Port 81 -> 80"), on="check1"),
    _case(
        "check's path",
        _check_changed("az2", ResourcePath="/"),
        ("health check", "change", "ResourcePath / -> /health"),
        on="check2",
    ),
    _case(
        "check's threshold",
        _check_changed("az1", FailureThreshold=9),
        ("health check", "change", "FailureThreshold 9 -> 3"),
        on="check1",
    ),
    _case(
        "check inverted",
        _check_changed("az2", Inverted=True),
        ("health check", "change", "Inverted True -> False"),
        on="check2",
    ),
    _case(
        "check disabled",
        _check_changed("az1", Disabled=True),
        ("health check", "change", "Disabled True -> False"),
        on="check1",
    ),
    _case(
        "check's address",
        _check_changed("az2", IPAddress="8.8.8.8"),
        ("health check", "change", "IPAddress 8.8.8.8 ->"),
        on="check2",
    ),
    _case(
        "check's tags lost",
        _route53_untagged("healthcheck", _check),
        ("health check", "change", "tags: srekv:stack lost, Name lost"),
        on="check1",
    ),
    _case(
        "check deleted",
        _call("route53", "delete_health_check", HealthCheckId=_check),
        ("alarm", "change", "Dimensions HealthCheckId"),
        ("dashboard", "change", ""),
        ("health check", "create", ":80/health"),
        ("record", "change", "PRIMARY HealthCheckId"),
    ),
    _case(
        "zone's tags lost",
        _route53_untagged("hostedzone", _zone),
        ("hosted zone", "change", "tags: srekv:stack lost, Name lost"),
        on="zone",
    ),
    _case("record's TTL", _record_changed(TTL=300), ("record", "change", "PRIMARY TTL 300 -> 10"), on="records"),
    _case(
        "record's value",
        _record_changed(ResourceRecords=[{"Value": "10.0.0.1"}]),
        ("record", "change", "PRIMARY ResourceRecords 10.0.0.1 ->"),
        on="records",
    ),
    _case("record's check", _check_of_the_other, ("record", "change", "PRIMARY HealthCheckId"), on="records"),
    _case("record missing", _record_missing, ("record", "change", "SECONDARY 1"), on="records"),
    _case(
        "roles swapped",
        _swapped,
        ("record", "change", "PRIMARY Failover SECONDARY -> PRIMARY; SECONDARY Failover PRIMARY -> SECONDARY"),
        on="records",
    ),
    _case("simple record", _simple_record, ("record", "change", "svc.sre-test.local./A removed"), on="records"),
    _case("CNAME", _alias_by_name, ("record", "change", "svc.sre-test.local./CNAME removed"), on="records"),
    _case("alarm changed", _alarm_changed, ("alarm", "change", "Threshold 0.5 -> 1.0"), on="alarm"),
    _case("dashboard changed", _dashboard_changed, ("dashboard", "change", ""), on="dashboard"),
    _case(
        "dashboard deleted",
        _call("cloudwatch", "delete_dashboards", DashboardNames=["srekv-dashboard"]),
        ("dashboard", "create", ""),
        on="dashboard",
    ),
)

ONE_EACH = (
    *("instances", "volumes", "addresses", "security groups", "security group rules", "profiles", "tables"),
    *("zones", "records", "checks", "alarms", "dashboards"),
)


def _agree(said: list[Row], cases: Iterable[Case]) -> None:
    """Hold what was said to the cases' rows: these, each once, and no other."""
    wanted = [row for case in cases for row in case.rows]
    assert sorted(row[:2] for row in said) == sorted(row[:2] for row in wanted)
    for kind, action, part in wanted:
        assert any((kind, action) == row[:2] and part in row[2] for row in said), (kind, action, part, said)


@pytest.mark.parametrize(
    "wave", [pytest.param(wave, id=f"{wave[0].name}, {len(wave) - 1} more") for wave in _waves(CASES)]
)
def test_drift_is_planned_and_repaired(standing: Any, wave: list[Case]) -> None:
    """A plan shows exactly these differences and reads only; `up` repairs exactly them; then nothing differs."""
    census = standing.census()
    for case in wave:
        case.damage(standing)

    planned = standing.up(dry=True)
    assert standing.calls.mutating == []
    _agree(planned.repairs, wave)
    _agree(standing.up().repairs, wave)

    assert standing.up(dry=True).repairs == []
    after = standing.census()
    assert {kind: after[kind] for kind in ONE_EACH} == {kind: census[kind] for kind in ONE_EACH}
    standing.whole = _role_id(standing)


def test_policies_of_others_are_told_and_left(standing: Any) -> None:
    """A policy that somebody gave the role is no drift: the plan warns of it, `up` leaves it, nothing else changes."""
    iam = standing.by_hand("iam")
    wide = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    mine = iam.create_policy(PolicyName="mine", PolicyDocument=wide)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=mine)
    iam.put_role_policy(RoleName=ROLE, PolicyName="also-mine", PolicyDocument=wide)

    planned = standing.up(dry=True)
    assert planned.repairs == []
    for name in ("mine", "also-mine"):
        assert any(f"has the policy {name}, which is not srekv's" in warning for warning in planned.warnings)

    standing.up()
    assert standing.calls.mutating == []
    assert iam.list_role_policies(RoleName=ROLE)["PolicyNames"] == [POLICY, "also-mine"]
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=mine)
    iam.delete_policy(PolicyArn=mine)
    iam.delete_role_policy(RoleName=ROLE, PolicyName="also-mine")
    standing.whole = _role_id(standing)


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
    standing.whole = _role_id(standing)


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
        ("port", lambda _: {"port": 8080}, 80, 8080),
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
    assert "srekv down" in str(caught.value.next_step)
    assert standing.calls.mutating == []
    assert standing.listing() == before
    assert standing.up().repairs == []
    standing.whole = _role_id(standing)
