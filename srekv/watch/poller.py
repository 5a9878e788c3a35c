"""Polls a stack all the time: three sources, each in a thread of its own, so that none waits for another.

What is asked, and how often: each `pause_s` the stack, by two calls of EC2 and three listings of Route 53 (10/s are
allowed, aws-facts 2.6), and the name and the service, by one command on a node; each CHECK_PAUSE_S one health check.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Generic, Self, TypeVar

from srekv.drill.model import FaultTarget
from srekv.drill.observer import HealthWatch
from srekv.drill.vantage import Vantage
from srekv.errors import SrekvError
from srekv.provision.model import Check, Deployment, Node
from srekv.watch.model import CheckSample, Request, Sample, ServiceSample, Snapshot

T = TypeVar("T")

CHECK_PAUSE_S = 5.0
"""AWS-equivalent seconds between two questions about a health check: 0.2 calls/s, with the 0.8 of a drill no more
than the one a second that Route 53 allows (aws-facts 2.6). Two checks: each is asked once for an interval of 10 s."""

ABSENT_KEY = "srekv-status-watch"
"""A key that is never written: reading it asks the table and changes nothing; 404 is the right answer."""

PROBES = (("health", "/health", (200,)), ("read", f"/v1/keys/{ABSENT_KEY}", (200, 404)))
"""What is asked of the service: a name for people, the path, the statuses that are right."""

TIMEOUT_S = 2.0
"""How long each request may take, AWS-equivalent seconds; as the clients of a drill."""

SHORTEST_TIMEOUT_S = 0.5
"""But at least this, wall-clock seconds: that this computer is busy is no outage."""


class Source(Generic[T]):
    """Polls each `pause_s` wall-clock seconds in a thread until `ended` is set; what goes wrong is in its sample."""

    def __init__(self, poll: Callable[[], T], *, pause_s: float, ended: threading.Event) -> None:
        self._poll = poll
        self._pause_s = pause_s
        self._ended = ended
        self._polled = threading.Event()
        self.sample: Sample[T] = Sample()
        # A daemon: a call that hangs must not keep the command from ending.
        self._thread = threading.Thread(target=self._work, name=f"watch-{poll.__qualname__}", daemon=True)
        self.start, self.await_first, self.join = self._thread.start, self._polled.wait, self._thread.join

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                self.sample = Sample(value=self._poll(), at=datetime.now(UTC))
            except SrekvError as error:
                self.sample = replace(self.sample, problem=f"{error.what}: {error.why}" if error.why else error.what)
            except Exception as error:  # noqa: BLE001 - a thread that dies would show an old sample for ever
                self.sample = replace(self.sample, problem=f"{type(error).__name__}: {error}")
            self._polled.set()
            self._ended.wait(self._pause_s)


class Poller:
    """All sources of `status --watch`; a context manager.

    `view` makes a vantage point of a node; `deployment` is the stack as it was read just now; `speed` is
    AWS-equivalent seconds in one wall-clock second, `pause_s` wall-clock seconds between two polls.
    """

    def __init__(
        self,
        target: FaultTarget,
        view: Callable[[Deployment, Node], Vantage],
        deployment: Deployment,
        *,
        speed: float,
        pause_s: float,
    ) -> None:
        self._ended = ended = threading.Event()
        self._deployment = deployment
        self._target = target
        checks, service = CheckPoller(target, speed=speed), ServicePoller(view, speed=speed)
        self._stack = Source(self._read_stack, pause_s=pause_s, ended=ended)
        self._health = Source(lambda: checks.poll(self._deployment.checks), pause_s=CHECK_PAUSE_S / speed, ended=ended)
        self._service = Source(lambda: service.poll(self._deployment), pause_s=pause_s, ended=ended)
        self._all: tuple[Source[Any], ...] = (self._stack, self._health, self._service)

    def __enter__(self) -> Self:
        for source in self._all:
            source.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for source in self._all:
            source.join(0.3)

    def snapshot(self) -> Snapshot:
        """What has been seen by now; waits for nothing."""
        return Snapshot(
            at=datetime.now(UTC), stack=self._stack.sample, health=self._health.sample, service=self._service.sample
        )

    def await_first(self, timeout_s: float) -> None:
        """Wait until each source has been polled, each at most `timeout_s`."""
        for source in self._all:
            source.await_first(timeout_s)

    def _read_stack(self) -> Deployment:
        self._deployment = self._target.deployment()
        return self._deployment


class CheckPoller:
    """Follows the health checks, one question at a time."""

    def __init__(self, target: FaultTarget, *, speed: float) -> None:
        self._target = target
        self._speed = speed
        self._watches: dict[str, HealthWatch] = {}
        self._samples: dict[str, CheckSample] = {}
        self._has_begun = False

    def poll(self, checks: tuple[Check, ...]) -> tuple[CheckSample, ...]:
        """Ask for the check that has waited longest; the first time for each. Raises SrekvError without an answer."""
        self._samples = {check.id: self._samples[check.id] for check in checks if check.id in self._samples}
        unseen = [check for check in checks if check.id not in self._samples]
        for check in unseen or sorted(checks, key=lambda one: self._samples[one.id].at)[:1]:
            self._samples[check.id] = self._ask(check)
        self._has_begun = True
        return tuple(self._samples[check.id] for check in checks)

    def _ask(self, check: Check) -> CheckSample:
        reports = self._target.observations(check)
        new = HealthWatch(check, speed=self._speed, is_new=self._has_begun)
        watch = self._watches.setdefault(check.id, new)
        watch.declare(check)
        failed = sorted((one for one in reports if not one.healthy), key=lambda one: one.at)
        before = self._samples.get(check.id)
        return CheckSample(
            check=check,
            healthy=watch.feed(reports),
            checkers=watch.checkers,
            failing=watch.failing,
            failed_reports=len(failed),
            reason=failed[-1].status.removeprefix("Failure: ") if failed else before.reason if before else "",
            reason_at=failed[-1].at if failed else before.reason_at if before else None,
            at=datetime.now(UTC),
        )


class ServicePoller:
    """Asks for the name and the service from a node that runs, the secondary if it does."""

    def __init__(self, view: Callable[[Deployment, Node], Vantage], *, speed: float) -> None:
        self._view = view
        self._speed = speed
        self._views: dict[tuple[str, str, int], Vantage] = {}

    def poll(self, deployment: Deployment) -> ServiceSample:
        """Ask once; raises SrekvError when no node runs, or the one that does takes no commands."""
        node = next((one for one in reversed(deployment.nodes) if one.state == "running"), None)
        if node is None:
            raise SrekvError("no node runs that could be asked")
        key = (node.instance_id, deployment.name, deployment.port)
        if key not in self._views:
            self._views[key] = self._view(deployment, node)
        paths, timeout_s = tuple(path for _, path, _ in PROBES), max(SHORTEST_TIMEOUT_S, TIMEOUT_S / self._speed)
        seen = self._views[key].look(paths, timeout_s=timeout_s)
        return ServiceSample(
            asked_from=node.name,
            addresses=seen.resolution.addresses,
            rcode=seen.resolution.rcode,
            ttl_s=seen.resolution.ttl * self._speed,
            requests=tuple(
                Request(
                    name=name,
                    path=path,
                    ok=response.status in right,
                    status=response.status,
                    node=response.node or None,
                    address=response.address or None,
                    error=response.error.removeprefix(f"GET {path}: ") or None,
                    elapsed_s=response.elapsed_s,
                )
                for (name, path, right), response in zip(PROBES, seen.responses, strict=True)
            ),
            at=datetime.now(UTC),
        )
