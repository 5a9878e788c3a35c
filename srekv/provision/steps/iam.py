"""The role of the nodes: item actions on one table, and what the SSM agent needs; nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import NotOursError
from srekv.provision.drift import policy_difference
from srekv.provision.engine.answers import code_of, ignore_missing, or_none
from srekv.provision.engine.run import HeldError
from srekv.provision.inventory.holders import foreign_profiles
from srekv.provision.inventory.marks import Described, each
from srekv.provision.naming import REGION_TAG, STACK_TAG, tag_map
from srekv.provision.permissions import node_policy
from srekv.provision.step import Ops, change, change_or_leave, create, delete, leave, retag
from srekv.provision.steps.base import StackStep
from srekv.provision.steps.settings import as_tags

POLICY = "srekv-node"
EXISTS = "EntityAlreadyExists"
FRESH = frozenset({"NoSuchEntity"})  # what IAM returns for a moment for a role it has just created (I7)
HELD = frozenset({"DeleteConflict"})  # while it still sees what was just taken off a role or out of a profile (I5)

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE, PROFILE = "role", "instance profile"


def table_arn(role_arn: str, region: str, table: str) -> str:
    """The table's ARN, in the partition and the account that the role's ARN tells: the table need not exist yet."""
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    return f"arn:{partition}:dynamodb:{region}:{account}:table/{table}"


@dataclass(eq=False)
class Identity(StackStep):
    """Role, inline policy and instance profile; a new role's tags also hold the stack's settings."""

    section = "IAM"
    checking = "checking the role"
    role: Described | None  # GetRole's answer at the beginning of the run
    _profile_id: str = field(default="", init=False)
    _profile_is_new: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.profile = self.names.role
        self._arn = str(self.role["Arn"]) if self.role else ""

    def regions(self) -> set[str]:
        """Where the profile says that its stack is: it may have outlived the role."""
        profile = self._profile_at_first
        ours = profile if profile and self.names.owns(profile) else {}
        return {tag_map(ours.get("Tags")).get(REGION_TAG, "")} - {""}

    def fit(self) -> None:
        """Refuse a role or a profile of our name that is another's."""
        if self.role is not None:
            self._refuse_foreign(ROLE, self.role)
        if self._profile_at_first is not None:
            self._refuse_foreign(PROFILE, self._profile_at_first)

    def ensure(self) -> Ops:
        """Create what is missing; repair trust, tags and the profile's role: all that RunInstances asks for."""
        if self.role is None:
            yield create(ROLE, self.names.role, self._create_role)
        else:
            self._refuse_foreign(ROLE, self.role)
            self.run.generation.begin(self.role)
            yield from change_or_leave(ROLE, self.names.role, self._arn, self._role_drift(self.role))
        profile = self._profile_at_first
        if profile:
            self._refuse_foreign(PROFILE, profile)
            self._profile_id = profile["InstanceProfileId"]
        else:
            self._profile_is_new = True
            yield create(PROFILE, self.profile, self._create_profile)
        drift = self._profile_drift(profile)
        yield from change_or_leave(PROFILE, self.profile, profile["Arn"], drift) if profile else drift

    def settle(self) -> Ops:
        """Put the policy: the nodes need it when they serve, not when they are launched."""
        # Whether EC2 sees the profile yet only RunInstances shows (aws-facts 4.2).
        # A dry run without a role knows no ARN of the table yet, and has nothing to compare it with.
        arn = table_arn(self._arn, self.config.region, self.names.table) if self._arn else ""
        want = node_policy(arn)
        have = or_none(self.iam.get_role_policy, RoleName=self.names.role, PolicyName=POLICY) if self.role else None
        if self.run.dry and self.role is not None:  # `up` leaves other policies, so it need not ask for them
            self._warn_of_others()

        def put() -> str:
            what, call, text = f"the new role {self.names.role}", self.iam.put_role_policy, json.dumps(want)
            self.retry_while(FRESH, what, call, RoleName=self.names.role, PolicyName=POLICY, PolicyDocument=text)
            return self.names.role

        if have is None:
            yield create("role policy", POLICY, put)
            return
        document: Any = have["PolicyDocument"]
        detail = policy_difference(document, want)
        what = ("role policy", POLICY, self.names.role)
        yield change(*what, detail, put) if detail else leave(*what)

    def destroy(self) -> Ops:
        """Profile first, then the role's policies, then the role (aws-facts 4.7)."""
        profile = self._find_profile()
        if profile and self.names.owns(profile):
            yield delete(PROFILE, self.names.role, profile["Arn"], "present", self._drop_profile)
        role = self._find_role()
        if role and self.names.owns(role):
            yield delete(ROLE, self.names.role, role["Arn"], "present", self._drop_role)

    def _refuse_foreign(self, kind: str, resource: Described) -> None:
        if not self.names.owns(resource):
            raise NotOursError(
                f"the {kind} {self.names.role} exists and is not this stack's",
                why=f"it has neither the path {self.names.path} nor the tag {STACK_TAG}={self.names.stack}",
                next_step="choose another stack name (--stack NAME): its resources carry that name",
            )

    def _role_drift(self, role: Described) -> Ops:
        tags, what = self.names.tags(self.names.role), (ROLE, self.names.role, role["Arn"])
        have = tag_map(role.get("Tags"))
        yield from retag(what, have, tags, self.iam.tag_role, RoleName=self.names.role, Tags=tags)
        trust = policy_difference(role.get("AssumeRolePolicyDocument", {}), TRUST)
        if trust:
            call, document = self.iam.update_assume_role_policy, json.dumps(TRUST)
            yield change(*what, f"trust policy: {trust}", call, RoleName=self.names.role, PolicyDocument=document)

    def _create_role(self) -> str:
        settings: Any = [{"Key": key, "Value": value} for key, value in as_tags(self.config).items()]

        def create_role() -> Described:
            return self.iam.create_role(
                RoleName=self.names.role,
                Path=self.names.path,
                AssumeRolePolicyDocument=json.dumps(TRUST),
                Description=f"srekv stack {self.names.stack}: the web servers",
                Tags=[*self.names.tags(self.names.role), *settings],
            )["Role"]

        what, refuse = f"the role {self.names.role}", partial(self._refuse_foreign, ROLE)
        role = self.create_or_adopt(what, create_role, exists=EXISTS, find=self._find_role, refuse=refuse)
        self._arn = role["Arn"]
        self.run.generation.begin(role, young=True)
        return self._arn

    def _find_role(self) -> Described | None:
        answer = or_none(self.iam.get_role, RoleName=self.names.role)
        return answer["Role"] if answer else None

    def _warn_of_others(self) -> None:
        for name in [*self._inline(), *self._attached().values()]:
            if name != POLICY:
                self.run.watcher.warn(
                    f"the role {self.names.role} has the policy {name}, which is not srekv's: up leaves it, and the "
                    "nodes may do what it allows"
                )

    def _inline(self) -> list[str]:
        answer = or_none(self.iam.list_role_policies, RoleName=self.names.role)
        return list(answer["PolicyNames"]) if answer else []

    def _attached(self) -> dict[str, str]:
        """The names of the role's managed policies by ARN."""
        answer = or_none(self.iam.list_attached_role_policies, RoleName=self.names.role)
        policies = answer["AttachedPolicies"] if answer else []
        return {policy["PolicyArn"]: policy["PolicyName"] for policy in policies}

    def _find_profile(self) -> Described | None:
        answer = or_none(self.iam.get_instance_profile, InstanceProfileName=self.profile)
        return answer["InstanceProfile"] if answer else None

    _profile_at_first = cached_property(_find_profile)

    def _profile_drift(self, profile: Described | None) -> Ops:
        """The tags and the role of a profile, also of one that is just being created."""
        what, roles = (PROFILE, self.profile, profile["Arn"] if profile else ""), _roles(profile)
        if profile:
            have, tags = tag_map(profile.get("Tags")), self.run.placed_tags(self.profile)
            call = self.iam.tag_instance_profile
            yield from retag(what, have, tags, call, InstanceProfileName=self.profile, Tags=tags)
        for other in roles:
            if other != self.names.role:
                yield change(*what, f"role {other} removed", self._take_out, role=other)
        if self.names.role not in roles:
            yield change(*what, f"role {self.names.role} added", self._put_in)

    def _create_profile(self) -> str:
        def create_profile() -> Described:
            call, tags = self.iam.create_instance_profile, self.run.placed_tags(self.profile)
            return call(InstanceProfileName=self.profile, Path=self.names.path, Tags=tags)["InstanceProfile"]

        what, refuse = f"the instance profile {self.profile}", partial(self._refuse_foreign, PROFILE)
        profile = self.create_or_adopt(what, create_profile, exists=EXISTS, find=self._find_profile, refuse=refuse)
        return str(profile["Arn"])

    def is_held_by(self, instance: Described) -> bool:
        """Whether the instance has this profile, once it is ensured, and not a deleted one that had the same name."""
        held = instance.get("IamInstanceProfile")
        if not held or self._profile_is_new:
            return False
        # EC2 goes by the profile's id, and returns it; moto returns the association's id instead.
        told = str(held.get("Id", ""))
        return told == self._profile_id or not told.startswith("AIPA")

    def _take_out(self, role: str) -> None:
        ignore_missing(self.iam.remove_role_from_instance_profile, InstanceProfileName=self.profile, RoleName=role)

    def _put_in(self) -> None:
        """A profile takes one role (I6): if it has ours already, an answer was lost or another run put it in."""
        try:
            what, call = f"the new role {self.names.role}", self.iam.add_role_to_instance_profile
            self.retry_while(FRESH, what, call, InstanceProfileName=self.profile, RoleName=self.names.role)
        except ClientError as error:
            full = code_of(error) in {"LimitExceeded", EXISTS}
            if not full or self.names.role not in _roles(self._find_profile()):
                raise

    def _drop_profile(self) -> None:
        def drop() -> None:
            profile = self._find_profile()
            for role in _roles(profile):
                self._take_out(role)
            # To a call about a profile that is not there IAM applies the policy of another path, and may deny it.
            if profile:
                ignore_missing(self.iam.delete_instance_profile, InstanceProfileName=self.profile)

        self.retry_while(HELD, f"the profile {self.profile} to be empty", drop)

    def _drop_role(self) -> None:
        """Bare it and delete it; what a concurrent `up` puts back meanwhile is taken off again."""

        def drop() -> None:
            for name in self._inline():
                ignore_missing(self.iam.delete_role_policy, RoleName=self.names.role, PolicyName=name)
            for arn in self._attached():
                ignore_missing(self.iam.detach_role_policy, RoleName=self.names.role, PolicyArn=arn)
            try:
                ignore_missing(self.iam.delete_role, RoleName=self.names.role)
            except ClientError as error:
                if code_of(error) in HELD:
                    self._free_role()
                raise

        self.retry_while(HELD, f"the role {self.names.role} to be bare", drop)

    def _free_role(self) -> None:
        """Take it out of our profile; no wait helps while another's has it."""
        if self.names.role in _roles(self._find_profile()):
            self._take_out(self.names.role)
        profiles = each(self.iam, "list_instance_profiles", "InstanceProfiles")
        held = [one for one in foreign_profiles(profiles, self.names.role, self.names.path) if one != self.profile]
        if held:
            why = f"held by the instance profile {', '.join(held)}"
            raise HeldError(f"the role {self.names.role} was not deleted", why=why)


def _roles(profile: Described | None) -> list[str]:
    """The names of the roles in an instance profile: one at most."""
    return [role["RoleName"] for role in profile["Roles"]] if profile else []
