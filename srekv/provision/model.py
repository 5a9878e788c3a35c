"""What provisioning says about a stack: plain frozen data, no clients.

Other packages may import this module and nothing else of provision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from srekv.errors import Advice, CommandLine, SrekvError

Role = Literal["primary", "secondary"]
Action = Literal["create", "change", "leave", "delete", "cannot change"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing done (or, in a dry run, to be done) to one resource."""

    section: str  # the lab's
    kind: str
    name: str
    id: str  # "" while the cloud has none
    action: Action  # "cannot change" is in plans only: the command itself refuses
    detail: str = ""  # the fields concerned, for a person, for example "ttl 300 -> 10"
    next_step: Advice = ""  # what to do about a field that cannot change


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of a stack as it exists now. `state` is the service's own word, for example "ACTIVE"."""

    kind: str
    id: str
    name: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Node:
    """One web server. `name` is "az1" or "az2" and comes back in X-Srekv-Node; `address` is its Elastic IP."""

    name: str
    role: Role
    zone: str
    instance_id: str
    address: str
    private_address: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance of the VPC of which nothing but its id is known."""

    instance_id: str

    @property
    def name(self) -> str:
        """Its id: it has no other name."""
        return self.instance_id


Place = Node | Instance  # an instance that takes commands


@dataclass(frozen=True, kw_only=True)
class Check:
    """One Route 53 health check. Times are AWS-equivalent seconds."""

    name: str
    id: str
    address: str
    port: int
    path: str
    interval: int
    threshold: int
    inverted: bool = False
    disabled: bool = False


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One checker's last report. `checker` is its address, `at` an aware time."""

    checker: str
    region: str
    healthy: bool
    status: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A whole stack as it exists now, complete enough to be tested and made to fail."""

    stack: str
    region: str
    zone_name: str
    name: str
    port: int
    ttl: int
    table: str
    nodes: tuple[Node, ...]
    checks: tuple[Check, ...]
    fault: str = ""  # the note that a drill left on the primary before it injected a fault

    def node(self, role: Role) -> Node:
        """The node with that role."""
        return next(node for node in self.nodes if node.role == role)

    def check(self, role: Role) -> Check:
        """The health check that watches the node with that role; raises SrekvError if none does."""
        address = self.node(role).address
        for check in self.checks:
            if check.address == address:
                return check
        raise SrekvError(
            f"no health check watches the {role}",
            why=f"it is at {address}; the checks ask {', '.join(check.address for check in self.checks)}",
            next_step=CommandLine("srekv up") + " points them at the nodes again",
        )

    @property
    def url(self) -> str:
        """The service's base URL."""
        return f"http://{self.name}" + ("" if self.port == 80 else f":{self.port}")


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What a shell command said that ran on a node inside the VPC."""

    status: str  # SSM's word: Success, Failed, TimedOut, Cancelled ...
    code: int  # the exit code, -1 when it never ran
    stdout: str  # cut at 24,000 characters, and stderr at 8,000, as SSM does (aws-facts 4.10)
    stderr: str


class Watcher:
    """Receives what provisioning does, as it does it; called from several threads. A subclass may leave methods out."""

    def started(self, section: str) -> None:
        """Work on a section began."""

    def changed(self, change: Change) -> None:
        """A resource was created, changed, left alone or deleted."""

    def waiting(self, section: str, what: str) -> None:
        """The section waits for something with a name, and has for a while."""

    def waited(self, section: str, what: str) -> None:
        """That wait is over, whichever way."""

    def finished(self, section: str) -> None:
        """The section is done."""

    def warn(self, message: Advice) -> None:
        """Something optional could not be had."""
