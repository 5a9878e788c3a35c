"""What to expect before anything is built: the outage, the price, and the cheapest settings that meet a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from srekv.check.simulation import REFUSED_S, Scenario, detection, healing, outage
from srekv.prices import HOURS, REGION, Cost, stack_costs, total_usd

THRESHOLDS = range(1, 11)
TTLS = (300, 120, 60, 30, 20, 10, 5, 1)
INTERVALS = (30, 10)


@dataclass(frozen=True, kw_only=True)
class Outages:
    """Simulated outages of one kind of fault, AWS-equivalent seconds; `worst` is the bound, not the longest draw."""

    best: float
    p50: float
    p95: float
    worst: float
    detection_p50: float
    detection_worst: float

    def to_json(self) -> dict[str, float]:
        """As a member of a JSON document."""
        return {
            "best_s": self.best,
            "p50_s": self.p50,
            "p95_s": self.p95,
            "worst_s": self.worst,
            "detection_p50_s": self.detection_p50,
            "detection_worst_s": self.detection_worst,
        }


@dataclass(frozen=True, kw_only=True)
class Healing:
    """How long a check takes to pass again once its endpoint answers, simulated, AWS-equivalent seconds."""

    best: float
    p50: float
    p95: float

    def to_json(self) -> dict[str, float]:
        """As a member of a JSON document."""
        return {"best_s": self.best, "p50_s": self.p50, "p95_s": self.p95}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Settings that meet a target, what they cost a month, and their longest outage."""

    interval: int
    threshold: int
    ttl: int
    worst: float
    usd_month: float

    def to_json(self) -> dict[str, float]:
        """As a member of a JSON document."""
        return {
            "interval": self.interval,
            "threshold": self.threshold,
            "ttl": self.ttl,
            "worst_s": round(self.worst, 1),
            "usd_month": round(self.usd_month, 2),
        }


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the settings lead to.

    Attributes:
        settings: interval, threshold and TTL.
        silent: the outage when the machine stops: nobody answers.
        refused: the outage when the port refuses or answers with errors.
        healing: when the primary answers again: what its check waits for before the name goes back.
        costs: what the stack costs.
        target: the longest outage that is wanted, or None.
        choices: the settings that meet the target, the best of each price, the cheapest first; empty without a target.
    """

    settings: Scenario
    silent: Outages
    refused: Outages
    healing: Healing
    costs: tuple[Cost, ...]
    target: float | None
    choices: tuple[Choice, ...]

    @property
    def meets(self) -> bool | None:
        """Whether even the longest outage stays within the target; None without one."""
        return None if self.target is None else self.silent.worst <= self.target

    def to_json(self) -> dict[str, Any]:
        """The document of `predict --output json`."""
        month = total_usd(self.costs)
        return {
            "interval": self.settings.interval,
            "threshold": self.settings.threshold,
            "ttl": self.settings.ttl,
            "outage": self.silent.to_json(),
            "outage_refused": self.refused.to_json(),
            "healing": self.healing.to_json(),
            "usd_month": round(month, 2),
            "usd_hour": round(month / HOURS, 4),
            "region": REGION,
            "costs": [one.to_json() for one in self.costs],
            "target_s": self.target,
            "meets": self.meets,
            "cheapest": self.choices[0].to_json() if self.choices else None,
            "choices": [one.to_json() for one in self.choices],
        }


def predict(*, interval: int, threshold: int, ttl: int, target: float | None = None) -> Prediction:
    """What a failover with these settings looks like to a client that honours the TTL, and what the stack costs."""
    settings = Scenario(interval=interval, threshold=threshold, ttl=ttl)
    return Prediction(
        settings=settings,
        silent=_outages(settings),
        refused=_outages(Scenario(interval=interval, threshold=threshold, ttl=ttl, probe_failure_s=REFUSED_S)),
        healing=_healing(settings),
        costs=stack_costs(interval=interval),
        target=target,
        choices=() if target is None else choices(target),
    )


def _outages(settings: Scenario) -> Outages:
    simulated, detected = outage(settings), detection(settings)
    return Outages(
        best=round(simulated.best, 1),
        p50=round(simulated.quantile(0.5), 1),
        p95=round(simulated.quantile(0.95), 1),
        worst=round(settings.bound_s, 1),
        detection_p50=round(detected.quantile(0.5), 1),
        detection_worst=round(settings.detection_bound_s, 1),
    )


def _healing(settings: Scenario) -> Healing:
    healed = healing(settings)
    return Healing(best=round(healed.best, 1), p50=round(healed.quantile(0.5), 1), p95=round(healed.quantile(0.95), 1))


def choices(target: float) -> tuple[Choice, ...]:
    """The settings whose longest outage is within the target: the best of each price, the cheapest first.

    Of equally cheap ones the highest threshold wins, as it forgives most, up to Route 53's own default of 3; then the
    longest TTL, as it asks the fewest queries.
    """
    found = []
    for interval in INTERVALS:
        fitting = [
            one
            for threshold in THRESHOLDS
            for ttl in TTLS
            if (one := Scenario(interval=interval, threshold=threshold, ttl=ttl)).bound_s <= target
        ]
        if fitting:
            found.append(max(fitting, key=lambda one: (min(one.threshold, 3), one.ttl, one.threshold)))
    priced = [
        Choice(
            interval=one.interval,
            threshold=one.threshold,
            ttl=one.ttl,
            worst=one.bound_s,
            usd_month=total_usd(stack_costs(interval=one.interval)),
        )
        for one in found
    ]
    return tuple(sorted(priced, key=lambda one: one.usd_month))


def shortest_bound_s() -> float:
    """The shortest of all longest outages: no settings promise less."""
    return Scenario(interval=min(INTERVALS), threshold=1, ttl=min(TTLS)).bound_s
