"""What every command begins with: the options before it, the target and the stack that they mean."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from srekv.config import DEFAULT_REGION, Config, clock_speed
from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.local import control
from srekv.provision.model import Deployment, Node
from srekv.ui.console import Narration, Screen
from srekv.ui.context import Invocation

if TYPE_CHECKING:
    import boto3

    from srekv.drill.model import Settings
    from srekv.drill.vantage import Vantage
    from srekv.provision.hands import AwsHands
    from srekv.provision.stack import Stack

P = ParamSpec("P")
R = TypeVar("R")

LOCAL_PORT = 8080
"""Of the service on local nodes: below 1024 a user without privileges may not listen."""


def invocation_of(options: Mapping[str, Any], environ: Mapping[str, str]) -> Invocation:
    """What the options before the command, by their names, and the environment say together."""
    return Invocation(
        target=options["target"],
        stack=options["stack"],
        region=options["region"] or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        profile=options["profile"],
        home=control.home(environ),
        screen=Screen(as_json=options["output"] == "json", quiet=options["quiet"]),
        verbose=options["verbose"],
        speed=environ.get("SREKV_SPEED", "auto"),
    )


def pass_invocation(command: Callable[Concatenate[Invocation, P], R]) -> Callable[P, R]:
    """Give a Click command what the options before it mean, as its first argument; an error's advice has them too.

    The group leaves the environment of the process in the context.
    """

    @click.pass_context
    @wraps(command)
    def call(context: click.Context, /, *args: P.args, **options: P.kwargs) -> R:
        invocation = invocation_of(context.find_root().params, context.obj)
        try:
            return command(invocation, *args, **options)
        except SrekvError as error:
            error.next_step = invocation.render(error.next_step)
            raise

    return call


def session_of(invocation: Invocation, config: Config) -> boto3.Session:
    """The session that makes this command's clients; with --verbose somebody listens to it."""
    from botocore.exceptions import BotoCoreError

    from srekv.provision.engine.answers import explain
    from srekv.provision.engine.clients import session_for
    from srekv.provision.engine.tracing import trace

    try:
        session = session_for(config)
    except BotoCoreError as error:
        raise explain(error, "reading the AWS configuration") from None
    if invocation.verbose:
        trace(session, invocation.screen.aside)
    return session


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
    if region == DEFAULT_REGION:  # nothing to look up: botocore would be imported before the local cloud starts
        return DEFAULT_REGION
    from srekv.provision.engine.clients import refuse_unknown_region

    refuse_unknown_region(region)
    return region


def _profile_region(profile: str | None) -> str | None:
    from botocore.exceptions import BotoCoreError

    from srekv.provision.engine.answers import explain
    from srekv.sessions import new_session

    try:
        return new_session(profile=profile).region_name
    except BotoCoreError as error:
        raise explain(error, "reading the AWS configuration") from None


@contextmanager
def opened(invocation: Invocation, *, dry: bool = False) -> Iterator[tuple[Stack, Narration]]:
    """The stack of this invocation, on a target that is already there."""
    from srekv.provision.stack import connect

    config = target_config(invocation, running(invocation))
    with invocation.screen.progress(dry=dry) as narration:
        with narration.busy("reading the stack's settings"):
            stack = connect(config, {}, narration, dry=dry, session=session_of(invocation, config))
        yield stack, narration


def running(invocation: Invocation) -> control.Runtime | None:
    """The local cloud, which must run by now; None for AWS.

    Raises:
        SrekvError: it does not run.
    """
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


def started(
    invocation: Invocation,
    given: Mapping[str, Any],
    local: LocalWishes,
    on_start: Callable[[control.Runtime], object],
) -> control.Runtime | None:
    """The local cloud, started if need be; None for AWS. Impossible settings are refused before it starts."""
    if not invocation.is_local:
        if local != LocalWishes():
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

        refuse_unusable(local.dynamodb, anywhere=local.anywhere)
    return control.ensure(
        invocation.home,
        speed=local.speed,
        usual=usual,
        dns_port=local.dns_port,
        dynamodb=local.dynamodb,
        meanwhile=_get_ready,
        started=on_start,
    )


def _get_ready() -> None:
    """Import what provisioning needs while the local cloud starts in its own processes."""
    import srekv.doctor.preflight
    import srekv.drill.vantage
    import srekv.provision.stack  # noqa: F401 - to have it in memory


def vantage(stack: Stack, deployment: Deployment, node: Node, hands: AwsHands | None = None) -> Vantage:
    """A node as a place inside the VPC to look from; by the stack's own hands, or by these."""
    from srekv.drill.vantage import Vantage

    config = stack.run.config
    return Vantage(hands or stack.hands, node, deployment.name, config.resolver, deployment.port, config.speed)


def drill_settings(stack: Stack) -> Settings:
    """The settings of a drill on this stack, under a new name."""
    from srekv.drill.model import Settings

    config = stack.run.config
    return Settings(resolver=config.resolver, port=config.port, speed=config.speed, run_id=secrets.token_hex(4))
