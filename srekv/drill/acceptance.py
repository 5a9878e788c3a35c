"""The lab's tests 4.1-4.3, from both nodes: the name answers AZ-a, a write is read back, AZ-b reads what AZ-a wrote."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from srekv.drill.model import FaultTarget, Finding, Settings
from srekv.drill.vantage import Response, Vantage, vantage
from srekv.provision.model import Deployment, Node

WRITTEN = b'{"status": "written"}'
"""What the lab's /write answers, to the byte."""


def acceptance(target: FaultTarget, settings: Settings) -> tuple[Finding, ...]:
    """Test the deployment from both nodes; a finding for each expectation, in the lab's order.

    Test keys are removed again, whatever the outcome.

    Raises:
        SrekvError: the stack is not complete, or a node does not take commands.
    """
    deployment = target.deployment()
    inspections = [
        Inspection(vantage(target, settings, deployment, node), deployment, f"srekv-test-{settings.run_id}-{node.name}")
        for node in sorted(deployment.nodes, key=lambda node: node.role)
    ]
    with ThreadPoolExecutor(len(inspections)) as pool:
        return tuple(finding for findings in pool.map(Inspection.findings, inspections) for finding in findings)


@dataclass(frozen=True)
class Inspection:
    """The tests as one node runs them; `key` is its own, so that the nodes do not meet."""

    view: Vantage
    deployment: Deployment
    key: str

    def findings(self) -> tuple[Finding, ...]:
        """Every test, then the test keys removed."""
        primary = self.deployment.node("primary")
        secondary = self.deployment.node("secondary")
        try:
            return (
                self._timed(f"the resolver answers {primary.address} first", self._resolver_answers),
                self._timed(f"getaddrinfo answers {primary.address} first", self._system_answers),
                self._timed("write and read through the name", lambda: self._round_trip(None, None)),
                self._timed(
                    f"{secondary.name} reads what {primary.name} wrote", lambda: self._round_trip(primary, secondary)
                ),
                self._timed(
                    f"{primary.name} reads what {secondary.name} wrote", lambda: self._round_trip(secondary, primary)
                ),
            )
        finally:
            self.view.request("DELETE", f"/v1/keys/{self.key}")

    def _timed(self, name: str, test: Callable[[], tuple[bool, str]]) -> Finding:
        begin = time.monotonic()
        passed, detail = test()
        return Finding(
            name=f"{self.view.node.name}: {name}", passed=passed, detail=detail, elapsed_s=time.monotonic() - begin
        )

    def _resolver_answers(self) -> tuple[bool, str]:
        seen = self.view.resolve(system=False)
        detail = f"{', '.join(seen.addresses) or seen.rcode} (TTL {seen.ttl})"
        return self._is_primary(seen.addresses), detail

    def _system_answers(self) -> tuple[bool, str]:
        seen = self.view.resolve()
        return self._is_primary(seen.system or ()), ", ".join(seen.system or ()) or seen.system_error

    def _is_primary(self, addresses: tuple[str, ...]) -> bool:
        return addresses[:1] == (self.deployment.node("primary").address,)

    def _round_trip(self, writer: Node | None, reader: Node | None) -> tuple[bool, str]:
        """Write through one node and read through another; None: whichever the name answers, which is the primary."""
        value = f"{writer.name if writer else 'name'}-{self.view.node.name}-{time.time_ns()}"
        query = urllib.parse.urlencode({"key": self.key, "value": value})
        wrote = self._request(f"/write?{query}", writer)
        fault = self._fault(wrote, writer, lambda body: body == WRITTEN, f"expected {WRITTEN.decode()}")
        if fault:
            return False, f"write: {fault}"
        read = self._request(f"/read?{urllib.parse.urlencode({'key': self.key})}", reader)
        want = {"key": self.key, "value": value}
        fault = self._fault(read, reader, lambda body: _decoded(body) == want, f"expected {json.dumps(want)}")
        return not fault, f"read: {fault}" if fault else f"wrote through {wrote.node}, read through {read.node}"

    def _request(self, path: str, node: Node | None) -> Response:
        return self.view.request("GET", path, address=node.address if node else None)

    def _fault(self, response: Response, node: Node | None, right: Callable[[bytes], bool], expectation: str) -> str:
        """What is wrong with an answer, "" when nothing is: its status, its body, the node that gave it."""
        expected = node or self.deployment.node("primary")
        if response.status != 200:
            return response.error or f"HTTP {response.status} {_shown(response.body)}"
        if not right(response.body):
            return f"{_shown(response.body)}, {expectation}"
        if response.node != expected.name:
            return f"answered by {response.node}, expected {expected.name}"
        return ""


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _shown(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace")
