"""What the commands about a stack do: here target, provisioning, drill and screen are put together."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srekv.config import DEFAULT_REGION, DEFAULT_STACK, Config
from srekv.console import (
    Narration,
    Screen,
    changes_json,
    grid,
    node_json,
    node_table,
    reach,
    resource_json,
    resource_table,
    tally,
)
from srekv.errors import FindingError, SrekvError, UnknownError, UsageError
from srekv.local import control
from srekv.provision.model import Change, Deployment, Node, Resource

if TYPE_CHECKING:
    from srekv.drill.model import Settings
    from srekv.drill.vantage import Response, Vantage
    from srekv.provision.stack import Stack

LOCAL_PORT = 8080
LOCAL_SPEED = 10.0

KV_VALUE = 16 * 1024
"""Bytes of a value that `kv put` sends: in base64 it must come back in the 24,000 characters of a command's output."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """The options before the command.

    Attributes:
        home: the directory of the local cloud's runtime files.
        region: as given, or from the environment; None when nobody said.
    """

    target: str
    stack: str
    region: str | None
    profile: str | None
    home: Path
    screen: Screen

    def command(self, words: str) -> str:
        """Another command on the same stack, as it is to be typed."""
        options = [] if self.is_local else ["--target aws"]
        options += [] if self.stack == DEFAULT_STACK else [f"--stack {self.stack}"]
        options += [f"--region {self.region}"] if self.region and self.region != DEFAULT_REGION else []
        options += [f"--profile {self.profile}"] if self.profile else []
        return " ".join(["srekv", *options, words])

    @property
    def is_local(self) -> bool:
        """Whether the target is the local cloud."""
        return self.target == "local"


def target_config(invocation: Invocation, runtime: control.Runtime | None) -> Config:
    """The Config of the target, with every setting at its default."""
    if runtime is None:
        return Config(
            stack=invocation.stack,
            target=invocation.target,
            region=_region(invocation),
            profile=invocation.profile,
        )
    return Config(
        stack=invocation.stack,
        target=invocation.target,
        region=_region(invocation),
        endpoint=runtime.endpoint,
        access_key=runtime.access_key,
        secret_key=runtime.secret_key,
        resolver=runtime.resolver,
        port=LOCAL_PORT,
        speed=runtime.speed,
    )


def _region(invocation: Invocation) -> str:
    """The Region of this invocation, refused if there is none of that name."""
    profiled = None if invocation.is_local or invocation.region else _profile_region(invocation.profile)
    region = invocation.region or profiled or DEFAULT_REGION
    if region == DEFAULT_REGION:  # nothing to look up: boto3 would be imported before the local cloud starts
        return DEFAULT_REGION
    from srekv.provision.clients import refuse_unknown_region

    refuse_unknown_region(region)
    return region


def _profile_region(profile: str | None) -> str | None:
    import boto3
    from botocore.exceptions import BotoCoreError

    from srekv.provision.answers import explain

    try:
        return boto3.Session(profile_name=profile).region_name
    except BotoCoreError as error:
        raise explain(error, "reading the AWS configuration") from None


@contextmanager
def opened(invocation: Invocation, *, dry: bool = False) -> Iterator[tuple[Stack, Narration]]:
    """The stack of this invocation, on a target that is already there."""
    from srekv.provision.stack import connect

    config = target_config(invocation, running(invocation))
    with invocation.screen.progress(dry=dry) as narration:
        yield connect(config, {}, narration, dry=dry), narration


def running(invocation: Invocation) -> control.Runtime | None:
    """The local cloud, which must run by now; None for AWS."""
    if not invocation.is_local:
        return None
    runtime = control.find(invocation.home)
    if runtime is None:
        raise SrekvError(
            "there is no local cloud running",
            why=f"nothing answers for {invocation.home}",
            next_step="srekv up (or srekv --target aws ... for AWS)",
        )
    return runtime


@dataclass(frozen=True, kw_only=True)
class LocalWishes:
    """What a user may want of the local cloud, for its whole life; None: as it comes.

    Attributes:
        speed: AWS-equivalent seconds per wall-clock second.
        dns_port: of its resolver.
        dynamodb: URL of the database that its tables live in.
        anywhere: whether that may be on another computer.
    """

    speed: float | None = None
    dns_port: int | None = None
    dynamodb: str | None = None
    anywhere: bool = False


def up(
    invocation: Invocation,
    given: Mapping[str, Any],
    *,
    wait: bool,
    dry_run: bool,
    local: LocalWishes,
) -> None:
    """Create or repair everything, then show how to reach it."""
    from srekv.doctor.preflight import refuse
    from srekv.drill.repair import refuse_under_way, undo_noted
    from srekv.provision import lease
    from srekv.provision.stack import connect

    if dry_run:
        _plan(invocation, given, wait=wait, local=local)
        return
    runtime = _started(invocation, given, local)
    config = target_config(invocation, runtime)
    with invocation.screen.progress() as narration:
        stack = connect(config, given, narration)

        def heal(deployment: Deployment) -> None:
            undo_noted(stack.hands, deployment, narration)

        def work() -> Deployment | None:
            return stack.up(wait=wait, guard=refuse_under_way, preflight=refuse, heal=heal)

        deployment = _noted(invocation, narration, work)
        if wait and deployment is not None:
            _await_answer(stack, deployment, narration)
        changes, elapsed = narration.changes, narration.elapsed_s
    screen, settled, now = invocation.screen, stack.run.config, datetime.now(UTC)
    document: dict[str, Any] = {
        "stack": settled.stack,
        "target": settled.target,
        "region": settled.region,
        "dry_run": False,
        "changes": changes_json(changes),
        "left": [],
        "lease": lease.document(settled.lease, now=now),
        "elapsed_s": round(elapsed, 3),
    }
    screen.show(f"\n{tally(changes, dry=False)} in {elapsed:.1f} s")
    if deployment is not None:
        document |= {"url": deployment.url, "name": deployment.name, "nodes": _nodes_json(deployment, {})}
        health: dict[str, bool | None] = {node.name: True if wait else None for node in deployment.nodes}
        screen.show(node_table(deployment.nodes, health), "", reach(deployment, resolver=settled.resolver))
        screen.show(grid(*_lease_row(settled, now), ("next", invocation.command("test" if wait else "status"))))
    screen.document(document)


def _plan(invocation: Invocation, given: Mapping[str, Any], *, wait: bool, local: LocalWishes) -> None:
    """Show what `up` would do and what that costs; a local cloud that was started for this alone ends again.

    Raises:
        SrekvError: a part of the plan cannot be carried out.
    """
    from srekv import planning
    from srekv.drill.repair import refuse_under_way
    from srekv.provision.stack import connect

    idle = invocation.is_local and control.find(invocation.home) is None
    try:
        config = target_config(invocation, _started(invocation, given, local))
        with invocation.screen.progress(dry=True) as narration:
            stack = connect(config, given, narration, dry=True)
            stack.up(wait=wait, guard=refuse_under_way)
            changes, elapsed = narration.changes, narration.elapsed_s
    finally:
        if idle:
            control.release(invocation.home)
    settled = stack.run.config
    planning.show(invocation.screen, changes, settled, local=invocation.is_local, elapsed_s=elapsed)
    invocation.screen.document(
        {
            "stack": settled.stack,
            "target": settled.target,
            "region": settled.region,
            "dry_run": True,
            "changes": changes_json(changes),
            "left": [],
            "price": planning.bill(changes, settled).to_json(),
            "warnings": narration.warnings,
            "elapsed_s": round(elapsed, 3),
        }
    )
    planning.refuse(changes)


def _lease_row(config: Config, now: datetime) -> list[tuple[str, str]]:
    """The lease for a grid; nothing without one."""
    from srekv.provision import lease

    return [("lease", lease.describe(config.lease, now=now))] if config.lease else []


def _started(invocation: Invocation, given: Mapping[str, Any], local: LocalWishes) -> control.Runtime | None:
    """The local cloud, started if need be; None for AWS. Impossible settings are refused before it starts."""
    if not invocation.is_local:
        if local != LocalWishes():
            raise UsageError(
                "--speed, --dns-port and --dynamodb-endpoint are for the local target", next_step="leave them out"
            )
        return None
    Config(
        stack=invocation.stack,
        region=_region(invocation),
        **{"port": LOCAL_PORT, "speed": LOCAL_SPEED if local.speed is None else local.speed, **given},
    )
    if local.dynamodb is not None:
        from srekv.local.database import refuse_unusable

        refuse_unusable(local.dynamodb, anywhere=local.anywhere)
    return control.ensure(
        invocation.home, speed=local.speed, dns_port=local.dns_port, dynamodb=local.dynamodb, meanwhile=_get_ready
    )


def _get_ready() -> None:
    """Import what provisioning needs while the local cloud starts in its own processes."""
    import srekv.doctor.preflight
    import srekv.drill.vantage
    import srekv.provision.stack  # noqa: F401


def _noted(invocation: Invocation, narration: Narration, work: Callable[[], Deployment | None]) -> Deployment | None:
    """Do it; if it fails or the user interrupts, say what this run has created and how to go on or go back."""
    try:
        return work()
    except (KeyboardInterrupt, SrekvError) as error:
        made = [change for change in narration.changes if change.action == "create"]
        if made and not narration.dry:
            how = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped half-way"
            narration.warn(
                f"{how}; created so far: {', '.join(_brief_change(one) for one in made)}. "
                f"{invocation.command('up')} goes on, {invocation.command('down')} removes this"
            )
        raise


def _brief_change(change: Change) -> str:
    return f"{change.kind} {change.name}" + (f" ({change.id})" if change.id and change.id != change.name else "")


def _await_answer(stack: Stack, deployment: Deployment, narration: Narration) -> None:
    """Wait until the name answers the primary, asked from inside the VPC."""
    hands = stack.hands
    narration.started("Name")
    hands.await_commands(deployment.nodes)
    primary = deployment.node("primary")
    view = _vantage(stack, deployment, deployment.node("secondary"))
    watched = view.watch((primary.address,), timeout_s=120)
    if not watched.matched:
        seen = watched.transitions[-1].addresses if watched.transitions else ()
        raise SrekvError(
            f"{deployment.name} does not answer {primary.address}",
            why=f"the resolver answers {', '.join(seen) or 'nothing'}",
            next_step="srekv status; a name asked for before it existed is cached as missing for up to five minutes",
        )
    narration.finished("Name")


def _vantage(stack: Stack, deployment: Deployment, node: Node) -> Vantage:
    from srekv.drill.vantage import Vantage

    config = stack.run.config
    return Vantage(stack.hands, node, deployment.name, config.resolver, deployment.port, config.speed)


def _nodes_json(deployment: Deployment, health: Mapping[str, bool | None]) -> list[dict[str, Any]]:
    return [node_json(node, port=deployment.port, healthy=health.get(node.name)) for node in deployment.nodes]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What `status` has seen of a stack.

    Attributes:
        resources: everything that exists.
        drift: what `up` would do, None if nobody can tell.
        deployment: the whole stack, None if a part is missing.
        problem: why it is None.
        health: by node name: its check, the checkers' reports and the verdict over them.
        answer: what the name answers.
    """

    resources: tuple[Resource, ...]
    drift: tuple[Change, ...] | None
    deployment: Deployment | None
    problem: SrekvError | None
    health: Mapping[str, Mapping[str, Any]]
    answer: Sequence[str]

    @property
    def healthy(self) -> dict[str, bool | None]:
        """The verdict over each node by its name."""
        return {name: one["healthy"] for name, one in self.health.items()}


def look(stack: Stack, narration: Narration) -> Standing:
    """See how a stack stands. Reads only, but for a question about the name that a node asks for us."""
    from srekv import planning

    resources = stack.resources()
    drift = planning.drift(stack, narration) if resources else ()
    deployment, problem = None, None
    try:
        deployment = stack.hands.deployment()
    except SrekvError as error:
        problem = error
    return Standing(
        resources=resources,
        drift=drift,
        deployment=deployment,
        problem=problem,
        health=_health(stack, deployment) if deployment else {},
        answer=_answer(stack, deployment, narration) if deployment else [],
    )


def status(invocation: Invocation) -> None:
    """What exists, its health, what the name answers, how it has drifted, and whether a drill left its fault behind.

    Raises:
        SrekvError: there is no stack, or a part of it is missing.
    """
    from srekv import planning
    from srekv.drill.repair import left_behind
    from srekv.provision import lease

    with opened(invocation) as (stack, narration):
        seen = look(stack, narration)
    config, screen, now, deployment = stack.run.config, invocation.screen, datetime.now(UTC), seen.deployment
    screen.document(_status_document(config, seen, now) | {"warnings": narration.warnings})
    if deployment:
        if deployment.fault:
            narration.warn(left_behind(deployment.fault))
        facts = grid(("answer", ", ".join(seen.answer) or "unknown"), *_lease_row(config, now))
        screen.show(node_table(deployment.nodes, seen.healthy), "", facts)
        screen.show(reach(deployment, resolver=config.resolver), "")
    if seen.resources:
        screen.show(resource_table(seen.resources))
        planning.show_drift(screen, seen.drift, repair=invocation.command("up"))
    if seen.problem:
        raise lease.explain_end(config.lease, now=now) or seen.problem


def _status_document(config: Config, seen: Standing, now: datetime) -> dict[str, Any]:
    from srekv.provision import lease

    deployment = seen.deployment
    return {
        "stack": config.stack,
        "target": config.target,
        "region": config.region,
        "name": deployment.name if deployment else config.name,
        "url": deployment.url if deployment else None,
        "resolver": {"address": config.resolver[0], "port": config.resolver[1]},
        "answer": list(seen.answer),
        "nodes": _nodes_json(deployment, seen.healthy) if deployment else [],
        "checks": [
            {"name": one["name"], "id": one["id"], "healthy": one["healthy"], "observations": one["reports"]}
            for one in seen.health.values()
        ],
        "resources": [resource_json(one) for one in seen.resources],
        "speed": config.speed,
        "fault": deployment.fault or None if deployment else None,
        "lease": lease.document(config.lease, now=now),
        "drift": None if seen.drift is None else changes_json(seen.drift),
    }


def _health(stack: Stack, deployment: Deployment) -> dict[str, dict[str, Any]]:
    """By node name: its check, the checkers' reports and the verdict over them."""
    from srekv.drill.model import is_healthy

    found = {}
    for node, check in zip(deployment.nodes, deployment.checks, strict=True):
        observations = stack.hands.observations(check)
        found[node.name] = {
            "name": check.name,
            "id": check.id,
            "healthy": is_healthy(check, observations),
            "reports": [
                {"checker": one.checker, "region": one.region, "status": one.status, "at": one.at.isoformat()}
                for one in observations
            ],
        }
    return found


def _answer(stack: Stack, deployment: Deployment, narration: Narration) -> list[str]:
    """What the name answers, asked from a node that runs; empty when none can be asked."""
    for node in reversed(deployment.nodes):
        if node.state == "running":
            try:
                return list(_vantage(stack, deployment, node).resolve(system=False).addresses)
            except SrekvError as error:
                narration.warn(f"cannot ask for the name from {node.name}: {error.what}")
    return []


def drill_settings(stack: Stack, **choices: Any) -> Settings:
    """The settings of a drill on this stack, under a new name."""
    from srekv.drill.model import Settings

    config = stack.run.config
    return Settings(
        resolver=config.resolver, port=config.port, speed=config.speed, run_id=secrets.token_hex(4), **choices
    )


def test(invocation: Invocation) -> None:
    """The lab's sections 4.1 to 4.3, from both nodes.

    Raises:
        FindingError: a test failed.
    """
    from srekv.drill.acceptance import acceptance
    from srekv.drill.repair import heal_left_behind
    from srekv.report.terminal import acceptance_table

    with opened(invocation) as (stack, narration):
        heal_left_behind(stack.hands, drill_settings(stack), narration)
        narration.started("Tests")
        findings = acceptance(stack.hands, drill_settings(stack))
        narration.finished("Tests")
    screen = invocation.screen
    screen.show(acceptance_table(findings))
    failed = [finding for finding in findings if not finding.passed]
    screen.document(
        {
            "stack": invocation.stack,
            "passed": not failed,
            "findings": [
                {"name": one.name, "passed": one.passed, "detail": one.detail, "elapsed_s": round(one.elapsed_s, 3)}
                for one in findings
            ],
        }
    )
    if failed:
        raise FindingError(f"{len(failed)} of {len(findings)} tests failed", next_step="srekv status")
    screen.show(grid(("next", invocation.command("failover-test"))))


def failover(invocation: Invocation, *, back: bool) -> None:
    """The lab's section 4.4: the primary fails and the name switches; `back` heals and waits for the failback."""
    from srekv.drill.repair import heal_left_behind
    from srekv.drill.switch import fail_back, fail_over

    with opened(invocation) as (stack, narration):
        heal_left_behind(stack.hands, drill_settings(stack), narration)
        work = fail_back if back else fail_over
        try:
            switch = work(stack.hands, drill_settings(stack), narration)
        except KeyboardInterrupt:
            narration.warn(
                f"interrupted: nothing was healed; {invocation.command('failover --back')} starts the primary"
            )
            raise
    screen = invocation.screen
    screen.show(f"the name answers {switch.address} after {switch.switched_s:.1f} s (AWS-equivalent)")
    screen.show(grid(("next", invocation.command("failover-test" if back else "failover --back"))))
    screen.document(
        {
            "stack": invocation.stack,
            "answer": [switch.address],
            "switched_s": round(switch.switched_s, 3),
            "ready_s": None if switch.ready_s is None else round(switch.ready_s, 3),
            "speed": stack.run.config.speed,
        }
    )


def conclude(verdict: str) -> None:
    """The exit code of a verdict.

    Raises:
        FindingError: it is violated.
        UnknownError: it is unknown.
    """
    if verdict == "violated":
        raise FindingError("the verdict is: violated", next_step="the proof is above and in the history")
    if verdict == "unknown":
        raise UnknownError("the verdict is: unknown", next_step="the findings above say what is missing")


def kv(invocation: Invocation, method: str, key: str, value: bytes | None) -> bytes | None:
    """Talk to the service through its DNS name, from inside the VPC.

    Returns:
        the value for get, None for put and delete.

    Raises:
        UsageError: a key or a value that the service can never take.
        FindingError: get of an absent key.
    """
    path = _kv_path(key, value)
    with opened(invocation) as (stack, _):
        deployment = stack.hands.deployment()
        running = [node for node in deployment.nodes if node.state == "running"]
        if not running:
            raise SrekvError("no node runs", next_step="srekv up starts them again")
        response = _vantage(stack, deployment, running[-1]).request(method, path, body=value or b"")
    absent = response.status == 404 and method == "GET"
    if not absent:
        _refuse_failure(response, f"kv {method.lower()} {_brief(key)}")
    found = response.body if method == "GET" and not absent else None
    invocation.screen.document(
        {
            "key": key,
            "status": response.status,
            "node": response.node,
            "value": None if found is None else found.decode(errors="replace"),
            "value_b64": None if found is None else base64.b64encode(found).decode(),
        }
    )
    if absent:
        raise FindingError(f"{_brief(key)} is absent")
    return found


def _kv_path(key: str, value: bytes | None) -> str:
    """Where the service has the key; refuses what cannot even be sent."""
    from urllib.parse import quote

    try:
        path = f"/v1/keys/{quote(key, safe='')}"
    except UnicodeEncodeError:
        raise UsageError("the key is not UTF-8", next_step="only values may be any bytes") from None
    if value is not None and len(value) > KV_VALUE:
        raise UsageError(
            f"the value has {len(value)} bytes, kv put sends at most {KV_VALUE}",
            next_step="PUT it to the url of srekv status: the service itself takes up to 400 KiB",
        )
    return path


def _refuse_failure(response: Response, what: str) -> None:
    """Raise what an answer that is no success means: a request that can never succeed, or a failure."""
    said = response.error or response.body.decode(errors="replace")
    if response.status == 400:
        raise UsageError(f"{what} is impossible", why=said)
    if response.status is None or response.status > 400:
        raise SrekvError(f"{what} failed", why=f"{response.status or 'no answer'}: {said}", next_step="srekv status")


def _brief(key: str, longest: int = 60) -> str:
    """A key as messages name it."""
    return key if len(key) <= longest else f"{key[:longest]}..."


def local_status(invocation: Invocation) -> None:
    """Whether the local cloud runs, and where.

    Raises:
        FindingError: it does not run.
    """
    runtime = control.find(invocation.home)
    if runtime is None:
        invocation.screen.document({"running": False})
        raise FindingError("the local cloud is not running", next_step="srekv up")
    address, port = runtime.resolver
    invocation.screen.show(
        grid(
            ("endpoint", runtime.endpoint),
            ("resolver", f"{address}:{port}"),
            ("speed", f"{runtime.speed:g}"),
            *([("table in", runtime.dynamodb)] if runtime.dynamodb else []),
            ("process", str(runtime.pid)),
            ("files", str(invocation.home)),
        )
    )
    invocation.screen.document({"running": True, **control.status(runtime)})


def local_logs(invocation: Invocation) -> Iterator[str]:
    """The lines of the local cloud's logs for a person; a script gets them in one document."""
    if invocation.screen.as_json:
        invocation.screen.document({"lines": list(control.logs(invocation.home))})
        return iter(())
    return control.logs(invocation.home)


def local_env(invocation: Invocation) -> None:
    """Exports that let any AWS tool talk to the local cloud."""
    runtime = control.find(invocation.home)
    if runtime is None:
        raise SrekvError("the local cloud is not running", next_step="srekv up")
    values = control.environment(runtime, invocation.region or DEFAULT_REGION)
    for name, value in values.items():
        invocation.screen.show(f"export {name}={value}")
    invocation.screen.document(values)


def local_stop(invocation: Invocation) -> None:
    """End the local cloud with everything in it."""
    stopped = control.stop(invocation.home)
    invocation.screen.show("the local cloud has stopped" if stopped else "the local cloud was not running")
    invocation.screen.document({"stopped": stopped})
