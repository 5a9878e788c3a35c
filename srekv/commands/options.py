"""Options that several commands share, and what their values are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from srekv.commands import completion
from srekv.config import OPERATING_SYSTEMS, clock_speed, duration
from srekv.errors import none_of

F = TypeVar("F", bound=Callable[..., Any])


class OneOf(click.Choice[str]):
    """One of several words; another one is refused with the nearest of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word as it is spelled among the choices.

        Raises:
            UsageError: it is none of them.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            option = param.opts[0] if param else "the value"
            raise none_of(option, value, tuple(self.choices)) from None


class Number(click.types.FloatParamType):
    """A finite number in a range: no figure can be held to NaN, and every figure holds against infinity."""

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self._low = -sys.float_info.max if low is None else low
        self._high = sys.float_info.max if high is None else high
        limits = [f"{word} {limit:g}" for word, limit in (("from", low), ("to", high)) if limit is not None]
        self._words = " ".join(("a finite number", *limits))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number.

        Raises:
            BadParameter: it is none.
        """
        found: float = super().convert(value, param, ctx)
        if not self._low <= found <= self._high:
            self.fail(f"{value} is not {self._words}", param, ctx)
        return found


def as_parts(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The parts of a value with commas."""
    return tuple(part.strip() for part in value.split(",")) if value else ()


def as_seconds(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A duration such as 90m, 2h or 3d in seconds."""
    return None if value is None else duration(value, parameter.opts[0])


def as_speed(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A clock speed; None for auto."""
    return None if value is None else clock_speed(value, parameter.opts[0])


def placement_options(command: F) -> F:
    """Where the nodes go and what they are."""
    for option in reversed(
        (
            click.option(
                "--vpc-id",
                help="The VPC.  [default: the default VPC]",
                shell_complete=completion.proposing(completion.networks),
            ),
            click.option("--azs", callback=as_parts, help="Two Availability Zones: us-east-1a,us-east-1b."),
            click.option("--subnet", "subnets", multiple=True, help="A public subnet; give it twice."),
            click.option("--fix-vpc", is_flag=True, default=None, help="Switch the VPC's DNS attributes on."),
            click.option("--instance-type", help="EC2 instance type.  [default: t2.micro]"),
            click.option("--os", "os", type=OneOf(OPERATING_SYSTEMS), help="Amazon Linux.  [default: al2023]"),
            click.option("--unsupported", is_flag=True, default=None, help="Accept --os al2, past its end of support."),
            click.option("--ami", help="A machine image in place of the newest Amazon Linux."),
            click.option("--key-name", help="An existing key pair; opens port 22 to you."),
            click.option(
                "--create-key",
                metavar="FILE",
                help="Create a key pair, write its private key to FILE.",
                shell_complete=completion.files,
            ),
            click.option(
                "--allow-cidr",
                "allow_cidrs",
                multiple=True,
                help="Who may reach the service; repeatable.  [default: this machine's address]",
            ),
        )
    ):
        command = option(command)
    return command


def failover_options(command: F) -> F:
    """How fast a failover is: 30 s x 3 with TTL 300 can never meet the lab's "wait about 30 s"."""
    for option in reversed(
        (
            click.option("--zone", help="The private zone.  [default: sre-test.local]"),
            click.option("--record", help="The service's record in it.  [default: svc]"),
            click.option("--port", type=int, help="The service's port.  [default: 80; on the local target 8080]"),
            click.option(
                "--interval",
                type=int,
                help="Seconds between a checker's requests, 10 or 30; the console's 30 cannot meet the lab's "
                "'wait ~30 s'.  [default: 10]",
            ),
            click.option("--threshold", type=int, help="Failures in a row that count, 1-10.  [default: 3]"),
            click.option(
                "--ttl", type=int, help="The records' TTL, seconds; the console's 300 hides a switch.  [default: 10]"
            ),
            click.option("--deletion-protection/--no-deletion-protection", default=None, help="Protect the table."),
            click.option("--alarms/--no-alarms", default=None, help="CloudWatch alarms and a dashboard."),
        )
    ):
        command = option(command)
    return command


def promise_options(command: F) -> F:
    """What a recorded run is held to, in place of what it was held to when it ran."""
    for option in reversed(
        (
            click.option("--max-outage", type=Number(0), metavar="S", help="Promise: the longest outage, seconds."),
            click.option("--max-lost", type=int, help="Promise: acknowledged writes lost.  [default: 0]"),
            click.option(
                "--min-availability", type=Number(0, 1), metavar="SHARE", help="Promise: the least share of good time."
            ),
        )
    ):
        command = option(command)
    return command
