"""What every command starts with: the options before it, the target and the stack that they mean."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from srekv.config import DEFAULT_REGION, Config, clock_speed
from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.local import control
from srekv.provision.model import Deployment, Node
from srekv.ui.console import Narration, Screen
from srekv.ui.context import Invocation, Selection
from srekv.ui.options import as_speed, option

if TYPE_CHECKING:
    import boto3

    from srekv.drill.model import Settings
    from srekv.drill.vantage import Vantage
    from srekv.provision.stack import Stack
    from srekv.provision.target import AwsFaultTarget

O = TypeVar("O")  # noqa: E741 - the options

LOCAL_PORT = 8080  # of the service on local nodes: below 1024 a user without privileges may not listen


def pass_invocation(work: Callable[[Invocation, O], None]) -> Callable[[click.Context, O], None]:
    """Give a command what the options before it and the environment mean together; an error's advice has them too."""

    @wraps(work)
    def call(context: click.Context, options: O) -> None:
        before, environ = context.find_root().params, context.obj  # as the group leaves it in the context
        selection = Selection(
            target=before["target"],
            stack=before["stack"],
            region=before["region"] or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
            profile=before["profile"],
        )
        invocation = Invocation(
            **vars(selection),
            home=control.home(environ),
            screen=Screen(as_json=before["output"] == "json", quiet=before["quiet"], render=selection.render),
            verbose=before["verbose"],
            speed=environ.get("SREKV_SPEED", "auto"),
        )
        try:
            work(invocation, options)
        except SrekvError as error:
            error.next_step = invocation.render(error.next_step)
            raise

    return call


def session_of(invocation: Invocation, config: Config) -> boto3.Session:
    """The session that makes this command's clients; with --verbose it reports each call."""
    from srekv.provision.engine.answers import explained
    from srekv.provision.engine.clients import session_for
    from srekv.provision.engine.tracing import trace

    with explained("reading the AWS configuration"):
        session = session_for(config)
    if invocation.verbose:
        trace(session, invocation.screen.aside)
    return session


def target_config(invocation: Invocation, runtime: control.Runtime | None) -> Config:
    """The Config of the target, with every setting at its default."""
    config = Config(stack=invocation.stack, target=invocation.target, region=_region(invocation))
    if runtime is None:
        return replace(config, profile=invocation.profile)
    return replace(
        config,
        endpoint=runtime.endpoint,
        access_key=runtime.access_key,
        secret_key=runtime.secret_key,
        resolver=runtime.resolver,
        port=LOCAL_PORT,
        speed=runtime.speed,
    )


def _region(invocation: Invocation) -> str:
    region = invocation.region
    if not region and not invocation.is_local:
        from srekv.provision.engine.answers import explained
        from srekv.sessions import new_session

        with explained("reading the AWS configuration"):
            region = new_session(profile=invocation.profile).region_name
    # The default one is not looked up: botocore would be imported before the local cloud starts.
    if region is None or region == DEFAULT_REGION:
        return DEFAULT_REGION
    from srekv.provision.engine.clients import refuse_unknown_region

    refuse_unknown_region(region)
    return region


@contextmanager
def open_stack(
    invocation: Invocation, settings: Mapping[str, Any] | None = None, *, dry: bool = False
) -> Iterator[tuple[Stack, Narration]]:
    """The stack of this invocation, on a target that is already there; `settings` count before those it remembers."""
    from srekv.provision.stack import connect

    config = target_config(invocation, require_runtime(invocation))
    with invocation.screen.progress(dry=dry) as narration:
        with narration.busy("reading the stack's settings"):
            stack = connect(config, settings or {}, narration, dry=dry, session=session_of(invocation, config))
        yield stack, narration


def require_runtime(invocation: Invocation) -> control.Runtime | None:
    """The local cloud; SrekvError if it does not run; None for AWS."""
    if not invocation.is_local:
        return None
    runtime = control.find(invocation.home)
    if runtime is None:
        raise SrekvError(
            "there is no local cloud running",
            why=f"nothing answers for {invocation.home}",
            next_step=CommandLine("srekv up") + " (or srekv --target aws ... for AWS)",
        )
    return runtime


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """What `up` may ask of the local cloud, for the cloud's whole life."""

    speed: float | None = option(
        "--speed",
        callback=as_speed,
        metavar="auto|FLOAT",
        help="Local target: clock speed-up, in AWS-equivalent seconds per wall-clock second; fixed until the local "
        "cloud stops.  [default: auto, the fastest of 10, 5, 2 and 1 that this machine keeps]",
    )
    dns_port: int | None = option(
        "--dns-port", type=click.IntRange(1, 65535), help="Local target: the resolver's port.  [default: 5300]"
    )
    dynamodb: str | None = option(
        "--dynamodb-endpoint",
        metavar="URL",
        help="Local target: a DynamoDB of yours, DynamoDB Local for example, holds the table: its data outlives the "
        "cloud.",
    )
    dynamodb_anywhere: bool = option(
        "--dynamodb-anywhere", is_flag=True, help="Local target: that database may be on another computer."
    )


def ensure_runtime(
    invocation: Invocation, given: Mapping[str, Any], local: LocalOptions, on_start: Callable[[control.Runtime], object]
) -> control.Runtime | None:
    """The local cloud, started if need be; None for AWS. Invalid settings are refused before it starts."""
    if not invocation.is_local:
        if any(getattr(local, one.name) != one.default for one in fields(LocalOptions)):
            raise UsageError(
                "--speed, --dns-port and --dynamodb-endpoint are for the local target", next_step="leave them out"
            )
        return None
    usual = clock_speed(invocation.speed, "SREKV_SPEED")
    for speed in (local.speed, usual, 1.0):
        if speed is not None:
            Config(stack=invocation.stack, region=_region(invocation), **{"port": LOCAL_PORT, "speed": speed, **given})
    if local.dynamodb is not None:
        from srekv.local.database import refuse_unusable

        refuse_unusable(local.dynamodb, anywhere=local.dynamodb_anywhere)
    return control.ensure(
        invocation.home,
        speed=local.speed,
        usual=usual,
        dns_port=local.dns_port,
        dynamodb=local.dynamodb,
        meanwhile=_import_provisioning,
        started=on_start,
    )


def _import_provisioning() -> None:
    """Import what provisioning needs while the local cloud starts in its own processes."""
    import srekv.doctor.preflight
    import srekv.drill.vantage
    import srekv.provision.stack  # noqa: F401 - to have it in memory


def vantage(stack: Stack, deployment: Deployment, node: Node, target: AwsFaultTarget | None = None) -> Vantage:
    """A node as a vantage point inside the VPC; through the stack's own fault target, or this."""
    from srekv.drill.vantage import Vantage

    config = stack.run.config
    return Vantage(target or stack.fault_target, node, deployment.name, config.resolver, deployment.port, config.speed)


def drill_settings(stack: Stack) -> Settings:
    """The settings of a drill on this stack, under a new name."""
    from srekv.drill.model import Settings

    config = stack.run.config
    return Settings(resolver=config.resolver, port=config.port, speed=config.speed, run_id=secrets.token_hex(4))
