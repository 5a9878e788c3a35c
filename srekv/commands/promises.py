"""What a recorded run is held to: the options that `check` and `report` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from srekv.drill.model import Promises
from srekv.ui.options import Number

F = TypeVar("F", bound=Callable[..., Any])


def promise_options(command: F) -> F:
    """What a recorded run is held to, in place of what it was held to when it ran."""
    for option in reversed(
        (
            click.option("--max-outage", type=Number(0), metavar="S", help="Objective: longest outage, seconds."),
            click.option("--max-lost", type=int, help="Objective: acknowledged writes lost.  [default: 0]"),
            click.option(
                "--min-availability", type=Number(0, 1), metavar="SHARE", help="Objective: minimum availability, 0-1."
            ),
        )
    ):
        command = option(command)
    return command


def promises_of(max_outage: float | None, max_lost: int | None, min_availability: float | None) -> Promises | None:
    """The promises that were made; None: those that the history carries."""
    if (max_outage, max_lost, min_availability) == (None, None, None):
        return None
    promises = Promises(max_outage_s=max_outage, max_lost=max_lost, min_availability=min_availability)
    promises.check()
    return promises
