"""The command `predict`: the outage and the bill to expect of settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group as Lines
from rich.console import RenderableType

from srekv.check.predict import Prediction, predict, shortest_bound_s
from srekv.commands.session import pass_invocation
from srekv.config import Config
from srekv.errors import FindingError
from srekv.ui.console import grid, plain_table
from srekv.ui.context import Invocation
from srekv.ui.options import Number, click_command, option
from srekv.ui.text import Text


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `predict`."""

    interval: int = option("--interval", type=int, default=10, help="Seconds between a checker's requests.")
    threshold: int = option("--threshold", type=int, default=3, help="Failures in a row that count.")
    ttl: int = option("--ttl", type=int, default=10, help="The records' TTL, seconds.")
    target: float | None = option(
        "--target-outage",
        "--target",
        type=Number(0),
        metavar="S",
        help="Find the cheapest settings that keep every outage within S.",
    )


@click_command("predict", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Predict the outage and the bill of some settings.

    Needs no stack and makes no API calls.

    $ srekv predict --interval 30 --ttl 60
    $ srekv predict --target-outage 60
    """
    Config(interval=options.interval, threshold=options.threshold, ttl=options.ttl)
    prediction = predict(**vars(options))
    invocation.screen.show(Lines(*_prediction(prediction)))
    invocation.screen.document(prediction.to_json())
    if options.target is not None and not prediction.choices:
        least = shortest_bound_s()
        raise FindingError(
            f"no settings keep every outage within {options.target:g} s",
            why=f"even interval 10, threshold 1, TTL 1 explain {least:.1f} s",
            next_step=f"set an objective of {least:.0f} s or more, or fail over in the client",
        )


def _prediction(prediction: Prediction) -> Iterator[RenderableType]:
    settings = prediction.settings
    yield Text(f"interval {settings.interval} s, threshold {settings.threshold}, TTL {settings.ttl} s", "bold")
    quantiles = ("best", "p50", "p95", "worst")
    outages = plain_table("outage, s", *quantiles, right=quantiles)
    for name, one in (("the machine stops", prediction.silent), ("the port refuses", prediction.refused)):
        outages.add_row(name, *(f"{one[quantile + '_s']:.1f}" for quantile in quantiles))
    yield outages
    yield Text("for a client that honours the TTL, asks twice a second and gives up after 2 s", "dim")
    healed, p95 = prediction.healing["p50_s"], prediction.healing["p95_s"]
    yield Text(f"failback: the check passes {healed:.1f} s (p95 {p95:.1f} s) after the primary answers again\n", "dim")
    yield from _bill(prediction)
    if prediction.target is not None:
        yield from _target(prediction, prediction.target)


def _bill(prediction: Prediction) -> Iterator[RenderableType]:
    document = prediction.to_json()
    rows = []
    for cost in prediction.costs:
        mark = "" if cost.price.confirmed else " (not confirmed)"
        note = f"  {cost.price.note}" if cost.price.note else ""
        units = f"{cost.units:g} x " if cost.units != 1 else ""
        rows.append((f"{cost.monthly:8.2f}", Text.assemble(f"{units}{cost.price.item}", (f"{mark}{note}", "dim"))))
    newest = max(cost.price.read for cost in prediction.costs)
    yield Text(f"{document['usd_month']:.2f} USD a month, {document['usd_hour']:.3f} an hour while it is up", "bold")
    yield grid(*rows)
    yield Text(f"list prices of {document['region']}, on demand, read {newest}; sources: --output json", "dim")


def _target(prediction: Prediction, target: float) -> Iterator[Text]:
    """Whether the settings meet the target, and those that do, the cheapest first."""
    words = "meet" if prediction.meets else "do not meet"
    yield Text(f"\nthese settings {words} a target of {target:g} s", "bold")
    for index, one in enumerate(prediction.choices):
        settings = f"--interval {one.interval} --threshold {one.threshold} --ttl {one.ttl}"
        fragile = "; a single failed round of probes makes it switch" if one.threshold == 1 else ""
        costs = f"at most {one.worst_s:.1f} s, {one.usd_month:.2f} USD a month{fragile}"
        yield Text(f"{'or' if index else 'cheapest'}: {settings}, {costs}")
