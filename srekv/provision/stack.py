"""A stack: what `up`, `down` and `status` do with all of its steps."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from srekv.config import Config
from srekv.provision import lease
from srekv.provision.converge import ensure_whole
from srekv.provision.deployment import fault_note
from srekv.provision.drift import Plan
from srekv.provision.engine.answers import explained
from srekv.provision.engine.clients import Clients
from srekv.provision.engine.run import Run
from srekv.provision.engine.scheduler import observe_all, refuse_unfit, refuse_what_cannot_change
from srekv.provision.inventory.existing import of_node
from srekv.provision.model import Deployment, Resource, Watcher
from srekv.provision.naming import NODES, STACK_TAG, tag_map
from srekv.provision.ready import await_healthy
from srekv.provision.removal import Removal, remove
from srekv.provision.steps.collection import Steps
from srekv.provision.steps.settings import refuse_elsewhere, region_of, resolve
from srekv.provision.steps.table import Holding
from srekv.provision.target import AwsFaultTarget

if TYPE_CHECKING:
    import boto3

Answer = Callable[[AwsFaultTarget, Deployment], object]
"""Returns once the name answers the primary."""


@dataclass(frozen=True)
class Stack:
    """One stack on one target, ready to be worked on; `role` is its role as it was when the command started."""

    run: Run
    role: Mapping[str, Any] | None

    def up(
        self,
        *,
        wait: bool,
        since: float | None = None,
        guard: Callable[[str], object] | None = None,
        preflight: Callable[[Steps], object] | None = None,
        heal: Callable[[Deployment], object] | None = None,
        answer: Answer = lambda _target, _deployment: None,
    ) -> Deployment | None:
        """Create or repair everything, and with `wait` wait for both checks; the whole stack, None after a dry run.

        Args:
            wait: until both checks pass on observations newer than `since`.
            since: when the command started, seconds since the epoch; None: now. Older observations prove nothing.
            guard: is shown the fault that a drill noted on the primary, "" if none, before anything is done.
            preflight: is shown the steps once each of them would take the request, if a node or an address has yet to
                be made, and refuses before anything is.
            heal: is called once everything is repaired that the steps know of, if a fault was noted.
            answer: with `wait`: returns once the name answers the primary.
        """
        since = time.time() if since is None else since
        lease.refuse_over(self.run.config.lease, now=datetime.now(UTC))
        steps = Steps(self.run, self.role, waits_for_health=wait)
        with self.run.busy("listing what exists"):
            if guard is not None:
                with explained(f"reading the stack {self.run.config.stack}"):
                    fault = fault_note(steps.existing.instances)
                guard(fault)
            if not self.run.dry:
                refuse_what_cannot_change(steps.all)
            self._refuse_elsewhere(steps)
            refuse_unfit(steps.rounds)
            if preflight is not None:
                with explained(f"reading the stack {self.run.config.stack}"):
                    listings = (steps.existing.instances, steps.existing.addresses)
                if any(not of_node(listed, node) for listed in listings for node in NODES):
                    preflight(steps)
        steps, instances = ensure_whole(steps, partial(Steps, waits_for_health=wait))
        if self.run.dry:
            return None
        deployment = steps.deployment(instances)
        doubtful = frozenset(
            steps.addresses.public[node] for node in (steps.nodes.begun | steps.checks.changed) - steps.checks.created
        )
        if heal is not None and deployment.fault:
            heal(deployment)
            doubtful = frozenset(steps.addresses.public.values())
        if wait:
            self._await_service(steps, deployment, since=since, doubtful=doubtful, answer=answer)
        return deployment

    def _await_service(
        self, steps: Steps, deployment: Deployment, *, since: float, doubtful: frozenset[str], answer: Answer
    ) -> None:
        """Wait for both checks and the name; where nothing was changed, for both at the same time.

        An early answer is too old if a check failed meanwhile: the name may have moved.
        """
        target = self.fault_target
        with ThreadPoolExecutor(1, thread_name_prefix="answer") as pool:
            unchanged = not (steps.run.changed.is_set() or doubtful)
            early = pool.submit(answer, target, deployment) if unchanged else None
            try:
                steady = await_healthy(steps.run, target, deployment, since=since, doubtful=doubtful)
            except BaseException:
                target.cancel()
                raise
        if early is None or not steady or early.exception():
            answer(target, deployment)

    @property
    def is_new(self) -> bool:
        """Whether there is no role of this stack yet: `up` would start from nothing."""
        tags: Any = self.role.get("Tags") if self.role else None
        return tag_map(tags).get(STACK_TAG) != self.run.config.stack

    def plan(self) -> Plan:
        """What `up` would do now; reads only, and prints nothing. Raises SrekvError if `up` would refuse to start."""
        plan = Plan()
        Stack(Run(self.run.config, self.run.clients, plan, dry=True), self.role).up(wait=False)
        return plan

    def _refuse_elsewhere(self, steps: Steps) -> None:
        """Where no role has the Region, what else shows in every Region must: the role may have been removed."""
        if not self.is_new and region_of(self.role):
            return
        with explained(f"finding the Region of the stack {self.run.config.stack}"):
            told = {region for step in steps.all for region in step.regions()}
        refuse_elsewhere(self.run.config, told)

    def down(self, *, keep_table: bool = False, backup: str = "") -> Removal:
        """Remove everything, then list every kind again, as `removal.remove` does; refuse a stack of another Region."""
        steps = Steps(self.run, self.role)
        self._refuse_elsewhere(steps)
        return remove(steps, keep_table=keep_table, backup=backup)

    def resources(self) -> tuple[Resource, ...]:
        """Everything of the stack that exists, by native listings."""
        return observe_all(self.run, Steps(self.run, self.role).all)

    def holding(self) -> Holding | None:
        """How many items the table holds, None without a table."""
        return Steps(self.run, self.role).table.count()

    @property
    def fault_target(self) -> AwsFaultTarget:
        """What a drill may do to this stack, also after a round of `up` that another run has cut short."""
        return AwsFaultTarget(self.run.again())


def connect(
    config: Config,
    given: Mapping[str, Any],
    watcher: Watcher,
    *,
    dry: bool = False,
    session: boto3.Session | None = None,
) -> Stack:
    """Reach the target and read the stack's settings; `session` makes the clients, instead of a new one.

    `given`: the settings of the command line; they win over those the stack was made with, and these over `config`.

    Raises:
        UsageError: a given setting is invalid; nothing was called.
        SrekvError: no credentials, no answer, or not permitted.
    """
    dataclasses.replace(config, **given)
    with explained(f"reading the stack {config.stack}"):
        clients = Clients(config, session)
        settled, role = resolve(config, given, clients)
    return Stack(Run(settled, clients, watcher, dry=dry), role)
