"""What a machine's role may do: its policies, its permissions boundary, and what no role's credentials may do here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from srekv.local.auth import Caller
from srekv.local.overlay.item_actions import asked
from srekv.local.overlay.policies import BOUNDARY, IDENTITY, SESSION, Policy, decide
from srekv.local.overlay.world import World

if TYPE_CHECKING:  # importing moto costs half a second; annotations alone must not
    from moto.iam.models import ManagedPolicy, Role

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
    kinds = {**_kinds(world, caller.role), SESSION: (Policy(_SESSION),)}
    request = params if isinstance(params, dict) else {}
    tables = f"arn:aws:dynamodb:{region}:{account}:table/"
    for name, resource in asked(action, request, tables) if service == "dynamodb" else [(action, "*")]:
        decision = decide(kinds, f"{service}:{name}", resource)
        if decision.reason:
            who = f"arn:aws:sts::{account}:assumed-role/{caller.role}/{caller.machine}"
            return (
                f"User: {who} is not authorized to perform: {service}:{name} on resource: {resource} {decision.reason}"
            )
    return None


def kinds_of(role: Role, managed: Mapping[str, ManagedPolicy]) -> dict[str, tuple[Policy, ...]]:
    """A role's policies, and its boundary if it has one; a boundary whose policy is gone allows nothing.

    Args:
        role: the role.
        managed: the account's managed policies by ARN.
    """
    kinds = {IDENTITY: (*(Policy(str(one)) for one in list(role.policies.values())), *_defaults(role.managed_policies))}
    if role.permissions_boundary_arn:
        boundary = managed.get(role.permissions_boundary_arn)
        kinds[BOUNDARY] = tuple(_defaults({"": boundary} if boundary else {}))
    return kinds


def _kinds(world: World, role_name: str) -> dict[str, tuple[Policy, ...]]:
    """The same by name, from copies: item calls must not wait for the control plane's lock."""
    for backend in world.iam().values():
        role = next((role for role in list(backend.roles.values()) if role.name == role_name), None)
        if role is not None:
            return kinds_of(role, backend.managed_policies)
    return {IDENTITY: ()}


def _defaults(policies: Mapping[str, ManagedPolicy]) -> Iterator[Policy]:
    """The default version of each managed policy."""
    for policy in list(policies.values()):
        yield from (Policy(str(one.document), policy.arn) for one in list(policy.versions) if one.is_default)
