"""Route 53's two rules about health, without clock or socket: what one checker thinks, and what all of them mean.

One checker changes its mind after `threshold` consecutive results to the contrary, both ways. A health check is
healthy while more than 18 % of its checkers think so. Source: Route 53 Developer Guide, "How Amazon Route 53
determines whether a health check is healthy".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEALTHY_PERCENT = 18
"""More than this share of the checkers must think that the endpoint is healthy."""


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
    healthy = not opinions or 100 * agreeing > HEALTHY_PERCENT * len(opinions)
    return healthy is not inverted
