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
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import yaml

from srekv.local import imds
from srekv.local.asynclink import AsyncLink
from srekv.local.gateway import Gateway, Uplink
from srekv.local.link import FD_VARIABLE, LinkClosedError, LinkError
from srekv.local.machine import shims
from srekv.local.machine.host import CONSOLE
from srekv.local.machine.processes import TOKEN, end_process, kill_all
from srekv.local.model import Machine, MachineState
from srekv.local.runtime import MACHINE_HOSTS, MACHINES, PACKAGE_ROOT, SHIMS, Runtime

State = Literal["pending", "running", "stopping", "stopped", "terminated"]

CONSOLE_TAIL = 64 * 1024  # bytes of the console that GetConsoleOutput shows
SHUTDOWN_S = 10.0  # longest orderly shutdown, wall-clock seconds; then the plug is pulled
LAST_PATIENCE_S = 2.0  # the same when the whole cloud ends
INIT_END_S = 2.0  # longest end of a machine's init once its link is closed, wall-clock seconds

_OnState = Callable[[str, State], None]
Credentials = Callable[[str], Awaitable[dict[str, str] | None]]


class Machines:
    """Runs the machines behind a gateway; every method belongs to the event loop's thread.

    `on_state` receives a machine's id and new state; `credentials` returns fresh ones of a machine's role, by its id.
    The runtime's directory is the one that machines use.
    """

    def __init__(self, runtime: Runtime, gateway: Gateway, *, on_state: _OnState, credentials: Credentials) -> None:
        self._runtime = runtime
        self._on_state = on_state
        self._gateway = gateway
        self._credentials = credentials
        self._runners: dict[str, _Runner] = {}
        self._silent: dict[str, tuple[int, ...]] = {}
        shims.install(runtime.directory / SHIMS, sys.executable)

    def apply(self, machines: Iterable[Machine]) -> None:
        """Converge to these machines; those that are absent are terminated."""
        wanted = {machine.id: machine for machine in machines}
        for machine_id, machine in wanted.items():
            runner = self._runners.get(machine_id)
            if runner is not None:
                runner.want(machine)
            elif machine.state == "running":
                address = self._free_address()
                runner = _Runner(self._runtime, machine, address, self._credentials, self._change_state)
                self._runners[machine_id] = runner
        for machine_id in self._runners.keys() - wanted.keys():
            runner = self._runners[machine_id]
            runner.want(replace(runner.machine, state="terminated"))
        self._route()

    def _route(self) -> None:
        """Update the gateway; the address of a terminated machine swallows SYNs until another machine has it."""
        alive = [link for runner in self._runners.values() if (link := runner.uplink()) is not None]
        self._silent |= {link.public: link.ports for link in alive}
        gone = self._silent.keys() - {link.public for link in alive}
        alive += [Uplink(public=one, private="", ports=self._silent[one], up=False) for one in sorted(gone)]
        self._gateway.apply(alive)

    async def run(self, machine: str, command: str, script: str, timeout_s: float) -> dict[str, Any]:
        """Run a script in a machine; the answer of init's `run`. Raises LinkError when it is not running."""
        runner = self._runners.get(machine)
        if runner is None or runner.state != "running" or runner.link is None:
            raise LinkError("not running")
        try:
            answer: dict[str, Any] = await runner.link.call("run", command=command, script=script, timeout_s=timeout_s)
        except LinkClosedError:
            raise LinkError("not running") from None
        return answer

    def console(self, machine: str) -> str:
        """The end of its console log."""
        try:
            with (self._runtime.directory / MACHINES / machine / CONSOLE).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - CONSOLE_TAIL))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    async def close(self) -> None:
        """Shut every machine down and wait until nothing runs."""
        await asyncio.gather(*(runner.close() for runner in self._runners.values()))

    def _change_state(self, machine: str, state: State) -> None:
        if state == "terminated":
            self._runners.pop(machine, None)
        self._route()
        self._on_state(machine, state)

    def _free_address(self) -> str:
        taken = {runner.address for runner in self._runners.values()}
        for host in MACHINE_HOSTS:
            if (address := f"{self._runtime.subnet}.{host}") not in taken:
                return address
        raise LinkError(f"no more than {len(MACHINE_HOSTS)} machines in one local cloud")


class _Runner:
    """One machine: its wanted states, its init process with the link to it, its metadata service."""

    def __init__(
        self, runtime: Runtime, machine: Machine, address: str, credentials: Credentials, on_state: _OnState
    ) -> None:
        self.machine = machine
        self.address = address
        self.state: State = "pending"
        self.link: AsyncLink | None = None
        self._runtime = runtime
        self._on_state = on_state
        self._directory = runtime.directory / MACHINES / machine.id
        self._wanted: asyncio.Queue[MachineState] = asyncio.Queue()
        self._wanted.put_nowait(machine.state)
        self._process: subprocess.Popen[bytes] | None = None
        self._metadata = imds.MetadataService(machine=lambda: self.machine, credentials=lambda: credentials(machine.id))
        self._task = asyncio.create_task(self._work())

    def want(self, machine: Machine) -> None:
        """Take note of the machine as it is to be."""
        last, self.machine = self.machine.state, machine
        if machine.state == last:
            return
        self._wanted.put_nowait(machine.state)
        if machine.hard and self.state == "running":
            self._set("stopping")  # before the next packet: a machine without power says nothing more

    def uplink(self) -> Uplink | None:
        """How the outside reaches it."""
        public = self.machine.public_address
        if public is None:
            return None
        orderly = self.state == "stopping" and not self.machine.hard
        ports = tuple(port for port in self.machine.ports if port != imds.PORT)  # not from outside, as on EC2
        return Uplink(public=public, private=self.address, ports=ports, up=self.state == "running" or orderly)

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
            watched = [wanted] if self.link is None else [wanted, self.link.ended]
            try:
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            finally:
                wanted.cancel()
            if wanted.done():
                await self._become(wanted.result())
            elif self.state == "running":
                await self._off(patience_s=0)
                self._set("stopped")

    async def _become(self, wanted: MachineState) -> None:
        if wanted == "running":
            await self._on()
            return
        if self.state != "stopped":
            self._set("stopping")
            await self._off(patience_s=0 if self.machine.hard else SHUTDOWN_S)
        if wanted == "terminated":
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
        self._set(wanted)

    async def _on(self) -> None:
        self._set("pending")
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            await self._boot()
        except (OSError, LinkError) as error:
            with (self._directory / CONSOLE).open("a") as console:
                console.write(f"the machine did not boot: {error}\n")
            await self._off(patience_s=0)
            self._set("stopped")
        else:
            self._set("running")

    async def _boot(self) -> None:
        token = self._runtime.token(self.machine.id)
        ours, theirs = socket.socketpair()
        self.link = AsyncLink(ours, {})
        with theirs:
            self._process = _spawn_init(token, theirs.fileno())
        await self._metadata.start(self.address)
        region = self.machine.zone[:-1]
        await self.link.call(
            "boot",
            directory=str(self._directory),
            user_data=self.machine.user_data,
            shims_directory=str(self._runtime.directory / SHIMS),
            speed=self._runtime.speed,
            environment={
                TOKEN: token,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{self.address}:{imds.PORT}",
                "AWS_ENDPOINT_URL": self._runtime.endpoint,
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "SREKV_MACHINE_ADDRESS": self.address,
                "SREKV_MACHINE_RESOLVER": "{}:{}".format(*self._runtime.resolver),
                "SREKV_MACHINE_PACKAGES": os.pathsep.join(_packages()),
            },
        )

    async def _off(self, *, patience_s: float) -> None:
        """Switch off, orderly if there is patience; when this returns no process of the machine is left."""
        process, link = self._process, self.link
        self._process = self.link = None
        if link is not None:
            if patience_s:
                with contextlib.suppress(LinkClosedError):
                    link.notify("power_off")
                await asyncio.wait([link.ended], timeout=patience_s)
            link.close()
            await asyncio.wait([link.ended])
        if process is not None:
            await asyncio.to_thread(end_process, process, INIT_END_S)
            await asyncio.to_thread(kill_all, self._runtime.token(self.machine.id))
        await self._metadata.close()

    def _set(self, state: State) -> None:
        if self.state != state or state == "pending":
            self.state = state
            self._on_state(self.machine.id, state)


def _packages() -> list[str]:
    """Where this Python finds what is installed: its environment, the user's own packages, what .pth files add."""
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return list(dict.fromkeys([*installed, *(path for path in sys.path if any(Path(path).glob("*.dist-info")))]))


def _spawn_init(token: str, descriptor: int) -> subprocess.Popen[bytes]:
    """Start a machine's first process: no site module, nothing of the operator's environment."""
    path = dict.fromkeys([str(PACKAGE_ROOT), str(Path(yaml.__file__).parents[1])])
    variables = {"PYTHONPATH": os.pathsep.join(path), "PATH": os.defpath, FD_VARIABLE: str(descriptor), TOKEN: token}
    return subprocess.Popen(
        [sys.executable, "-S", "-P", "-m", "srekv.local.machine.init"],
        env=variables,
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
