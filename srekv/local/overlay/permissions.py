"""What a machine's role may do: the part of IAM's policy language that a local run needs to notice a wrong policy.

Conditions are not evaluated: an Allow with a condition does not count and a Deny with one does, the strict sides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from srekv.local.auth import Caller
from srekv.local.overlay.world import World

_SESSION = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "NotAction": "ssm:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "ssm:UpdateInstanceInformation", "Resource": "*"},
        ]
    }
)
"""The session policy of every role's credentials: of Systems Manager they allow the agent's call only.

SendCommand runs commands as the operator, and the caller need not be the operator.
"""

_ALWAYS = frozenset({"sts:GetCallerIdentity"})
"""Allowed without any policy (IAM User Guide)."""


def denial(world: World, caller: Caller, *, service: str, region: str, action: str, params: Any) -> str | None:
    """Why a role's call is refused, in AWS's words (aws-recorded R17), or None when it is allowed."""
    if caller.role is None or f"{service}:{action}" in _ALWAYS:
        return None
    account = world.settings.account
    documents = tuple(_documents(world, caller.role))
    for resource in _resources(service, f"arn:aws:{service}:{region}:{account}", params):
        for kind, policies in (("identity-based", documents), ("session", (_SESSION,))):
            if not allows(policies, f"{service}:{action}", resource):
                who = f"arn:aws:sts::{account}:assumed-role/{caller.role}/{caller.machine}"
                return (
                    f"User: {who} is not authorized to perform: {service}:{action} on resource: {resource} "
                    f"because no {kind} policy allows the {service}:{action} action"
                )
    return None


def allows(documents: Iterable[str], action: str, resource: str) -> bool:
    """Whether policy documents (JSON texts) together allow an action on a resource: one Allow and no Deny."""
    verdict = False
    for statement in (statement for document in documents for statement in _statements(document)):
        if not (_matches(statement, "Action", action, re.IGNORECASE) and _matches(statement, "Resource", resource, 0)):
            continue
        if statement.get("Effect") == "Deny":
            return False
        verdict = verdict or (statement.get("Effect") == "Allow" and "Condition" not in statement)
    return verdict


def _documents(world: World, role_name: str) -> Iterator[str]:
    """A role's policy documents, from copies: item calls must not wait for the control plane's lock."""
    roles = (role for backend in world.iam().values() for role in list(backend.roles.values()))
    role = next((role for role in roles if role.name == role_name), None)
    if role is None:
        return
    yield from (str(document) for document in list(role.policies.values()))
    for policy in list(role.managed_policies.values()):
        yield from (str(version.document) for version in policy.versions if version.is_default)


def _resources(service: str, prefix: str, params: Any) -> list[str]:
    """The resources that a request names: DynamoDB's tables, "*" elsewhere."""
    if service != "dynamodb":
        return ["*"]
    params = params if isinstance(params, dict) else {}
    names: set[str] = {params["TableName"]} if "TableName" in params else set()
    items = params.get("RequestItems")
    names.update(items if isinstance(items, dict) else ())
    for entry in params.get("TransactItems") or ():
        names.update(part["TableName"] for part in entry.values() if "TableName" in part)
    return [name if name.startswith("arn:") else f"{prefix}:table/{name}" for name in sorted(names)] or ["*"]


@lru_cache(maxsize=64)
def _statements(document: str) -> tuple[dict[str, Any], ...]:
    return tuple(_listed(json.loads(document).get("Statement", [])))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(statement: dict[str, Any], element: str, value: str, flags: int) -> bool:
    """Whether Action/NotAction or Resource/NotResource covers a value."""
    if element in statement:
        return any(_pattern(text, flags).fullmatch(value) for text in _listed(statement[element]))
    inverse = "Not" + element
    return inverse in statement and not any(
        _pattern(text, flags).fullmatch(value) for text in _listed(statement[inverse])
    )


@lru_cache(maxsize=512)
def _pattern(text: str, flags: int) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), flags)
