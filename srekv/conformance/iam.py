"""The laws of IAM: roles that are unknown for a moment, deletions that come too early, the shapes of a role."""

from __future__ import annotations

from typing import Any

from srekv.conformance.model import Call, Conditions, Law, Lenient, Moments, Refusal, Rule

_EMPTYING = {
    "RemoveRoleFromInstanceProfile": "Cannot delete entity, must remove roles from instance profile first.",
    "DetachRolePolicy": "Cannot delete entity, must detach all policies first.",
    "DeleteRolePolicy": "Cannot delete entity, must delete policies first.",
}
"""What is removed -> what a deletion says that comes too early."""

_HIDDEN = {
    "CreateRole": ("MaxSessionDuration", "RoleLastUsed"),
    "ListRoles": ("Tags", "RoleLastUsed", "PermissionsBoundary"),
}
"""What these calls leave out of a role."""


class IamLaw(Lenient):
    """A law that looks at roles and profiles."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions


class RoleNotSeen(IamLaw):
    """A new role is unknown to the calls that change it for one or two tries, and perhaps to GetRole for one."""

    rule = Rule(
        id="role-not-seen",
        rows=("I7",),
        source="terraform-provider-aws role.go (which reads a new role again until it is found), instance_profile.go; "
        "IAM user guide: troubleshoot_general",
        says="Right after CreateRole, AddRoleToInstanceProfile and calls that give it policies answer NoSuchEntity; "
        "GetRole may.",
    )
    _CHANGING = frozenset({"AddRoleToInstanceProfile", "PutRolePolicy", "AttachRolePolicy"})

    def __init__(self, conditions: Conditions) -> None:
        super().__init__(conditions)
        self._unseen = Moments()

    def before(self, call: Call) -> Refusal | None:
        """What names the role and changes or reads it."""
        role = call.params.get("RoleName", "")
        if call.operation not in {*self._CHANGING, "GetRole"} or not self._unseen.look(f"{call.operation} {role}"):
            return None
        return Refusal("NoSuchEntity", f"The role with name {role} cannot be found.", 404)

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A creation begins the moment."""
        super().after(call, answer)
        if call.operation == "CreateRole":
            for changing in sorted(self._CHANGING):
                looks = self.conditions.between(self.rule, f"{changing} {call.number}", 1, 2)
                self._unseen.begin(f"{changing} {call.params['RoleName']}", looks)
            missed = self.conditions.between(self.rule, f"GetRole {call.number}", 0, 1)
            self._unseen.begin(f"GetRole {call.params['RoleName']}", missed)


class DeleteConflict(IamLaw):
    """What was just taken off a role or out of a profile still counts for a try."""

    rule = Rule(
        id="delete-conflict",
        rows=("I5",),
        source="99designs/iamy#68, #47; cloud-custodian#4078; awslabs/aws-orbit-workbench#633",
        says="DeleteRole and DeleteInstanceProfile may be refused with DeleteConflict, HTTP status 409, right after "
        "the last policy or role was removed.",
    )

    def __init__(self, conditions: Conditions) -> None:
        super().__init__(conditions)
        self._lingering = Moments()

    def before(self, call: Call) -> Refusal | None:
        """A deletion."""
        name = {"DeleteRole": "RoleName", "DeleteInstanceProfile": "InstanceProfileName"}.get(call.operation)
        if name is None:
            return None
        for removal, text in _EMPTYING.items():
            if self._lingering.look(f"{removal} {name} {call.params[name]}"):
                return Refusal("DeleteConflict", text, 409)
        return None

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """A removal begins the moment, for the role and for the profile."""
        super().after(call, answer)
        if call.operation not in _EMPTYING:
            return
        for name in ("RoleName", "InstanceProfileName"):
            if name in call.params:
                looks = self.conditions.between(self.rule, f"{name} {call.operation} {call.number}", 0, 2)
                self._lingering.begin(f"{call.operation} {name} {call.params[name]}", looks)


class RoleShape(IamLaw):
    """Each call shows its own part of a role."""

    rule = Rule(
        id="role-shape",
        rows=("I3",),
        source="localstack iam snapshots; getmoto/moto test_iam_response_attributes.py (aws_verified)",
        says="CreateRole omits MaxSessionDuration and RoleLastUsed, GetRole has both, ListRoles has neither Tags nor "
        "RoleLastUsed; Tags are absent when there are none.",
    )

    def after(self, call: Call, answer: dict[str, Any]) -> None:
        """Leave out what AWS leaves out, add what it adds."""
        super().after(call, answer)
        if call.operation not in {"CreateRole", "GetRole", "ListRoles"}:
            return
        for role in answer.get("Roles") or [answer.get("Role", {})]:
            for member in _HIDDEN.get(call.operation, ()):
                role.pop(member, None)
            if not role.get("Tags"):
                role.pop("Tags", None)
            if call.operation == "GetRole" and role:
                role.setdefault("MaxSessionDuration", 3600)
                role.setdefault("RoleLastUsed", {})


def laws(conditions: Conditions) -> tuple[Law, ...]:
    """A new set, for one account."""
    return (RoleNotSeen(conditions), DeleteConflict(conditions), RoleShape(conditions))
