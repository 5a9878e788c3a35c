"""What cases ask about, by the names that cases.toml has for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

from srekv.conformance.cases.context import PREFIX, CaseContext, NotAskedError

_ASSUMED = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [_ASSUMED]})
KEY = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
"""A table's shape."""

CHECK = {"Type": "HTTP", "FullyQualifiedDomainName": "example.com", "Disabled": True}
"""The configuration of a health check; a disabled one never asks its host (aws-facts 1.1)."""

POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]}
)
ADDRESS = {"Type": "A", "TTL": 10, "ResourceRecords": [{"Value": "192.0.2.1"}]}
"""What a record is unless a case gives more."""

T = TypeVar("T")


def shared(make: Callable[[CaseContext], T]) -> Callable[[CaseContext], T]:
    """What it makes, once a run: every case has the same."""

    def made(context: CaseContext) -> T:
        if make not in context.shared:
            context.shared[make] = make(context.parent or context)
        return cast("T", context.shared[make])

    return made


@shared
def vpc(context: CaseContext) -> str:
    """The id of the default VPC; nothing in it is changed."""
    filters = [{"Name": "is-default", "Values": ["true"]}]
    found = context.call("ec2.describe_vpcs", Filters=filters)["Vpcs"]
    if not found:
        raise NotAskedError("this Region has no default VPC")
    return str(found[0]["VpcId"])


@shared
def zone(context: CaseContext) -> tuple[str, str]:
    """The id and the name of a private zone that holds no record of a user's."""
    answer = context.call_with_retries(
        "route53.create_hosted_zone",
        Name=f"{context.name('zone')}.test",
        CallerReference=context.name("ref"),
        VPC={"VPCRegion": context.region, "VPCId": vpc(context)},
        HostedZoneConfig={"Comment": "made by srekv conformance, to be removed", "PrivateZone": True},
    )
    made = answer["HostedZone"]
    return _tag(context, "hostedzone", made["Id"].rpartition("/")[2]), str(made["Name"])


def _tag(context: CaseContext, kind: str, identifier: str) -> str:
    tags = {"ResourceType": kind, "ResourceId": identifier, "AddTags": context.tags}
    context.call_with_retries("route53.change_tags_for_resource", **tags)
    return identifier


def new_check(context: CaseContext) -> str:
    """The id of a disabled health check made for one question."""
    params = {"CallerReference": context.name("ref"), "HealthCheckConfig": CHECK}
    answer = context.call_with_retries("route53.create_health_check", **params)
    return _tag(context, "healthcheck", str(answer["HealthCheck"]["Id"]))


check = shared(new_check)


@shared
def group(context: CaseContext) -> tuple[str, str]:
    """The id and the name of a security group without inbound rules."""
    name = context.name("group")
    answer = context.call_with_retries(
        "ec2.create_security_group",
        GroupName=name,
        Description="made by srekv conformance",
        VpcId=vpc(context),
        TagSpecifications=[{"ResourceType": "security-group", "Tags": context.tags}],
    )
    return str(answer["GroupId"]), name


def new_role(context: CaseContext) -> str:
    """The name of a role without policies made for one question; nothing assumes it."""
    name = context.name("role")
    context.call_with_retries("iam.create_role", RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=context.tags)
    return name


def new_policy(context: CaseContext) -> str:
    """The ARN of a managed policy made for one question; nothing assumes it."""
    params = {"PolicyName": context.name("policy"), "PolicyDocument": POLICY, "Tags": context.tags}
    return str(context.call_with_retries("iam.create_policy", **params)["Policy"]["Arn"])


def new_profile(context: CaseContext) -> str:
    """The name of an instance profile without a role, made for one question."""
    name = context.name("profile")
    context.call_with_retries("iam.create_instance_profile", InstanceProfileName=name, Tags=context.tags)
    return name


def new_table(context: CaseContext, **settings: Any) -> str:
    """The name of a table made for one question, ready."""
    name = context.name("table")
    context.call_with_retries("dynamodb.create_table", TableName=name, Tags=context.tags, **KEY, **settings)

    def is_ready() -> bool:
        return bool(context.call("dynamodb.describe_table", TableName=name)["Table"]["TableStatus"] == "ACTIVE")

    context.wait_until(f"table {name} to be ready", is_ready)
    return name


table = shared(new_table)


@shared
def image(context: CaseContext) -> str:
    """The newest Amazon Linux."""
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    return str(context.call("ssm.get_parameter", Name=name)["Parameter"]["Value"])


def new_address(context: CaseContext) -> str:
    """The allocation id of a new Elastic IP."""
    tags = [{"ResourceType": "elastic-ip", "Tags": context.tags}]
    return str(context.call("ec2.allocate_address", Domain="vpc", TagSpecifications=tags)["AllocationId"])


def new_alarm(context: CaseContext) -> str:
    """The name of a new alarm, once it is described."""
    name = context.name("alarm")
    context.call_with_retries(
        "cloudwatch.put_metric_alarm",
        AlarmName=name,
        Tags=context.tags,
        MetricName="Nothing",
        Namespace=PREFIX,
        Statistic="Minimum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="LessThanThreshold",
    )

    def is_described() -> bool:
        return bool(context.call("cloudwatch.describe_alarms", AlarmNames=[name])["MetricAlarms"])

    context.wait_until(f"alarm {name}", is_described)
    return name


def new_instance(context: CaseContext) -> str:
    """The id of a new instance in the shared security group, pending."""
    answer = context.call_with_retries(
        "ec2.run_instances",
        ImageId=image(context),
        InstanceType="t2.micro",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[group(context)[0]],
        TagSpecifications=[{"ResourceType": "instance", "Tags": context.tags}],
    )
    return str(answer["Instances"][0]["InstanceId"])


def new_running_instance(context: CaseContext) -> str:
    """The id of a new instance that runs."""
    instance = new_instance(context)
    context.wait_for_instance(instance, "run", "running")
    return instance


_VALUES: dict[str, Callable[[CaseContext], Any]] = {
    "new": CaseContext.name,
    "new_name": CaseContext.name,
    "region": lambda context: context.region,
    "tags": lambda context: context.tags,
    "trust": lambda _: TRUST,
    "policy": lambda _: POLICY,
    "vpc": vpc,
    "zone_id": lambda context: zone(context)[0],
    "zone": lambda context: zone(context)[1],
    "check": check,
    "group": lambda context: group(context)[0],
    "group_name": lambda context: group(context)[1],
    "role": shared(new_role),
    "new_check": new_check,
    "new_role": new_role,
    "new_policy": new_policy,
    "new_profile": new_profile,
    "new_address": new_address,
    "new_alarm": new_alarm,
    "new_instance": new_instance,
    "new_running_instance": new_running_instance,
    "check_config": lambda _: CHECK,
    "values_401": lambda _: [{"Value": f"10.0.{one // 256}.{one % 256}"} for one in range(401)],
    "x_2049": lambda _: "x" * 2049,
    "x_16385": lambda _: "x" * 16385,
    "table": table,
    "image": image,
}


class Values(dict[str, Any]):
    """The values of cases.toml, each made when it is first needed: once a run, or once a case if it is a "new" one."""

    def __init__(self, context: CaseContext) -> None:
        super().__init__()
        self._context = context

    def __missing__(self, name: str) -> Any:
        """Make it; $new is another name each time."""
        value = _VALUES[name](self._context)
        if name != "new":
            self[name] = value
        return value
