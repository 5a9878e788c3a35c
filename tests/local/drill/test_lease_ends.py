"""A lease runs out: the nodes end themselves, by their own clocks, while nobody looks; the rest is told and removed."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from datetime import datetime
from typing import Any

import boto3
import pytest

pytestmark = pytest.mark.local

DEADLINE_S = 60


def _await_end(environment: dict[str, str]) -> list[Any]:
    """The instances once both have ended."""
    client = boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    pause, end = threading.Event(), time.monotonic() + DEADLINE_S
    with closing(client):
        while True:
            found = [one for group in client.describe_instances()["Reservations"] for one in group["Instances"]]
            states = [one["State"]["Name"] for one in found]
            if states == ["terminated", "terminated"]:
                return found
            assert time.monotonic() < end, f"the nodes live on: {states}"
            pause.wait(0.2)


def test_nodes_end_themselves_when_their_lease_is_over(tenant: Any) -> None:
    """Not before; then `status` says so, a plain `up` asks for how long, and `down` removes what is left."""
    made = tenant.run("up", "--speed", "50", "--no-wait", "--lease", "10m")
    assert made["lease"]["expired"] is False
    ended = _await_end(tenant.run("local", "env"))
    assert datetime.now().astimezone() >= datetime.fromisoformat(made["lease"]["until"])
    assert {one["StateReason"]["Code"] for one in ended} == {"Client.InstanceInitiatedShutdown"}

    shown = tenant.run("status", code=3)
    assert shown["lease"] == {"until": made["lease"]["until"], "expired": True}
    assert "the nodes have ended with their lease" in " ".join(shown["messages"].split())
    assert "the stack's lease is over" in " ".join(tenant.run("up", code=2)["messages"].split())
    assert tenant.run("down", "--yes")["left"] == []
