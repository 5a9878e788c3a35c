"""Reads what a stack of ours has beyond its zone: its nodes' permissions, and the note of a drill."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from srekv.doctor.facts import StackFacts
from srekv.doctor.reader import Reader
from srekv.provision.deployment import noted_fault
from srekv.provision.engine.run import Run
from srekv.provision.inventory.existing import Existing
from srekv.provision.steps.iam import table_arn

WHAT = "the nodes' permissions"


def read_stack(reader: Reader, run: Run, role: Mapping[str, Any]) -> StackFacts:
    """The stack whose role this is."""
    existing = Existing(run.clients, run.names)
    instances = reader.ask("a drill's note", "ec2:DescribeInstances", existing.fresh_instances)
    return StackFacts(
        name=run.config.stack,
        role=role["RoleName"],
        table_arn=table_arn(role["Arn"], run.config.region, run.names.table),
        policies=_policies(reader, run, role["RoleName"]),
        fault=noted_fault(instances or []),
    )


def _policies(reader: Reader, run: Run, role: str) -> tuple[Mapping[str, Any], ...] | None:
    """Every policy document of a role, inline and attached; None if one could not be read."""
    iam: Any = run.clients.iam
    names = reader.pages(WHAT, "iam:ListRolePolicies", iam, "list_role_policies", "PolicyNames", RoleName=role)
    attached = reader.pages(
        WHAT, "iam:ListAttachedRolePolicies", iam, "list_attached_role_policies", "AttachedPolicies", RoleName=role
    )
    if names is None or attached is None:
        return None
    documents = [_inline(reader, iam, role, name) for name in names]
    documents += [_attached(reader, iam, policy["PolicyArn"]) for policy in attached]
    readable = tuple(document for document in documents if document is not None)
    return readable if len(readable) == len(documents) else None


def _inline(reader: Reader, iam: Any, role: str, name: str) -> Mapping[str, Any] | None:
    answer = reader.ask(WHAT, "iam:GetRolePolicy", iam.get_role_policy, RoleName=role, PolicyName=name)
    return _document(answer["PolicyDocument"]) if answer else None


def _attached(reader: Reader, iam: Any, arn: str) -> Mapping[str, Any] | None:
    policy = reader.ask(WHAT, "iam:GetPolicy", iam.get_policy, PolicyArn=arn)
    version = policy and reader.ask(
        WHAT,
        "iam:GetPolicyVersion",
        iam.get_policy_version,
        PolicyArn=arn,
        VersionId=policy["Policy"]["DefaultVersionId"],
    )
    return _document(version["PolicyVersion"]["Document"]) if version else None


def _document(document: Any) -> Mapping[str, Any]:
    """Botocore decodes policy documents; an endpoint may still hand out their text."""
    parsed: Mapping[str, Any] = json.loads(urllib.parse.unquote(document)) if isinstance(document, str) else document
    return parsed
