"""The command `up`: create or repair everything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from srekv.commands import plan as planning
from srekv.commands.session import LocalOptions, ensure_runtime, pass_invocation, session_of, target_config, vantage
from srekv.commands.status import lease_row
from srekv.config import OPERATING_SYSTEMS, SPEEDS, fastest, refuse_unsupported
from srekv.errors import Advice, CommandLine, SrekvError, UsageError
from srekv.local import control
from srekv.provision import lease
from srekv.provision.model import Deployment
from srekv.ui.console import Narration, changes_json, grid, node_table, nodes_json, reach, tally
from srekv.ui.context import Invocation
from srekv.ui.options import OneOf, as_parts, as_seconds, click_command, drop_unset, option

if TYPE_CHECKING:
    from srekv.provision.stack import Stack
    from srekv.provision.target import AwsFaultTarget


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """The settings of a stack by the names that `Config` has for them; None and (): as the stack was made."""

    vpc_id: str | None = option("--vpc-id", help="The VPC.  [default: the default VPC]")
    azs: tuple[str, ...] = option("--azs", callback=as_parts, help="Two Availability Zones: us-east-1a,us-east-1b.")
    subnets: tuple[str, ...] = option("--subnet", multiple=True, help="A public subnet; give it twice.")
    fix_vpc: bool | None = option("--fix-vpc", is_flag=True, default=None, help="Switch the VPC's DNS attributes on.")
    instance_type: str | None = option("--instance-type", help="EC2 instance type.  [default: t2.micro]")
    os: str | None = option("--os", type=OneOf(OPERATING_SYSTEMS), help="Amazon Linux.  [default: al2023]")
    unsupported: bool | None = option(
        "--unsupported", is_flag=True, default=None, help="Accept --os al2, past its end of support."
    )
    ami: str | None = option("--ami", help="A machine image instead of the newest Amazon Linux.")
    key_name: str | None = option("--key-name", help="An existing key pair; opens port 22 to you.")
    create_key: str | None = option(
        "--create-key", type=click.Path(), metavar="FILE", help="Create a key pair, write its private key to FILE."
    )
    allow_cidrs: tuple[str, ...] = option(
        "--allow-cidr", multiple=True, help="Who may reach the service; repeatable.  [default: this machine's address]"
    )
    zone: str | None = option("--zone", help="The private zone.  [default: sre-test.local]")
    record: str | None = option("--record", help="The service's record in it.  [default: svc]")
    port: int | None = option("--port", type=int, help="The service's port.  [default: 80; on the local target 8080]")
    interval: int | None = option(
        "--interval",
        type=int,
        help="Seconds between a checker's requests, 10 or 30; the console's 30 cannot meet the lab's 'wait ~30 s'.  "
        "[default: 10]",
    )
    threshold: int | None = option("--threshold", type=int, help="Failures in a row that count, 1-10.  [default: 3]")
    ttl: int | None = option(
        "--ttl", type=int, help="The records' TTL, seconds; the console default, 300, delays failover.  [default: 10]"
    )
    deletion_protection: bool | None = option(
        "--deletion-protection/--no-deletion-protection", default=None, help="Protect the table."
    )
    alarms: bool | None = option("--alarms/--no-alarms", default=None, help="CloudWatch alarms and a dashboard.")
    lease_s: float | None = option(
        "--lease",
        callback=as_seconds,
        metavar="DURATION",
        help="Terminate the nodes automatically after this time (90m, 2h, 3d). Repeat to renew.",
    )


@dataclass(frozen=True, kw_only=True)
class Options(LocalOptions, StackOptions):
    """The options of `up`."""

    no_lease: bool = option("--no-lease", is_flag=True, help="Remove the lease; nodes run until srekv down.")
    wait: bool = option("--wait/--no-wait", default=True, help="Wait until both checks pass and the name answers.")
    dry_run: bool = option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")

    def __post_init__(self) -> None:
        if self.no_lease and self.lease_s is not None:
            raise UsageError("--lease and --no-lease exclude each other", next_step="give one of the two")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the stack that were really given."""
        chosen = drop_unset({one.name: getattr(self, one.name) for one in fields(StackOptions)})
        return chosen | ({"lease": None} if self.no_lease else {})


@click_command("up", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Create or repair everything, section by section.

    Run it again at any time: it repairs what differs and leaves the rest alone. A setting that you do not give keeps
    the value the stack was made with.

    $ srekv up --interval 30 --ttl 60
    $ srekv --target aws up --dry-run
    $ srekv --target aws up --lease 2h
    """
    refuse_unsupported(options.os or "", accepted=bool(options.unsupported))
    (_plan if options.dry_run else up)(invocation, options)


def up(invocation: Invocation, options: Options) -> None:
    """Create or repair everything, then show how to reach it."""
    since, wait = time.time(), options.wait
    with invocation.screen.progress() as narration:
        stack = _connect(invocation, options, narration)
        # Only now: a local cloud starts concurrently with these imports.
        from srekv.doctor.preflight import refuse
        from srekv.drill.note import refuse_under_way
        from srekv.drill.repair import undo_noted

        with _what_exists(narration):
            deployment = stack.up(
                wait=wait,
                since=since,
                guard=refuse_under_way,
                preflight=refuse,
                heal=lambda deployment: undo_noted(stack.fault_target, deployment, narration),
                answer=lambda target, deployment: _await_answer(stack, target, deployment, narration),
            )
        document = _document(stack, narration)
    screen, settled, now = invocation.screen, stack.run.config, datetime.now(UTC)
    document["lease"] = lease.document(settled.lease, now=now)
    screen.show(f"\n{tally(narration.changes, dry=False)} in {document['elapsed_s']:.1f} s")
    if deployment is not None:
        document |= {"url": deployment.url, "name": deployment.name, "nodes": nodes_json(deployment, {})}
        health: dict[str, bool | None] = {node.name: True if wait else None for node in deployment.nodes}
        screen.show(node_table(deployment.nodes, health), "", reach(deployment, resolver=settled.resolver))
        screen.show(
            grid(*lease_row(settled, now), ("next", invocation.command("srekv test" if wait else "srekv status")))
        )
    screen.document(document)


def _plan(invocation: Invocation, options: Options) -> None:
    """Show what `up` would do and what that costs; a local cloud that was started for this alone ends again."""
    from srekv.doctor.preflight import refuse
    from srekv.drill.note import refuse_under_way

    idle = invocation.is_local and control.find(invocation.home) is None
    try:
        with invocation.screen.progress(dry=True) as narration:
            stack = _connect(invocation, options, narration)
            stack.up(wait=options.wait, guard=refuse_under_way, preflight=refuse)
            document = _document(stack, narration)
    finally:
        if idle:
            control.release(invocation.home)
    changes, screen = narration.changes, invocation.screen
    bill = planning.bill(changes, stack.run.config)
    planning.show(screen, changes, bill, local=invocation.is_local, elapsed_s=document["elapsed_s"])
    screen.document(document | {"price": bill.to_json(), "warnings": narration.warnings})
    planning.refuse(changes)


def _document(stack: Stack, narration: Narration) -> dict[str, Any]:
    """What `up` and its plan have in common for a script."""
    config = stack.run.config
    return {
        "stack": config.stack,
        "target": config.target,
        "region": config.region,
        "dry_run": narration.dry,
        "changes": changes_json(narration.changes),
        "left": [],
        "elapsed_s": round(narration.elapsed_s, 3),
    }


def _connect(invocation: Invocation, options: Options, narration: Narration) -> Stack:
    new: list[control.Runtime] = []
    with narration.busy("starting the local cloud" if invocation.is_local else "checking the options"):
        config = target_config(invocation, ensure_runtime(invocation, options.settings, options, new.append))
    for runtime in new:
        words = describe_pace(runtime.speed, runtime.keeps)
        (narration.note if runtime.speed <= runtime.keeps else narration.warn)(words)
    from srekv.provision.stack import connect

    with narration.busy("reading the stack's settings"):
        stack = connect(config, options.settings, narration, dry=narration.dry, session=session_of(invocation, config))
    refuse_unsupported(stack.run.config.os, accepted=stack.run.config.unsupported)
    return stack


def describe_pace(speed: float, keeps: float) -> Advice:
    """Whether a machine that keeps so much keeps the speed of its local cloud, and what to do if it does not."""
    if speed <= keeps:
        slow = "" if keeps >= SPEEDS[0] else f"; it is too busy or too slow for {SPEEDS[0]:g}"
        return f"speed {speed:g}: this machine keeps it{slow}"
    if (kept := fastest(keeps)) < speed:
        return (
            f"speed {speed:g}: this machine is too busy or too slow for it, so a drill may be inconclusive; "
            f"it keeps {kept:g} now: srekv local stop, then " + CommandLine(f"srekv up --speed {kept:g}")
        )
    return f"speed {speed:g}: this machine is too busy even for that, so a drill may be inconclusive"


@contextmanager
def _what_exists(narration: Narration) -> Iterator[None]:
    """On failure or Ctrl-C, report what this run has created and how to continue or go back."""
    from srekv.provision.engine.generation import EndedError

    try:
        yield
    except (KeyboardInterrupt, SrekvError) as error:
        made = [one for one in narration.changes if one.action == "create"]
        if made and not isinstance(error, EndedError):  # that one states what is left
            how = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped half-way"
            names = (
                f"{one.kind} {one.name}" + (f" ({one.id})" if one.id not in {"", one.name} else "") for one in made
            )
            remedies = CommandLine("srekv up") + " continues, " + CommandLine("srekv down") + " removes this"
            narration.warn(f"{how}; created so far: {', '.join(names)}. " + remedies)
        raise


def _await_answer(stack: Stack, target: AwsFaultTarget, deployment: Deployment, narration: Narration) -> None:
    """Wait until the name answers the primary, asked from inside the VPC."""
    target.await_commands(deployment.nodes)
    primary = deployment.node("primary")
    view = vantage(stack, deployment, deployment.node("secondary"), target)
    with narration.busy(f"waiting until {deployment.name} answers {primary.address}"):
        watched = view.watch((primary.address,), timeout_s=120)
    if not watched.matched:
        seen = watched.transitions[-1].addresses if watched.transitions else ()
        raise SrekvError(
            f"{deployment.name} does not answer {primary.address}",
            why=f"the resolver answers {', '.join(seen) or 'nothing'}",
            next_step=CommandLine("srekv status")
            + "; a name asked for before it existed is cached as missing for up to five minutes",
        )
