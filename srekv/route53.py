"""Decides as Route 53's health checks do: what one checker concludes, and what all of them mean. Pure.

A checker changes its conclusion after `threshold` consecutive results to the contrary, both ways. A health check is
healthy while more than 18 % of its checkers report it healthy. Source: Route 53 Developer Guide, "How Amazon Route 53
determines whether a health check is healthy".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHECKERS = 16
"""Checkers of a health check in all Regions, as GetHealthCheckStatus lists them; AWS documents no number."""

CONNECT_TIMEOUT_S = 4.0
"""How long a checker waits for a TCP connection, AWS-equivalent seconds."""

RESPONSE_TIMEOUT_S = 2.0
"""How long a checker waits for a status after connecting, AWS-equivalent seconds."""

HEALTHY_PERCENT = 18
"""A check is healthy while MORE than this share of its checkers report it healthy; AWS may change the number."""


def suffices(healthy: int, checkers: int) -> bool:
    """Whether a check is healthy when so many of its checkers report it healthy."""
    return 100 * healthy > HEALTHY_PERCENT * checkers


def flips_at(checkers: int = CHECKERS) -> int:
    """How many checkers must report a check unhealthy until it is: of sixteen fourteen."""
    return checkers - HEALTHY_PERCENT * checkers // 100


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one checker thinks of its endpoint.

    Attributes:
        healthy: its present mind; None until it has seen enough to have one.
        streak: consecutive results so far that speak for another mind.
        leaning: what those results said.
    """

    healthy: bool | None = None
    streak: int = 0
    leaning: bool | None = None

    def after(self, passed: bool, *, threshold: int) -> Opinion:
        """The opinion after one more result; `threshold` is the health check's FailureThreshold (1 to 10)."""
        if passed is self.healthy:
            return Opinion(self.healthy)
        streak = self.streak + 1 if passed is self.leaning else 1
        if streak >= threshold:
            return Opinion(passed)
        return Opinion(self.healthy, streak, passed)


def verdict(opinions: Sequence[bool | None], *, inverted: bool = False, disabled: bool = False) -> bool:
    """Whether a health check is healthy.

    A check is healthy from the start until there is enough data (an inverted one unhealthy). AWS does not say how
    much that is; here each checker counts as one that thinks so until it has an opinion, and a young check fails no
    sooner than an old one. A disabled check is always healthy, inverted or not.

    Args:
        opinions: one for each checker, None for one without an opinion yet; empty for a check that asks nobody.
        inverted: the check reports the opposite of what its checkers find.
        disabled: the check does not look at all.
    """
    if disabled:
        return True
    agreeing = sum(opinion is not False for opinion in opinions)
    return (not opinions or suffices(agreeing, len(opinions))) is not inverted
