"""Acts on a deployment and their inverses, of which the faults of the catalogue are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from srekv.drill.model import FaultTarget
from srekv.errors import CommandLine, SrekvError
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
class Act:
    """One thing done to a deployment, and its inverse. Both may be repeated.

    Attributes:
        roles: to which nodes.
        silences: whether the nodes answer nothing at all meanwhile, so that their return is to be awaited.
    """

    roles: tuple[Role, ...] = ("primary",)
    silences: bool = False

    def inject(self, target: FaultTarget, deployment: Deployment) -> None:
        """Do it."""
        raise NotImplementedError

    def heal(self, target: FaultTarget, deployment: Deployment) -> None:
        """Undo it; `deployment` is as it was before."""
        raise NotImplementedError


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
    """Run each node's script, all at once.

    Raises:
        SrekvError: one did not run or did not succeed; the others have ended by then.
    """
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
    """Make every call, whatever the others do.

    Raises:
        Exception: the first that was raised.
    """
    errors: list[Exception] = []
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised below, after the others had their chance
            errors.append(error)
    if errors:
        raise errors[0]
