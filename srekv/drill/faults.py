"""Acts on a deployment and their inverses, of which the faults of the catalogue are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from srekv.drill.model import Hands
from srekv.errors import CommandLine, SrekvError
from srekv.provision.model import Deployment, Node, Role

FAULT_FILE = "/run/srekv/fault"
"""What the service looks at for every request; systemd removes its directory with the service (srekv/app/README.md)."""

COMMAND_S = 60.0
"""How long one command on a node may take, wall-clock seconds."""

BOTH: tuple[Role, ...] = ("primary", "secondary")

CLEAR = f"rm -f {FAULT_FILE}"
START = "systemctl start srekv"
_STOP = "systemctl stop srekv"


class Act(Protocol):
    """One thing done to a deployment, and its inverse. Both may be repeated."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """To which nodes."""

    @property
    def silences(self) -> bool:
        """Whether the nodes answer nothing at all meanwhile, so that their return is to be awaited."""

    def inject(self, hands: Hands, deployment: Deployment) -> None:
        """Do it."""

    def heal(self, hands: Hands, deployment: Deployment) -> None:
        """Undo it; `deployment` is as it was before."""


@dataclass(frozen=True, kw_only=True)
class StopInstance:
    """The primary's instance stops, with or without an OS shutdown."""

    hard: bool
    roles: tuple[Role, ...] = ("primary",)
    silences: bool = True

    def inject(self, hands: Hands, deployment: Deployment) -> None:
        """StopInstances."""
        hands.stop(deployment.node("primary"), skip_os_shutdown=self.hard)

    def heal(self, hands: Hands, deployment: Deployment) -> None:
        """StartInstances; EC2 leaves a running one alone."""
        hands.start(deployment.node("primary"))


@dataclass(frozen=True, kw_only=True)
class Misbehave:
    """The service does what these words say, each node its own."""

    words: dict[Role, tuple[str, ...]]
    silences: bool = False

    @property
    def roles(self) -> tuple[Role, ...]:
        """Those with words."""
        return tuple(self.words)

    def inject(self, hands: Hands, deployment: Deployment) -> None:
        """Write the words; a rename, so that nobody reads half of them."""
        scripts = {
            deployment.node(role): (
                f"set -eu\numask 022\nprintf '%s\\n' '{' '.join(words)}' >{FAULT_FILE}.new\n"
                f"mv {FAULT_FILE}.new {FAULT_FILE}"
            )
            for role, words in self.words.items()
        }
        run_all(hands, scripts)

    def heal(self, hands: Hands, deployment: Deployment) -> None:
        """Remove the file where there can be one: a node that does not run has lost it with its /run."""
        running = {node.name for node in hands.deployment().nodes if node.state == "running"}
        nodes = [deployment.node(role) for role in self.words]
        run_all(hands, {node: CLEAR for node in nodes if node.name in running})


@dataclass(frozen=True, kw_only=True)
class StopService:
    """systemd stops the service; the instances go on."""

    roles: tuple[Role, ...]
    silences: bool = True

    def inject(self, hands: Hands, deployment: Deployment) -> None:
        """Stop it on every node at once."""
        run_all(hands, {deployment.node(role): _STOP for role in self.roles})

    def heal(self, hands: Hands, deployment: Deployment) -> None:
        """Start it; systemd leaves a running one alone."""
        run_all(hands, {deployment.node(role): START for role in self.roles})


@dataclass(frozen=True, kw_only=True)
class Invert:
    """The primary's health check says the opposite of what its checkers see."""

    roles: tuple[Role, ...] = ("primary",)
    silences: bool = False

    def inject(self, hands: Hands, deployment: Deployment) -> None:
        """Set the flag."""
        hands.invert(deployment.check("primary"), inverted=True)

    def heal(self, hands: Hands, deployment: Deployment) -> None:
        """Clear the flag."""
        hands.invert(deployment.check("primary"), inverted=False)


@dataclass(frozen=True, kw_only=True)
class Flap:
    """The primary's service stops and comes back, again and again; `blink` is one time, and ends with it started."""

    roles: tuple[Role, ...] = ("primary",)
    silences: bool = True

    def inject(self, hands: Hands, deployment: Deployment) -> None:
        """The first time is as the others."""

    def blink(self, hands: Hands, deployment: Deployment, *, seconds: float) -> None:
        """Stop the service for so many wall-clock seconds; the node starts it again even if nobody waits for that."""
        script = f"trap '{START}' EXIT\n{_STOP}\nsleep {seconds:.3f}"
        run_all(hands, {deployment.node("primary"): script}, timeout_s=COMMAND_S + seconds)

    def heal(self, hands: Hands, deployment: Deployment) -> None:
        """Start it."""
        run_all(hands, {deployment.node("primary"): START})


def run_all(hands: Hands, scripts: dict[Node, str], *, timeout_s: float = COMMAND_S) -> None:
    """Run each node's script, all at once.

    Raises:
        SrekvError: one did not run or did not succeed; the others have ended by then.
    """
    if len(scripts) < 2:
        for node, script in scripts.items():
            _run(hands, node, script, timeout_s)
        return
    with ThreadPoolExecutor(len(scripts)) as pool:
        jobs = [pool.submit(_run, hands, node, script, timeout_s) for node, script in scripts.items()]
    attempt_all([job.result for job in jobs])


def _run(hands: Hands, node: Node, script: str, timeout_s: float) -> None:
    result = hands.run(node, script, timeout_s=timeout_s)
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
    first: Exception | None = None
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised below, after the others had their chance
            first = first or error
    if first is not None:
        raise first
