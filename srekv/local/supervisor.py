"""The data plane's process: `python -m srekv.local.supervisor`, started in the background by `srekv.local.control`.

It claims a loopback network, starts the control plane as its child, and runs machines, gateway, checkers and name
servers on one event loop. It ends at SIGTERM, or when the control plane does; nothing that it started outlives it,
however it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import errno
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srekv.config import fastest
from srekv.errors import SrekvError
from srekv.local import runtime as runtimes
from srekv.local.link import FD_VARIABLE, AsyncHandler, AsyncLink, LinkClosedError
from srekv.local.machine.processes import die_with_parent
from srekv.local.pace import Pace
from srekv.local.plain import plain_name
from srekv.local.runtime import API_PORT, Runtime

if TYPE_CHECKING:
    from srekv.local.dataplane import DataPlane

ACCOUNT = "123456789012"
REGION = "us-east-1"
"""The control plane's Region for requests that name none."""

NETWORKS = 256
_NEEDED_HOSTS = (1, 2, 3, 64, 65, 128, 129, 130, 131)
"""Addresses that two nodes use; those that a system without a whole 127.0.0.0/8 must be given."""

_CHILD_END_S = 5.0
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]

_log = logging.getLogger("srekv.local.supervisor")


@contextmanager
def claimed_network() -> Iterator[tuple[str, socket.socket]]:
    """The first free 127.53.N, and a listening API socket; the network is claimed until everything of it has ended.

    A datagram socket is the claim: nobody asks it, and it does not end with the control plane, as the listener does.

    Raises:
        SrekvError: the addresses do not exist here, or every network is taken.
    """
    for number in range(NETWORKS):
        subnet = f"{runtimes.NETWORKS}.{number}"
        with socket.socket(type=socket.SOCK_DGRAM) as claim, socket.socket() as listener:
            try:
                claim.bind((f"{subnet}.1", API_PORT))
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((f"{subnet}.1", API_PORT))
                listener.listen(128)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                if error.errno == errno.EADDRNOTAVAIL:
                    raise _no_aliases(subnet) from None
                raise SrekvError(f"cannot listen on {subnet}.1 port {API_PORT}", why=str(error)) from None
            yield subnet, listener
            return
    raise SrekvError(
        "no loopback network is free for a local cloud",
        why=f"port {API_PORT} is taken on 127.53.0.1 to 127.53.{NETWORKS - 1}.1",
        next_step=f"stop what listens on port {API_PORT} of every address",
    )


def _no_aliases(subnet: str) -> SrekvError:
    commands = "\n".join(f"sudo ifconfig lo0 alias {subnet}.{host} up" for host in _NEEDED_HOSTS)
    return SrekvError(
        f"{subnet}.1 is not an address of this computer",
        why="only 127.0.0.1 is configured on its loopback interface",
        next_step=f"add the addresses that a local cloud needs (until the next restart):\n{commands}",
    )


class Supervisor:
    """The life of one local cloud: its control plane, a child process, and its data plane, in this one.

    Args:
        runtime: what the cloud will be known by.
        listener: the API's socket; the control plane inherits it.
        directory: what machines call the runtime directory.
    """

    def __init__(self, runtime: Runtime, listener: socket.socket, directory: Path) -> None:
        self._runtime = runtime
        self._listener = listener
        self._directory = directory
        self._ready = asyncio.Event()
        self._handlers: dict[str, AsyncHandler] = {"ready": self._control_plane_ready}
        self._plane: DataPlane | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._link: AsyncLink | None = None

    async def run(self, started: Starter, stop: asyncio.Event) -> None:
        """Live until `stop` is set or the control plane ends.

        Raises:
            SrekvError: the name servers or the control plane do not come up, or it ended by itself.
        """
        serving: asyncio.Task[None] | None = None
        try:
            self._link = await self._start_control_plane()
            from srekv.local.dataplane import DataPlane  # while the control plane imports its own

            serving = asyncio.create_task(self._link.serve())
            pace = Pace()
            await _first(self._ready.wait(), serving, stop.wait(), pace.measure())
            if self._ready.is_set():
                self._settle(pace.keeps)
                self._plane = DataPlane(
                    self._runtime,
                    self._directory,
                    ACCOUNT,
                    on_state=self._machine_state,
                    credentials=self._credentials,
                )
                self._handlers |= self._plane.handlers
                await self._plane.start()
                runtimes.write(self._runtime)
                started.succeed()
                await _first(serving, stop.wait())
            if serving.done() and not stop.is_set():
                raise SrekvError("the control plane ended by itself", next_step="srekv local logs")
        finally:
            await self._close()
            if serving is not None:
                await asyncio.wait([serving])

    def _settle(self, keeps: float) -> None:
        """Fix the speed for this cloud's life: nothing that has a clock of its own is there yet."""
        speed = self._runtime.speed or fastest(keeps)
        self._runtime = replace(self._runtime, speed=speed, keeps=round(keeps, 1))
        _log.info("speed %g; this machine keeps %.1f", speed, keeps)
        if self._link is not None:
            self._link.notify("settle", speed=speed)

    async def _start_control_plane(self) -> AsyncLink:
        ours, theirs = socket.socketpair()
        with theirs, self._listener as listener:
            self._child = self._spawn(theirs.fileno(), listener.fileno())
        link = AsyncLink(ours, self._handlers)
        await link.open()
        return link

    def _spawn(self, link: int, api: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-P", "-m", "srekv.local.cloud", *self._arguments()],
            env={**_environment(self._runtime), FD_VARIABLE: str(link), "SREKV_API_FD": str(api)},
            pass_fds=(link, api),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread holds a lock this early
        )

    def _arguments(self) -> list[str]:
        runtime = self._runtime
        return [
            *("--region-default", REGION),
            *("--account", ACCOUNT),
            *("--subnet", runtime.subnet),
            *("--dynamodb", runtime.dynamodb),
        ]

    async def _close(self) -> None:
        if self._plane is not None:
            await self._plane.close()
        if self._link is not None:
            self._link.close()
        if self._child is not None:
            self._child.terminate()
            await asyncio.to_thread(_bury, self._child)

    async def _control_plane_ready(self) -> None:
        self._ready.set()

    def _machine_state(self, machine: str, state: str) -> None:
        if self._link is not None:
            with contextlib.suppress(LinkClosedError):
                self._link.notify("machine_state", machine=machine, state=state)

    async def _credentials(self, machine: str) -> dict[str, str] | None:
        if self._link is None:
            return None
        answer: dict[str, str] | None = await self._link.call("credentials", machine=machine)
        return answer


class Starter:
    """Whom the supervisor tells that it runs, or why not: a pipe that `control.ensure` reads."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def succeed(self) -> None:
        """The local cloud serves."""
        self._tell({"ready": True})

    def fail(self, error: SrekvError) -> None:
        """It cannot; the parts of the error are for the user."""
        self._tell({"what": error.what, "why": error.why, "next_step": str(error.next_step)})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._descriptor, "w") as pipe:
            json.dump(message, pipe)
        self._descriptor = None


async def _first(*awaitables: Any) -> None:
    """Wait until the first of these is done; the others that were made for this are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, given in zip(tasks, awaitables, strict=True):
        if task is not given:
            task.cancel()


def _bury(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(_CHILD_END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _environment(runtime: Runtime) -> dict[str, str]:
    """For the control plane: nothing of the operator's AWS settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "BOTO", "MOTO"))}
    return {
        **kept,
        "PYTHONPATH": str(_PACKAGE_ROOT),
        "SREKV_ROOT_KEY": runtime.access_key,
        "SREKV_ROOT_SECRET": runtime.secret_key,
        "SREKV_CLOUD_ID": runtime.cloud_id,
    }


def _new_runtime(directory: Path, *, subnet: str, speed: float, dns_port: int, dynamodb: str) -> Runtime:
    return Runtime(
        pid=os.getpid(),
        cloud_id=secrets.token_hex(8),
        endpoint=f"http://{subnet}.1:{API_PORT}",
        access_key="AKIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
        secret_key=secrets.token_hex(20),
        resolver=(f"{subnet}.2", dns_port),
        authoritative=(f"{subnet}.3", dns_port),
        speed=speed,
        subnet=subnet,
        directory=directory,
        started_at=time.time(),
        dynamodb=dynamodb,
    )


def _claim_life(directory: Path, descriptor: int) -> None:
    if not runtimes.try_lock(descriptor):
        raise SrekvError(f"another local cloud runs in {directory}", next_step="srekv local status")
    os.truncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())


async def _live(supervisor: Supervisor, starter: Starter) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    await supervisor.run(starter, stop)


def main(arguments: Sequence[str]) -> int:
    """Serve one local cloud; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m srekv.local.supervisor")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--speed", type=float, default=0.0, help="0: what this machine keeps")
    parser.add_argument("--dns-port", type=int, required=True)
    parser.add_argument("--dynamodb", default="")
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    starter = Starter(options.ready_fd)
    directory: Path = options.directory
    with (directory / runtimes.LIFE_LOCK).open("a") as life:
        try:
            _claim_life(directory, life.fileno())
            _live_in(options, starter)
        except SrekvError as error:
            _log.error("%s", error)
            starter.fail(error)
            return error.exit_code
    return 0


def _live_in(options: argparse.Namespace, starter: Starter) -> None:
    """Live once, in a directory that is ours."""
    with claimed_network() as (subnet, listener):
        runtime = _new_runtime(
            options.directory, subnet=subnet, speed=options.speed, dns_port=options.dns_port, dynamodb=options.dynamodb
        )
        _log.info("starts as %s on %s.0/24, pid %d", runtime.cloud_id, subnet, runtime.pid)
        try:
            with plain_name(runtime.directory) as directory:
                asyncio.run(_live(Supervisor(runtime, listener, directory), starter))
        finally:
            (runtime.directory / runtimes.RUNTIME).unlink(missing_ok=True)
            shutil.rmtree(runtime.directory / runtimes.SHIMS, ignore_errors=True)
            _log.info("ended")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
