"""`srekv local`: looks after the local cloud."""

from __future__ import annotations

from collections.abc import Iterator

from srekv.commands.session import Invocation
from srekv.config import DEFAULT_REGION
from srekv.errors import FindingError, SrekvError
from srekv.local import control
from srekv.ui.console import grid


def status(invocation: Invocation) -> None:
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
        raise SrekvError("the local cloud is not running", next_step="srekv up")
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
