"""What to expect before anything is built: the outage, the price, and the cheapest settings that meet a target."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from srekv.check.simulation import REFUSED_S, Scenario, detection, healing, outage
from srekv.prices import HOURS, REGION, Cost, stack_costs, total_usd

THRESHOLDS = range(1, 11)
TTLS = (300, 120, 60, 30, 20, 10, 5, 1)
INTERVALS = (30, 10)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Settings that meet a target, what they cost a month, and their longest outage."""

    interval: int
    threshold: int
    ttl: int
    worst_s: float
    usd_month: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the settings lead to.

    Attributes:
        settings: interval, threshold and TTL.
        silent: the outage when the machine stops and no request is answered: best_s, p50_s, p95_s, worst_s (the bound,
            not the longest draw), detection_p50_s, detection_worst_s.
        refused: the same when the port refuses or answers with errors.
        healing: how long the check takes to pass again once the primary answers: best_s, p50_s and p95_s.
        costs: what the stack costs.
        target: the longest outage that is wanted, or None.
        choices: the settings that meet the target, the best of each price, the cheapest first; empty without a target.
    """

    settings: Scenario
    silent: dict[str, float]
    refused: dict[str, float]
    healing: dict[str, float]
    costs: tuple[Cost, ...]
    target: float | None
    choices: tuple[Choice, ...]

    @property
    def meets(self) -> bool | None:
        """Whether even the longest outage stays within the target; None without one."""
        return None if self.target is None else self.silent["worst_s"] <= self.target

    def to_json(self) -> dict[str, Any]:
        """The document of `predict --output json`."""
        month = total_usd(self.costs)
        choices = [asdict(one) for one in self.choices]
        return {
            "interval": self.settings.interval,
            "threshold": self.settings.threshold,
            "ttl": self.settings.ttl,
            "outage": self.silent,
            "outage_refused": self.refused,
            "healing": self.healing,
            "usd_month": round(month, 2),
            "usd_hour": round(month / HOURS, 4),
            "region": REGION,
            "costs": [one.to_json() for one in self.costs],
            "target_s": self.target,
            "meets": self.meets,
            "cheapest": choices[0] if choices else None,
            "choices": choices,
        }


def predict(*, interval: int, threshold: int, ttl: int, target: float | None = None) -> Prediction:
    """What a failover with these settings looks like to a client that honours the TTL, and what the stack costs."""
    settings = Scenario(interval=interval, threshold=threshold, ttl=ttl)
    return Prediction(
        settings=settings,
        silent=_outages(settings),
        refused=_outages(replace(settings, probe_failure_s=REFUSED_S)),
        healing=healing(settings).summary(),
        costs=stack_costs(interval=interval),
        target=target,
        choices=() if target is None else choices(target),
    )


def _outages(settings: Scenario) -> dict[str, float]:
    return {
        **outage(settings).summary(),
        "worst_s": round(settings.bound_s, 1),
        "detection_p50_s": detection(settings).summary()["p50_s"],
        "detection_worst_s": round(settings.detection_bound_s, 1),
    }


def choices(target: float) -> tuple[Choice, ...]:
    """The settings whose longest outage is within the target: the best of each price, the cheapest first.

    Of equally cheap ones the highest threshold wins, as it forgives most, up to Route 53's own default of 3; then the
    longest TTL, as it asks the fewest queries.
    """
    found = []
    for interval in INTERVALS:
        scenarios = (
            Scenario(interval=interval, threshold=threshold, ttl=ttl) for threshold in THRESHOLDS for ttl in TTLS
        )
        if fitting := [one for one in scenarios if one.bound_s <= target]:
            best = max(fitting, key=lambda one: (min(one.threshold, 3), one.ttl, one.threshold))
            found.append(
                Choice(
                    interval=interval,
                    threshold=best.threshold,
                    ttl=best.ttl,
                    worst_s=round(best.bound_s, 1),
                    usd_month=round(total_usd(stack_costs(interval=interval)), 2),
                )
            )
    return tuple(sorted(found, key=lambda one: one.usd_month))


def shortest_bound_s() -> float:
    """The shortest of all longest outages: no settings promise less."""
    return Scenario(interval=min(INTERVALS), threshold=1, ttl=min(TTLS)).bound_s
