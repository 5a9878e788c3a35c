"""Route 53's verdict on an endpoint, worked out from its checkers' last reports.

The API tells what each checker saw last, never what it makes of it: one that failed once is still "healthy" until it
failed `threshold` times in a row (aws-facts 1.1, 1.2). Whoever takes the last reports for the verdict sees a failure
some 25 s too early. So the reports are followed over time, and each checker's own count is kept here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from srekv.provision.model import Check, Observation
from srekv.route53 import CONNECT_TIMEOUT_S, RESPONSE_TIMEOUT_S, verdict


@dataclass
class _Checker:
    """One checker: its opinion, and how many reports in a row have spoken against it."""

    healthy: bool
    against: int = 0
    since: datetime | None = None
    last: datetime | None = None


class HealthWatch:
    """Follows one check; feed it every answer of `observations`, at least one for each request interval.

    Args:
        check: whose interval, threshold and flags count.
        speed: AWS-equivalent seconds in one wall-clock second, for reports that were missed between two looks.
        is_new: the check was made just now: its checkers begin with holding the endpoint for healthy (aws-facts 1.1).
    """

    def __init__(self, check: Check, *, speed: float, is_new: bool = False) -> None:
        self._check = check
        self._is_new = is_new
        self._slowest_s = (check.interval + CONNECT_TIMEOUT_S + RESPONSE_TIMEOUT_S) / speed
        self._checkers: dict[str, _Checker] = {}

    def declare(self, check: Check) -> None:
        """The check's flags changed: Inverted, Disabled."""
        self._check = check

    @property
    def checkers(self) -> int:
        """How many checkers have reported."""
        return len(self._checkers)

    @property
    def failing(self) -> int:
        """How many of them hold the endpoint for unhealthy: those that failed `threshold` times in a row."""
        return sum(not checker.healthy for checker in self._checkers.values())

    def feed(self, observations: Iterable[Observation]) -> bool:
        """Learn the last reports; whether the check is healthy now.

        A checker's first report is taken for its opinion, unless the check is new: nobody can say how many came before.
        """
        for one in observations:
            first = _Checker(healthy=True) if self._is_new else _Checker(healthy=one.healthy, last=one.at)
            checker = self._checkers.setdefault(one.checker, first)
            if one.at != checker.last:
                self._report(checker, one)
        return self.healthy

    @property
    def healthy(self) -> bool:
        """The verdict: more than 18 % of the checkers say so; disabled and unobserved checks are healthy."""
        opinions = [checker.healthy for checker in self._checkers.values()]
        return verdict(opinions, inverted=self._check.inverted, disabled=self._check.disabled)

    def _report(self, checker: _Checker, one: Observation) -> None:
        checker.last = one.at
        if one.healthy == checker.healthy:
            checker.against, checker.since = 0, None
            return
        checker.since = checker.since or one.at
        missed = 1 + int((one.at - checker.since).total_seconds() / self._slowest_s)
        checker.against = max(checker.against + 1, missed)
        if checker.against >= self._check.threshold:
            checker.healthy, checker.against, checker.since = one.healthy, 0, None
