"""EC2 (aws-recorded, section 5)."""

from __future__ import annotations

from typing import Any

from srekv.conformance.cases import things
from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk
from srekv.conformance.cases.model import Case, case

_AMI, _INSTANCE, _GROUP = "ami-0123456789abcdef0", "i-0123456789abcdef0", "sg-0123456789abcdef0"
_VERIFIED = "moto test_ec2/test_security_groups.py, run on AWS"


def _run(desk: Desk, **params: Any) -> Seen:
    """What RunInstances answers; an instance that it makes against the record is ended."""
    return desk.ask(
        desk.ec2.run_instances,
        made=lambda answer: things.drop_instance(desk, answer["Instances"][0]["InstanceId"]),
        InstanceType="t2.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=desk.tagged("instance"),
        **params,
    )


@case(
    "user-data-limit",
    "E8",
    "User data has at most 16 KiB.",
    Answer(400, "InvalidParameterValue", r"^User data is limited to 16384 bytes"),
    source="runs-on/runs-on#9; dask/dask-cloudprovider#249; cdk-preflight, probed 2026-09-01",
)
def user_data_limit(desk: Desk) -> Seen:
    """Run an instance with more than that."""
    return _run(desk, ImageId=things.image(desk), UserData="#" * 16385)


@case(
    "image-unknown",
    "E10",
    "An image that does not exist cannot be run.",
    Answer(400, "InvalidAMIID.NotFound", rf"^The image id '\[{_AMI}\]' does not exist"),
    source="moto test_ec2/test_amis.py, run on AWS",
)
def image_unknown(desk: Desk) -> Seen:
    """Run an image of nobody."""
    return _run(desk, ImageId=_AMI)


@case(
    "image-malformed",
    "E10",
    "What is no image id is refused.",
    Answer(400, "InvalidAMIID.Malformed", r'^Invalid id: "foobar" \(expecting "ami-'),
    source="moto test_ec2/test_amis.py, run on AWS",
)
def image_malformed(desk: Desk) -> Seen:
    """Describe "foobar"."""
    return desk.ask(desk.ec2.describe_images, ImageIds=["foobar"])


@case(
    "dry-run",
    "E13",
    "A dry run that would succeed ends in an error.",
    Answer(412, "DryRunOperation", r"^Request would have succeeded, but DryRun flag is set\.$"),
    source="aws/aws-cli#3127; aws/karpenter-provider-aws#8015",
)
def dry_run(desk: Desk) -> Seen:
    """Create a security group, dry."""
    return desk.ask(
        desk.ec2.create_security_group,
        GroupName=desk.name("dry"),
        Description="never made",
        VpcId=things.vpc(desk),
        DryRun=True,
    )


@case(
    "instance-unknown",
    "E15",
    "An instance that does not exist, or not yet, is refused by its id.",
    Answer(400, "InvalidInstanceID.NotFound", rf"^The instance ID '{_INSTANCE}' does not exist"),
    source="roboconf/roboconf-platform#197",
)
def instance_unknown(desk: Desk) -> Seen:
    """Describe an instance of nobody."""
    return desk.ask(desk.ec2.describe_instances, InstanceIds=[_INSTANCE])


@case(
    "release-by-address",
    "E25",
    "A VPC's Elastic IP is released by its allocation id.",
    Answer(400, "InvalidParameterValue", "You must specify an allocation id when releasing a VPC elastic IP address"),
    source="boto/boto#2727; NixOS/nixops#852",
    needs="an Elastic IP, for a second",
)
def release_by_address(desk: Desk) -> Seen:
    """Release one by its address."""
    answer = desk.ec2_once.allocate_address(Domain="vpc", TagSpecifications=desk.tagged("elastic-ip"))
    desk.later(f"Elastic IP {answer['PublicIp']}", desk.ec2.release_address, AllocationId=answer["AllocationId"])
    return desk.ask(desk.ec2.release_address, PublicIp=answer["PublicIp"])


def _create_group(desk: Desk, name: str) -> Seen:
    def drop(answer: Any) -> None:
        desk.later(f"security group {name}", desk.ec2.delete_security_group, GroupId=answer["GroupId"])

    return desk.ask(
        desk.ec2.create_security_group,
        made=drop,
        GroupName=name,
        Description="made by srekv conformance",
        VpcId=things.vpc(desk),
    )


@case(
    "group-name-taken",
    "E33",
    "A VPC has one security group of a name.",
    Answer(400, "InvalidGroup.Duplicate", r"^The security group '.*' already exists for VPC 'vpc-"),
    source="dask/dask-cloudprovider#198",
    needs="a security group",
    law="group-duplicate",
)
def group_name_taken(desk: Desk) -> Seen:
    """Create a second group of that name."""
    return _create_group(desk, things.group(desk)[1])


@case(
    "group-name-form",
    "E33",
    "A security group's name does not start like an id.",
    Answer(
        400,
        "InvalidParameterValue",
        r"^Value \(sg-.*\) for parameter GroupName is invalid\. Group names may not be in the format sg-\*\.",
    ),
    source="cdk-preflight, probed 2026-09",
    law="group-duplicate",
)
def group_name_form(desk: Desk) -> Seen:
    """Create a group whose name starts with "sg-"."""
    return _create_group(desk, f"sg-{desk.name('group')}")


@case(
    "rule-exists",
    "E34",
    "A rule that exists cannot be authorized again.",
    Answer(
        400,
        "InvalidPermission.Duplicate",
        r'^the specified rule "peer: 10\.9\.8\.0/24, TCP, from port: 80, to port: 80, ALLOW" already exists',
    ),
    source="terraform-aws-modules/terraform-aws-security-group#351; ansible/ansible#19759",
    needs="a security group with a rule",
    law="rule-duplicate",
)
def rule_exists(desk: Desk) -> Seen:
    """Authorize a rule twice."""
    group = things.group(desk)[0]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.9.8.0/24"}]}
    desk.surely(desk.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])
    desk.later(f"a rule of {group}", desk.ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[rule])
    return desk.ask(desk.ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])


def _bad_rule(name: str, says: str, code: str, text: str, **rule: Any) -> Case:
    """A case that authorizes a rule that EC2 refuses."""

    def ask(desk: Desk) -> Seen:
        group = things.group(desk)[0]

        def undo(_: object) -> None:
            desk.later(
                f"a rule of {group}", desk.ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[rule]
            )

        return desk.ask(desk.ec2.authorize_security_group_ingress, made=undo, GroupId=group, IpPermissions=[rule])

    return case(name, "E35", says, Answer(400, code, text), source=_VERIFIED, needs="a security group")(ask)


BAD_CIDR = _bad_rule(
    "rule-cidr",
    "A rule's block is an IPv4 network.",
    "InvalidParameterValue",
    r"^CIDR block 10\.0\.0\.0/33 is malformed",
    IpProtocol="tcp",
    FromPort=80,
    ToPort=80,
    IpRanges=[{"CidrIp": "10.0.0.0/33"}],
)
BAD_PORT = _bad_rule(
    "rule-port",
    "A rule's ports are at most 65535.",
    "InvalidParameterValue",
    r"^TCP/UDP \(from\) port \(65536\) out of range",
    IpProtocol="tcp",
    FromPort=65536,
    ToPort=65536,
    IpRanges=[{"CidrIp": "10.9.8.0/24"}],
)
NO_PORTS = _bad_rule(
    "rule-without-ports",
    "A TCP rule has both ports.",
    "InvalidParameterValue",
    r"^Invalid value for portRange\. Must specify both from and to ports with TCP/UDP\.",
    IpProtocol="tcp",
    IpRanges=[{"CidrIp": "10.9.8.0/24"}],
)


@case(
    "group-unknown",
    "E35",
    "A security group that does not exist, or not yet, is refused by its id.",
    Answer(400, "InvalidGroup.NotFound", rf"^The security group '{_GROUP}' does not exist"),
    source=_VERIFIED,
    law="group-not-seen",
)
def group_unknown(desk: Desk) -> Seen:
    """Describe a group that does not exist."""
    return desk.ask(desk.ec2.describe_security_groups, GroupIds=[_GROUP])


@case(
    "group-id-malformed",
    "E35",
    "A filter by what is no group id is refused.",
    Answer(400, "InvalidGroupId.Malformed", r"^The security group ID 'foobar' is malformed"),
    source=_VERIFIED,
)
def group_id_malformed(desk: Desk) -> Seen:
    """List the rules of "foobar"."""
    return desk.ask(desk.ec2.describe_security_group_rules, Filters=[{"Name": "group-id", "Values": ["foobar"]}])


@case(
    "rule-unknown",
    "E35",
    "A rule that does not exist is refused by its id.",
    Answer(
        400,
        "InvalidSecurityGroupRuleId.NotFound",
        r"^The security group rule ID 'sgr-0123456789abcdef0' does not exist",
    ),
    source=_VERIFIED,
)
def rule_unknown(desk: Desk) -> Seen:
    """Describe a rule that does not exist."""
    return desk.ask(desk.ec2.describe_security_group_rules, SecurityGroupRuleIds=["sgr-0123456789abcdef0"])
