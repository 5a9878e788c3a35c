"""A place for machines without a control plane: a loopback network, machines, their gateway, and ways to wait."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from srekv.local.gateway import Gateway
from srekv.local.machines import Machines, State
from srekv.local.model import Machine
from srekv.local.runtime import Runtime
from srekv.local.supervisor import claimed_network

DEADLINE_S = 30


class Lab:
    """Machines on a network of their own; every wait has a deadline."""

    def __init__(self, directory: Path, subnet: str) -> None:
        self.directory = directory
        self.subnet = subnet
        self.cloud_id = f"test-{subnet}"
        self._commands = itertools.count()
        self.history: list[tuple[str, State]] = []
        self.states: dict[str, State] = {}
        self.credentials: dict[str, str] | None = None
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()
        self.bell = Bell(self.root() / "var/bell")
        self.gateway = Gateway()
        self.machines = Machines(
            Runtime(
                pid=0,
                cloud_id=self.cloud_id,
                endpoint=f"http://{subnet}.1:8000",
                access_key="",
                secret_key="",
                resolver=(f"{subnet}.2", 5300),
                authoritative=(f"{subnet}.3", 5300),
                speed=10,
                subnet=subnet,
                directory=directory,
                started_at=0,
            ),
            self.gateway,
            on_state=self._on_state,
            credentials=self._credentials,
        )

    def machine(self, user_data: str | bytes = "", **changes: Any) -> Machine:
        """A machine as the control plane would describe it."""
        raw = user_data.encode() if isinstance(user_data, str) else user_data
        fields: dict[str, Any] = {
            "id": "i-1",
            "zone": "us-east-1a",
            "private_address": "172.31.0.9",
            "public_address": f"{self.subnet}.128",
            "ports": (8080,),
            "user_data": base64.b64encode(raw).decode(),
            "state": "running",
            **changes,
        }
        return Machine(**fields)

    def root(self, machine: str = "i-1") -> Path:
        """A machine's root directory."""
        return self.directory / "machines" / machine / "root"

    async def reach(self, state: State, machine: str = "i-1") -> None:
        """Wait until the machine is in that state."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: self.states.get(machine) == state)

    async def run(self, script: str, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
        """Run a script in the machine."""
        return await self.machines.run("i-1", str(next(self._commands)), script, timeout_s)

    async def fetch(self, port: int = 8080) -> str:
        """GET / of the machine through its public address."""
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(f"{self.subnet}.128", port)
            with contextlib.closing(writer):
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                return (await reader.read()).decode().rpartition("\r\n\r\n")[2]

    def _on_state(self, machine: str, state: State) -> None:
        self.history.append((machine, state))
        self.states[machine] = state
        task = asyncio.create_task(self._notify())
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _credentials(self, _machine: str) -> dict[str, str] | None:
        return self.credentials


class Bell:
    """A named pipe in a machine: programs in it ring by writing a line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._rest = b""
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    async def ring(self) -> str:
        """The next line."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._lines.get()

    def close(self) -> None:
        """Take it down."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        *lines, self._rest = (self._rest + os.read(self._descriptor, 65536)).split(b"\n")
        for line in lines:
            self._lines.put_nowait(line.decode())


@contextlib.asynccontextmanager
async def _open_lab(directory: Path) -> AsyncIterator[Lab]:
    with claimed_network() as (subnet, _):
        lab = Lab(directory, subnet)
        try:
            yield lab
        finally:
            await lab.machines.close()
            await lab.gateway.close()
            lab.bell.close()


@pytest.fixture
def lab(tmp_path: Path) -> AbstractAsyncContextManager[Lab]:
    """A lab, open while an asynchronous test runs; its bell rings with `echo something > /var/bell` in machine i-1."""
    return _open_lab(tmp_path)
