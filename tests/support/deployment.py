"""A whole stack as plain data."""

from __future__ import annotations

from srekv.provision.model import Check, Deployment, Node


def make_deployment(one: str = "192.0.2.1", two: str = "192.0.2.2", *, port: int = 80) -> Deployment:
    """Two nodes that run, at these addresses, and their health checks."""
    nodes = (
        Node(
            name="az1",
            role="primary",
            zone="us-east-1a",
            instance_id="i-az1",
            address=one,
            private_address="10.0.0.1",
            state="running",
        ),
        Node(
            name="az2",
            role="secondary",
            zone="us-east-1b",
            instance_id="i-az2",
            address=two,
            private_address="10.0.0.2",
            state="running",
        ),
    )
    asked = {"port": port, "path": "/health", "interval": 10, "threshold": 3}
    return Deployment(
        stack="srekv",
        region="us-east-1",
        zone_name="sre-test.local",
        name="svc.sre-test.local",
        port=port,
        ttl=10,
        table="SREKeyValue",
        nodes=nodes,
        checks=tuple(Check(name=f"hc-{one.name}", id=f"id-{one.name}", address=one.address, **asked) for one in nodes),
    )
