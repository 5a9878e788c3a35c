"""What the steps of a stack share: the run's settings, names and clients, and how they wait, create and repair tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srekv.provision.engine.retries import Retrying
from srekv.provision.engine.run import Run
from srekv.provision.inventory.existing import Existing
from srekv.provision.inventory.marks import tags_of
from srekv.provision.step import Ops, Step, retag


@dataclass(eq=False)
class StackStep(Step, Retrying):
    """A step of one stack; `existing` is shared by the steps of one run."""

    run: Run
    existing: Existing
    needs: tuple[Step, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        self.config, self.names = self.run.config, self.run.names
        clients = self.run.clients
        self.ec2, self.iam, self.route53, self.dynamodb = clients.ec2, clients.iam, clients.route53, clients.dynamodb

    def _retag(self, kind: str, name: str, id_: str, described: Mapping[str, Any], tags: Any) -> Ops:
        """Give a resource of EC2 the tags back that it has lost."""
        return retag((kind, name, id_), tags_of(described), tags, self.ec2.create_tags, Resources=[id_], Tags=tags)
