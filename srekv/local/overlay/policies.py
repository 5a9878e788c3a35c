"""IAM's policy language, as far as a local run needs it to notice a wrong policy. Pure: documents in, a decision out.

Conditions are not evaluated: an Allow with a condition does not count and a Deny with one does, the strict sides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

IDENTITY, BOUNDARY, SESSION = "identity-based policy", "permissions boundary", "session policy"
"""Kinds of policies, each of which has to allow what is allowed."""


class Policy(NamedTuple):
    """A policy document (JSON), and the ARN of a managed policy."""

    document: str
    arn: str = ""


class Decision(NamedTuple):
    """What policies say to an action, in the simulator's word; `reason` ends AWS's message for a refusal."""

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
