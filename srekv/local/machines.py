"""The machines of a local cloud, seen from the supervisor: one init process each, brought to the state that EC2 wants.

Every machine has a task of its own that works off the wanted states in their order, so that a stop that is followed by
a start before it was done is still a stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from srekv.local import imds
from srekv.local.gateway import Uplink
from srekv.local.link import FD_VARIABLE, AsyncLink, LinkClosedError, LinkError
from srekv.local.machine import shims
from srekv.local.machine.host import CONSOLE, Settings
from srekv.local.machine.processes import TOKEN, kill_all
from srekv.local.model import Machine
from srekv.local.runtime import MACHINE_HOSTS, MACHINES, SHIMS

State = Literal["pending", "running", "stopping", "stopped", "terminated"]

CONSOLE_TAIL = 64 * 1024
"""Bytes of the console that GetConsoleOutput shows."""

SHUTDOWN_S = 10.0
"""Longest orderly shutdown, wall-clock seconds; then the plug is pulled."""

LAST_PATIENCE_S = 2.0
"""The same when the whole cloud ends."""

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
"""The directory that `import srekv` finds the package in."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What all machines of a cloud share.

    Attributes:
        directory: the runtime directory.
        cloud_id: the cloud's name; part of every process's token.
        subnet: the first three bytes of the cloud's addresses.
        endpoint: the URL of AWS's services.
        resolver: address and port.
        speed: AWS-equivalent seconds per wall-clock second.
        account: the account's number.
    """

    directory: Path
    cloud_id: str
    subnet: str
    endpoint: str
    resolver: tuple[str, int]
    speed: float
    account: str

    def token(self, machine_id: str) -> str:
        """What the machine's processes carry in their environment."""
        return f"{self.cloud_id}/{machine_id}"


class Machines:
    """Runs the machines; every method belongs to the event loop's thread.

    Args:
        site_: what they share.
        on_state: told a machine's id and new state.
        on_uplinks: told that `uplinks()` changed.
        credentials: asks for fresh credentials of a machine's role, by its id.
    """

    def __init__(
        self,
        site_: Site,
        *,
        on_state: Callable[[str, State], None],
        on_uplinks: Callable[[], None],
        credentials: Callable[[str], Awaitable[dict[str, str] | None]],
    ) -> None:
        self._site = site_
        self._on_state = on_state
        self._on_uplinks = on_uplinks
        self._credentials = credentials
        self._runners: dict[str, _Runner] = {}
        self._silent: dict[str, tuple[int, ...]] = {}
        shims.install(site_.directory / SHIMS, sys.executable)

    def apply(self, machines: Iterable[Machine]) -> None:
        """Converge to these machines; those that are absent are terminated."""
        wanted = {machine.id: machine for machine in machines}
        for machine_id, machine in wanted.items():
            runner = self._runners.get(machine_id)
            if runner is None and machine.state == "running":
                self._runners[machine_id] = _Runner(self._site, machine, self._address(), self)
            elif runner is not None:
                runner.want(machine)
        for machine_id in self._runners.keys() - wanted.keys():
            self._runners[machine_id].terminate()
        self._on_uplinks()

    def uplinks(self) -> list[Uplink]:
        """What the gateway is to do.

        Addresses of terminated machines stay and swallow SYNs until somebody else has them.
        """
        alive = [link for runner in self._runners.values() if (link := runner.uplink()) is not None]
        for link in alive:
            self._silent[link.public] = link.ports
        taken = {link.public for link in alive}
        gone = [
            Uplink(public=public, private="", ports=ports, up=False)
            for public, ports in self._silent.items()
            if public not in taken
        ]
        return alive + gone

    def states(self) -> dict[str, State]:
        """Every known machine's state."""
        return {machine_id: runner.state for machine_id, runner in self._runners.items()}

    async def run(self, machine: str, command: str, script: str, timeout_s: float) -> dict[str, Any]:
        """Run a script in a machine; the answer of the link's `run`. Raises LinkError when it is not running."""
        runner = self._runners.get(machine)
        if runner is None or runner.state != "running":
            raise LinkError("not running")
        return await runner.run(command, script, timeout_s)

    def console(self, machine: str) -> str:
        """The end of its console log."""
        path = self._site.directory / MACHINES / machine / CONSOLE
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - CONSOLE_TAIL))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    async def close(self) -> None:
        """Shut every machine down and wait until nothing runs."""
        await asyncio.gather(*(runner.close() for runner in self._runners.values()))

    async def credentials(self, machine: str) -> dict[str, str] | None:
        """Fresh credentials of a machine's role."""
        return await self._credentials(machine)

    def changed(self, machine: str, state: State) -> None:
        """A runner's state changed."""
        if state == "terminated":
            self._runners.pop(machine, None)
        self._on_uplinks()
        self._on_state(machine, state)

    def _address(self) -> str:
        taken = {runner.address for runner in self._runners.values()}
        free = (f"{self._site.subnet}.{host}" for host in MACHINE_HOSTS)
        address = next((address for address in free if address not in taken), None)
        if address is None:
            raise LinkError(f"no more than {len(MACHINE_HOSTS)} machines in one local cloud")
        return address


class _Runner:
    """One machine: its wanted states, its init process, its metadata service."""

    def __init__(self, site_: Site, machine: Machine, address: str, machines: Machines) -> None:
        self.machine = machine
        self.address = address
        self.state: State = "pending"
        self._site = site_
        self._machines = machines
        self._directory = site_.directory / MACHINES / machine.id
        self._last: str = machine.state
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._wanted.put_nowait(machine.state)
        self._process: subprocess.Popen[bytes] | None = None
        self._link: AsyncLink | None = None
        self._served: asyncio.Task[None] | None = None
        self._metadata = imds.MetadataService(
            machine=lambda: self.machine,
            credentials=lambda: machines.credentials(machine.id),
            account=site_.account,
        )
        self._task = asyncio.create_task(self._work())

    def want(self, machine: Machine) -> None:
        """Take note of the machine as it is to be."""
        self.machine = machine
        if machine.state == self._last:
            return
        self._last = machine.state
        self._wanted.put_nowait(machine.state)
        if machine.hard and self.state == "running":
            self._set("stopping")  # before the next packet: a machine without power says nothing more

    def terminate(self) -> None:
        """The machine is to go."""
        if self._last != "terminated":
            self._last = "terminated"
            self._wanted.put_nowait("terminated")

    def uplink(self) -> Uplink | None:
        """How the outside reaches it."""
        public = self.machine.public_address
        if public is None:
            return None
        orderly = self.state == "stopping" and not self.machine.hard
        ports = tuple(port for port in self.machine.ports if port != imds.PORT)  # not from outside, as on EC2
        return Uplink(public=public, private=self.address, ports=ports, up=self.state == "running" or orderly)

    async def run(self, command: str, script: str, timeout_s: float) -> dict[str, Any]:
        """Run a script in it."""
        if self._link is None:
            raise LinkError("not running")
        try:
            result = await self._link.call("run", command=command, script=script, timeout=timeout_s)
        except LinkClosedError:
            raise LinkError("not running") from None
        assert isinstance(result, dict)  # noqa: S101 - what our own init answers
        return result

    async def close(self) -> None:
        """End the machine, with little patience, and its task."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._off(patience_s=LAST_PATIENCE_S)

    async def _work(self) -> None:
        """Work off the wanted states, and notice when the machine goes off by itself."""
        while self.state != "terminated":
            wanted = asyncio.create_task(self._wanted.get())
            watched = [wanted] if self._served is None else [wanted, self._served]
            try:
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not wanted.done():
                    wanted.cancel()
            if wanted.done() and not wanted.cancelled():
                await self._become(wanted.result())
            elif self.state == "running":
                await self._off(patience_s=0)
                self._set("stopped")

    async def _become(self, wanted: str) -> None:
        if wanted == "running":
            await self._on()
            return
        if self.state in ("running", "stopping", "pending"):
            self._set("stopping")
            await self._off(patience_s=0 if self.machine.hard else SHUTDOWN_S)
        if wanted == "terminated":
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            self._set("terminated")
        elif self.state != "stopped":
            self._set("stopped")

    async def _on(self) -> None:
        self._set("pending")
        try:
            await self._boot()
        except (OSError, LinkError) as error:
            self._directory.mkdir(parents=True, exist_ok=True)
            with (self._directory / CONSOLE).open("a") as console:
                console.write(f"the machine did not boot: {error}\n")
            await self._off(patience_s=0)
            self._set("stopped")
        else:
            self._set("running")

    async def _boot(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        ours, theirs = socket.socketpair()
        self._link = AsyncLink(ours, {})
        with theirs:
            self._process = _spawn_init(self._site.token(self.machine.id), theirs.fileno())
        await self._link.open()
        self._served = asyncio.create_task(self._link.serve())
        await self._metadata.start(self.address)
        await self._link.call("boot", settings=self._settings()._asdict())

    def _settings(self) -> Settings:
        site_, machine = self._site, self.machine
        region = machine.zone[:-1]
        return Settings(
            id=machine.id,
            token=site_.token(machine.id),
            directory=str(self._directory),
            shims=str(site_.directory / SHIMS),
            shim_names=shims.NAMES,
            network=str(Path(shims.__file__).with_name("netshim")),
            user_data=machine.user_data,
            speed=site_.speed,
            environment={
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{self.address}:{imds.PORT}",
                "AWS_ENDPOINT_URL": site_.endpoint,
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "SREKV_MACHINE_ADDRESS": self.address,
                "SREKV_MACHINE_RESOLVER": f"{site_.resolver[0]}:{site_.resolver[1]}",
                "SREKV_MACHINE_PACKAGES": os.pathsep.join(_packages()),
            },
        )

    async def _off(self, *, patience_s: float) -> None:
        """Switch off, orderly if there is patience; when this returns no process of the machine is left."""
        process, link, served = self._process, self._link, self._served
        self._process = self._link = self._served = None
        if served is not None and link is not None and patience_s:
            with contextlib.suppress(LinkClosedError):
                link.notify("power_off", hard=False)
            await asyncio.wait([served], timeout=patience_s)
        if link is not None:
            link.close()
        if served is not None:
            await asyncio.wait([served])
        if process is not None:
            await asyncio.to_thread(_bury, process, self._site.token(self.machine.id))
        await self._metadata.close()

    def _set(self, state: State) -> None:
        if self.state == state != "pending":
            return
        self.state = state
        self._machines.changed(self.machine.id, state)


def _packages() -> list[str]:
    """Where this Python finds what is installed: its environment, the user's own packages, what .pth files add."""
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return list(dict.fromkeys([*installed, *(path for path in sys.path if any(Path(path).glob("*.dist-info")))]))


def _spawn_init(token: str, descriptor: int) -> subprocess.Popen[bytes]:
    """Start a machine's first process: no site module, nothing of the operator's environment."""
    path = dict.fromkeys([str(PACKAGE_ROOT), str(Path(yaml.__file__).parents[1])])
    return subprocess.Popen(
        [sys.executable, "-S", "-P", "-m", "srekv.local.machine.init"],
        env={
            "PYTHONPATH": os.pathsep.join(path),
            "PATH": os.defpath,
            FD_VARIABLE: str(descriptor),
            TOKEN: token,
        },
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _bury(process: subprocess.Popen[bytes], token: str) -> None:
    """Wait for init's end and see to it that nobody outlived it; blocks."""
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    kill_all(token)
