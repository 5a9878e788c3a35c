"""What of a local cloud is not AWS's API: machines, their gateway, health checkers, name servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from srekv.local.checkers import Checkers
from srekv.local.dns import NameServers
from srekv.local.gateway import Gateway
from srekv.local.link import Handler
from srekv.local.machines import Machines, State
from srekv.local.model import Snapshot
from srekv.local.runtime import Runtime


class DataPlane:
    """The parts that follow the cloud's clock, on one event loop. Arguments are those of `Machines`."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        on_state: Callable[[str, State], None],
        credentials: Callable[[str], Awaitable[dict[str, str] | None]],
    ) -> None:
        gateway = Gateway()
        self._checkers = Checkers(speed=runtime.speed, on_change=self._health_changed)
        self._names = NameServers(
            authoritative=runtime.authoritative,
            resolver=runtime.resolver,
            speed=runtime.speed,
            healthy=self._checkers.healthy,
        )
        self._machines = Machines(
            runtime,
            on_state=on_state,
            on_uplinks=lambda: gateway.apply(self._machines.uplinks()),
            credentials=credentials,
        )
        self._parts = AsyncExitStack()  # each is closed before those that it needs
        for part in (self._names, gateway, self._checkers, self._machines):
            self._parts.push_async_callback(part.close)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What the control plane may ask, by the names of the link's calls."""
        return {
            "apply": self._apply,
            "observations": self._checkers.observations,
            "run": self._machines.run,
            "console": self._machines.console,
        }

    async def start(self) -> None:
        """Answer for names; the rest waits for what the control plane applies. Raises SrekvError: it cannot listen."""
        await self._names.start()

    async def close(self) -> None:
        """End every machine and every server."""
        await self._parts.aclose()

    def _health_changed(self) -> None:
        self._names.health_changed()

    def _apply(self, snapshot: dict[str, Any]) -> None:
        wanted = msgspec.convert(snapshot, Snapshot)
        self._machines.apply(wanted.machines)
        self._checkers.apply(wanted.checks)
        self._names.apply(wanted.zones)
