"""What a drill needs from the world, as Protocols, and what it says, as frozen data."""

from __future__ import annotations

from typing import Protocol

from srekv.provision.model import Check, CommandResult, Deployment, Node, Observation


class Hands(Protocol):
    """What a drill may do to a deployment. `srekv.provision.hands` fulfils it; tests bring fakes."""

    def deployment(self) -> Deployment:
        """The stack as it is now; raises SrekvError when it is not complete."""

    def stop(self, node: Node, *, skip_os_shutdown: bool = False) -> None:
        """Ask for the instance to stop; returns as soon as AWS accepts it."""

    def start(self, node: Node) -> None:
        """Ask for the instance to start; waits for it to have stopped first, returns as soon as AWS accepts it."""

    def invert(self, check: Check, *, inverted: bool) -> None:
        """Set or clear a health check's Inverted flag."""

    def observations(self, check: Check) -> tuple[Observation, ...]:
        """The checkers' last reports; callers poll no faster than one check a second (aws-facts 2.6)."""

    def run(self, node: Node, script: str, *, timeout_s: float) -> CommandResult:
        """Run a shell script on the node inside the VPC and wait for its end.

        Raises:
            SrekvError: the node does not take commands (not registered, stopped).
            TimeoutExceeded: no answer within timeout_s wall-clock seconds.
        """
