"""What the steps of a stack share: the run's settings, names and clients, and how they wait, create and repair tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from srekv.provision.engine.run import Run
from srekv.provision.inventory.existing import Existing
from srekv.provision.inventory.marks import tags_of
from srekv.provision.naming import lost_tags
from srekv.provision.step import Ops, Step, change

T = TypeVar("T")


@dataclass(eq=False)
class StackStep(Step):
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
        lost = lost_tags(tags_of(described), tags)
        if lost:
            yield change(kind, name, id_, lost, self.ec2.create_tags, Resources=[id_], Tags=tags)

    def _wait(self, what: str, look: Callable[[], T | None], **options: Any) -> T:
        return self.run.wait(self.section, what, look, **options)

    def _retry_while(self, on: frozenset[str], what: str, call: Callable[..., T], **options: Any) -> T:
        """`on`: the error codes that mean "not yet"."""
        return self.run.persist(self.section, what, call, on=on, **options)

    def _create_or_adopt(self, what: str, call: Callable[[], T], *, exists: str, look: Callable[[], T | None]) -> T:
        return self.run.made(self.section, what, call, exists=exists, look=look)

    def _create_without_token(
        self, what: str, call: Callable[[], T], *, look: Callable[[], T | None], full: frozenset[str] = frozenset()
    ) -> T:
        return self.run.unsure(self.section, what, call, look=look, full=full)

    def _poll_briefly(self, what: str, look: Callable[[], T | None]) -> T | None:
        return self.run.sought(self.section, what, look)

    def _remove(self, what: str, call: Callable[[], object], **options: Any) -> None:
        self.run.remove(self.section, what, call, **options)
