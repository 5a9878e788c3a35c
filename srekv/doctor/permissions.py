"""What the credentials lack, asked of IAM before it is missed: SimulatePrincipalPolicy, which changes nothing.

Each statement of the operator's policy is put to IAM with the resources and the context that srekv's calls will have,
so a least-privilege policy is not called too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from srekv.doctor.model import Finding, Severity
from srekv.doctor.reader import Reader
from srekv.doctor.sources import PERMISSIONS
from srekv.errors import CommandLine
from srekv.provision.engine.answers import DENIED, FAILURES, code_of
from srekv.provision.engine.run import Run
from srekv.provision.permissions import operator_policy

WHAT = "the credentials' permissions"
ANY = "srekv"
"""Stands where the policy says "any"."""


KINDNESS = ("implicitDeny", "explicitDeny", "unknown", "allowed")
"""Of several decisions about one action the last one counts: it is missing only if nothing allows it."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One statement as IAM's simulator takes it."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    context: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """Who asks, and the actions that IAM would refuse with IAM's word for it; None: could not be asked."""

    who: str
    refused: Mapping[str, str] | None


def questions(policy: Mapping[str, Any]) -> Iterator[Question]:
    """The operator's policy, statement by statement; pure."""
    for statement in policy["Statement"]:
        yield Question(
            actions=tuple(_listed(statement["Action"])),
            resources=tuple(_sample(one) for one in _listed(statement["Resource"])),
            context=tuple(_context(statement.get("Condition", {}))),
        )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _sample(pattern: str) -> str:
    """A resource that the pattern names; "*" alone stays what it is."""
    return pattern if pattern == "*" else pattern.replace("*", ANY)


def _context(conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The keys and values with which the conditions hold."""
    for operator, keys in conditions.items():
        kind = "stringList" if operator.startswith("ForAnyValue:") else "string"
        for key, value in keys.items():
            values = [_sample(one) if one != "*" else ANY for one in _listed(value)]
            yield {"ContextKeyName": key, "ContextKeyValues": values[:1], "ContextKeyType": kind}


def read_permissions(reader: Reader, run: Run) -> Permissions:
    """Ask who we are, and whether that principal may do what srekv does."""
    identity = reader.ask(WHAT, "sts:GetCallerIdentity", run.clients.sts.get_caller_identity)
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
        answers = _simulate(reader, run, principal, question)
        if answers is None:
            return Permissions(who=principal, refused=_rehearsed(reader, run))
        for action, decision in answers:
            seen[action] = max(decision, seen.get(action, decision), key=KINDNESS.index)
    refused = {action: decision for action, decision in sorted(seen.items()) if decision.endswith("Deny")}
    return Permissions(who=principal, refused=refused)


def _rehearsed(reader: Reader, run: Run) -> Mapping[str, str] | None:
    """What EC2 says to dry runs, where IAM did not let us ask; None where it is the endpoint that cannot be asked.

    An endpoint without a simulator may not know dry runs either, and really do what it is asked for.
    """
    if not any(one.denied for one in reader.unread if one.action == "iam:SimulatePrincipalPolicy"):
        return None
    ec2: Any = run.clients.ec2_once
    names = run.names
    rehearsals: tuple[tuple[str, str, Callable[..., Any], dict[str, Any]], ...] = (
        ("ec2:AllocateAddress", "elastic-ip", ec2.allocate_address, {"Domain": "vpc"}),
        ("ec2:CreateKeyPair", "key-pair", ec2.create_key_pair, {"KeyName": names.key_pair}),
    )
    refused = {}
    for action, kind, call, arguments in rehearsals:
        tags = [{"ResourceType": kind, "Tags": names.tags(names.stack)}]
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
    answer = Reader().ask(WHAT, "iam:GetRole", run.clients.iam.get_role, RoleName=role)
    return str(answer["Role"]["Arn"]) if answer else f"{head.replace(':sts:', ':iam:')}:role/{role}"


def _simulate(reader: Reader, run: Run, principal: str, question: Question) -> list[tuple[str, str]] | None:
    """Each action and the decision about it; one that hangs on unknown context counts as unknown."""
    answer = reader.pages(
        WHAT,
        "iam:SimulatePrincipalPolicy",
        run.clients.iam,
        "simulate_principal_policy",
        "EvaluationResults",
        PolicySourceArn=principal,
        ActionNames=list(question.actions),
        ResourceArns=list(question.resources),
        ContextEntries=list(question.context),
    )
    if answer is None:
        return None
    return [(one["EvalActionName"], decision) for one in answer for decision in _decisions(one)]


def _decisions(result: Mapping[str, Any]) -> Iterator[str]:
    """The decision for each resource: an action that is allowed on one of them is not missing."""
    yield from (one["EvalResourceDecision"] for one in result.get("ResourceSpecificResults", ()))
    unknown = result["EvalDecision"] == "implicitDeny" and result.get("MissingContextValues")
    yield "unknown" if unknown else result["EvalDecision"]


def permission_findings(permissions: Permissions, *, severity: Severity) -> Iterator[Finding]:
    """One finding that names every refused action."""
    if permissions.refused:
        yield Finding(
            id="permission-missing",
            severity=severity,
            subject=permissions.who,
            title="the credentials lack permissions that srekv needs",
            cause="a command that is refused half-way leaves a stack half made, half failed or half removed",
            proof=", ".join(f"{action} ({decision})" for action, decision in permissions.refused.items()),
            fix=CommandLine("srekv policy") + " prints the policy to attach",
            source=PERMISSIONS,
        )
