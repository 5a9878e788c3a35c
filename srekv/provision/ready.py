"""The end of `up`: both health checks pass, on observations newer than the command itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from srekv.errors import SrekvError, TimeoutExceeded
from srekv.provision.hands import AwsHands
from srekv.provision.model import Check, Deployment, Observation
from srekv.provision.run import Run

HEALTHY_SHARE = 0.18
"""A check is healthy while MORE than this share of its checkers say so (aws-facts 1.1)."""

BOOT_S = 420.0
GRACE_S = 20.0
"""A node may take BOOT_S AWS-equivalent seconds to serve, and this many wall-clock seconds on top: processes do not
start faster on a faster clock."""

POLL_S = 2.5
"""One check each POLL_S / 2: two checks stay below GetHealthCheckStatus's refill of one a second (aws-facts 2.6)."""


def await_healthy(
    run: Run, hands: AwsHands, deployment: Deployment, *, since: float, timeout_s: float | None = None
) -> None:
    """Wait until enough checkers have seen both nodes healthy after `since`.

    A new check counts as healthy until there is data (aws-facts 1.1): only reports newer than the command prove more.

    Args:
        run: gives time-outs and the way to wait.
        hands: asks for observations.
        deployment: the stack.
        since: seconds since the epoch.
        timeout_s: how long a check may take, wall-clock seconds; None: BOOT_S and GRACE_S.

    Raises:
        SrekvError: a node never became healthy; with the end of its console output.
    """
    limit_s = run.config.wall(BOOT_S) + GRACE_S if timeout_s is None else timeout_s
    for check in deployment.checks:
        last: list[Observation] = []
        try:
            run.wait(
                "Route 53",
                f"{check.name} to pass",
                partial(_passes, hands, check, since, last),
                timeout_s=limit_s,
                shortest_pause_s=run.config.wall(POLL_S / 2),
            )
        except TimeoutExceeded as error:
            raise _never(hands, deployment, check, last) from error


def _passes(hands: AwsHands, check: Check, since: float, last: list[Observation]) -> bool | None:
    last[:] = hands.observations(check)
    return True if enough(last, since=since) else None


def enough(observations: Sequence[Observation], *, since: float) -> bool:
    """Whether more than 18 % of the checkers reported success after `since`."""
    good = sum(one.healthy and one.at.timestamp() >= since for one in observations)
    return bool(observations) and good / len(observations) > HEALTHY_SHARE


def _never(hands: AwsHands, deployment: Deployment, check: Check, last: Sequence[Observation]) -> SrekvError:
    node = next(node for node in deployment.nodes if node.address == check.address)
    reports = sorted({one.status for one in last}) or ["no report yet"]
    console = hands.console(node)
    return SrekvError(
        f"{node.name} ({node.instance_id}, {node.address}) never became healthy: {check.name} does not pass",
        why="; ".join(reports) + (f"\nthe end of its console output:\n{console}" if console else ""),
        next_step="srekv status; if the checkers time out look at the security group and the subnet's routes, "
        "if they are refused at the service: journalctl -u srekv on the node",
    )
