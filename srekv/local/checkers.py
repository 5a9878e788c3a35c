"""The health checkers: sixteen independent probers for each health check, two in each of Route 53's regions.

They do not coordinate: each starts at a random moment of the interval and asks again one interval after it had its
answer, so the endpoint sees bursts, as on AWS. Each keeps a pace of its own, since each is at another distance: an
endpoint that answers all that wait for it at once would else have them in step for ever. One event loop runs them all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from srekv.local.model import HealthCheck
from srekv.local.prober import PROBED_TYPES, probe
from srekv.route53 import Opinion, verdict

REGIONS = (
    *("us-east-1", "us-west-1", "us-west-2", "eu-west-1"),
    *("ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"),
)
"""Where Route 53 has health checkers (the API's HealthCheckRegion)."""

_SPREAD = 0.02  # the share of the interval by which a prober's pace may be faster or slower


class Checkers:
    """Runs the probers of every health check; all methods belong to the event loop's thread.

    `speed` divides every interval and time-out; `on_change` is called whenever the verdict on a check has changed;
    `seed` makes the probers' moments repeatable.
    """

    def __init__(self, *, speed: float, on_change: Callable[[], None], seed: int | None = None) -> None:
        self._speed = speed
        self._on_change = on_change
        self._seed = random.randrange(1 << 30) if seed is None else seed  # noqa: S311 - spreads probes, guards nothing
        self._watches: dict[str, _Watch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def apply(self, checks: Iterable[HealthCheck]) -> None:
        """Converge to these health checks: start, update and end probers."""
        wanted = {check.id: check for check in checks}
        for gone in self._watches.keys() - wanted.keys():
            watch = self._watches.pop(gone)
            watch.end()
            if not watch.last_verdict:
                self._on_change()  # a check that is gone counts as healthy
        for check_id, check in wanted.items():
            watch = self._watches.setdefault(check_id, _Watch(check))
            watch.check = check
            looks = check.type in PROBED_TYPES and not check.disabled
            if looks and not watch.probers:
                self._begin(watch)
            elif not looks:
                watch.end()
            self._judge(watch)

    def observations(self, check_id: str) -> list[dict[str, Any]]:
        """What each prober saw last: checker, region, healthy, status, at (unix seconds); [] for an unknown check."""
        watch = self._watches.get(check_id)
        return [prober.observation for prober in watch.probers if prober.observation] if watch else []

    def healthy(self, check_id: str) -> bool:
        """The verdict on a check; a check that does not exist counts as healthy."""
        watch = self._watches.get(check_id)
        return watch is None or watch.verdict()

    async def close(self) -> None:
        """End every prober and wait until its sockets are closed."""
        for watch in self._watches.values():
            watch.end()
        self._watches.clear()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _begin(self, watch: _Watch) -> None:
        for index, region in enumerate(REGIONS):
            for number in (1, 2):  # so a check has sixteen probers (aws-facts 1.1)
                prober = _Prober(region=region, address=f"127.54.{index}.{number}")
                task = asyncio.create_task(self._run(watch, prober))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                watch.probers[prober] = task

    async def _run(self, watch: _Watch, prober: _Prober) -> None:
        dice = random.Random(f"{self._seed}/{watch.check.id}/{prober.address}")  # noqa: S311 - guards nothing
        await asyncio.sleep(dice.random() * watch.check.interval / self._speed)
        share = pace(dice)
        while True:
            check = watch.check
            report = await probe(check, source=prober.address, speed=self._speed)
            if _asked(check) == _asked(watch.check):
                prober.opinion = prober.opinion.after(report.passed, threshold=watch.check.threshold)
                held = prober.opinion.healthy
                prober.observation = {
                    "checker": prober.address,
                    "region": prober.region,
                    "healthy": report.passed if held is None else held,  # without an opinion, the last probe decides
                    "status": report.status,
                    "at": time.time(),
                }
                self._judge(watch)
            await asyncio.sleep(share * watch.check.interval / self._speed)

    def _judge(self, watch: _Watch) -> None:
        now = watch.verdict()
        if now is not watch.last_verdict:
            watch.last_verdict = now
            self._on_change()


def pace(dice: random.Random) -> float:
    """The share of the interval that one prober waits between two looks, for its whole life."""
    return dice.uniform(1 - _SPREAD, 1 + _SPREAD)


def _asked(check: HealthCheck) -> tuple[object, ...]:
    """What a probe depends on: what was seen of one configuration holds for another one that asks the same."""
    return check.type, check.address, check.port, check.path, check.host, check.search


class _Watch:
    """A health check with its probers; `last_verdict` starts as DNS takes an unknown check: healthy."""

    def __init__(self, check: HealthCheck) -> None:
        self.check = check
        self.probers: dict[_Prober, asyncio.Task[None]] = {}
        self.last_verdict = True

    def verdict(self) -> bool:
        opinions = [prober.opinion.healthy for prober in self.probers]
        return verdict(opinions, inverted=self.check.inverted, disabled=self.check.disabled)

    def end(self) -> None:
        for task in self.probers.values():
            task.cancel()
        self.probers.clear()


@dataclass(kw_only=True, eq=False)
class _Prober:
    """One checker's memory: its opinion and, as the control plane wants it, the last thing it saw."""

    region: str
    address: str
    opinion: Opinion = field(default_factory=Opinion)
    observation: dict[str, Any] | None = None
