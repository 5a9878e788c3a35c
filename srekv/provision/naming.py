"""Names, tags and tokens of a stack: the one place they come from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from srekv.config import DEFAULT_STACK

STACK_TAG = "srekv:stack"
NODE_TAG = "srekv:node"
FAULT_TAG = "srekv:fault"  # on the primary while a drill's fault is in it: what has to be undone
PAYLOAD_TAG = "srekv:payload"  # a digest of the user data an instance booted with, so that an outdated node shows
LEASE_TAG = "srekv:lease"  # on a leased stack's role and instances: when the lease is over, ISO 8601 with the time zone
REGION_TAG = "srekv:region"  # on role, profile, zone and checks, which show in every Region: the stack's own

PATH = "/srekv/"  # the IAM path under which the roles and profiles of all stacks are; the next part is the stack's name
REFERENCE = "srekv"  # how every Route 53 CallerReference of ours starts; the next part is the stack's name
BACKUP = "srekv"  # how the names of our table backups start, which take no tags; the next part is the stack's name
TABLE = "SREKeyValue"  # the lab's table
DASHBOARD = "srekv-dashboard"  # the default stack's dashboard; the names of the others start with it
ALARM = "srekv-"  # how the names of our alarms start
TITLE = "srekv stack "  # how the text of a dashboard's first widget starts; the stack's name follows
NODES = ("az1", "az2")  # the node names; the first is the primary


class Names:
    """Every name of one stack. The default stack has the lab's names, another one carries its own in each of them."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.role = self._own("EC2_DynamoDB_Access")  # of the instances' IAM role and of their instance profile
        self.path = f"{PATH}{stack}/"  # of both in IAM (aws-facts 6.1)
        self.table = self._own(TABLE)
        self.security_group = self._own("srekv-web")
        self.group_description = f"srekv stack {stack}: the web servers"  # cannot change after creation, as tags can
        self.key_pair = self._own("srekv-key")  # what --create-key makes
        self.dashboard = self._own(DASHBOARD)

    def _own(self, name: str) -> str:
        return name if self.stack == DEFAULT_STACK else f"{name}-{self.stack}"

    def instance(self, node: str) -> str:
        """The Name tag of a node's instance, volume and address."""
        return self._own(f"srekv-{node}")

    def check(self, node: str) -> str:
        """The Name tag of a node's health check."""
        return self._own(f"hc-{node}")

    def alarm(self, subject: str) -> str:
        """A CloudWatch alarm's name."""
        return self._own(ALARM + subject)

    def tags(self, name: str, **more: str) -> list[Any]:
        """AWS's usual tag list: the stack, the Name, and `more` as srekv:KEY."""
        own = {STACK_TAG: self.stack, "Name": name, **{f"srekv:{key}": value for key, value in more.items()}}
        return [{"Key": key, "Value": value} for key, value in own.items()]

    def owns(self, resource: Mapping[str, Any]) -> bool:
        """Whether an IAM role or profile is this stack's: by its path, which cannot change, or by its tag."""
        return resource.get("Path") == self.path or tag_map(resource.get("Tags")).get(STACK_TAG) == self.stack

    def reference_prefix(self, what: str) -> str:
        """How a Route 53 CallerReference of ours begins: Route 53 takes no tags at creation (aws-facts 1.2)."""
        return f"{REFERENCE}:{self.stack}:{what}:"

    def backup(self, name: str) -> str:
        """What a backup of the table is called that the user calls `name`: a backup takes no tags."""
        return f"{BACKUP}.{self.stack}.{name}"


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """AWS's tag list as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags or []}


def lost_tags(have: Mapping[str, str], want: Iterable[Mapping[str, str]]) -> str:
    """Which of the wanted tags are missing or differ, for a person; "" when all are there."""
    wrong = {key: value for key, value in tag_map(want).items() if have.get(key) != value}
    parts = [f"{key} {have[key]} -> {value}" if key in have else f"{key} lost" for key, value in wrong.items()]
    return "tags: " + ", ".join(parts) if parts else ""


def digest(value: object) -> str:
    """A short stable digest of plain data."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stack_of_path(path: str) -> str:
    """The stack whose role or profile has this IAM path; "" for any other."""
    return _stack_in(rf"{PATH}([^/]+)/", path)


def origin_of(reference: str) -> tuple[str, str]:
    """The stack that made a zone or a check with this CallerReference, and for what; "" and "" for any other."""
    match = re.fullmatch(rf"{REFERENCE}:([^:]+):({'|'.join((*NODES, 'zone'))}):.+", reference)
    return (match[1], match[2]) if match else ("", "")


def stack_of_backup(name: str) -> str:
    """The stack that made a backup of this name; "" for any other."""
    return _stack_in(rf"{BACKUP}\.([^.]+)\..+", name)


def stack_of_title(title: str) -> str:
    """The stack whose dashboard starts with this text; "" for any other."""
    return _stack_in(rf"{TITLE}(\S+)", title)


def _stack_in(pattern: str, text: str) -> str:
    match = re.fullmatch(pattern, text)
    return match[1] if match else ""
