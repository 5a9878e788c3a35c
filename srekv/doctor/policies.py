"""Whether policy documents allow an action on a resource, as far as a node's role needs it. Pure.

Conditions are not evaluated: an Allow with a condition does not count and a Deny with one does, the strict sides.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any


def allows(documents: Iterable[Mapping[str, Any]], action: str, resource: str) -> bool:
    """One Allow and no Deny among all statements; actions are compared without regard to case."""
    effects = [
        statement["Effect"]
        for document in documents
        for statement in listed(document.get("Statement"))
        if _matches(statement, "Action", action.lower(), lower=True)
        and _matches(statement, "Resource", resource)
        and (statement.get("Effect") == "Deny" or not statement.get("Condition"))
    ]
    return "Allow" in effects and "Deny" not in effects


def _matches(statement: Mapping[str, Any], member: str, value: str, *, lower: bool = False) -> bool:
    """Whether a member, or its Not..., matches; IAM's wildcards are * and ?, it knows no [sets]."""
    named = listed(statement.get(member, statement.get(f"Not{member}")))
    patterns = [str(one).replace("[", "[[]") for one in named]
    hit = any(fnmatch.fnmatchcase(value, one.lower() if lower else one) for one in patterns)
    return hit is (member in statement)


def listed(value: Any) -> list[Any]:
    """A policy's value or list of values as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
