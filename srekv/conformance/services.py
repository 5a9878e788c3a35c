"""DynamoDB, Systems Manager, the tagging API and IAM: what comes, goes and is listed after a while."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from srekv.conformance.model import (
    Answer,
    Call,
    Conditions,
    EventuallyVisible,
    Raw,
    Refusal,
    ResponseRule,
    ServiceRules,
    hide_new,
    named_ids,
    param,
    reword,
)

_ITEMS = "PutItem GetItem UpdateItem DeleteItem Query Scan BatchGetItem BatchWriteItem"
_NOT_FOUND = Refusal("ResourceNotFoundException", "Requested resource not found")


class Tables(ServiceRules):
    """Tables on their way in and out, by name: for some polls."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._creating, self._deleting = EventuallyVisible(), EventuallyVisible()
        self._going: dict[str, dict[str, Any]] = {}  # descriptions of tables that the backend has already removed
        self.rules = (
            *hide_new(
                "table-not-seen",
                conditions,
                lambda name: Refusal(_NOT_FOUND.code, f"{_NOT_FOUND.message}: Table: {name} not found"),
                made_by="CreateTable",
                things=param("TableName"),
                polls=(0, 1),
                hidden_from="DescribeTable DescribeContinuousBackups",
                named=param("TableName"),
            ),
            ResponseRule("table-creating", f"{_ITEMS} DeleteTable UpdateTable", refuse=self._refuse_creating),
            ResponseRule("table-creating", "CreateTable DescribeTable", change=self._show_creating),
            ResponseRule("table-deleting", "CreateTable DescribeTable DeleteTable", refuse=self._answer_deleting),
            ResponseRule("table-deleting", "DeleteTable", change=self._start_deleting),
            ResponseRule("table-deleting", "ListTables", change=self._list_deleting),
            *hide_new(
                "recovery-too-early",
                conditions,
                lambda name: Refusal(
                    "ContinuousBackupsUnavailableException",
                    f"Backups are being enabled for the table: {name}. Please retry later",
                ),
                made_by="CreateTable",
                things=param("TableName"),
                hidden_from="UpdateContinuousBackups",
                named=param("TableName"),
            ),
        )

    def _refuse_creating(self, call: Call) -> Refusal | None:
        name = call.params.get("TableName", "")
        if not self._creating.poll(name):
            return None
        if call.operation in {"DeleteTable", "UpdateTable"}:
            return _in_use(name, "created")
        return _NOT_FOUND

    def _show_creating(self, call: Call, answer: Answer) -> None:
        name = call.params["TableName"]
        if call.operation == "CreateTable":
            self._creating.start(name, self._conditions.polls("table-creating", call, 1, 2))
            answer["TableDescription"]["TableStatus"] = "CREATING"
        elif not call.replayed and self._creating.poll(name):
            answer["Table"]["TableStatus"] = "CREATING"

    def _answer_deleting(self, call: Call) -> Refusal | Raw | None:
        """Answer for a table that the backend has already forgotten."""
        name = call.params["TableName"]
        if not self._deleting.poll(name):
            return None
        if call.operation == "CreateTable":
            return _in_use(name, "deleted")
        member = "Table" if call.operation == "DescribeTable" else "TableDescription"
        body = json.dumps({member: self._going[name]}).encode()
        return Raw(200, {"Content-Type": "application/x-amz-json-1.0"}, body)

    def _start_deleting(self, call: Call, answer: Answer) -> None:
        if call.replayed:
            return
        table = answer["TableDescription"]
        for member in ("KeySchema", "AttributeDefinitions", "CreationDateTime"):  # not described any more (B5)
            table.pop(member, None)
        table["TableStatus"] = "DELETING"
        name = table["TableName"]
        self._going[name] = {member: value for member, value in table.items() if isinstance(value, str | int | bool)}
        self._deleting.start(name, self._conditions.polls("table-deleting", call, 1, 2))
        self._creating.end(name)

    def _list_deleting(self, _call: Call, answer: Answer) -> None:
        if not answer.get("LastEvaluatedTableName"):
            leaving = [name for name in self._going if self._deleting.poll(name)]
            answer["TableNames"] = sorted({*answer["TableNames"], *leaving})


def _in_use(name: str, what: str) -> Refusal:
    text = f"Attempt to change a resource which is still in use: Table is being {what}: {name}"
    return Refusal("ResourceInUseException", text)


class Ssm(ServiceRules):
    """Instances that take commands, and the invocations of these."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._account = "123456789012"
        self._known: set[str] = set()
        self._unregistered, self._unlisted = EventuallyVisible(), EventuallyVisible()
        self.rules = (
            ResponseRule("ssm-not-registered", "SendCommand", refuse=self._refuse_unregistered),
            ResponseRule("ssm-not-registered", "RunInstances", change=self._launch),
            ResponseRule("ssm-not-registered", "DescribeInstanceInformation", change=self._list_registered),
            *hide_new(
                "ssm-invocation-late",
                conditions,
                lambda _: Refusal("InvocationDoesNotExist", ""),
                made_by="SendCommand",
                things=lambda _, answer: [answer["Command"]["CommandId"]],
                hidden_from="GetCommandInvocation",
                named=param("CommandId"),
            ),
            reword("ssm-invocation-late", "GetCommandInvocation", "^InvalidCommandId ", "InvocationDoesNotExist", ""),
            ResponseRule("ssm-invocations-empty", "SendCommand", change=self._send),
            ResponseRule("ssm-invocations-empty", "ListCommandInvocations", change=self._list_invocations),
        )

    def observe(self, call: Call, answer: Answer) -> None:
        """Learn which instances there are."""
        if call.service == "ec2":
            self._account = answer.get("OwnerId", self._account)
            self._known.update(named_ids(answer, "i-"))
        elif call.operation == "DescribeInstanceInformation":
            self._known.update(one["InstanceId"] for one in answer["InstanceInformationList"])

    def _refuse_unregistered(self, call: Call) -> Refusal | None:
        instances = call.params.get("InstanceIds", [])
        missing = [one for one in instances if one not in self._known or self._unregistered.poll(one)]
        if not missing:
            return None
        text = f"Instances [[{', '.join(missing)}]] not in a valid state for account {self._account}"
        return Refusal("InvalidInstanceId", text)

    def _launch(self, call: Call, answer: Answer) -> None:
        for instance in () if call.replayed else answer["Instances"]:
            polls = self._conditions.polls("ssm-not-registered", call, 1, 2)
            self._unregistered.start(instance["InstanceId"], polls)

    def _list_registered(self, _call: Call, answer: Answer) -> None:
        listed = answer["InstanceInformationList"]
        seen = [one for one in listed if not self._unregistered.poll(one["InstanceId"])]
        answer["InstanceInformationList"] = seen

    def _send(self, call: Call, answer: Answer) -> None:
        polls = self._conditions.polls("ssm-invocations-empty", call, 0, 1)
        self._unlisted.start(answer["Command"]["CommandId"], polls)

    def _list_invocations(self, call: Call, answer: Answer) -> None:
        if self._unlisted.poll(call.params.get("CommandId", "")):
            answer["CommandInvocations"] = []


class Tagging(ServiceRules):
    """Everything that was ever listed: on AWS for hours, here for good."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._unseen = EventuallyVisible()
        self._listed: dict[str, Mapping[str, Any]] = {}
        self.rules = (
            ResponseRule("tagging-lags", "GetResources", change=self._lag),
            ResponseRule(
                "tagging-last-page", "GetResources", change=lambda _, answer: answer.setdefault("PaginationToken", "")
            ),
        )

    def _lag(self, call: Call, answer: Answer) -> None:
        """Leave the newest out of one listing, by the seed; list what has gone."""
        found = answer["ResourceTagMappingList"]
        for one in found:
            if one["ResourceARN"] not in self._listed:
                polls = self._conditions.between("tagging-lags", f"{len(self._listed)}", 0, 1)
                self._unseen.start(one["ResourceARN"], polls)
                self._listed[one["ResourceARN"]] = one
        here = {one["ResourceARN"] for one in found}
        ghosts = [one for arn, one in self._listed.items() if arn not in here and _is_wanted(call, one)]
        answer["ResourceTagMappingList"] = [one for one in found if not self._unseen.poll(one["ResourceARN"])] + ghosts


def _is_wanted(call: Call, mapping: Mapping[str, Any]) -> bool:
    """Whether a listing with these filters names this resource: every key, one of its values, one of the types."""
    tags = {tag["Key"]: tag["Value"] for tag in mapping["Tags"]}
    wanted = call.params.get("TagFilters", [])
    types = call.params.get("ResourceTypeFilters", [])
    service, _, kind = mapping["ResourceARN"].partition(":aws:")[2].partition(":")
    of_type = not types or any(service == one.partition(":")[0] and one.partition(":")[2] in kind for one in types)
    fits = all(one["Key"] in tags and tags[one["Key"]] in one.get("Values", [tags[one["Key"]]]) for one in wanted)
    return of_type and fits and mapping["ResourceARN"].split(":")[3] in {"", call.region}


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
