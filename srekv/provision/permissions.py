"""The two IAM policies as data: what an operator needs for every command of srekv, and what a node needs. No call.

Each statement is as narrow as the service lets it be (aws-facts 6.2): what is created must carry the tag
`srekv:stack`, what is changed must have it, and everything with a name of its own is bound to srekv's names. Where tags
cannot help, it says so:

- Route 53 knows neither request nor resource tags: the policy reaches every zone and check of the account. srekv itself
  touches only those whose CallerReference it made.
- DynamoDB looks at tags in most accounts, and in the others as if there were none: the table is bound by its exact
  name, and by its tag where that is seen (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/abac-enable-ddb.html).
- IAM: the path `/srekv/STACK/` does what a tag would do, and nobody can change it afterwards.
- Whoever may create a role, give it a policy and pass it to an instance can do what that policy allows: bound the
  operator with a permissions boundary where that matters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from srekv.config import DEFAULT_STACK
from srekv.provision.naming import STACK_TAG, Names

VERSION = "2012-10-17"
LARGEST_POLICY = 6144
"""Characters of a managed policy, white space not counted (IAM's quota)."""

IMAGES = "parameter/aws/service/ami-amazon-linux-latest/*"
"""The public parameters that name the newest Amazon Linux (aws-facts 4.8)."""

PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
"""How the names of Regions begin that are not in the partition `aws`."""

UNBOUND = (
    "cloudwatch:DescribeAlarms",
    "cloudwatch:ListDashboards",
    "dynamodb:ListBackups",
    "dynamodb:ListTables",
    "ec2:DescribeAccountAttributes",
    "ec2:DescribeAddresses",
    "ec2:DescribeIamInstanceProfileAssociations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstances",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRegions",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcs",
    "ec2:GetManagedPrefixListEntries",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:ListInstanceProfiles",
    "iam:ListRoles",
    "iam:SimulatePrincipalPolicy",
    "route53:CreateHealthCheck",
    "route53:GetCheckerIpRanges",
    "route53:ListHealthChecks",
    "route53:ListHostedZones",
    "route53:ListHostedZonesByVPC",
    "route53resolver:ListResolverRuleAssociations",
    "route53resolver:ListResolverRules",
    "ssm:DescribeInstanceInformation",
    "ssm:GetCommandInvocation",
)
"""What the services let nobody narrow, and what is read of things that may be anybody's: the account, a VPC, the zone
that `doctor` looks at, the operator's own role. All but CreateHealthCheck only read."""

LAUNCH = "ec2:RunInstances"
CREATING = ("ec2:AllocateAddress", "ec2:CreateKeyPair", "ec2:CreateSecurityGroup", LAUNCH)
"""The calls that tag what they create."""

CHANGING = (
    "ec2:AssociateAddress",
    "ec2:AssociateIamInstanceProfile",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateTags",
    "ec2:DeleteKeyPair",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteTags",
    "ec2:DeleteVolume",
    "ec2:DisassociateAddress",
    "ec2:GetConsoleOutput",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyInstanceMetadataOptions",
    "ec2:ReleaseAddress",
    "ec2:ReplaceIamInstanceProfileAssociation",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
)
"""The calls on what is there, for which it must have our tag."""

TABLE_ACTIONS = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
"""Item actions only (aws-facts 6.2), in place of the lab's AmazonDynamoDBFullAccess (10 g)."""

AGENT_ACTIONS = [
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
]
"""The part of AmazonSSMManagedInstanceCore that Run Command uses, inline: an endpoint need not carry AWS's policies."""

READING = ("Describe", "Get", "List", "Scan", "Simulate")
"""How the names of actions begin that change nothing."""

Part = Literal["reading", "changing"]
Conditions = Mapping[str, Mapping[str, Any]]


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
class Grant:
    """One statement of the operator's policy: it allows these actions on these resources, if the conditions hold."""

    name: str
    actions: Sequence[str]
    resources: Sequence[str] = ("*",)
    conditions: Conditions | None = None

    def only(self, part: Part | None) -> Grant:
        """The same for the actions of one part; for all of them without one."""
        if part is None:
            return self
        return replace(self, actions=[one for one in self.actions if reads(one) == (part == "reading")])

    def statement(self) -> dict[str, Any]:
        """As IAM writes it; one value stands without its list, which saves room."""
        return {
            "Sid": self.name,
            "Effect": "Allow",
            "Action": _bare(self.actions),
            "Resource": _bare(self.resources),
            **({"Condition": self.conditions} if self.conditions else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where the policy holds. "*" is every account or Region; no stack means every stack of srekv."""

    account: str = "*"
    region: str = "*"
    stack: str | None = None
    partition: str = "aws"

    def arn(self, service: str, *resources: str, region: str | None = None, account: str | None = None) -> list[str]:
        """One ARN for each resource, in this scope's Region and account unless others are given ("" among them)."""
        where = self.region if region is None else region
        whose = self.account if account is None else account
        return [f"arn:{self.partition}:{service}:{where}:{whose}:{resource}" for resource in resources]

    def named(self, pick: Callable[[Names], str]) -> str:
        """A name of the stack; without one a pattern: others' names begin like the default stack's."""
        return pick(Names(self.stack)) if self.stack else f"{pick(Names(DEFAULT_STACK))}*"

    @property
    def every_stack(self) -> Scope:
        """The same, of all stacks: listings show them all."""
        return replace(self, stack=None)

    def iam(self, kind: str) -> list[str]:
        """The stack's role or instance profile, at its path."""
        names = Names(self.stack or "*")
        return self.arn("iam", f"{kind}{names.path}{names.role if self.stack else '*'}", region="")

    def unborn(self, kind: str) -> list[str]:
        """The same by its bare name: IAM cannot know the path of what is not there, and asks about the name."""
        return self.arn("iam", f"{kind}/{self.named(lambda names: names.role)}", region="")

    def alarms(self) -> list[str]:
        """The stack's alarms; in every Region, for those on Route 53's checks live in us-east-1 (aws-facts 8)."""
        return self.arn("cloudwatch", f"alarm:{Names(self.stack or DEFAULT_STACK).alarm('*')}", region="*")

    def dashboards(self) -> list[str]:
        """The stack's dashboard, which is in no Region."""
        return self.arn("cloudwatch", f"dashboard/{self.named(lambda names: names.dashboard)}", region="")

    def tables(self) -> list[str]:
        """The stack's table, by exact name: the default stack's name begins other people's names."""
        table = f"table/{Names(self.stack or DEFAULT_STACK).table}"
        return self.arn("dynamodb", table, *([] if self.stack else [f"{table}-*"]))

    def backups(self) -> list[str]:
        """The backups of that table; those of every other stack's are in its pattern."""
        return [f"{self.tables()[0]}/backup/*"]

    def tagged(self, key: str) -> Conditions:
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
    """All that an operator needs for every command.

    Args:
        account: the account's id, "*" for any.
        region: the stack's Region, "*" for any.
        stack: bind it to one stack; None: to all that srekv makes.
        partition: "aws", "aws-cn" or "aws-us-gov".
        part: only what reads, or only what does more; together they are the whole.
        ebs_key: the ARN of the KMS key that encrypts volumes by default, where it is not AWS's own.
        fix_vpc: allow what `up --fix-vpc` does, to any VPC.
    """
    scope = Scope(account=account, region=region, stack=stack, partition=partition)
    asked_for = (*_volume_key(scope, ebs_key), *(_fix_vpc(scope) if fix_vpc else ()))
    grants = [grant.only(part) for grant in (*_grants(scope), *asked_for)]
    statements = [grant.statement() for grant in grants if grant.actions]
    policy = {"Version": VERSION, "Statement": statements}
    return policy if size(policy) <= LARGEST_POLICY else {**policy, "Statement": [_unnamed(one) for one in statements]}


def operator_actions() -> tuple[str, ...]:
    """Every action of the operator's policy, in order; that of `up --fix-vpc`, too."""
    grants = (*_grants(Scope()), *_fix_vpc(Scope()))
    return tuple(sorted({action for grant in grants for action in grant.actions}))


def reads(action: str) -> bool:
    """Whether the action changes nothing."""
    return action.partition(":")[2].startswith(READING)


def partition_of(region: str) -> str:
    """The partition that a Region is in; "*" counts as `aws`."""
    return next((name for prefix, name in PARTITIONS.items() if region.startswith(f"{prefix}-")), "aws")


def size(policy: Mapping[str, Any]) -> int:
    """How many characters of a policy IAM counts: all but white space."""
    return len("".join(json.dumps(policy, separators=(",", ":")).split()))


def _unnamed(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Without its name, which IAM does not need: that saves room."""
    return {key: value for key, value in statement.items() if key != "Sid"}


def _bare(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _grants(scope: Scope) -> tuple[Grant, ...]:
    return (
        Grant(name="Everywhere", actions=UNBOUND),
        *_machines(scope),
        *_identity(scope),
        *_table(scope),
        *_dns(scope),
        *_commands(scope),
        *_watching(scope),
    )


def _machines(scope: Scope) -> tuple[Grant, ...]:
    """EC2: what is made carries the tag, what is changed has it; what a machine is made of may be anybody's."""
    new, any_kind = scope.tagged("aws:RequestTag"), scope.arn("ec2", "*")
    return (
        Grant(
            name="Make",
            actions=CREATING,
            resources=any_kind,
            conditions=new,
        ),
        Grant(
            name="TagWhatIsMade",
            actions=["ec2:CreateTags"],
            resources=any_kind,
            # Without it, whoever may tag could make anything theirs.
            conditions={
                **new,
                "StringEquals": {"ec2:CreateAction": [action.removeprefix("ec2:") for action in CREATING]},
            },
        ),
        Grant(
            name="MakeOf",
            actions=["ec2:CreateSecurityGroup", LAUNCH],
            # An image belongs to no account, as its ARN tells.
            resources=[*scope.arn("ec2", "image/*", account=""), *scope.arn("ec2", "key-pair/*", "subnet/*", "vpc/*")],
        ),
        Grant(
            name="Change",
            actions=[*CHANGING, LAUNCH],
            resources=any_kind,
            conditions=scope.tagged("aws:ResourceTag"),
        ),
    )


def _fix_vpc(scope: Scope) -> tuple[Grant, ...]:
    """A VPC is the user's and has no tag of ours: its attributes are changed only when that is asked for."""
    return (Grant(name="FixVpc", actions=["ec2:ModifyVpcAttribute"], resources=scope.arn("ec2", "vpc/*")),)


def _volume_key(scope: Scope, key: str | None) -> tuple[Grant, ...]:
    """The key of the volumes, used through EC2 only: whoever launches or starts an instance must be allowed to use it.

    AWS's own key needs none of it, and any account may choose another as its default (EC2 user guide: requirements
    for EBS encryption; re-encryption is for images that are encrypted, and Amazon's are not).
    """
    if key is None:
        return ()
    service = f"ec2.{scope.region}.amazonaws.com{'.cn' if scope.partition == 'aws-cn' else ''}"
    return (
        Grant(
            name="VolumeKey",
            actions=["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"],
            resources=[key],
            conditions={"StringLike": {"kms:ViaService": service}},
        ),
    )


def _identity(scope: Scope) -> tuple[Grant, ...]:
    """The nodes' role and instance profile, passed to EC2 and to nothing else (I8)."""
    role, every = scope.iam("role"), scope.every_stack
    both = [*scope.iam("instance-profile"), *role]
    service = ["ec2.amazonaws.com"] + (["ec2.amazonaws.com.cn"] if scope.partition == "aws-cn" else [])
    return (
        Grant(
            name="ReadRole",
            actions=[
                "iam:GetInstanceProfile",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:ListRoleTags",
            ],
            resources=[*every.iam("instance-profile"), *every.iam("role"), *scope.unborn("instance-profile")],
        ),
        Grant(  # the path in the ARN binds what is made, too: a condition on its tag would only make the policy longer
            name="ChangeRole",
            actions=[
                "iam:AddRoleToInstanceProfile",
                "iam:CreateInstanceProfile",
                "iam:CreateRole",
                "iam:DeleteInstanceProfile",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:PutRolePolicy",
                "iam:RemoveRoleFromInstanceProfile",
                "iam:TagInstanceProfile",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
            ],
            resources=both,
        ),
        Grant(
            name="PassRole",
            actions=["iam:PassRole"],
            resources=role,
            conditions={"StringEquals": {"iam:PassedToService": _bare(service)}},
        ),
    )


def _table(scope: Scope) -> tuple[Grant, ...]:
    tags = {f"aws:{key}/{STACK_TAG}": scope.stack for key in ("RequestTag", "ResourceTag")}
    return (
        Grant(
            name="ReadTable",
            actions=["dynamodb:DescribeTable", "dynamodb:ListTagsOfResource"],
            resources=scope.every_stack.tables(),
        ),
        Grant(
            name="Table",
            actions=[
                "dynamodb:CreateBackup",
                "dynamodb:CreateTable",
                "dynamodb:DeleteBackup",
                "dynamodb:DeleteTable",
                "dynamodb:DescribeBackup",
                "dynamodb:DescribeContinuousBackups",
                "dynamodb:Scan",
                "dynamodb:TagResource",
                "dynamodb:UpdateContinuousBackups",
                "dynamodb:UpdateTable",
            ],
            resources=[*scope.tables(), *scope.backups()],
            # What is not there passes: in some accounts DynamoDB sees no tags.
            conditions={"StringEqualsIfExists": tags} if scope.stack else None,
        ),
    )


def _dns(scope: Scope) -> tuple[Grant, ...]:
    """Zones with a VPC of the Region, that is private ones; records and health checks."""
    return (
        Grant(
            name="PrivateZone",
            actions=["route53:AssociateVPCWithHostedZone", "route53:CreateHostedZone"],
            conditions={"ForAnyValue:StringLike": {"route53:VPCs": f"VPCId=*,VPCRegion={scope.region}"}},
        ),
        Grant(
            name="Dns",
            actions=[
                "route53:ChangeResourceRecordSets",
                "route53:ChangeTagsForResource",
                "route53:DeleteHealthCheck",
                "route53:DeleteHostedZone",
                "route53:GetChange",
                "route53:GetHealthCheckStatus",
                "route53:GetHostedZone",
                "route53:ListResourceRecordSets",
                "route53:ListTagsForResource",
                "route53:ListTagsForResources",
                "route53:UpdateHealthCheck",
            ],
            resources=scope.arn("route53", "change/*", "healthcheck/*", "hostedzone/*", region="", account=""),
        ),
    )


def _commands(scope: Scope) -> tuple[Grant, ...]:
    """Shell commands on our instances; and AWS's own document and parameters.

    Those belong to no account. "*" fits the empty field, and the operator's own account, which AWS also checks (S5).
    """
    return (
        Grant(
            name="Command",
            actions=["ssm:SendCommand"],
            resources=scope.arn("ec2", "instance/*"),
            conditions=scope.tagged("ssm:resourceTag"),
        ),
        Grant(
            name="CommandBy",
            actions=["ssm:GetParameter", "ssm:SendCommand"],
            resources=scope.arn("ssm", "document/AWS-RunShellScript", IMAGES, account="*"),
        ),
    )


def _watching(scope: Scope) -> tuple[Grant, ...]:
    """Alarms and the dashboard of --alarms."""
    every = scope.every_stack
    return (
        Grant(
            name="ReadAlarms",
            actions=["cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"],
            resources=[*every.alarms(), *every.dashboards()],
        ),
        Grant(
            name="Alarms",
            actions=["cloudwatch:DeleteAlarms", "cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"],
            resources=[*scope.alarms(), *scope.dashboards()],
        ),
        Grant(
            name="MakeAlarm",
            actions=["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"],
            resources=scope.alarms(),
            conditions=scope.tagged("aws:RequestTag"),
        ),
    )
