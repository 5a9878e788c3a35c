"""The command `status`: what exists, its health, what the name answers, and how it has drifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from srekv.commands import plan as planning
from srekv.commands.session import open_stack, pass_invocation, vantage
from srekv.config import Config
from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision import lease
from srekv.provision.model import Change, Deployment, Observation, Resource
from srekv.ui.console import Narration, changes_json, grid, node_table, nodes_json, reach, resource_table
from srekv.ui.context import Invocation
from srekv.ui.options import Number, click_command, option

if TYPE_CHECKING:
    from srekv.provision.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `status`."""

    watch: bool = option("--watch", is_flag=True, help="Poll until Ctrl-C.")
    every_s: float | None = option(
        "--every",
        type=Number(2, 86_400),
        metavar="S",
        help="With --watch: AWS-equivalent seconds between polls, 2 or more; at least one wall-clock second.  "
        "[default: 5]",
    )


@click_command("status", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Show what exists, its health, and what the name answers.

    With --watch: nodes, checkers, the name's answer, a GET /health and a read through the name, and what changes, as it
    changes. Nothing is written; on AWS each poll is one SSM command. On a terminal a live screen, elsewhere a line for
    each event, with --output json one document on a line for each poll.

    $ srekv status --watch
    $ srekv --output json status
    """
    if options.watch:
        from srekv.commands.watch import watch

        watch(invocation, every_s=options.every_s or 5)
        return
    if options.every_s is not None:
        raise UsageError("--every is for --watch", next_step=CommandLine("srekv status --watch --every 5"))
    status(invocation)


def lease_row(config: Config, now: datetime) -> list[tuple[str, str]]:
    """The lease for a grid; nothing without one."""
    return [("lease", lease.describe(config.lease, now=now))] if config.lease else []


@dataclass(frozen=True, kw_only=True)
class StackStatus:
    """What `status` has seen of a stack, and what the name `answer`s."""

    resources: tuple[Resource, ...]
    drift: tuple[Change, ...] | None  # what `up` would do; None: unknown
    deployment: Deployment | None  # None: a part is missing, as `problem` states
    problem: SrekvError | None
    health: Mapping[str, Mapping[str, Any]]  # by node name: its check, the checkers' reports, the verdict over them
    answer: Sequence[str]

    @property
    def healthy(self) -> dict[str, bool | None]:
        """The verdict over each node by its name."""
        return {name: one["healthy"] for name, one in self.health.items()}


def look(stack: Stack, narration: Narration) -> StackStatus:
    """See how a stack stands. Reads only, but for a question about the name that a node asks for us."""
    deployment, problem = None, None
    try:
        deployment = stack.fault_target.deployment()
    except SrekvError as error:
        problem = error
    with ThreadPoolExecutor(thread_name_prefix="status") as pool:
        # First what takes longest: a command on a node.
        answer = pool.submit(_answer, stack, deployment, narration) if deployment else None
        resources = pool.submit(stack.resources)
        drift = pool.submit(lambda: planning.drift(stack, narration) if resources.result() else ())
        health = _health(stack, deployment, narration) if deployment else {}
        return StackStatus(
            resources=resources.result(),
            drift=drift.result(),
            deployment=deployment,
            problem=problem,
            health=health,
            answer=answer.result() if answer else [],
        )


def status(invocation: Invocation) -> None:
    """Show a stack, and whether a drill left its fault behind; SrekvError if there is none or a part is missing."""
    from srekv.drill.note import left_behind
    from srekv.provision.engine.reading import Reading

    with open_stack(invocation) as (stack, narration), narration.busy("reading the stack"):
        Reading().attach(stack.run.clients.session)
        seen = look(stack, narration)
    config, screen, now, deployment = stack.run.config, invocation.screen, datetime.now(UTC), seen.deployment
    screen.document(_status_document(config, seen, now) | {"warnings": narration.warnings})
    if deployment:
        if deployment.fault:
            narration.warn(left_behind(deployment.fault))
        facts = grid(("answer", ", ".join(seen.answer) or "unknown"), *lease_row(config, now))
        screen.show(node_table(deployment.nodes, seen.healthy), "", facts)
        screen.show(reach(deployment, resolver=config.resolver), "")
    if seen.resources:
        screen.show(resource_table(seen.resources))
        planning.show_drift(screen, seen.drift)
    if seen.problem:
        raise lease.explain_end(config.lease, now=now) or seen.problem


def _status_document(config: Config, seen: StackStatus, now: datetime) -> dict[str, Any]:
    deployment = seen.deployment
    return {
        "stack": config.stack,
        "target": config.target,
        "region": config.region,
        "name": deployment.name if deployment else config.name,
        "url": deployment.url if deployment else None,
        "resolver": {"address": config.resolver[0], "port": config.resolver[1]},
        "answer": list(seen.answer),
        "nodes": nodes_json(deployment, seen.healthy) if deployment else [],
        "checks": list(seen.health.values()),
        "resources": [asdict(one) for one in seen.resources],
        "speed": config.speed,
        "fault": deployment.fault or None if deployment else None,
        "lease": lease.document(config.lease, now=now),
        "drift": None if seen.drift is None else changes_json(seen.drift),
    }


def _health(stack: Stack, deployment: Deployment, narration: Narration) -> dict[str, dict[str, Any]]:
    """By node name: its check, the checkers' reports and the verdict over them; none if unreadable."""
    from srekv.drill.model import is_healthy

    found = {}
    for node, check in zip(deployment.nodes, deployment.checks, strict=True):
        observations: tuple[Observation, ...] = ()
        healthy: bool | None = None
        try:
            observations = stack.fault_target.observations(check)
            healthy = is_healthy(check, observations)
        except SrekvError as error:
            narration.warn(f"the health of {check.name} is unknown: {error.what}: {error.why}")
        reports = [
            {"checker": one.checker, "region": one.region, "status": one.status, "at": one.at.isoformat()}
            for one in observations
        ]
        found[node.name] = {"name": check.name, "id": check.id, "healthy": healthy, "observations": reports}
    return found


def _answer(stack: Stack, deployment: Deployment, narration: Narration) -> list[str]:
    """What the name answers, asked from a node that runs; empty when none can be asked."""
    for node in reversed(deployment.nodes):
        if node.state == "running":
            try:
                return list(vantage(stack, deployment, node).resolve(system=False).addresses)
            except SrekvError as error:
                narration.warn(f"cannot ask for the name from {node.name}: {error.what}")
    return []
