"""What outage to expect from a stack's settings: the bound, and a distribution over uncoordinated health checkers.

Sixteen checkers look at an endpoint, each in its own rhythm, so when it falls silent each needs its own time to have
failed `threshold` times; the check is unhealthy once so many of them have that no more than 18 % still say
healthy: with sixteen, at the fourteenth (aws-facts 1.1). The fourteenth smallest of sixteen independent phases is
beta-distributed, so one draw stands for all sixteen. The seed is fixed: equal settings give equal figures.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from srekv.route53 import CHECKERS, CONNECT_TIMEOUT_S, RESPONSE_TIMEOUT_S, flips_at

DRAWS = 2000
"""How many failovers are simulated; the 95th percentile then moves by less than a second between seeds."""

SILENT_S = CONNECT_TIMEOUT_S
"""How long a probe of a stopped machine takes to fail: nobody answers its SYN."""

UNANSWERED_S = RESPONSE_TIMEOUT_S
"""How long a probe takes to fail when the connection is accepted and nothing follows."""

REFUSED_S = 0.0
"""How long a probe takes to fail when the port refuses, or answers with an error."""

PROBE_FAILURE_S = {"stop": SILENT_S, "power-loss": SILENT_S, "power": SILENT_S, "hang": UNANSWERED_S}
"""How a probe fails, by the name of the fault, now and in old histories; others fail or are refused at once."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A failover's settings; AWS-equivalent seconds.

    Attributes:
        interval: between an answer to a checker and its next request.
        threshold: consecutive failures that flip one checker.
        ttl: of the record.
        probe_failure_s: how long one failing probe takes: SILENT_S, UNANSWERED_S, REFUSED_S.
        pause_s: between two operations of one client.
        op_timeout_s: how long a client waits for one operation.
        clients: how many such clients are watched; the worst of them counts.
    """

    interval: int
    threshold: int
    ttl: int
    probe_failure_s: float = SILENT_S
    pause_s: float = 0.5
    op_timeout_s: float = 2.0
    clients: int = 1

    @property
    def period_s(self) -> float:
        """From one request of a checker to its next while requests fail."""
        return self.interval + self.probe_failure_s

    @property
    def detection_bound_s(self) -> float:
        """The longest that the check can stay healthy: threshold x (interval + a failing probe)."""
        return self.threshold * self.period_s

    @property
    def bound_s(self) -> float:
        """The longest outage: detection, one TTL, one idle pause before the fault, one vain operation at the end."""
        return self.detection_bound_s + self.ttl + self.pause_s + self.turn_s

    @property
    def turn_s(self) -> float:
        """From one vain operation of a client to its next."""
        return max(self.pause_s, self.op_timeout_s)


@dataclass(frozen=True)
class Distribution:
    """Simulated durations, in seconds, sorted."""

    samples: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """The duration that so large a share of the samples (0 to 1) does not exceed."""
        index = math.ceil(share * len(self.samples)) - 1
        return self.samples[max(0, min(index, len(self.samples) - 1))]

    def percentile(self, seconds: float) -> float:
        """How many percent of the samples are shorter."""
        return 100.0 * bisect.bisect_left(self.samples, seconds) / len(self.samples)

    def summary(self) -> dict[str, float]:
        """The shortest, the median, and what nineteen in twenty do not exceed, as members of a JSON document."""
        shares = {"best_s": 0.0, "p50_s": 0.5, "p95_s": 0.95}
        return {name: round(self.quantile(share), 1) for name, share in shares.items()}

    @property
    def best(self) -> float:
        """The shortest."""
        return self.samples[0]

    @property
    def worst(self) -> float:
        """The longest."""
        return self.samples[-1]


def detection(scenario: Scenario, *, seed: int = 1, draws: int = DRAWS) -> Distribution:
    """From the endpoint's last answer to the health verdict."""
    return _distribution(lambda rng: _detection_s(scenario, rng), seed, draws)


def healing(scenario: Scenario, *, seed: int = 1, draws: int = DRAWS) -> Distribution:
    """From the endpoint's first answer to the health verdict: `threshold` passes at the third of sixteen checkers.

    A checker whose request is under way when the endpoint comes back fails once more before it passes.
    """
    passing = CHECKERS - flips_at() + 1

    def draw(rng: random.Random) -> float:
        first = scenario.period_s * rng.betavariate(passing, CHECKERS + 1 - passing)
        return first + (scenario.threshold - 1) * scenario.interval

    return _distribution(draw, seed, draws)


def outage(scenario: Scenario, *, seed: int = 1, draws: int = DRAWS) -> Distribution:
    """What a client that honours the TTL sees, from its last good answer to its next.

    To each client's outage belong its idle time before the fault, and the rest of the operation that is under way when
    the cache empties.
    """

    def draw(rng: random.Random) -> float:
        name = _detection_s(scenario, rng) + scenario.ttl * rng.random()
        around = (scenario.pause_s * rng.random() + scenario.turn_s * rng.random() for _ in range(scenario.clients))
        return name + max(around)

    return _distribution(draw, seed, draws)


def _detection_s(scenario: Scenario, rng: random.Random) -> float:
    last = flips_at()
    first = scenario.interval * rng.betavariate(last, CHECKERS + 1 - last)
    return first + (scenario.threshold - 1) * scenario.interval + scenario.threshold * scenario.probe_failure_s


def _distribution(draw: Callable[[random.Random], float], seed: int, draws: int) -> Distribution:
    rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
    return Distribution(tuple(sorted(draw(rng) for _ in range(draws))))
