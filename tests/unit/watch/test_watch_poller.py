"""How a watcher polls: one check at a time, from a node that runs, and on whatever goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from queue import Queue

import pytest

from srekv.config import Config
from srekv.drill.vantage import Glance, Resolution, Response
from srekv.errors import SrekvError
from srekv.provision.engine.clients import Clients
from srekv.provision.model import Check, Deployment, Node, Observation
from srekv.watch.model import Sample
from srekv.watch.poller import PROBES, CheckPoller, ServicePoller, Source
from tests.support.waiting import until

DEADLINE_S = 30
AGREED = 3
"""Failures in a row that count."""


@dataclass
class Checkers:
    """A fault target whose sixteen checkers report anew each time they are asked for."""

    stack: Deployment
    says: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def deployment(self) -> Deployment:
        """The stack."""
        return self.stack

    def observations(self, check: Check) -> tuple[Observation, ...]:
        """All say the same."""
        self.asked.append(check.name)
        at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=len(self.asked))
        healthy = self.says.get(check.name, True)
        status = "Success: HTTP Status Code 200, OK" if healthy else "Failure: Connection timed out."
        return tuple(
            Observation(checker=f"192.0.2.{n}", region="us-east-1", healthy=healthy, status=status, at=at)
            for n in range(16)
        )


def test_checks_are_asked_in_turn(deployment: Deployment) -> None:
    """Each at once in the beginning, then one with each look: Route 53 allows few such questions."""
    checkers = Checkers(deployment)
    watch = CheckPoller(checkers, speed=1)
    for _ in range(4):
        assert [one.check.name for one in watch.poll(deployment.checks)] == ["hc-az1", "hc-az2"]
    assert checkers.asked == ["hc-az1", "hc-az2", "hc-az1", "hc-az2", "hc-az1"]


def test_a_verdict_needs_several_failures_and_remembers_the_reason(deployment: Deployment) -> None:
    """Failed reports show at once, the verdict changes after three, and the reason stays when they succeed again."""
    checkers = Checkers(deployment)
    watch = CheckPoller(checkers, speed=1)
    primary = deployment.checks[:1]
    watch.poll(primary)
    checkers.says["hc-az1"] = False
    seen = [watch.poll(primary)[0] for _ in range(AGREED)]
    assert [(one.healthy, one.passing, one.failed_reports) for one in seen] == [
        (True, 16, 16),
        (True, 16, 16),
        (False, 0, 16),
    ]
    checkers.says["hc-az1"] = True
    (after,) = watch.poll(primary)
    assert (after.failed_reports, after.reason, after.reason_at) == (0, "Connection timed out.", seen[-1].reason_at)


def test_a_check_that_is_gone_is_forgotten(deployment: Deployment) -> None:
    """A stack that was made anew has other checks; what was known of the old ones is not shown."""
    checkers = Checkers(deployment)
    watch = CheckPoller(checkers, speed=1)
    watch.poll(deployment.checks)
    anew = replace(deployment.checks[0], id="id-new")
    assert [one.check.id for one in watch.poll((anew, deployment.checks[1]))] == ["id-new", "id-az2"]


def test_a_check_that_was_made_meanwhile_begins_healthy(deployment: Deployment) -> None:
    """Its nodes still boot: the first failures make no verdict, as they make none on AWS."""
    checkers = Checkers(deployment)
    watch = CheckPoller(checkers, speed=1)
    watch.poll(deployment.checks)
    checkers.says["hc-az1"] = False
    anew = replace(deployment.checks[0], id="id-new")
    seen = [watch.poll((anew,))[0] for _ in range(AGREED)]
    assert [one.healthy for one in seen] == [True, True, False]


@dataclass
class Place:
    """A vantage point that answers as the service does when all is well, or `status` in place of each right one."""

    node: Node
    status: int | None = None
    asked: list[tuple[tuple[str, ...], float]] = field(default_factory=list)

    def look(self, paths: tuple[str, ...], *, timeout_s: float) -> Glance:
        """An answer and a response for each path."""
        self.asked.append((paths, timeout_s))
        resolution = Resolution(rcode="NOERROR", addresses=("192.0.2.1",), ttl=1, system=None, system_error="")
        return Glance(resolution=resolution, responses=tuple(self._response(right[-1]) for _, _, right in PROBES))

    def _response(self, right: int) -> Response:
        return Response(
            status=self.status or right, node="az1", address="192.0.2.1", body=b"", error="", elapsed_s=0.01
        )


@pytest.mark.parametrize(
    ("states", "asks"),
    [(("running", "running"), "az2"), (("running", "stopped"), "az1"), (("stopped", "running"), "az2")],
)
def test_a_node_that_runs_is_asked(deployment: Deployment, states: tuple[str, str], asks: str) -> None:
    """The secondary, which survives a drill, before the primary; the TTL follows the speed."""
    nodes = tuple(replace(node, state=state) for node, state in zip(deployment.nodes, states, strict=True))
    places: list[Place] = []

    def view(_: Deployment, node: Node) -> Place:
        places.append(Place(node))
        return places[-1]

    watch = ServicePoller(view, speed=10)
    for _ in range(2):
        seen = watch.poll(replace(deployment, nodes=nodes))
    assert (seen.asked_from, seen.addresses, seen.ttl_s) == (asks, ("192.0.2.1",), 10)
    assert [(one.name, one.ok) for one in seen.requests] == [("health", True), ("read", True)]
    assert [place.node.name for place in places] == [asks]
    assert len(places[0].asked) == 2


@pytest.mark.parametrize(("speed", "timeout_s"), [(1, 2.0), (2, 1.0), (100, 0.5)])
def test_time_outs_follow_the_speed_but_a_busy_computer_is_no_outage(
    deployment: Deployment, speed: float, timeout_s: float
) -> None:
    """AWS's two seconds, never less than half a real one."""
    place = Place(deployment.nodes[1])
    ServicePoller(lambda *_: place, speed=speed).poll(deployment)
    assert [one for _, one in place.asked] == [timeout_s]


def test_an_absent_key_is_a_good_read_and_an_error_is_not(deployment: Deployment) -> None:
    """The read is of a key that nobody writes: 404 says that the table answered, 503 that it did not."""
    watch = ServicePoller(lambda _, node: Place(node, status=503), speed=1)
    seen = watch.poll(deployment)
    assert [(one.name, one.ok, one.status) for one in seen.requests] == [("health", False, 503), ("read", False, 503)]


def test_nobody_to_ask_is_an_error(deployment: Deployment) -> None:
    """With both nodes stopped nobody inside the VPC can be asked."""
    nodes = tuple(replace(node, state="stopped") for node in deployment.nodes)
    with pytest.raises(SrekvError, match="no node runs"):
        ServicePoller(lambda _, node: Place(node), speed=1).poll(replace(deployment, nodes=nodes))


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (SrekvError("it is gone", why="somebody took it"), "it is gone: somebody took it"),
        (SrekvError("it is gone"), "it is gone"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_what_goes_wrong_is_shown_beside_what_was_seen(error: Exception, problem: str) -> None:
    """A look that fails leaves the one before with its time, and the next one goes on."""
    ended, polls = threading.Event(), Queue[Callable[[], int]]()

    def poll() -> int:
        return polls.get(timeout=DEADLINE_S)()

    source = Source(poll, pause_s=0.001, ended=ended)
    source.start()
    polls.put(lambda: 1)
    source.await_first(DEADLINE_S)
    first = source.sample
    assert (first.value, first.problem) == (1, "")

    polls.put(lambda: _raise(error))
    until(lambda: source.sample != first)
    assert source.sample == Sample(value=1, at=first.at, problem=problem)

    polls.put(lambda: 2)
    until(lambda: source.sample.value == 2)
    assert source.sample.problem == ""
    ended.set()
    polls.put(lambda: 3)
    source.join(DEADLINE_S)


def _raise(error: Exception) -> int:
    raise error


def test_clients_for_looking_give_up_soon() -> None:
    """A call that fails is made twice at most, in the same Region: the next look follows anyhow."""
    patient = Clients(Config(region="eu-west-1", access_key="k", secret_key="s"))
    brisk = patient.brisk()
    assert brisk.route53.meta.config.retries["total_max_attempts"] == 2  # type: ignore[attr-defined]
    assert patient.route53.meta.config.retries["total_max_attempts"] == 6  # type: ignore[attr-defined]
    assert brisk.ec2.meta.region_name == "eu-west-1"
