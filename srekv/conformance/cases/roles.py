"""IAM (aws-recorded, section 6)."""

from __future__ import annotations

import json
from typing import Any

from srekv.conformance.cases import things
from srekv.conformance.cases.answer import Answer, Seen
from srekv.conformance.cases.desk import Desk
from srekv.conformance.cases.model import case

_ALLOW = {"Effect": "Allow", "Action": "dynamodb:GetItem"}
_IAMY = "99designs/iamy#68, #47; cloud-custodian/cloud-custodian#4078"


def _create(desk: Desk, trust: str, name: str = "") -> Seen:
    name = name or desk.name("role")
    return desk.ask(
        desk.iam.create_role,
        made=lambda _: desk.later(f"role {name}", desk.iam.delete_role, RoleName=name),
        RoleName=name,
        AssumeRolePolicyDocument=trust,
    )


def _put_policy(desk: Desk, document: dict[str, Any]) -> Seen:
    """What PutRolePolicy answers; a policy that it puts is removed."""
    role = things.role(desk)
    names = {"RoleName": role, "PolicyName": "srekv-conformance"}
    return desk.ask(
        desk.iam.put_role_policy,
        made=lambda _: desk.later(f"the policy of role {role}", desk.iam.delete_role_policy, **names),
        PolicyDocument=json.dumps(document),
        **names,
    )


def _policy(resource: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{**_ALLOW, "Resource": resource}]}


@case(
    "role-trust-json",
    "I1",
    "A trust policy is JSON.",
    Answer(400, "MalformedPolicyDocument", r"^This policy contains invalid Json"),
    source="localstack iam/test_iam, recorded 2025",
)
def trust_json(desk: Desk) -> Seen:
    """Create a role whose trust policy ends early."""
    return _create(desk, "{")


@case(
    "role-trust-principal",
    "I1",
    "A trust policy names a principal that exists.",
    Answer(400, "MalformedPolicyDocument", r'^Invalid principal in policy: "SERVICE":"srekv\.example\.com"'),
    source="cdk-preflight, probed 2026-09",
)
def trust_principal(desk: Desk) -> Seen:
    """Create a role for a service that there is not."""
    return _create(desk, things.TRUST.replace("ec2.amazonaws.com", "srekv.example.com"))


@case(
    "role-exists",
    "I2",
    "An account has one role of a name.",
    Answer(409, "EntityAlreadyExists", r"^Role with name .* already exists\.$"),
    source="port-labs/ocean#854; garnaat/kappa#17; ine-labs/AWSGoat#49",
    needs="a role",
)
def role_exists(desk: Desk) -> Seen:
    """Create it twice."""
    return _create(desk, things.TRUST, things.role(desk))


@case(
    "profile-exists",
    "I2",
    "An account has one instance profile of a name.",
    Answer(409, "EntityAlreadyExists", r"^Instance Profile .* already exists\.$"),
    source="hashicorp/terraform-provider-aws#12121",
    needs="an instance profile",
)
def profile_exists(desk: Desk) -> Seen:
    """Create it twice."""
    return desk.ask(desk.iam.create_instance_profile, InstanceProfileName=things.new_profile(desk))


@case(
    "policy-attach-unknown",
    "I4",
    "A policy that does not exist cannot be attached.",
    Answer(404, "NoSuchEntity", r"does not exist or is not attachable\.$"),
    source="localstack iam/test_iam, recorded 2025-06-19",
    needs="a role",
)
def attach_unknown(desk: Desk) -> Seen:
    """Attach a policy of nobody."""
    return desk.ask(
        desk.iam.attach_role_policy, RoleName=things.role(desk), PolicyArn="arn:aws:iam::aws:policy/SrekvConformance"
    )


@case(
    "policy-attach-malformed",
    "I4",
    "What is no ARN cannot be attached.",
    Answer(400, "ValidationError", r"^Invalid ARN:  Could not be parsed!"),
    source="localstack iam/test_iam, recorded 2025-06-19",
    needs="a role",
)
def attach_malformed(desk: Desk) -> Seen:
    """Attach something else."""
    return desk.ask(desk.iam.attach_role_policy, RoleName=things.role(desk), PolicyArn="not-the-arn-of-a-policy")


@case(
    "role-with-policy",
    "I5",
    "A role with an inline policy cannot be deleted.",
    Answer(409, "DeleteConflict", r"^Cannot delete entity, must delete policies first\.$"),
    source=_IAMY,
    needs="a role with a policy",
    law="delete-conflict",
)
def role_with_policy(desk: Desk) -> Seen:
    """Delete it."""
    role = things.new_role(desk)
    names = {"RoleName": role, "PolicyName": "srekv-conformance"}
    desk.surely(desk.iam.put_role_policy, PolicyDocument=json.dumps(_policy("*")), **names)
    desk.later(f"the policy of role {role}", desk.iam.delete_role_policy, **names)
    return desk.ask(desk.iam.delete_role, RoleName=role)


@case(
    "role-with-attached-policy",
    "I5",
    "A role with an attached policy cannot be deleted.",
    Answer(409, "DeleteConflict", r"^Cannot delete entity, must detach all policies first\.$"),
    source=_IAMY,
    needs="a role with a managed policy that is never assumed",
    law="delete-conflict",
)
def role_with_attached_policy(desk: Desk) -> Seen:
    """Delete it."""
    role = things.new_role(desk)
    policy = desk.surely(
        desk.iam.create_policy, PolicyName=desk.name("policy"), PolicyDocument=json.dumps(_policy("*")), Tags=desk.tags
    )
    arn = policy["Policy"]["Arn"]
    desk.later(f"policy {arn}", desk.iam.delete_policy, PolicyArn=arn)
    names = {"RoleName": role, "PolicyArn": arn}
    desk.surely(desk.iam.attach_role_policy, **names)
    desk.later(f"the attached policy of role {role}", desk.iam.detach_role_policy, **names)
    return desk.ask(desk.iam.delete_role, RoleName=role)


@case(
    "role-in-profile",
    "I5",
    "A role in an instance profile cannot be deleted.",
    Answer(409, "DeleteConflict", r"^Cannot delete entity, must remove roles from instance profile first\.$"),
    source="awslabs/aws-orbit-workbench#633; redhat-performance/cloud-governance#946",
    needs="a role in an instance profile",
    law="delete-conflict",
)
def role_in_profile(desk: Desk) -> Seen:
    """Delete it."""
    role = things.new_role(desk)
    things.new_profile(desk, role)
    return desk.ask(desk.iam.delete_role, RoleName=role)


@case(
    "profile-with-role",
    "I5",
    "An instance profile with a role cannot be deleted.",
    Answer(409, "DeleteConflict", r"^Cannot delete entity, must remove roles from instance profile first\.$"),
    source="awslabs/aws-orbit-workbench#633; redhat-performance/cloud-governance#946",
    needs="a role in an instance profile",
    law="delete-conflict",
)
def profile_with_role(desk: Desk) -> Seen:
    """Delete it."""
    return desk.ask(
        desk.iam.delete_instance_profile, InstanceProfileName=things.new_profile(desk, things.new_role(desk))
    )


@case(
    "profile-one-role",
    "I6",
    "An instance profile has one role.",
    Answer(409, "LimitExceeded", r"^Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"),
    source="cdk-preflight, probed 2026-09-03",
    needs="two roles and an instance profile",
)
def profile_one_role(desk: Desk) -> Seen:
    """Add a second one."""
    profile = things.new_profile(desk, things.new_role(desk))
    return desk.ask(desk.iam.add_role_to_instance_profile, InstanceProfileName=profile, RoleName=things.role(desk))


@case(
    "policy-resource-arn",
    "I9",
    "A policy's resource is an ARN or a star.",
    Answer(400, "MalformedPolicyDocument", r'^Resource my-table must be in ARN format or "\*"\.'),
    source="cdk-preflight, probed 2026-09",
    needs="a role",
)
def resource_arn(desk: Desk) -> Seen:
    """Put a policy about "my-table"."""
    return _put_policy(desk, _policy("my-table"))


@case(
    "policy-syntax",
    "I9",
    "A policy's statements have an effect.",
    Answer(400, "MalformedPolicyDocument", r"^Syntax errors in policy\."),
    source="cdk-preflight, probed 2026-09",
    needs="a role",
)
def syntax(desk: Desk) -> Seen:
    """Put a policy with an effect that there is not."""
    return _put_policy(desk, {"Version": "2012-10-17", "Statement": [{**_ALLOW, "Effect": "Perhaps", "Resource": "*"}]})
