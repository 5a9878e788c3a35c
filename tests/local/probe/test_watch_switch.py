"""A switch of the name as a watcher sees it: real scripts ask a real service and a real DNS server."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from srekv.drill.vantage import Vantage
from srekv.provision.model import Deployment, Node
from srekv.watch.events import extend
from srekv.watch.model import Timeline
from srekv.watch.poller import Poller

pytestmark = pytest.mark.local

DEADLINE_S = 60


def test_a_switch_is_told_as_it_happens(site: Any) -> None:
    """Requests fail, the name answers the other node, requests work there: each is told once."""

    def view(deployment: Deployment, node: Node) -> Vantage:
        return Vantage(site, node, deployment.name, site.dns.endpoint, deployment.port)

    primary, secondary = site.addresses
    with Poller(site, view, site.deployment(), speed=1, pause_s=0.05) as poller:
        first = _follow(poller, Timeline(), until={"health works, from az1", "read works, from az1"})
        site.webs.pop(primary).end()
        failing = _follow(poller, first, until={"health fails", "read fails"})
        site.dns.addresses = [secondary]
        switched = _follow(poller, failing, until={"health works, from az2", "read works, from az2"})
    assert [one.text for one in switched.answers] == [
        f"the name answers az1 ({primary})",
        f"the name answers az2 ({secondary})",
    ]
    requests = [one.at for one in switched.events if one.subject == "requests"]
    assert len(requests) == 6
    assert requests == sorted(requests)
    assert {one.asked_from for one in switched.seen} == {"az2"}


def _follow(poller: Poller, timeline: Timeline, *, until: set[str]) -> Timeline:
    pause, end = threading.Event(), time.monotonic() + DEADLINE_S
    while not until <= {one.text.partition(":")[0] for one in timeline.events}:
        assert time.monotonic() < end, timeline.events
        pause.wait(0.01)
        timeline = extend(timeline, poller.snapshot())
    return timeline
