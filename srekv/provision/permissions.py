"""The two IAM policies as data: what an operator needs for every command of srekv, and what a node needs. No call.

Each statement is as narrow as the service lets it be (aws-facts 6.2): what is created must carry the tag
`srekv:stack`, what is changed must have it, and everything with a name of its own is bound to srekv's names. Where tags
cannot help, it says so:

- Route 53 knows neither request nor resource tags: the policy reaches every zone and check of the account. srekv itself
  touches only those whose CallerReference it made.
- DynamoDB looks at tags in most accounts, and in the others as if there were none: the table is bound by its exact
  name, and by its tag where that is seen (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/abac-enable-ddb.html).
- IAM: the path `/srekv/STACK/` does what a tag would do, and cannot be changed afterwards.
- A role that the operator creates, gives a policy and passes to an instance allows what that policy does: bound the
  operator with a permissions boundary where that matters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from srekv.config import DEFAULT_STACK
from srekv.provision.naming import STACK_TAG, Names

VERSION = "2012-10-17"
LARGEST_POLICY = 6144  # characters of a managed policy, white space not counted (IAM's quota)
READING = ("Describe", "Get", "List", "Scan", "Simulate")  # how the names of actions start that change nothing

Part = Literal["reading", "changing"]


def _named(table: str) -> list[str]:
    """The actions of a table whose lines each have a service and names of its actions."""
    actions = []
    for line in table.strip().splitlines():
        service, *names = line.split()
        actions += [f"{service}:{name}" for name in names]
    return actions


ACTIONS = {
    # What the services do not let an account narrow, and what is read of any owner's things: the account, a VPC, the
    # zone that `doctor` reads, the operator's own role. All but CreateHealthCheck only read.
    "Everywhere": _named("""
        cloudwatch DescribeAlarms ListDashboards
        dynamodb ListBackups ListTables
        ec2 DescribeAccountAttributes DescribeAddresses DescribeIamInstanceProfileAssociations DescribeImages
        ec2 DescribeInstanceAttribute DescribeInstanceTypeOfferings DescribeInstances DescribeKeyPairs
        ec2 DescribeManagedPrefixLists DescribeNetworkAcls DescribeNetworkInterfaces DescribeRegions
        ec2 DescribeRouteTables DescribeSecurityGroups DescribeSubnets DescribeVolumes DescribeVpcAttribute
        ec2 DescribeVpcs GetManagedPrefixListEntries
        iam GetPolicy GetPolicyVersion GetRole ListInstanceProfiles ListRoles SimulatePrincipalPolicy
        route53 CreateHealthCheck GetCheckerIpRanges ListHealthChecks ListHostedZones ListHostedZonesByVPC
        route53resolver ListResolverRuleAssociations ListResolverRules
        ssm DescribeInstanceInformation GetCommandInvocation
    """),
    # The calls that tag what they create.
    "Make": _named("ec2 AllocateAddress CreateKeyPair CreateSecurityGroup RunInstances"),
    "TagWhatIsMade": _named("ec2 CreateTags"),
    "MakeOf": _named("ec2 CreateSecurityGroup RunInstances"),
    # The calls on what is there, for which it must have our tag.
    "Change": _named("""
        ec2 AssociateAddress AssociateIamInstanceProfile AuthorizeSecurityGroupIngress CreateTags DeleteKeyPair
        ec2 DeleteSecurityGroup DeleteTags DeleteVolume DisassociateAddress GetConsoleOutput ModifyInstanceAttribute
        ec2 ModifyInstanceMetadataOptions ReleaseAddress ReplaceIamInstanceProfileAssociation
        ec2 RevokeSecurityGroupIngress StartInstances StopInstances TerminateInstances RunInstances
    """),
    "ReadRole": _named("iam GetInstanceProfile GetRolePolicy ListAttachedRolePolicies ListRolePolicies ListRoleTags"),
    "ChangeRole": _named("""
        iam AddRoleToInstanceProfile CreateInstanceProfile CreateRole DeleteInstanceProfile DeleteRole
        iam DeleteRolePolicy DetachRolePolicy PutRolePolicy RemoveRoleFromInstanceProfile TagInstanceProfile
        iam TagRole UntagRole UpdateAssumeRolePolicy
    """),
    "PassRole": _named("iam PassRole"),
    "ReadTable": _named("dynamodb DescribeTable ListTagsOfResource"),
    "Table": _named("""
        dynamodb CreateBackup CreateTable DeleteBackup DeleteTable DescribeBackup DescribeContinuousBackups Scan
        dynamodb TagResource UpdateContinuousBackups UpdateTable
    """),
    "PrivateZone": _named("route53 AssociateVPCWithHostedZone CreateHostedZone"),
    "Dns": _named("""
        route53 ChangeResourceRecordSets ChangeTagsForResource DeleteHealthCheck DeleteHostedZone GetChange
        route53 GetHealthCheckStatus GetHostedZone ListResourceRecordSets ListTagsForResource ListTagsForResources
        route53 UpdateHealthCheck
    """),
    "Command": _named("ssm SendCommand"),
    "CommandBy": _named("ssm GetParameter SendCommand"),
    "ReadAlarms": _named("cloudwatch GetDashboard ListTagsForResource"),
    "Alarms": _named("cloudwatch DeleteAlarms DeleteDashboards PutDashboard"),
    "MakeAlarm": _named("cloudwatch PutMetricAlarm TagResource"),
    "FixVpc": _named("ec2 ModifyVpcAttribute"),
    "VolumeKey": _named("kms CreateGrant Decrypt DescribeKey GenerateDataKeyWithoutPlaintext"),
}
"""The actions of each of the operator's statements, by its name."""

TABLE_ACTIONS = _named("dynamodb DeleteItem GetItem PutItem Scan UpdateItem")
"""Item actions only (aws-facts 6.2), instead of the lab's AmazonDynamoDBFullAccess (10 g)."""

AGENT_ACTIONS = _named("""
    ec2messages AcknowledgeMessage DeleteMessage FailMessage GetEndpoint GetMessages SendReply
    ssm ListAssociations ListInstanceAssociations UpdateInstanceInformation
    ssmmessages CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel
""")
"""The part of AmazonSSMManagedInstanceCore that Run Command uses, inline: an endpoint need not carry AWS's policies."""


def node_policy(table: str) -> dict[str, Any]:
    """The node's permissions; `table` is an ARN."""
    return {
        "Version": VERSION,
        "Statement": [
            {"Sid": "Items", "Effect": "Allow", "Action": TABLE_ACTIONS, "Resource": table},
            {"Sid": "Agent", "Effect": "Allow", "Action": AGENT_ACTIONS, "Resource": "*"},
        ],
    }


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where the policy holds. "*" is every account or Region; no stack means every stack of srekv."""

    account: str = "*"
    region: str = "*"
    stack: str | None = None
    partition: str = "aws"  # or "aws-cn", "aws-us-gov"

    def arn(self, service: str, *resources: str, region: str | None = None, account: str | None = None) -> list[str]:
        """One ARN for each resource, in this scope's Region and account unless others are given ("" among them)."""
        where = self.region if region is None else region
        whose = self.account if account is None else account
        return [f"arn:{self.partition}:{service}:{where}:{whose}:{resource}" for resource in resources]

    @property
    def names(self) -> Names:
        """The stack's names; without one the default stack's, with which others' start."""
        return Names(self.stack or DEFAULT_STACK)

    def iam(self, kind: str) -> list[str]:
        """The stack's role or instance profile, at its path."""
        path = Names(self.stack or "*").path
        return self.arn("iam", f"{kind}{path}{self.names.role if self.stack else '*'}", region="")

    def alarms(self) -> list[str]:
        """The stack's alarms in every Region, for those on Route 53's checks live in us-east-1 (aws-facts 8)."""
        return self.arn("cloudwatch", f"alarm:{self.names.alarm('*')}", region="*")

    def dashboards(self) -> list[str]:
        """The stack's dashboard, which is in no Region."""
        return self.arn("cloudwatch", f"dashboard/{self.names.dashboard}{'' if self.stack else '*'}", region="")

    def tables(self) -> list[str]:
        """The stack's table, by exact name: the default stack's name begins other people's names."""
        table = f"table/{self.names.table}"
        return self.arn("dynamodb", table, *([] if self.stack else [f"{table}-*"]))

    def tagged(self, key: str) -> dict[str, Any]:
        """The tag `srekv:stack` must be there, with this stack's name if there is one."""
        return {"StringLike": {f"{key}/{STACK_TAG}": self.stack or "*"}}


def operator_policy(
    *,
    account: str = "*",
    region: str = "*",
    stack: str | None = None,
    partition: str = "aws",
    part: Part | None = None,
    ebs_key: str | None = None,
    fix_vpc: bool = False,
) -> dict[str, Any]:
    """All that an operator needs for every command, in a Scope.

    `part`: only what reads, or only what does more; together they are the whole. `ebs_key`: the ARN of the KMS key that
    encrypts volumes by default, where it is not AWS's own. `fix_vpc`: allow what `up --fix-vpc` does, to any VPC.
    """
    scope = Scope(account=account, region=region, stack=stack, partition=partition)
    statements = []
    for name, resources, conditions in _bounds(scope, ebs_key):
        actions = [one for one in ACTIONS[name] if part is None or reads(one) == (part == "reading")]
        if actions and (fix_vpc or name != "FixVpc"):
            statement = {"Sid": name, "Effect": "Allow", "Action": _bare(actions), "Resource": _bare(resources)}
            statements.append({**statement, "Condition": conditions} if conditions else statement)
    policy = {"Version": VERSION, "Statement": statements}
    if size(policy) <= LARGEST_POLICY:
        return policy
    # IAM needs no names: without them there is more room.
    unnamed = [{key: value for key, value in one.items() if key != "Sid"} for one in statements]
    return {**policy, "Statement": unnamed}


def _bounds(scope: Scope, ebs_key: str | None) -> Iterator[tuple[str, Sequence[str], Mapping[str, Any] | None]]:
    """For each statement the resources that it is about and the conditions under which it allows its actions."""
    every = replace(scope, stack=None)  # listings show all stacks
    any_kind, new = scope.arn("ec2", "*"), scope.tagged("aws:RequestTag")
    role, profile = scope.iam("role"), scope.iam("instance-profile")
    china = scope.partition == "aws-cn"
    yield "Everywhere", ["*"], None

    # EC2: what is made carries the tag, what is changed has it; what a machine is made of may be another's.
    yield "Make", any_kind, new
    # Without the second condition, an operator who may tag could make anything the stack's.
    making = [action.removeprefix("ec2:") for action in ACTIONS["Make"]]
    yield "TagWhatIsMade", any_kind, {**new, "StringEquals": {"ec2:CreateAction": making}}
    # An image belongs to no account, as its ARN shows.
    image = scope.arn("ec2", "image/*", account="")
    yield "MakeOf", [*image, *scope.arn("ec2", "key-pair/*", "subnet/*", "vpc/*")], None
    yield "Change", any_kind, scope.tagged("aws:ResourceTag")

    # IAM cannot know the path of what is not there, and asks about the bare name.
    unborn = scope.arn("iam", f"instance-profile/{scope.names.role}{'' if scope.stack else '*'}", region="")
    yield "ReadRole", [*every.iam("instance-profile"), *every.iam("role"), *unborn], None
    # The path in the ARN binds what is made, too: a condition on its tag would only make the policy longer.
    yield "ChangeRole", [*profile, *role], None
    # The nodes' role is passed to EC2 and to nothing else (I8).
    services = ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"] if china else ["ec2.amazonaws.com"]
    yield "PassRole", role, {"StringEquals": {"iam:PassedToService": _bare(services)}}

    yield "ReadTable", every.tables(), None
    # What is not there passes: in some accounts DynamoDB sees no tags. The backups of every other stack's table are in
    # the pattern of the first.
    tags = {f"aws:{key}/{STACK_TAG}": scope.stack for key in ("RequestTag", "ResourceTag")}
    tables = scope.tables()
    yield "Table", [*tables, f"{tables[0]}/backup/*"], {"StringEqualsIfExists": tags} if scope.stack else None

    # Zones with a VPC of the Region, that is private ones; records and health checks.
    vpcs = f"VPCId=*,VPCRegion={scope.region}"
    yield "PrivateZone", ["*"], {"ForAnyValue:StringLike": {"route53:VPCs": vpcs}}
    yield "Dns", scope.arn("route53", "change/*", "healthcheck/*", "hostedzone/*", region="", account=""), None

    # Shell commands on our instances; and AWS's own document and parameters, which belong to no account: "*" fits the
    # empty field, and the operator's own account, which AWS also checks (S5).
    yield "Command", scope.arn("ec2", "instance/*"), scope.tagged("ssm:resourceTag")
    images = "parameter/aws/service/ami-amazon-linux-latest/*"  # name the newest Amazon Linux (aws-facts 4.8)
    yield "CommandBy", scope.arn("ssm", "document/AWS-RunShellScript", images, account="*"), None

    yield "ReadAlarms", [*every.alarms(), *every.dashboards()], None
    yield "Alarms", [*scope.alarms(), *scope.dashboards()], None
    yield "MakeAlarm", scope.alarms(), new

    # The key of the volumes, used through EC2 only: who launches or starts an instance must be allowed to use it.
    # AWS's own key needs none of it, and any account may choose another as its default (EC2 user guide: requirements
    # for EBS encryption; re-encryption is for images that are encrypted, and Amazon's are not).
    if ebs_key is not None:
        service = f"ec2.{scope.region}.amazonaws.com{'.cn' if china else ''}"
        yield "VolumeKey", [ebs_key], {"StringLike": {"kms:ViaService": service}}
    # A VPC is the user's and has no tag of ours: its attributes are changed only when that is asked for.
    yield "FixVpc", scope.arn("ec2", "vpc/*"), None


def operator_actions() -> tuple[str, ...]:
    """Every action of the operator's policy, in order; that of `up --fix-vpc`, too."""
    return tuple(sorted({action for name, actions in ACTIONS.items() if name != "VolumeKey" for action in actions}))


def reads(action: str) -> bool:
    """Whether the action changes nothing."""
    return action.partition(":")[2].startswith(READING)


def partition_of(region: str) -> str:
    """The partition that a Region is in; "*" counts as `aws`."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def size(policy: Mapping[str, Any]) -> int:
    """How many characters of a policy IAM counts: all but white space."""
    return len("".join(json.dumps(policy, separators=(",", ":")).split()))


def _bare(values: Sequence[str]) -> str | list[str]:
    """One value stands without its list, which saves room."""
    return values[0] if len(values) == 1 else list(values)
