"""IAM: roles that are unknown at first, deletions that come too early, the shapes of a role."""

from __future__ import annotations

from srekv.conformance.model import Answer, Call, Conditions, EventuallyVisible, Refusal, ResponseRule, ServiceRules

_REMOVALS = {
    "RemoveRoleFromInstanceProfile": "Cannot delete entity, must remove roles from instance profile first.",
    "DetachRolePolicy": "Cannot delete entity, must detach all policies first.",
    "DeleteRolePolicy": "Cannot delete entity, must delete policies first.",
}
"""What is removed -> the text for a deletion that comes too early."""

_HIDDEN = {
    "CreateRole": ("MaxSessionDuration", "RoleLastUsed"),
    "ListRoles": ("Tags", "RoleLastUsed", "PermissionsBoundary"),
}
"""What these calls leave out of a role."""

_CHANGING = ("AddRoleToInstanceProfile", "AttachRolePolicy", "PutRolePolicy")


class Iam(ServiceRules):
    """Roles and instance profiles."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._unseen, self._lingering = EventuallyVisible(), EventuallyVisible()
        self.rules = (
            ResponseRule("role-not-seen", " ".join((*_CHANGING, "GetRole")), refuse=self._refuse_unseen),
            ResponseRule("role-not-seen", "CreateRole", change=self._hide_role),
            ResponseRule("delete-conflict", "DeleteRole DeleteInstanceProfile", refuse=self._refuse_deletion),
            ResponseRule("delete-conflict", " ".join(_REMOVALS), change=self._remove),
            ResponseRule("role-shape", "CreateRole GetRole ListRoles", change=_shape_roles),
        )

    def _refuse_unseen(self, call: Call) -> Refusal | None:
        role = call.params.get("RoleName", "")
        if self._unseen.poll(f"{call.operation} {role}"):
            return Refusal("NoSuchEntity", f"The role with name {role} cannot be found.", 404)
        return None

    def _hide_role(self, call: Call, _answer: Answer) -> None:
        """A new role is unknown to what changes it for one or two tries, and perhaps to GetRole for one."""
        for operation, polls in (*((one, (1, 2)) for one in _CHANGING), ("GetRole", (0, 1))):
            lasts = self._conditions.between("role-not-seen", f"{operation} {call.number}", *polls)
            self._unseen.start(f"{operation} {call.params['RoleName']}", lasts)

    def _refuse_deletion(self, call: Call) -> Refusal | None:
        name = "RoleName" if call.operation == "DeleteRole" else "InstanceProfileName"
        for removal, text in _REMOVALS.items():
            if self._lingering.poll(f"{removal} {name} {call.params[name]}"):
                return Refusal("DeleteConflict", text, 409)
        return None

    def _remove(self, call: Call, _answer: Answer) -> None:
        """What was just taken off a role or out of a profile still counts for a try, for both."""
        for name in {"RoleName", "InstanceProfileName"} & call.params.keys():
            polls = self._conditions.between("delete-conflict", f"{name} {call.operation} {call.number}", 0, 2)
            self._lingering.start(f"{call.operation} {name} {call.params[name]}", polls)


def _shape_roles(call: Call, answer: Answer) -> None:
    """Leave out what AWS leaves out, add what it adds."""
    for role in answer.get("Roles") or [answer.get("Role", {})]:
        for member in _HIDDEN.get(call.operation, ()):
            role.pop(member, None)
        if not role.get("Tags"):
            role.pop("Tags", None)
        if call.operation == "GetRole" and role:
            role.setdefault("MaxSessionDuration", 3600)
            role.setdefault("RoleLastUsed", {})
