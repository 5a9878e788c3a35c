"""The lab's tests 4.1-4.3, from both nodes: the name answers AZ-a, a write is read back, AZ-b reads what AZ-a wrote."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

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

    def findings(self) -> list[Finding]:
        """Every test, then the test keys removed."""
        one, two = self.deployment.node("primary"), self.deployment.node("secondary")
        tests: dict[str, Callable[[], tuple[bool, str]]] = {
            f"the resolver answers {one.address} first": self._resolver_answers,
            f"getaddrinfo answers {one.address} first": self._system_answers,
            "write and read through the name": partial(self._round_trip, None, None),
            f"{two.name} reads what {one.name} wrote": partial(self._round_trip, one, two),
            f"{one.name} reads what {two.name} wrote": partial(self._round_trip, two, one),
        }
        found = []
        try:
            for name, test in tests.items():
                begin = time.monotonic()
                passed, detail = test()
                elapsed_s, where = time.monotonic() - begin, self.view.node.name
                found.append(Finding(name=f"{where}: {name}", passed=passed, detail=detail, elapsed_s=elapsed_s))
        finally:
            self.view.request("DELETE", f"/v1/keys/{self.key}")
        return found

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
        want = {"key": self.key, "value": value}
        wrote = self._get("/write", writer, **want)
        if fault := self._fault(wrote, writer, WRITTEN.decode(), right=wrote.body == WRITTEN):
            return False, f"write: {fault}"
        read = self._get("/read", reader, key=self.key)
        try:
            right = json.loads(read.body) == want
        except ValueError:
            right = False
        fault = self._fault(read, reader, json.dumps(want), right=right)
        return not fault, f"read: {fault}" if fault else f"wrote through {wrote.node}, read through {read.node}"

    def _get(self, path: str, node: Node | None, **query: str) -> Response:
        address = node.address if node else None
        return self.view.request("GET", f"{path}?{urllib.parse.urlencode(query)}", address=address)

    def _fault(self, response: Response, node: Node | None, want: str, *, right: bool) -> str:
        """What is wrong with an answer, "" when nothing is: its status, its body, the node that gave it."""
        expected, shown = node or self.deployment.node("primary"), response.body[:200].decode("utf-8", "replace")
        if response.status != 200:
            return response.error or f"HTTP {response.status} {shown}"
        if not right:
            return f"{shown}, expected {want}"
        if response.node != expected.name:
            return f"answered by {response.node}, expected {expected.name}"
        return ""
