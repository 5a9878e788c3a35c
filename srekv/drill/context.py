"""What the steps of one drill share: the deployment, the vantage point, the timeline, and how to wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from srekv.drill.faults import Entry, Fault
from srekv.drill.model import Clock, FaultTarget, Narrator, Objectives, Settings, detection_bound_s, outage_bound_s
from srekv.drill.observer import CHECK_POLL_S, Observer
from srekv.drill.switch import poll, switch_wait_s
from srekv.drill.timeline import Timeline
from srekv.drill.vantage import Vantage
from srekv.errors import TimeoutExceeded
from srekv.provision.model import Check, Deployment, Node, Role

STEADY_S = 8.0
"""How long the load runs before the fault, and after each switch, AWS-equivalent seconds."""

API_WAIT_S = 420.0
"""Wall-clock seconds that a drill may need on top of its own waits: an instance that stops, calls that are retried."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to drill, and what the run is held to.

    `vantage` is the id of the instance that the load runs on; None: the node that survives.
    """

    fault: Fault
    objectives: Objectives = field(default_factory=Objectives)
    vantage: str | None = None


@dataclass(frozen=True, kw_only=True)
class DrillContext:
    """One drill's surroundings. A wait that is in vain is left to the verdict: the narrator is warned.

    `admitted` is the address that was let in for the vantage point, "" if none was.
    """

    fault_target: FaultTarget
    settings: Settings
    narrator: Narrator
    clock: Clock
    deployment: Deployment
    view: Vantage
    timeline: Timeline
    observer: Observer
    order: Order
    admitted: str

    @property
    def entry(self) -> Entry:
        """The fault as the catalogue has it."""
        return self.order.fault.entry

    @property
    def primary(self) -> Node:
        """The node that fails, alone or with the other one."""
        return self.deployment.node("primary")

    @property
    def title(self) -> str:
        """The fault and its nodes, for a person."""
        nodes = "+".join(self.deployment.node(role).name for role in self.order.fault.roles)
        return f"{self.entry.name} {nodes}"

    @property
    def bound_s(self) -> float:
        """The longest outage that the stack's settings explain, if the name switches."""
        return outage_bound_s(self.deployment.check("primary"), ttl=self.deployment.ttl, settings=self.settings)

    @property
    def hold_s(self) -> float:
        """How long a fault lasts that must not make the name switch: as long as a switch would take at most."""
        return detection_bound_s(self.deployment.check("primary")) + self.deployment.ttl + STEADY_S

    @property
    def longest_s(self) -> float:
        """After how many wall-clock seconds the fault has certainly been healed, if this process lives."""
        verdicts = sum(_verdict_wait_s(check) for check in self.deployment.checks)
        waits = verdicts + switch_wait_s(self.settings, self.deployment) + 2 * self.hold_s + STEADY_S
        return self.settings.wall(waits) + API_WAIT_S

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Narrate a phase that needs no wait of its own."""
        self.narrator.started(name)
        yield
        self.narrator.finished(name, "done")

    def last(self, seconds: float) -> None:
        """Let so many AWS-equivalent seconds pass, polling the checks."""
        end = self.clock.time() + self.settings.wall(seconds)
        while (left := end - self.clock.time()) > 0:
            self.observer.poll()
            self.clock.sleep(min(self.settings.wall(CHECK_POLL_S / 2), left))

    def settle(self) -> None:
        """Let the load run on for a while."""
        self.last(STEADY_S)

    def await_verdict(self, role: Role, *, healthy: bool) -> None:
        """Wait until that node's check is healthy, or unhealthy; one that never is is left to the verdict."""
        check = self.deployment.check(role)
        word = "healthy" if healthy else "unhealthy"
        phase = f"{check.name} becomes {word}"

        def complaint() -> str:
            self.observer.poll()
            return "" if self.observer.healthy(role) == healthy else f"it is not {word}"

        self.narrator.started(phase)
        begin, wall = self.clock.time(), self.settings.wall
        try:
            poll(self.clock, phase, complaint, every_s=wall(CHECK_POLL_S / 2), wait_s=wall(_verdict_wait_s(check)))
        except TimeoutExceeded as error:
            self.narrator.warn(error.what)
        else:
            self.narrator.finished(phase, f"after {(self.clock.time() - begin) * self.settings.speed:.1f} s")

    def await_answer(self, node: Node) -> None:
        """Wait until the name answers that node; a name that never does is left to the verdict."""
        phase = f"the name answers {node.name}"
        self.narrator.started(phase)
        end = self.clock.time() + self.settings.wall(switch_wait_s(self.settings, self.deployment))
        while not self.view.watch((node.address,), timeout_s=2 * CHECK_POLL_S).matched:
            if self.clock.time() >= end:
                self.narrator.warn(f"{self.deployment.name} did not switch to {node.name} ({node.address})")
                return
            self.observer.poll()
        self.narrator.finished(phase, f"{self.deployment.name} answers {node.address}")


def _verdict_wait_s(check: Check) -> float:
    return 2 * detection_bound_s(check) + 30
