"""Concurrent `up` and `down`: converge to exactly one complete stack, or none.

There is no lock in the cloud. Each create converges by itself (unique names, tokens and references of one life of the
stack, addresses by their tag), and at its end an `up` that changed something looks twice:

- Is its role still there? `down` removes the role last and lists everything after that. So if the role is there now,
  a `down` that is at work will see all that this run has made. If it is gone, this run removes it.
- Is there an instance or an address besides its own? Then another `up` was at work; the last one to look repairs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from srekv.errors import SrekvError
from srekv.provision.engine.answers import FAILURES, explain, is_absent
from srekv.provision.engine.run import Run
from srekv.provision.engine.scheduler import ensure_all
from srekv.provision.removal import remove
from srekv.provision.steps.collection import Steps

ROUNDS = 3  # how often `up` starts again because of another one

Role = Mapping[str, Any]
Instances = Sequence[Mapping[str, Any]]
Make = Callable[[Run, Role | None], Steps]  # makes the steps of a round, given its run and the role as it is by then


def ensure_whole(steps: Steps, make: Make) -> tuple[Steps, Instances | None]:
    """Create or repair everything, as often as it takes while other runs are at work on the same stack.

    Returns the steps of the last round, and the live instances if they were listed; raises EndedError if a `down` came
    between: what this run had made is removed.
    """
    for _ in range(ROUNDS - 1):
        instances, role = _round(steps, make, tolerant=True)
        if role is None:
            return steps, instances
        steps = make(steps.run.again(), role)
    return steps, _round(steps, make, tolerant=False)[0]


def _round(steps: Steps, make: Make, *, tolerant: bool) -> tuple[Instances | None, Role | None]:
    """Ensure everything once; the live instances if they were listed, and the role if it needs another round."""
    try:
        ensure_all(steps.run, steps.all)
    except SrekvError as error:
        role = _role_still_there(steps, make, error)
        cause = error.__cause__
        if tolerant and isinstance(cause, Exception) and is_absent(cause):
            return None, role  # something went away meanwhile: another `up` has decided for the other one of two
        raise
    if not steps.run.changed.is_set():
        known = steps.existing.instances
        return (known if all(one["State"]["Name"] == "running" for one in known) else None), None
    role = _role_still_there(steps, make, None)
    instances, alone = _alone(steps)
    return instances, None if alone else role


def _role_still_there(steps: Steps, make: Make, failure: SrekvError | None) -> Role:
    """The role of this run's life of the stack; if it is gone, remove what this run has made."""
    life = steps.run.generation
    if failure is not None and not life.id:
        raise failure
    try:
        role = life.role()
    except FAILURES as error:
        raise failure or explain(error, "checking that the stack still exists") from error
    if role is not None:
        return role
    again = steps.run.again()
    # A table that this run has not made may hold data, and was kept for a reason.
    removal = remove(make(again, None), keep_table=not steps.table.created)
    raise life.ended(left=len(removal.left)) from failure


def _alone(steps: Steps) -> tuple[Instances, bool]:
    """The live instances, and whether they and the addresses are this run's own; what does not show is looked for."""
    mine = {*steps.nodes.instance_id.values(), *steps.addresses.allocation.values()}
    instances: Instances = ()
    ids: set[str] = set()

    def look() -> bool | None:
        nonlocal instances, ids
        instances, addresses = steps.existing.fresh_instances(), steps.existing.fresh_addresses()
        ids = {one["InstanceId"] for one in instances} | {one["AllocationId"] for one in addresses}
        return mine <= ids or None

    steps.addresses.poll_briefly("everything of this run", look)
    return instances, ids == mine
