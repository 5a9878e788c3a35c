"""Looks at a stack all the time: three kinds of looks, each in a thread of its own, so that none waits for another.

What is asked, and how often: each `pause_s` the stack, by two calls of EC2 and three listings of Route 53 (10/s are
allowed, aws-facts 2.6), and the name and the service, by one command on a node; each CHECK_PAUSE_S one health check.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, Protocol, Self, TypeVar

from srekv.drill.health import HealthWatch
from srekv.drill.vantage import Glance, Response
from srekv.errors import SrekvError
from srekv.provision.model import Check, Deployment, Node, Observation
from srekv.watch.model import CheckSight, Look, Request, ServiceSight, Sight

T = TypeVar("T")

CHECK_PAUSE_S = 5.0
"""AWS-equivalent seconds between two questions about a health check: 0.2 calls/s, beside the 0.8 of a drill no more
than the one a second that Route 53 allows (aws-facts 2.6). Two checks: each is asked once for an interval of 10 s."""

ABSENT_KEY = "srekv-status-watch"
"""A key that nobody writes: reading it asks the table and changes nothing; 404 is the right answer."""

PROBES = (("health", "/health", (200,)), ("read", f"/v1/keys/{ABSENT_KEY}", (200, 404)))
"""What is asked of the service: a name for people, the path, the statuses that are right."""

TIMEOUT_S = 2.0
"""How long each request may take, AWS-equivalent seconds; as the clients of a drill."""

SHORTEST_TIMEOUT_S = 0.5
"""But at least so long, wall-clock seconds: that this computer is busy is no outage."""


class Looker(Protocol):
    """What is asked about a stack; `srekv.provision.target` fulfils it."""

    def deployment(self) -> Deployment:
        """The stack as it is now; raises SrekvError when it is not complete."""

    def observations(self, check: Check) -> tuple[Observation, ...]:
        """The checkers' last reports."""


class View(Protocol):
    """A node to look from; `srekv.drill.vantage` fulfils it."""

    def look(self, paths: tuple[str, ...], *, timeout_s: float) -> Glance:
        """Ask for the name and GET these paths there, wall-clock time-out for each."""


class Eye(Generic[T]):
    """Looks again and again in a thread until `ended` is set; whatever goes wrong becomes part of what it shows.

    Args:
        look: takes one look.
        pause_s: between two looks, wall-clock seconds.
        ended: when to stop.
    """

    def __init__(self, look: Callable[[], T], *, pause_s: float, ended: threading.Event) -> None:
        self._look = look
        self._pause_s = pause_s
        self._ended = ended
        self._opened = threading.Event()
        self.sight: Sight[T] = Sight()
        # A daemon: a call that hangs must not keep the command from ending.
        self._thread = threading.Thread(target=self._work, name=f"watch-{look.__qualname__}", daemon=True)

    def open(self) -> None:
        """Begin to look."""
        self._thread.start()

    def await_first(self, timeout_s: float) -> None:
        """Wait until there has been a look, whatever came of it, at most so long."""
        self._opened.wait(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Wait for the last look, if it does not take longer; `ended` is set before."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._ended.is_set():
            self.sight = self._once(self.sight)
            self._opened.set()
            self._ended.wait(self._pause_s)

    def _once(self, before: Sight[T]) -> Sight[T]:
        try:
            return Sight(value=self._look(), at=datetime.now(UTC))
        except SrekvError as error:
            problem = f"{error.what}: {error.why}" if error.why else error.what
        except Exception as error:  # noqa: BLE001 - a thread that dies would show an old look for ever
            problem = f"{type(error).__name__}: {error}"
        return Sight(value=before.value, at=before.at, problem=problem)


class Eyes:
    """All that `status --watch` looks with; a context manager.

    Args:
        looker: asked about the stack and its checks.
        view: makes a place to look from out of a node.
        deployment: the stack as somebody has just seen it.
        speed: AWS-equivalent seconds in one wall-clock second.
        pause_s: between two looks, wall-clock seconds.
    """

    def __init__(
        self,
        looker: Looker,
        view: Callable[[Deployment, Node], View],
        deployment: Deployment,
        *,
        speed: float,
        pause_s: float,
    ) -> None:
        self._ended = threading.Event()
        self._deployment = deployment
        self._looker = looker
        checks = CheckWatch(looker, speed=speed)
        service = ServiceWatch(view, speed=speed)
        self._stack = Eye(self._look_at_stack, pause_s=pause_s, ended=self._ended)
        self._health = Eye(
            lambda: checks.look(self._deployment.checks), pause_s=CHECK_PAUSE_S / speed, ended=self._ended
        )
        self._service = Eye(lambda: service.look(self._deployment), pause_s=pause_s, ended=self._ended)
        self._all: tuple[Eye[Deployment] | Eye[tuple[CheckSight, ...]] | Eye[ServiceSight], ...]
        self._all = (self._stack, self._health, self._service)

    def __enter__(self) -> Self:
        for eye in self._all:
            eye.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for eye in self._all:
            eye.close(timeout_s=0.3)

    def look(self) -> Look:
        """What has been seen by now; waits for nothing."""
        return Look(
            at=datetime.now(UTC), stack=self._stack.sight, health=self._health.sight, service=self._service.sight
        )

    def await_first(self, timeout_s: float) -> None:
        """Wait until there has been a look of each kind, for each at most so long."""
        for eye in self._all:
            eye.await_first(timeout_s)

    def _look_at_stack(self) -> Deployment:
        self._deployment = self._looker.deployment()
        return self._deployment


class CheckWatch:
    """Follows the health checks, one question at a time."""

    def __init__(self, looker: Looker, *, speed: float) -> None:
        self._looker = looker
        self._speed = speed
        self._watches: dict[str, HealthWatch] = {}
        self._has_begun = False
        self._sights: dict[str, CheckSight] = {}

    def look(self, checks: tuple[Check, ...]) -> tuple[CheckSight, ...]:
        """Ask for the check that has waited longest; the first time for each.

        Raises:
            SrekvError: no answer.
        """
        self._sights = {check.id: self._sights[check.id] for check in checks if check.id in self._sights}
        unseen = [check for check in checks if check.id not in self._sights]
        for check in unseen or sorted(checks, key=lambda one: self._sights[one.id].at)[:1]:
            self._sights[check.id] = self._ask(check)
        self._has_begun = True
        return tuple(self._sights[check.id] for check in checks)

    def _ask(self, check: Check) -> CheckSight:
        reports = self._looker.observations(check)
        followed = HealthWatch(check, speed=self._speed, is_new=self._has_begun)
        watch = self._watches.setdefault(check.id, followed)
        watch.declare(check)
        failed = sorted((one for one in reports if not one.healthy), key=lambda one: one.at)
        before = self._sights.get(check.id)
        return CheckSight(
            check=check,
            healthy=watch.feed(reports),
            checkers=watch.checkers,
            failing=watch.failing,
            failed_reports=len(failed),
            reason=failed[-1].status.removeprefix("Failure: ") if failed else before.reason if before else "",
            reason_at=failed[-1].at if failed else before.reason_at if before else None,
            at=datetime.now(UTC),
        )


class ServiceWatch:
    """Asks for the name and the service from a node that runs, the secondary if it does."""

    def __init__(self, view: Callable[[Deployment, Node], View], *, speed: float) -> None:
        self._view = view
        self._speed = speed
        self._views: dict[tuple[str, str, int], View] = {}

    def look(self, deployment: Deployment) -> ServiceSight:
        """Take one look.

        Raises:
            SrekvError: no node runs, or the one that does takes no commands.
        """
        node = next((one for one in reversed(deployment.nodes) if one.state == "running"), None)
        if node is None:
            raise SrekvError("no node runs that could be asked")
        key = (node.instance_id, deployment.name, deployment.port)
        if key not in self._views:
            self._views[key] = self._view(deployment, node)
        paths, timeout_s = tuple(path for _, path, _ in PROBES), max(SHORTEST_TIMEOUT_S, TIMEOUT_S / self._speed)
        seen = self._views[key].look(paths, timeout_s=timeout_s)
        return ServiceSight(
            asked_from=node.name,
            addresses=seen.resolution.addresses,
            rcode=seen.resolution.rcode,
            ttl_s=seen.resolution.ttl * self._speed,
            requests=tuple(_request(*probe, one) for probe, one in zip(PROBES, seen.responses, strict=True)),
            at=datetime.now(UTC),
        )


def _request(name: str, path: str, right: tuple[int, ...], response: Response) -> Request:
    return Request(
        name=name,
        path=path,
        ok=response.status in right,
        status=response.status,
        node=response.node or "",
        address=response.address or "",
        error=response.error.removeprefix(f"GET {path}: "),
        elapsed_s=response.elapsed_s,
    )
