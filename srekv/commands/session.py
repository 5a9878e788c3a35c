"""What every command begins with: the options before it, the target and the stack that they mean."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srekv.config import DEFAULT_REGION, DEFAULT_STACK, Config, clock_speed
from srekv.errors import SrekvError, UsageError
from srekv.local import control
from srekv.provision.model import Deployment, Node
from srekv.ui.console import Narration, Screen

if TYPE_CHECKING:
    from srekv.drill.vantage import Vantage
    from srekv.provision.stack import Stack
    from srekv.sessions import Session

LOCAL_PORT = 8080
"""Of the service on local nodes: below 1024 a user without privileges may not listen."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """The options before the command.

    Attributes:
        home: the directory of the local cloud's runtime files.
        speed: of a local cloud that is started without a wish; None: what this machine keeps.
        region: as given, or from the environment; None when nobody said.
        verbose: tell of every call to AWS.
    """

    target: str
    stack: str
    region: str | None
    profile: str | None
    home: Path
    screen: Screen
    verbose: bool = False
    speed: float | None = None

    def command(self, words: str) -> str:
        """Another command on the same stack, as it is to be typed."""
        options = [] if self.is_local else ["--target aws"]
        options += [] if self.stack == DEFAULT_STACK else [f"--stack {self.stack}"]
        is_implied = self.is_local and self.region == DEFAULT_REGION  # elsewhere the environment may say another one
        options += [f"--region {self.region}"] if self.region and not is_implied else []
        options += [f"--profile {shlex.quote(self.profile)}"] if self.profile else []
        return " ".join(["srekv", *options, words])

    @property
    def is_local(self) -> bool:
        """Whether the target is the local cloud."""
        return self.target == "local"


def invocation_of(options: Mapping[str, Any], environ: Mapping[str, str]) -> Invocation:
    """What the options before the command, by their names, and the environment say together."""
    return Invocation(
        target=options["target"],
        stack=options["stack"],
        region=options["region"] or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        profile=options["profile"],
        home=control.home(environ),
        screen=screen_of(options),
        verbose=options["verbose"],
        speed=clock_speed(environ.get("SREKV_SPEED", "auto"), "SREKV_SPEED"),
    )


def screen_of(options: Mapping[str, Any]) -> Screen:
    """Where the words of a command with these options go."""
    return Screen(as_json=options["output"] == "json", quiet=options["quiet"])


def session_of(invocation: Invocation, config: Config) -> Session:
    """The session that makes this command's clients; with --verbose somebody listens to it."""
    from botocore.exceptions import BotoCoreError

    from srekv.provision.engine.answers import explain
    from srekv.provision.engine.clients import new_session
    from srekv.provision.engine.tracing import Trace

    try:
        session = new_session(config)
    except BotoCoreError as error:
        raise explain(error, "reading the AWS configuration") from None
    if invocation.verbose:
        Trace(invocation.screen.aside).attach(session)
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
    from srekv.sessions import Session

    try:
        return Session(profile=profile).region_name
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
    for speed in (local.speed, invocation.speed, 1.0):
        if speed is not None:
            Config(stack=invocation.stack, region=_region(invocation), **{"port": LOCAL_PORT, "speed": speed, **given})
    if local.dynamodb is not None:
        from srekv.local.database import refuse_unusable

        refuse_unusable(local.dynamodb, anywhere=local.anywhere)
    return control.ensure(
        invocation.home,
        speed=local.speed,
        usual=invocation.speed,
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


def vantage(stack: Stack, deployment: Deployment, node: Node) -> Vantage:
    """A node as a place inside the VPC to look from."""
    from srekv.drill.vantage import Vantage

    config = stack.run.config
    return Vantage(stack.hands, node, deployment.name, config.resolver, deployment.port, config.speed)
