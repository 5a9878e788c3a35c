"""What `up` would do to a stack, and so how the stack differs from what was asked: the plan of `up`, listened to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.errors import Advice
from srekv.provision.model import Change, Watcher


@dataclass
class Plan(Watcher):
    """A dry run of `up`: what it listens to. Lists grow in one step, so threads may share it."""

    changes: list[Change] = field(default_factory=list)  # every resource, in no particular order
    warnings: list[Advice] = field(default_factory=list)  # what needs attention and `up` leaves unchanged

    def changed(self, change: Change) -> None:
        """A resource was listed."""
        self.changes.append(change)

    def warn(self, message: Advice) -> None:
        """Something needs attention."""
        self.warnings.append(message)

    @property
    def drift(self) -> tuple[Change, ...]:
        """What differs."""
        return tuple(change for change in self.changes if change.action != "leave")


def difference(have: Mapping[str, Any], want: Mapping[str, Any]) -> str:
    """The wanted fields that are other than they should be, for a person: "ttl 300 -> 10, path / -> /health"."""
    return ", ".join(
        f"{key} {_brief(have.get(key))} -> {_brief(value)}" for key, value in want.items() if have.get(key) != value
    )


def _brief(value: Any) -> str:
    """A value without AWS's wrapping: a list of one-member mappings is the members' values."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_brief, value)) or "none"
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values())
    return str(value)


def policy_difference(have: Mapping[str, Any], want: Mapping[str, Any]) -> str:
    """How an IAM policy differs from the wanted one, statement by statement; "" when both allow the same."""
    # Neither order counts nor whether one action stands in a list: IAM keeps a document as it was written.
    there, wanted = _statements(have), _statements(want)
    parts = [f"{_said(there[key])} not wanted" for key in there if key not in wanted]
    for key, statement in wanted.items():
        if key not in there:
            parts.append(f"{_said(statement)} missing")
        elif there[key] != statement:
            fields = dict.fromkeys([*statement, *there[key]])
            parts.append(difference(there[key], {field: statement.get(field) for field in fields}))
    return "; ".join(parts)


def _statements(policy: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The statements by Sid, or by place; everything that may be a list is a sorted one."""
    listed = policy.get("Statement", [])
    return {
        statement.get("Sid", str(number)): {
            key: sorted(value if isinstance(value, list) else [value]) if key in {"Action", "Resource"} else value
            for key, value in statement.items()
        }
        for number, statement in enumerate(listed if isinstance(listed, list) else [listed])
    }


def _said(statement: Mapping[str, Any]) -> str:
    what = _brief(statement.get("Action", statement.get("NotAction")))
    return f"{statement.get('Effect', '')} {what} on {_brief(statement.get('Resource', 'this role'))}"
