"""The command `local`: inspect and stop the local cloud."""

from __future__ import annotations

import click

from srekv.commands.session import pass_invocation
from srekv.config import DEFAULT_REGION
from srekv.errors import CommandLine, FindingError, SrekvError
from srekv.local import control
from srekv.ui.console import grid
from srekv.ui.context import Invocation
from srekv.ui.help import Group
from srekv.ui.options import NoOptions, click_command
from srekv.ui.visible import visible


@click_command("status", NoOptions)
@pass_invocation
def status(invocation: Invocation, _: NoOptions) -> None:
    """Show whether it runs, and where."""
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


@click_command("logs", NoOptions)
@pass_invocation
def logs(invocation: Invocation, _: NoOptions) -> None:
    """Print its log and its machines' consoles."""
    lines = control.logs(invocation.home)
    if invocation.screen.as_json:
        invocation.screen.document({"lines": list(lines)})
        return
    for line in lines:
        click.echo(visible(line))


@click_command("env", NoOptions)
@pass_invocation
def env(invocation: Invocation, _: NoOptions) -> None:
    """Print export statements that point AWS tools at it.

    $ eval "$(srekv local env)"
    """
    runtime = control.find(invocation.home)
    if runtime is None:
        raise SrekvError("the local cloud is not running", next_step=CommandLine("srekv up"))
    values = control.environment(runtime, invocation.region or DEFAULT_REGION)
    for name, value in values.items():
        invocation.screen.line(f"export {name}={value}")
    invocation.screen.document(values)


@click_command("stop", NoOptions)
@pass_invocation
def stop(invocation: Invocation, _: NoOptions) -> None:
    """Stop it, with everything in it."""
    with invocation.screen.progress() as narration, narration.busy("stopping the local cloud"):
        stopped = control.stop(invocation.home)
    invocation.screen.show("the local cloud has stopped" if stopped else "the local cloud was not running")
    invocation.screen.document({"stopped": stopped})


command = Group("local", help="Inspect and stop the local cloud.", commands=[status, logs, env, stop])
