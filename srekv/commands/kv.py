"""The command `kv`: talk to the service through its DNS name, from inside the VPC."""

from __future__ import annotations

import base64
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from srekv.commands.session import open_stack, pass_invocation, vantage
from srekv.errors import CommandLine, FindingError, SrekvError, UsageError
from srekv.ui.context import Invocation
from srekv.ui.help import Group
from srekv.ui.options import argument, click_command
from srekv.ui.visible import visible

if TYPE_CHECKING:
    from srekv.drill.vantage import Response

KV_VALUE = 16 * 1024
"""Bytes of a value that `kv put` sends: in base64 it must come back in the 24,000 characters of a command's output."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `kv get` and `kv delete`."""

    key: str = argument()


@dataclass(frozen=True, kw_only=True)
class PutOptions(Options):
    """The options of `kv put`."""

    value: str = argument()


@click_command("put", PutOptions)
@pass_invocation
def put(invocation: Invocation, options: PutOptions) -> None:
    """Store VALUE under KEY.

    $ srekv kv put colour blue
    """
    _request(invocation, "PUT", options.key, os.fsencode(options.value))


@click_command("get", Options)
@pass_invocation
def get(invocation: Invocation, options: Options) -> None:
    """Print the value of KEY; exit 1 if there is none.

    A pipe or a file gets its bytes, and a newline; on a terminal, control characters are shown as escapes.

    $ srekv kv get colour
    """
    value = _request(invocation, "GET", options.key, b"")
    if value is not None and not invocation.screen.as_json:
        click.echo(visible(value.decode(errors="backslashreplace")) if sys.stdout.isatty() else value)


@click_command("delete", Options)
@pass_invocation
def delete(invocation: Invocation, options: Options) -> None:
    """Remove KEY; removing an absent one is fine."""
    _request(invocation, "DELETE", options.key, b"")


command = Group("kv", help="Talk to the service through its DNS name.", commands=[put, get, delete])


def _request(invocation: Invocation, method: str, key: str, value: bytes) -> bytes | None:
    """Ask the service through its name, from inside the VPC: the value for get, None for put and delete."""
    shown = key if len(key) <= 60 else f"{key[:60]}..."
    try:
        path = f"/v1/keys/{quote(key, safe='')}"
    except UnicodeEncodeError:
        raise UsageError("the key is not UTF-8", next_step="only values may be any bytes") from None
    if len(value) > KV_VALUE:
        raise UsageError(
            f"the value has {len(value)} bytes, kv put sends at most {KV_VALUE}",
            next_step="PUT it to the url of "
            + CommandLine("srekv status")
            + ": the service itself takes up to 400 KiB",
        )
    with open_stack(invocation) as (stack, narration):
        deployment = stack.fault_target.deployment()
        running = [node for node in deployment.nodes if node.state == "running"]
        if not running:
            raise SrekvError("no node runs", next_step=CommandLine("srekv up") + " starts them again")
        with narration.busy(f"asking {deployment.name} from {running[-1].name}"):
            response = vantage(stack, deployment, running[-1]).request(method, path, body=value)
    absent = response.status == 404 and method == "GET"
    if not absent:
        _refuse_failure(response, f"kv {method.lower()} {shown}")
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
        raise FindingError(f"{shown} is absent")
    return found


def _refuse_failure(response: Response, what: str) -> None:
    """Raise what an answer that is no success means: a request that can never succeed, or a failure."""
    cause = response.error or response.body.decode(errors="replace")
    if response.status == 400:
        raise UsageError(f"{what} was refused", why=cause)
    if response.status is None or response.status > 400:
        raise SrekvError(
            f"{what} failed", why=f"{response.status or 'no answer'}: {cause}", next_step=CommandLine("srekv status")
        )
