"""The role of the nodes: item actions on one table, and what the SSM agent needs; nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import NotOursError
from srekv.provision.drift import policy_difference
from srekv.provision.engine.answers import code_of, found, gone
from srekv.provision.engine.run import HeldError, Op, Ops, Run, Step, leave
from srekv.provision.inventory.holders import foreign_profiles
from srekv.provision.inventory.marks import each
from srekv.provision.model import Resource
from srekv.provision.naming import REGION_TAG, STACK_TAG, lost_tags, tag_map
from srekv.provision.permissions import node_policy
from srekv.provision.steps.settings import as_tags

POLICY = "srekv-node"
FRESH = frozenset({"NoSuchEntity"})
"""What IAM says for a moment about a role it has just created (I7)."""

FULL = frozenset({"LimitExceeded", "EntityAlreadyExists"})
"""What IAM says of a profile that has its role."""

PROFILE_ID = "AIPA"
"""How the ids of instance profiles begin."""

HELD = frozenset({"DeleteConflict"})
"""What IAM says while it still sees what was just taken off a role or out of a profile (I5)."""

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def table_arn(role_arn: str, region: str, table: str) -> str:
    """The table's ARN, in the partition and the account that the role's ARN tells: the table need not exist yet."""
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    return f"arn:{partition}:dynamodb:{region}:{account}:table/{table}"


class Identity:
    """Role, inline policy and instance profile; a new role's tags also hold the stack's settings."""

    section = "IAM"
    needs: tuple[Step, ...] = ()

    def __init__(self, run: Run, role: Mapping[str, Any] | None) -> None:
        """`role` is GetRole's answer at the beginning of the run, None when there was none."""
        self._run = run
        self._iam = run.clients.iam
        self._role = role
        self._arn = str(role["Arn"]) if role else ""
        self.profile = run.names.role
        self._profile_id = ""
        self._profile_is_new = False

    @property
    def _name(self) -> str:
        return self._run.names.role

    def observe(self) -> tuple[Resource, ...]:
        """The role and the profile, if they are ours."""
        resources = []
        role = found(self._iam.get_role, RoleName=self._name)
        if role and self._run.names.owns(role["Role"]):
            resources.append(Resource(kind="role", id=role["Role"]["Arn"], name=self._name, state="present"))
        profile = self._find_profile()
        if profile and self._run.names.owns(profile):
            resources.append(Resource(kind="instance profile", id=profile["Arn"], name=self._name, state="present"))
        return tuple(resources)

    def regions(self) -> set[str]:
        """Where the profile says that its stack is: it may have outlived the role."""
        profile = self._at_first
        ours = profile is not None and self._run.names.owns(profile)
        return {tag_map(profile.get("Tags")).get(REGION_TAG, "")} - {""} if profile and ours else set()

    def fit(self) -> None:
        """Refuse a role or a profile of our name that is another's."""
        for kind, resource in (("role", self._role), ("instance profile", self._at_first)):
            if resource is not None:
                self._refuse_foreign(kind, resource)

    def ensure(self) -> Ops:
        """Create what is missing; repair trust, tags and the profile's role: all that RunInstances asks for."""
        yield from self._ensure_role()
        yield from self._ensure_profile()

    def settle(self) -> Ops:
        """Put the policy: the nodes need it when they serve, not when they are launched.

        Whether EC2 sees the profile yet only RunInstances can tell (aws-facts 4.2).
        """
        yield from self._ensure_policy()

    def destroy(self) -> Ops:
        """Profile first, then the role's policies, then the role (aws-facts 4.7)."""
        profile = self._find_profile()
        if profile and self._run.names.owns(profile):
            yield Op(
                kind="instance profile", name=self._name, id=profile["Arn"], action="delete", call=self._drop_profile
            )
        role = found(self._iam.get_role, RoleName=self._name)
        if role and self._run.names.owns(role["Role"]):
            yield Op(kind="role", name=self._name, id=role["Role"]["Arn"], action="delete", call=self._drop_role)

    def _refuse_foreign(self, kind: str, resource: Mapping[str, Any]) -> None:
        if not self._run.names.owns(resource):
            raise NotOursError(
                f"the {kind} {self._name} exists and is not this stack's",
                why=f"it has neither the path {self._run.names.path} nor the tag {STACK_TAG}={self._run.config.stack}",
                next_step="choose another stack name (--stack NAME): its resources carry that name",
            )

    def _ensure_role(self) -> Ops:
        if self._role is None:
            yield Op(kind="role", name=self._name, action="create", call=self._create_role)
            return
        self._refuse_foreign("role", self._role)
        self._run.generation.begin(self._role)
        arn = self._role["Arn"]
        changes = list(self._role_drift())
        yield from changes
        if not changes:
            yield leave("role", self._name, arn)

    def _role_drift(self) -> Ops:
        role = self._role or {}
        tags: Any = self._run.names.tags(self._name)
        lost = lost_tags(tag_map(role.get("Tags")), tags)
        if lost:
            yield self._change_role(lost, lambda: self._iam.tag_role(RoleName=self._name, Tags=tags))
        trust = policy_difference(role.get("AssumeRolePolicyDocument", {}), TRUST)
        if trust:
            yield self._change_role(
                f"trust policy: {trust}",
                lambda: self._iam.update_assume_role_policy(RoleName=self._name, PolicyDocument=json.dumps(TRUST)),
            )

    def _change_role(self, detail: str, call: Any) -> Op:
        def change() -> None:
            call()

        return Op(
            kind="role", name=self._name, id=(self._role or {})["Arn"], action="change", detail=detail, call=change
        )

    def _create_role(self) -> str:
        settings = [{"Key": key, "Value": value} for key, value in as_tags(self._run.config).items()]
        tags: Any = [*self._run.names.tags(self._name), *settings]

        def create() -> Mapping[str, Any]:
            return self._iam.create_role(
                RoleName=self._name,
                Path=self._run.names.path,
                AssumeRolePolicyDocument=json.dumps(TRUST),
                Description=f"srekv stack {self._run.config.stack}: the web servers",
                Tags=tags,
            )["Role"]

        role = self._run.made(
            self.section, f"the role {self._name}", create, exists="EntityAlreadyExists", look=self._our_role
        )
        self._arn = role["Arn"]
        self._run.generation.begin(role, young=True)
        return self._arn

    def _our_role(self) -> Mapping[str, Any] | None:
        answer = found(self._iam.get_role, RoleName=self._name)
        if answer is None:
            return None
        self._refuse_foreign("role", answer["Role"])
        return answer["Role"]

    def _table_arn(self) -> str:
        """The table's ARN; a dry run without a role has none yet, and nothing to compare it with."""
        return table_arn(self._arn, self._run.config.region, self._run.names.table) if self._arn else ""

    def _ensure_policy(self) -> Ops:
        want = node_policy(self._table_arn())
        have = None
        if self._role is not None:
            have = found(self._iam.get_role_policy, RoleName=self._name, PolicyName=POLICY)
        self._tell_of_others()
        document: Any = have["PolicyDocument"] if have else {}
        detail = policy_difference(document, want) if have else ""
        if have and not detail:
            yield leave("role policy", POLICY, self._name)
            return

        def put() -> str:
            self._run.persist(
                self.section,
                f"the new role {self._name}",
                self._iam.put_role_policy,
                on=FRESH,
                RoleName=self._name,
                PolicyName=POLICY,
                PolicyDocument=json.dumps(want),
            )
            return self._name

        yield Op(kind="role policy", name=POLICY, action="change" if have else "create", detail=detail, call=put)

    def _tell_of_others(self) -> None:
        """Warn of policies that somebody else gave the role. A plan only: `up` leaves them, so it need not ask."""
        if not self._run.dry or self._role is None:
            return
        for name in [*self._inline(), *self._attached().values()]:
            if name != POLICY:
                self._run.watcher.warn(
                    f"the role {self._name} has the policy {name}, which is not srekv's: up leaves it, and the nodes "
                    "may do what it allows"
                )

    def _inline(self) -> list[str]:
        """The names of the role's inline policies."""
        answer = found(self._iam.list_role_policies, RoleName=self._name)
        return list(answer["PolicyNames"]) if answer else []

    def _attached(self) -> dict[str, str]:
        """The names of the role's managed policies by ARN."""
        answer = found(self._iam.list_attached_role_policies, RoleName=self._name)
        policies = answer["AttachedPolicies"] if answer else []
        return {policy["PolicyArn"]: policy["PolicyName"] for policy in policies}

    @cached_property
    def _at_first(self) -> Mapping[str, Any] | None:
        """The profile when it was first asked for."""
        return self._find_profile()

    def _find_profile(self) -> Mapping[str, Any] | None:
        answer = found(self._iam.get_instance_profile, InstanceProfileName=self.profile)
        return answer["InstanceProfile"] if answer else None

    def _ensure_profile(self) -> Ops:
        profile = self._at_first
        if profile:
            self._refuse_foreign("instance profile", profile)
            self._profile_id = profile["InstanceProfileId"]
        else:
            self._profile_is_new = True
            yield Op(kind="instance profile", name=self.profile, action="create", call=self._create_profile)
        roles = _roles(profile)
        lost = lost_tags(tag_map(profile.get("Tags")), self._run.placed_tags(self.profile)) if profile else ""
        if lost:
            yield self._change_profile(lost, self._tag_profile)
        if profile and roles == [self._name]:
            if not lost:
                yield leave("instance profile", self.profile, profile["Arn"])
            return
        for other in roles:
            if other != self._name:
                yield self._change_profile(f"role {other} removed", partial(self._take_out, other))
        if self._name not in roles:
            yield self._change_profile(f"role {self._name} added", self._put_in)

    def _create_profile(self) -> str:
        tags: Any = self._run.placed_tags(self.profile)
        return self._run.made(
            self.section,
            f"the instance profile {self.profile}",
            lambda: self._iam.create_instance_profile(
                InstanceProfileName=self.profile, Path=self._run.names.path, Tags=tags
            )["InstanceProfile"]["Arn"],
            exists="EntityAlreadyExists",
            look=self._our_profile,
        )

    def _our_profile(self) -> str | None:
        profile = self._find_profile()
        if profile is None:
            return None
        self._refuse_foreign("instance profile", profile)
        return str(profile["Arn"])

    def is_held_by(self, instance: Mapping[str, Any]) -> bool:
        """Whether the instance has this profile, once it is ensured, and not a deleted one that had the same name.

        EC2 goes by the profile's id, and tells it; moto tells the association's id in its place.
        """
        held = instance.get("IamInstanceProfile")
        if not held or self._profile_is_new:
            return False
        told = str(held.get("Id", ""))
        return told == self._profile_id or not told.startswith(PROFILE_ID)

    def _change_profile(self, detail: str, call: Callable[[], None]) -> Op:
        return Op(kind="instance profile", name=self.profile, action="change", detail=detail, call=call)

    def _tag_profile(self) -> None:
        tags: Any = self._run.placed_tags(self.profile)
        self._iam.tag_instance_profile(InstanceProfileName=self.profile, Tags=tags)

    def _take_out(self, role: str) -> None:
        gone(self._iam.remove_role_from_instance_profile, InstanceProfileName=self.profile, RoleName=role)

    def _put_in(self) -> None:
        """A profile takes one role (I6): if it has ours already, an answer was lost or another run put it in."""
        try:
            self._run.persist(
                self.section,
                f"the new role {self._name}",
                self._iam.add_role_to_instance_profile,
                on=FRESH,
                InstanceProfileName=self.profile,
                RoleName=self._name,
            )
        except ClientError as error:
            profile = self._find_profile() if code_of(error) in FULL else None
            if self._name not in _roles(profile):
                raise

    def _drop_profile(self) -> None:
        def drop() -> None:
            profile = self._find_profile()
            for role in _roles(profile):
                self._take_out(role)
            # To a call about a profile that is not there IAM applies the policy of another path, and may deny it.
            if profile:
                gone(self._iam.delete_instance_profile, InstanceProfileName=self.profile)

        self._run.persist(self.section, f"the profile {self.profile} to be empty", drop, on=HELD)

    def _drop_role(self) -> None:
        """Bare it and delete it; what an `up` beside us puts back meanwhile is taken off again."""

        def drop() -> None:
            self._bare_role()
            try:
                gone(self._iam.delete_role, RoleName=self._name)
            except ClientError as error:
                if code_of(error) in HELD:
                    self._free_role()
                raise

        self._run.persist(self.section, f"the role {self._name} to be bare", drop, on=HELD)

    def _free_role(self) -> None:
        """Take it out of our profile; no wait helps while another's has it."""
        if self._name in _roles(self._find_profile()):
            self._take_out(self._name)
        profiles = each(self._iam, "list_instance_profiles", "InstanceProfiles")
        held = [one for one in foreign_profiles(profiles, self._name, self._run.names.path) if one != self.profile]
        if held:
            raise HeldError(
                f"the role {self._name} was not deleted", why=f"held by the instance profile {', '.join(held)}"
            )

    def _bare_role(self) -> None:
        for name in self._inline():
            gone(self._iam.delete_role_policy, RoleName=self._name, PolicyName=name)
        for arn in self._attached():
            gone(self._iam.detach_role_policy, RoleName=self._name, PolicyArn=arn)


def _roles(profile: Mapping[str, Any] | None) -> list[str]:
    """The names of the roles in an instance profile: one at most."""
    return [role["RoleName"] for role in profile["Roles"]] if profile else []
