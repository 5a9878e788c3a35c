"""The command `local`: look after the local cloud."""

from __future__ import annotations

from collections.abc import Iterator

import click

from srekv.commands.session import pass_invocation
from srekv.config import DEFAULT_REGION
from srekv.errors import CommandLine, FindingError, SrekvError
from srekv.local import control
from srekv.ui.console import grid
from srekv.ui.context import Invocation
from srekv.ui.help import Group
from srekv.ui.visible import visible


@click.group("local", cls=Group)
def command() -> None:
    """Inspect and stop the local cloud."""


@command.command("status")
@pass_invocation
def show_status(invocation: Invocation) -> None:
    """Show whether it runs, and where."""
    status(invocation)


@command.command("logs")
@pass_invocation
def print_logs(invocation: Invocation) -> None:
    """Print its log and its machines' consoles."""
    for line in logs(invocation):
        click.echo(visible(line))


@command.command("env")
@pass_invocation
def print_env(invocation: Invocation) -> None:
    """Print exports that lead any AWS tool to it.

    $ eval "$(srekv local env)"
    """
    env(invocation)


@command.command("stop")
@pass_invocation
def stop_cloud(invocation: Invocation) -> None:
    """Stop it, with everything in it."""
    stop(invocation)


def status(invocation: Invocation) -> None:
    """Whether the local cloud runs, and where.

    Raises:
        FindingError: it does not run.
    """
    runtime = control.find(invocation.home)
    if runtime is None:
        invocation.screen.document({"running": False})
        raise FindingError("the local cloud is not running", next_step=CommandLine("srekv up"))
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


def logs(invocation: Invocation) -> Iterator[str]:
    """The lines of the local cloud's logs for a person; a script gets them in one document."""
    if invocation.screen.as_json:
        invocation.screen.document({"lines": list(control.logs(invocation.home))})
        return iter(())
    return control.logs(invocation.home)


def env(invocation: Invocation) -> None:
    """Exports that let any AWS tool talk to the local cloud.

    Raises:
        SrekvError: it does not run.
    """
    runtime = control.find(invocation.home)
    if runtime is None:
        raise SrekvError("the local cloud is not running", next_step=CommandLine("srekv up"))
    values = control.environment(runtime, invocation.region or DEFAULT_REGION)
    for name, value in values.items():
        invocation.screen.line(f"export {name}={value}")
    invocation.screen.document(values)


def stop(invocation: Invocation) -> None:
    """End the local cloud with everything in it."""
    with invocation.screen.progress() as narration, narration.busy("stopping the local cloud"):
        stopped = control.stop(invocation.home)
    invocation.screen.show("the local cloud has stopped" if stopped else "the local cloud was not running")
    invocation.screen.document({"stopped": stopped})
