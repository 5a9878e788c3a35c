"""What of a local cloud is not AWS's API: machines, their gateway, health checkers, name servers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from srekv.local.checkers import Checkers
from srekv.local.dns import NameServers
from srekv.local.gateway import Gateway
from srekv.local.link import AsyncHandler
from srekv.local.machines import Machines, Site, State
from srekv.local.model import Snapshot
from srekv.local.runtime import Runtime

_log = logging.getLogger("srekv.local.supervisor")


class DataPlane:
    """The parts that follow the cloud's clock, on one event loop.

    Args:
        runtime: what the cloud is known by; its speed is settled.
        directory: what machines call the runtime directory.
        account: its number.
        on_state: receives a machine's id and new state.
        credentials: gives the credentials of a machine's role.
    """

    def __init__(
        self,
        runtime: Runtime,
        directory: Path,
        account: str,
        *,
        on_state: Callable[[str, State], None],
        credentials: Callable[[str], Awaitable[dict[str, str] | None]],
    ) -> None:
        self._on_state = on_state
        self._gateway = Gateway()
        self._checkers = Checkers(speed=runtime.speed, on_change=self._health_changed)
        self._names = NameServers(
            authoritative=runtime.authoritative,
            resolver=runtime.resolver,
            speed=runtime.speed,
            healthy=self._checkers.healthy,
        )
        self._machines = Machines(
            Site(
                directory=directory,
                cloud_id=runtime.cloud_id,
                subnet=runtime.subnet,
                endpoint=runtime.endpoint,
                resolver=runtime.resolver,
                speed=runtime.speed,
                account=account,
            ),
            on_state=self._machine_state,
            on_uplinks=self._route,
            credentials=credentials,
        )
        self._parts = AsyncExitStack()  # each is closed before those that it needs
        for part in (self._names, self._gateway, self._checkers, self._machines):
            self._parts.push_async_callback(part.close)

    @property
    def handlers(self) -> Mapping[str, AsyncHandler]:
        """What the control plane may ask, by the names of the link's calls."""
        return {
            "apply": self._apply,
            "observations": self._observations,
            "run": self._run_command,
            "console": self._console,
            "machines": self._states,
        }

    async def start(self) -> None:
        """Answer for names; everything else waits for what the control plane applies.

        Raises:
            SrekvError: the name servers cannot listen.
        """
        await self._names.start()

    async def close(self) -> None:
        """End every machine and every server."""
        await self._parts.aclose()

    async def _apply(self, snapshot: dict[str, Any]) -> None:
        wanted = Snapshot.from_json(snapshot)
        self._machines.apply(wanted.machines)
        self._checkers.apply(wanted.checks)
        self._names.apply(wanted.zones)

    async def _observations(self, check: str) -> list[dict[str, Any]]:
        return self._checkers.observations(check)

    async def _run_command(self, machine: str, command: str, script: str, **rest: float) -> dict[str, Any]:
        return await self._machines.run(machine, command, script, rest["timeout"])

    async def _console(self, machine: str) -> str:
        return self._machines.console(machine)

    async def _states(self) -> dict[str, State]:
        return self._machines.states()

    def _health_changed(self) -> None:
        self._names.health_changed()

    def _route(self) -> None:
        self._gateway.apply(self._machines.uplinks())

    def _machine_state(self, machine: str, state: State) -> None:
        _log.info("%s is %s", machine, state)
        self._on_state(machine, state)
