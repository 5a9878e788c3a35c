"""Looks at a stack that exists only in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from srekv.provision.model import Deployment
from srekv.watch.model import CheckSample, Request, Sample, ServiceSample, Snapshot
from tests.support.deployment import make_deployment

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STACK = make_deployment()
ADDRESSES = {node.name: node.address for node in STACK.nodes}


@pytest.fixture
def deployment() -> Deployment:
    """Two nodes that run."""
    return STACK


@pytest.fixture
def look(deployment: Deployment) -> Callable[..., Snapshot]:
    """Makes a look at a stack that is well, but for what is said; `s` seconds after noon."""

    def make(
        s: float = 0,
        *,
        state: str = "running",
        fault: str = "",
        failing: int = 0,
        failed: int = 0,
        answer: str = "az1",
        error: str = "",
        problem: str = "",
    ) -> Snapshot:
        at = NOON + timedelta(seconds=s)
        nodes = (replace(deployment.nodes[0], state=state), deployment.nodes[1])
        checks = (_sight("az1", at, failing, failed), _sight("az2", at, 0, 0))
        return Snapshot(
            at=at,
            stack=Sample(value=replace(deployment, nodes=nodes, fault=fault), at=at, problem=problem),
            health=Sample(value=checks, at=at),
            service=Sample(value=_service(answer, at, error), at=at),
        )

    return make


def _sight(name: str, at: datetime, failing: int, failed: int) -> CheckSample:
    return CheckSample(
        check=next(one for one in STACK.checks if one.name == f"hc-{name}"),
        healthy=failing < 14,
        checkers=16,
        failing=failing,
        failed_reports=failed,
        reason="Connection timed out. The endpoint or the internet connection is down" if failed else "",
        reason_at=at if failed else None,
        at=at,
    )


def _service(answer: str, at: datetime, error: str) -> ServiceSample:
    address = ADDRESSES.get(answer, "")
    request = Request(
        name="health",
        path="/health",
        ok=not error,
        status=None if error else 200,
        node="" if error else answer,
        address=address,
        error=error,
        elapsed_s=0.004,
    )
    return ServiceSample(
        asked_from="az2",
        addresses=(address,) if address else (),
        rcode="NOERROR" if address else "NXDOMAIN",
        ttl_s=7,
        requests=(request,),
        at=at,
    )
