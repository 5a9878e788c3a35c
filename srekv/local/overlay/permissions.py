"""What a machine's role may do: its policies, its permissions boundary, and what no role's credentials may do here.

IAM's policy language goes as far as a local run needs it to notice a wrong policy. Conditions are not evaluated: an
Allow with a condition does not count and a Deny with one does, the strict sides.

Sources of what a DynamoDB call is judged by: Service Authorization Reference, "Actions, resources, and condition keys
for Amazon DynamoDB"; DynamoDB Developer Guide, "Using IAM with DynamoDB transactions" and "IAM security policies with
PartiQL for DynamoDB".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from srekv.local.auth import Caller
from srekv.local.overlay.world import World

if TYPE_CHECKING:  # importing moto costs half a second; annotations alone must not
    from moto.iam.models import ManagedPolicy, Role

IDENTITY, BOUNDARY, SESSION = "identity-based policy", "permissions boundary", "session policy"
"""Kinds of policies, each of which has to allow what is allowed."""

_AGENT = {"Effect": "Allow", "Action": "ssm:UpdateInstanceInformation", "Resource": "*"}
_SESSION = json.dumps({"Statement": [{"Effect": "Allow", "NotAction": "ssm:*", "Resource": "*"}, _AGENT]})
"""The session policy of every role's credentials: of Systems Manager they allow the agent's call only.

SendCommand runs commands as the operator, and the caller need not be the operator.
"""

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_STATEMENT = re.compile(
    r"""\s* (?: EXISTS \s* \( \s* )?
    (?: (?P<Select> SELECT \b (?: "[^"]*" | [^"] )*? \b FROM ) | (?P<Insert> INSERT \s+ INTO )
      | (?P<Update> UPDATE ) | (?P<Delete> DELETE \s+ FROM ) ) \b
    \s* (?P<table> "[^"]+" | [\w-]+ ) (?: \s* \. \s* (?P<index> "[^"]+" | [\w-]+ ) )?""",
    re.IGNORECASE | re.VERBOSE,
)


def denial(world: World, caller: Caller, *, service: str, region: str, action: str, params: Any) -> str | None:
    """Why a role's call is refused, in AWS's words (aws-recorded R17), or None when it is allowed."""
    if caller.role is None or (service, action) == ("sts", "GetCallerIdentity"):  # allowed always (IAM User Guide)
        return None
    account = world.settings.account
    # Copies: item calls must not wait for the control plane's lock.
    roles = [(role, backend) for backend in world.backends("iam").values() for role in list(backend.roles.values())]
    found = (kinds_of(role, backend.managed_policies) for role, backend in roles if role.name == caller.role)
    kinds = {**next(found, {IDENTITY: ()}), SESSION: (Policy(_SESSION),)}
    tables = f"arn:aws:dynamodb:{region}:{account}:table/"
    request = params if isinstance(params, dict) else {}
    for name, resource in asked(action, request, tables) if service == "dynamodb" else [(action, "*")]:
        decision = decide(kinds, f"{service}:{name}", resource)
        if decision.reason:
            who = f"arn:aws:sts::{account}:assumed-role/{caller.role}/{caller.machine}"
            what = f"{service}:{name} on resource: {resource}"
            return f"User: {who} is not authorized to perform: {what} {decision.reason}"
    return None


def kinds_of(role: Role, managed: Mapping[str, ManagedPolicy]) -> dict[str, tuple[Policy, ...]]:
    """A role's policies, and its boundary if it has one: of the account's `managed` ones; gone, it allows nothing."""
    inline = (Policy(str(one)) for one in list(role.policies.values()))
    kinds = {IDENTITY: (*inline, *_defaults(list(role.managed_policies.values())))}
    if arn := role.permissions_boundary_arn:
        kinds[BOUNDARY] = tuple(_defaults([managed[arn]] if arn in managed else []))
    return kinds


def _defaults(policies: list[ManagedPolicy]) -> Iterator[Policy]:
    """The default version of each managed policy."""
    for policy in policies:
        yield from (Policy(str(one.document), policy.arn) for one in list(policy.versions) if one.is_default)


def asked(action: str, request: dict[str, Any], tables: str) -> list[tuple[str, str]]:
    """What IAM judges a DynamoDB call by: actions and resources, each to be allowed; `tables`: a table ARN's start."""
    return list(dict.fromkeys(_asked(action, request, tables))) or [(action, "*")]


def _asked(action: str, request: dict[str, Any], tables: str) -> Iterator[tuple[str, str]]:
    if action in ("TransactWriteItems", "TransactGetItems"):
        kinds = ("Get", "Put", "Update", "Delete", "ConditionCheck")
        for entry in request.get("TransactItems", ()):  # transactions have no actions of their own
            parts = {f"{kind}Item": entry[kind] for kind in kinds if entry.get(kind)}
            yield from ((name, _arn(part.get("TableName"), tables)) for name, part in parts.items())
    elif action in ("BatchGetItem", "BatchWriteItem"):
        yield from ((action, _arn(name, tables)) for name in request.get("RequestItems", ()))
    elif action in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
        for one in request.get("Statements", request.get("TransactStatements", [request])):
            yield _of_statement(one, tables)
    else:
        members = ("TableName", "ResourceArn", "BackupArn")
        named = next((request[member] for member in members if member in request), None)
        yield action, _arn(named, tables, request.get("IndexName"))


def _of_statement(request: dict[str, Any], tables: str) -> tuple[str, str]:
    """Of a PartiQL statement; EXISTS reads (assumed), and one that cannot be read could concern every table."""
    match = _STATEMENT.match(_LITERAL.sub("''", str(request.get("Statement", ""))))
    if match is None:
        return "PartiQLSelect", "*"
    verb = next(verb for verb in ("Select", "Insert", "Update", "Delete") if match[verb])
    table, index = (name.strip('"') if name else None for name in match.group("table", "index"))
    return f"PartiQL{verb}", _arn(table, tables, index)


def _arn(table: str | None, tables: str, index: str | None = None) -> str:
    """Of a table by its name or its ARN, or of an index of it; "*" without a table."""
    if not table:
        return "*"
    arn = table if table.startswith("arn:") else f"{tables}{table}"
    return f"{arn}/index/{index}" if index else arn


class Policy(NamedTuple):
    """A policy document (JSON), and the ARN of a managed policy."""

    document: str
    arn: str = ""


class Decision(NamedTuple):
    """What policies decide about an action, in the simulator's word; `reason` ends AWS's message for a refusal."""

    effect: Literal["allowed", "explicitDeny", "implicitDeny"]
    reason: str = ""


def decide(kinds: Mapping[str, Sequence[Policy]], action: str, resource: str) -> Decision:
    """Decide about an action on a resource: no Deny in any policy, and an Allow in each kind of them.

    The reasons are AWS's (IAM User Guide, "Troubleshoot access denied error messages"); since 2026 an explicit deny
    names the managed policy.
    """
    effects = {kind: [_effects(one.document, action, resource) for one in given] for kind, given in kinds.items()}
    for kind, given in kinds.items():
        for policy, found in zip(given, effects[kind], strict=True):
            if "Deny" in found:
                where = f"a{'n' if kind == IDENTITY else ''} {kind}{': ' if policy.arn else ''}{policy.arn}"
                return Decision("explicitDeny", f"with an explicit deny in {where}")
    for kind, listed in effects.items():
        if not any("Allow" in found for found in listed):
            return Decision("implicitDeny", f"because no {kind} allows the {action} action")
    return Decision("allowed")


@lru_cache(maxsize=1024)
def _effects(document: str, action: str, resource: str) -> frozenset[str]:
    """The effects of a document's statements about an action on a resource."""
    return frozenset(
        statement["Effect"]
        for statement in _listed(json.loads(document).get("Statement", []))
        if _matches(statement, "Action", action, re.IGNORECASE)
        and _matches(statement, "Resource", resource, 0)
        and (statement["Effect"] == "Deny" or "Condition" not in statement)
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(statement: dict[str, Any], element: str, value: str, flags: int) -> bool:
    """Whether Action/NotAction or Resource/NotResource covers a value."""
    listed = _listed(statement.get(element, statement.get(f"Not{element}", [])))
    found = any(_pattern(text, flags).fullmatch(value) for text in listed)
    return found if element in statement else f"Not{element}" in statement and not found


@lru_cache(maxsize=512)
def _pattern(text: str, flags: int) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), flags)
