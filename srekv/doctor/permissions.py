"""What the credentials lack, asked of IAM before it is missed: SimulatePrincipalPolicy, which changes nothing.

Each statement of the operator's policy is put to IAM with the resources and the context that srekv's calls will have,
so a least-privilege policy is not called too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from srekv.doctor.model import Finding, Severity, find
from srekv.doctor.reach import listed
from srekv.doctor.reader import Reader
from srekv.provision.engine.answers import DENIED, FAILURES, code_of
from srekv.provision.engine.run import Run
from srekv.provision.permissions import operator_policy

WHAT = "the credentials' permissions"
ANY = "srekv"
"""Stands where the policy says "any"."""

KINDNESS = ("implicitDeny", "explicitDeny", "unknown", "allowed")
"""Of several decisions about one action the last one counts: it is missing only if nothing allows it."""


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """Who asks, and the actions that IAM would refuse with IAM's word for it; None: could not be asked."""

    who: str
    refused: Mapping[str, str] | None


def questions(policy: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The operator's policy, statement by statement, as IAM's simulator takes it; pure."""
    for statement in policy["Statement"]:
        yield {
            "ActionNames": listed(statement["Action"]),
            # "*" alone stays what it is
            "ResourceArns": [one if one == "*" else one.replace("*", ANY) for one in listed(statement["Resource"])],
            "ContextEntries": list(_context(statement.get("Condition", {}))),
        }


def _context(conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The keys and values with which the conditions hold."""
    for operator, keys in conditions.items():
        kind = "stringList" if operator.startswith("ForAnyValue:") else "string"
        for key, value in keys.items():
            values = [str(one).replace("*", ANY) for one in listed(value)[:1]]
            yield {"ContextKeyName": key, "ContextKeyValues": values, "ContextKeyType": kind}


def read_permissions(reader: Reader, run: Run) -> Permissions:
    """Ask who we are, and whether that principal may do what srekv does."""
    identity = reader.ask(WHAT, run.clients.sts, "get_caller_identity")
    if identity is None:
        return Permissions(who="", refused=None)
    arn = str(identity["Arn"])
    if arn.endswith(":root"):
        return Permissions(who=arn, refused={})
    principal = _principal(run, arn)
    _, partition, _, _, account, _ = arn.split(":", 5)
    policy = operator_policy(account=account, region=run.config.region, stack=run.config.stack, partition=partition)
    seen: dict[str, str] = {}
    for question in questions(policy):
        asked = {"PolicySourceArn": principal, **question}
        answers = reader.pages(WHAT, run.clients.iam, "simulate_principal_policy", "EvaluationResults", **asked)
        if answers is None:
            return Permissions(who=principal, refused=_rehearsed(reader, run))
        for answer in answers:
            decided, action = [*_decisions(answer)], answer["EvalActionName"]
            seen[action] = max(*decided, seen.get(action, decided[0]), key=KINDNESS.index)
    refused = {action: decision for action, decision in sorted(seen.items()) if decision.endswith("Deny")}
    return Permissions(who=principal, refused=refused)


def _rehearsed(reader: Reader, run: Run) -> Mapping[str, str] | None:
    """What EC2 says to dry runs, where IAM did not let us ask; None where it is the endpoint that cannot be asked.

    An endpoint without a simulator may not know dry runs either, and really do what it is asked for.
    """
    if not any(one.denied for one in reader.unread if one.action == "iam:SimulatePrincipalPolicy"):
        return None
    ec2: Any = run.clients.ec2_once
    refused = {}
    for action, kind, call, arguments in (
        ("ec2:AllocateAddress", "elastic-ip", ec2.allocate_address, {"Domain": "vpc"}),
        ("ec2:CreateKeyPair", "key-pair", ec2.create_key_pair, {"KeyName": run.names.key_pair}),
    ):
        tags = [{"ResourceType": kind, "Tags": run.names.tags(run.names.stack)}]
        try:
            call(DryRun=True, TagSpecifications=tags, **arguments)
        except FAILURES as error:
            if code_of(error) in DENIED:
                refused[action] = code_of(error)
    return refused


def _principal(run: Run, arn: str) -> str:
    """The IAM user or role behind a caller: a session's ARN names its role without the path, which GetRole may tell."""
    head, _, name = arn.partition(":assumed-role/")
    if not name:
        return arn.replace(":sts:", ":iam:")
    role = name.partition("/")[0]
    answer = Reader().ask(WHAT, run.clients.iam, "get_role", RoleName=role)
    return str(answer["Role"]["Arn"]) if answer else f"{head.replace(':sts:', ':iam:')}:role/{role}"


def _decisions(result: Mapping[str, Any]) -> Iterator[str]:
    """The decision for each resource, as an action that is allowed on one is not missing; unknown without context."""
    yield from (one["EvalResourceDecision"] for one in result.get("ResourceSpecificResults", ()))
    unknown = result["EvalDecision"] == "implicitDeny" and result.get("MissingContextValues")
    yield "unknown" if unknown else result["EvalDecision"]


def permission_findings(permissions: Permissions, *, severity: Severity) -> Iterator[Finding]:
    """One finding that names every refused action."""
    if permissions.refused:
        actions = ", ".join(f"{action} ({decision})" for action, decision in permissions.refused.items())
        yield find("permission-refused", permissions.who, severity=severity, actions=actions)
