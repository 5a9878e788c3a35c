"""What of a local cloud is not AWS's API: machines, their gateway, health checkers, name servers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec

from srekv.local.asynclink import AsyncLink
from srekv.local.checkers import Checkers
from srekv.local.dns import NameServers
from srekv.local.gateway import Gateway
from srekv.local.link import Handler, LinkClosedError
from srekv.local.machines import Machines, State
from srekv.local.model import Snapshot
from srekv.local.runtime import Runtime

_log = logging.getLogger("srekv.local.supervisor")


@asynccontextmanager
async def data_plane(runtime: Runtime, link: AsyncLink) -> AsyncIterator[dict[str, Handler]]:
    """Run the parts that follow the cloud's clock; the value is what the control plane may ask, by the calls' names.

    Names are answered from the start, the rest waits for what the control plane applies. The runtime's speed is
    settled, its directory is the one that machines use. Raises SrekvError when the name servers cannot listen.
    """

    def change_health() -> None:
        names.health_changed()

    def report_state(machine: str, state: State) -> None:
        _log.info("%s is %s", machine, state)
        with suppress(LinkClosedError):
            link.notify("machine_state", machine=machine, state=state)

    def apply(snapshot: dict[str, Any]) -> None:
        wanted = msgspec.convert(snapshot, Snapshot)
        machines.apply(wanted.machines)
        checkers.apply(wanted.checks)
        names.apply(wanted.zones)

    gateway = Gateway()
    checkers = Checkers(speed=runtime.speed, on_change=change_health)
    names = NameServers(
        authoritative=runtime.authoritative, resolver=runtime.resolver, speed=runtime.speed, healthy=checkers.healthy
    )
    machines = Machines(
        runtime, gateway, on_state=report_state, credentials=lambda machine: link.call("credentials", machine=machine)
    )
    async with AsyncExitStack() as parts:  # each is closed before those that it needs
        for part in (names, gateway, checkers, machines):
            parts.push_async_callback(part.close)
        await names.start()
        yield {"apply": apply, "observations": checkers.observations, "run": machines.run, "console": machines.console}
