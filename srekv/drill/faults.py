"""The faults that a drill knows: the rows of faults.toml, and the acts, with their inverses, that they are made of."""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from typing import Any

from srekv.drill.model import Expectation, FaultTarget
from srekv.errors import CommandLine, SrekvError, none_of
from srekv.provision.model import Deployment, Node, Role

FAULT_FILE = "/run/srekv/fault"
"""What the service reads for every request; systemd removes its directory with the service (srekv/app/README.md)."""

COMMAND_S = 60.0
"""How long one command on a node may take, wall-clock seconds."""

BOTH: tuple[Role, ...] = ("primary", "secondary")

CLEAR = f"rm -f {FAULT_FILE}"
START = "systemctl start srekv"
_STOP = "systemctl stop srekv"


@dataclass(frozen=True, kw_only=True)
class Act(ABC):
    """One thing done to the nodes with these roles, and its inverse. Both may be repeated.

    `silences`: the nodes answer nothing at all meanwhile, so that their return is to be awaited.
    """

    roles: tuple[Role, ...] = ("primary",)
    silences: bool = False

    @abstractmethod
    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """Do it."""

    @abstractmethod
    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """Undo it; `deployment` is as it was before."""


@dataclass(frozen=True, kw_only=True)
class StopInstance(Act):
    """The primary's instance stops, with or without an OS shutdown."""

    hard: bool
    silences: bool = True

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """StopInstances."""
        target.stop(deployment.node("primary"), skip_os_shutdown=self.hard)

    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """StartInstances; EC2 leaves a running one alone."""
        target.start(deployment.node("primary"))


@dataclass(frozen=True, kw_only=True)
class Misbehave(Act):
    """The service does what these words mean, each of the nodes its own."""

    words: dict[Role, str]

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """Write the words; a rename, so that no request reads half of them."""
        scripts = {
            deployment.node(role): (
                f"set -eu\numask 022\nprintf '%s\\n' '{self.words[role]}' >{FAULT_FILE}.new\n"
                f"mv {FAULT_FILE}.new {FAULT_FILE}"
            )
            for role in self.roles
        }
        run_all(target, scripts)

    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """Remove the file where there can be one: a node that does not run has lost it with its /run."""
        running = {node.name for node in target.deployment().nodes if node.state == "running"}
        nodes = [deployment.node(role) for role in self.roles]
        run_all(target, {node: CLEAR for node in nodes if node.name in running})


@dataclass(frozen=True, kw_only=True)
class StopService(Act):
    """systemd stops the service; the instances go on."""

    silences: bool = True

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """Stop it on every node at once."""
        run_all(target, {deployment.node(role): _STOP for role in self.roles})

    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """Start it; systemd leaves a running one alone."""
        run_all(target, {deployment.node(role): START for role in self.roles})


@dataclass(frozen=True, kw_only=True)
class Flap(StopService):
    """The primary's service stops and comes back, again and again; `blink` is one time, and ends with it started."""

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """The first time is as the others."""

    def blink(self, target: FaultTarget, deployment: Deployment, *, seconds: float) -> None:
        """Stop the service for so many wall-clock seconds; the node itself starts it again."""
        script = f"trap '{START}' EXIT\n{_STOP}\nsleep {seconds:.3f}"
        run_all(target, {deployment.node("primary"): script}, timeout_s=COMMAND_S + seconds)


@dataclass(frozen=True, kw_only=True)
class Invert(Act):
    """The primary's health check reports the opposite of what its checkers see."""

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """Set the flag."""
        target.invert(deployment.check("primary"), inverted=True)

    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """Clear the flag."""
        target.invert(deployment.check("primary"), inverted=False)


def run_all(target: FaultTarget, scripts: dict[Node, str], *, timeout_s: float = COMMAND_S) -> None:
    """Run each node's script, all at once; raises SrekvError, at the end of all, when one did not succeed."""
    calls: list[Callable[[], object]] = [
        partial(_run, target, node, script, timeout_s) for node, script in scripts.items()
    ]
    if len(calls) > 1:
        with ThreadPoolExecutor(len(calls)) as pool:
            calls = [job.result for job in [pool.submit(call) for call in calls]]
    attempt_all(calls)


def _run(target: FaultTarget, node: Node, script: str, timeout_s: float) -> None:
    result = target.run(node, script, timeout_s=timeout_s)
    if result.code != 0:
        raise SrekvError(
            f"a command failed on {node.name} ({node.instance_id})",
            why=f"{result.status}, exit code {result.code}: {(result.stderr or result.stdout).strip()[-400:]}",
            next_step=CommandLine("srekv status"),
        )


def attempt_all(calls: Sequence[Callable[[], object]]) -> None:
    """Make every call, whatever the others do; then the first exception of them all is raised."""
    errors: list[Exception] = []
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised below, after the others had their chance
            errors.append(error)
    if errors:
        raise errors[0]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One fault; --fault takes its `name`, or the `former` one.

    `title` is what is done, `hypothesis` what must happen, and why, `rule` when the drill has held, each for a person;
    `expectation` is the same for the verdict. It acts through the services that it `needs`.
    """

    name: str
    title: str
    hypothesis: str
    rule: str
    needs: tuple[str, ...]
    expectation: Expectation
    act: Act
    former: str = ""

    def to_json(self) -> dict[str, object]:
        """As an item of `failover-test --list`."""
        members = {name: getattr(self, name) for name in ("name", "title", "hypothesis", "rule", "needs")}
        return {**members, "expect": vars(self.expectation)}


ACTS: dict[str, Act] = {
    "stop": StopInstance(hard=False),
    "power-loss": StopInstance(hard=True),
    "hang": Misbehave(words={"primary": "hang"}, silences=True),
    "unhealthy": Misbehave(words={"primary": "unhealthy"}),
    "gray-failure": Misbehave(words={"primary": "lying"}),
    "both-nodes": StopService(roles=BOTH),
    "flap": Flap(),
    "dynamodb": Misbehave(words=dict.fromkeys(BOTH, "no-table"), roles=BOTH),
    "manual-failover": Invert(),
}


def _entry(name: str, row: dict[str, Any]) -> Entry:
    expectation = Expectation(switch=row.pop("switch", None), outage=row.pop("outage"))
    return Entry(name=name, expectation=expectation, act=ACTS[name], **row | {"needs": tuple(row["needs"])})


_ROWS = tomllib.loads(resources.files("srekv.drill").joinpath("faults.toml").read_text())
CATALOGUE = tuple(_entry(name, row) for name, row in _ROWS.items())

NAMES = tuple(entry.name for entry in CATALOGUE)
BREAKS = ("stale-reads", "lost-writes")
"""Ways to make the service itself wrong, to prove that the verdict catches it."""


def entry(name: str) -> Entry:
    """The fault of that name; raises UsageError when there is none."""
    for one in CATALOGUE:
        if name in {one.name, one.former}:
            return one
    raise none_of("--fault", name, NAMES)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault as it is carried out: the acts in their order, the fault's own last."""

    entry: Entry
    acts: tuple[Act, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """The nodes that the fault itself is in; a service that is wrong on purpose is wrong everywhere."""
        return self.acts[-1].roles

    @property
    def silences(self) -> bool:
        """Whether those nodes answer nothing at all meanwhile."""
        return any(act.silences for act in self.acts)

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """Every act, in order."""
        for act in self.acts:
            act.inject(target, deployment)

    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """Every act backwards; the first that cannot be healed raises SrekvError, once the others have been."""
        attempt_all([partial(act.heal, target, deployment) for act in reversed(self.acts)])


def fault(entry: Entry, *, wrong: str = "") -> Fault:
    """The fault of that entry; `wrong` is a word that makes the service itself wrong as long as it lasts."""
    act = entry.act
    if not wrong:
        return Fault(entry=entry, acts=(act,))
    if isinstance(act, Misbehave):
        words = {role: f"{wrong} {act.words.get(role, '')}".rstrip() for role in BOTH}
        return Fault(entry=entry, acts=(replace(act, words=words, roles=BOTH),))
    return Fault(entry=entry, acts=(Misbehave(words=dict.fromkeys(BOTH, wrong), roles=BOTH), act))
