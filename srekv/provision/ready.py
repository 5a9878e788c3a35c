"""The end of `up`: both health checks pass, on observations newer than the command itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from srekv.errors import CommandLine, SrekvError, TimeoutExceeded
from srekv.provision.engine.run import Run
from srekv.provision.model import Check, Deployment, Observation
from srekv.provision.target import AwsFaultTarget
from srekv.route53 import suffices

BOOT_S = 420.0
GRACE_S = 20.0
"""A node may take BOOT_S AWS-equivalent seconds to serve, and this many wall-clock seconds on top: processes do not
start faster on a faster clock."""


class Streaks:
    """What the checkers of one check have reported in a row, as far as they were read; when its verdict is sure.

    Args:
        threshold: consecutive reports that turn a checker (aws-facts 1.1).
        since: seconds since the epoch; older reports prove nothing.
        doubtful: the checkers may hold the endpoint for down: it was, or that is unknown. Then only `threshold` passes
            in a row show that a checker has changed its opinion; one pass may be the first after many failures.
    """

    def __init__(self, *, threshold: int, since: float, doubtful: bool) -> None:
        self._threshold, self._since, self._doubtful = threshold, since, doubtful
        self.failed = False  # whether any of the reports that count was a failure
        self._streaks: dict[str, tuple[int, datetime | None]] = {}
        """By checker: its reports in a row, positive for passes, negative for failures; and when it reported last."""

    def feed(self, observations: Iterable[Observation]) -> None:
        """Learn the checkers' last reports; a report that was seen before counts once."""
        for one in observations:
            length, last = self._streaks.setdefault(one.checker, (0, None))
            if one.at.timestamp() >= self._since and one.at != last:
                length = max(length, 0) + 1 if one.healthy else min(length, 0) - 1
                self._streaks[one.checker] = length, one.at
                self.failed = self.failed or not one.healthy
                self._doubtful = self._doubtful or length <= -self._threshold

    @property
    def sure(self) -> bool:
        """Whether more than 18 % of the checkers are sure to hold the endpoint for healthy."""
        needed = self._threshold if self._doubtful else 1
        good = sum(length >= needed for length, _ in self._streaks.values())
        return bool(self._streaks) and suffices(good, len(self._streaks))


def await_healthy(
    run: Run,
    target: AwsFaultTarget,
    deployment: Deployment,
    *,
    since: float,
    doubtful: frozenset[str] = frozenset(),
    timeout_s: float | None = None,
) -> bool:
    """Wait until enough checkers have seen both nodes healthy; returns whether no report said otherwise meanwhile.

    A new check counts as healthy until there is data (aws-facts 1.1): only reports newer than the command prove more.
    The checks are asked in turn, so that no report of either is missed. `since`: seconds since the epoch; `doubtful`:
    addresses whose check may know them as down; `timeout_s`: wall-clock seconds, BOOT_S and GRACE_S by default.

    Raises:
        SrekvError: a node never became healthy; with the end of its console output.
    """
    waiting = deque(deployment.checks)
    streaks = {
        check.id: Streaks(threshold=check.threshold, since=since, doubtful=check.address in doubtful)
        for check in deployment.checks
    }
    last: dict[str, tuple[Observation, ...]] = {}
    # Two checks stay below GetHealthCheckStatus's refill of one a second (aws-facts 2.6).
    pause_s = run.config.wall(1.25)

    def look() -> bool | None:
        while waiting:
            check = waiting[0]
            last[check.id] = target.observations(check)
            streaks[check.id].feed(last[check.id])
            waiting.rotate(-1)
            if not streaks[check.id].sure:
                return None
            waiting.remove(check)
        return True

    if timeout_s is None:
        timeout_s = run.config.wall(BOOT_S) + GRACE_S
    wait = partial(run.wait, timeout_s=timeout_s, shortest_pause_s=pause_s, longest_pause_s=pause_s)
    try:
        wait("Route 53", "the health checks to pass", look)
    except TimeoutExceeded as error:
        late = next(check for check in deployment.checks if check in waiting)
        raise _never(target, deployment, late, last.get(late.id, ())) from error
    return not any(one.failed for one in streaks.values())


def _never(target: AwsFaultTarget, deployment: Deployment, check: Check, last: Sequence[Observation]) -> SrekvError:
    node = next(node for node in deployment.nodes if node.address == check.address)
    reports = sorted({one.status for one in last}) or ["no report yet"]
    console = target.console(node)
    return SrekvError(
        f"{node.name} ({node.instance_id}, {node.address}) never became healthy: {check.name} does not pass",
        why="; ".join(reports) + (f"\nthe end of its console output:\n{console}" if console else ""),
        next_step=CommandLine("srekv status")
        + "; if the checkers time out check the security group and the subnet's routes, "
        "if they are refused check the service: journalctl -u srekv on the node",
    )
