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
import fcntl
import json
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from srekv.config import fastest
from srekv.errors import SrekvError
from srekv.local import runtime as runtimes
from srekv.local.asynclink import AsyncLink
from srekv.local.link import FD_VARIABLE, Handler
from srekv.local.machine.processes import die_with_parent, end_process
from srekv.local.pace import kept, measure
from srekv.local.runtime import API_PORT, Runtime

NETWORKS = 256

_log = logging.getLogger("srekv.local.supervisor")


@contextmanager
def claimed_network() -> Iterator[tuple[str, socket.socket]]:
    """The first free 127.53.N, and a listening API socket; the network is claimed until everything of it has ended.

    A datagram socket is the claim: it does not end with the control plane, as the listener does. Raises SrekvError when
    the addresses do not exist here, or every network is taken.
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
                    needed = (1, 2, 3, 64, 65, 128, 129, 130, 131)  # what two nodes use
                    commands = "\n".join(f"sudo ifconfig lo0 alias {subnet}.{host} up" for host in needed)
                    raise SrekvError(
                        f"{subnet}.1 is not an address of this computer",
                        why="only 127.0.0.1 is configured on its loopback interface",
                        next_step=f"add the addresses that a local cloud needs (until the next restart):\n{commands}",
                    ) from None
                raise SrekvError(f"cannot listen on {subnet}.1 port {API_PORT}", why=str(error)) from None
            yield subnet, listener
            return
    raise SrekvError(
        "no loopback network is free for a local cloud",
        why=f"port {API_PORT} is taken on 127.53.0.1 to 127.53.{NETWORKS - 1}.1",
        next_step=f"stop what listens on port {API_PORT} of every address",
    )


@contextmanager
def plain_name(directory: Path) -> Iterator[Path]:
    """The directory's own name if scripts can hold it unquoted; else, for as long as the block lasts, a link to it.

    User data is rewritten for a machine whose root may lie in "/home/Ada Lovelace": inside a user's shell script no
    quoting is right everywhere.

    The link lies in /tmp, which never has a space, in a directory of its own that no other user can enter. That one is
    locked: systemd-tmpfiles removes what is old there, and so frees its name, but nothing locked (tmpfiles.d(5)).
    """
    if re.fullmatch(r"[\w./+@,=-]+", str(directory), re.ASCII):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="srekv-", dir="/tmp") as place:
        link = Path(place, "home")
        link.symlink_to(directory)
        descriptor = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield link
        finally:
            os.close(descriptor)


async def run(runtime: Runtime, listener: socket.socket, directory: Path, pipe: IO[str]) -> None:
    """Live until a signal asks for the end. Raises SrekvError when a part does not come up, or the control plane ends.

    The control plane inherits `listener`; machines call the runtime directory `directory`; `pipe` is that of `_report`.
    """
    ready, stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    handlers: dict[str, Handler] = {"ready": ready.set}
    ours, theirs = socket.socketpair()
    with theirs, listener:
        child = _start_control_plane(runtime, link=theirs.fileno(), api=listener.fileno())
    link = AsyncLink(ours, handlers)
    try:
        from srekv.local.dataplane import data_plane  # it takes a while: the control plane imports its own meanwhile

        taken_s: list[float] = []
        await _first(ready.wait(), link.ended, stop.wait(), measure(taken_s.append))
        if ready.is_set():
            keeps = kept(taken_s)
            runtime = replace(runtime, speed=runtime.speed or fastest(keeps), keeps=round(keeps, 1))
            _log.info("speed %g; this machine keeps %.1f", runtime.speed, keeps)
            link.notify("settle", speed=runtime.speed)
            async with data_plane(replace(runtime, directory=directory), link) as answers:
                handlers |= answers
                runtimes.write(runtime)
                _report(pipe, {"ready": True})
                await _first(link.ended, stop.wait())
        if link.ended.done() and not stop.is_set():
            raise SrekvError("the control plane ended by itself", next_step="srekv local logs")
    finally:
        link.close()
        child.terminate()
        await asyncio.to_thread(end_process, child, 5.0)
        await link.ended


def _start_control_plane(runtime: Runtime, *, link: int, api: int) -> subprocess.Popen[bytes]:
    """Start it on these inherited sockets, with nothing of the operator's AWS settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "BOTO", "MOTO"))}
    environment |= {
        "PYTHONPATH": str(runtimes.PACKAGE_ROOT),
        "SREKV_ROOT_KEY": runtime.access_key,
        "SREKV_ROOT_SECRET": runtime.secret_key,
        "SREKV_CLOUD_ID": runtime.cloud_id,
        FD_VARIABLE: str(link),
        "SREKV_API_FD": str(api),
    }
    arguments = ["--account", runtimes.ACCOUNT, "--subnet", runtime.subnet, "--dynamodb", runtime.dynamodb]
    arguments += ["--region-default", "us-east-1"]  # for requests that name none
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, "-P", "-m", "srekv.local.cloud", *arguments],
        env=environment,
        pass_fds=(link, api),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread holds a lock this early
    )


def _report(pipe: IO[str], message: Mapping[str, object]) -> None:
    """Report to `control.ensure`, which reads the pipe, that the cloud serves or why not; the first message counts."""
    if not pipe.closed:
        with contextlib.suppress(BrokenPipeError), pipe:
            json.dump(message, pipe)


async def _first(*awaitables: Any) -> None:
    """Wait until the first of these is done; the others that were made for this are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, given in zip(tasks, awaitables, strict=True):
        if task is not given:
            task.cancel()


def main(arguments: Sequence[str]) -> int:
    """Serve one local cloud; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m srekv.local.supervisor")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--speed", type=float, default=0.0, help="0: what this machine keeps")
    parser.add_argument("--dns-port", type=int, required=True)
    parser.add_argument("--dynamodb", default="")
    parser.add_argument("--ready-fd", type=int, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    directory: Path = options.directory
    pipe = os.fdopen(options.ready_fd, "w")  # open until the process ends: a traceback is in the log by then
    with (directory / runtimes.LIFE_LOCK).open("a") as life:
        try:
            _live_in(options, life, pipe)
        except SrekvError as error:
            _log.error("%s", error)
            _report(pipe, {"what": error.what, "why": error.why, "next_step": str(error.next_step)})
            return error.exit_code
        os.dup(life.fileno())  # keeps the lock until the process has ended, and not only its work
    return 0


def _live_in(options: argparse.Namespace, life: IO[str], pipe: IO[str]) -> None:
    """Live once, in a directory that is ours once `life` is locked."""
    if not runtimes.try_lock(life.fileno()):
        raise SrekvError(f"another local cloud runs in {options.directory}", next_step="srekv local status")
    life.truncate(0)
    print(os.getpid(), end="", file=life, flush=True)
    with claimed_network() as (subnet, listener):
        runtime = Runtime(
            pid=os.getpid(),
            cloud_id=secrets.token_hex(8),
            endpoint=f"http://{subnet}.1:{API_PORT}",
            access_key="AKIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
            secret_key=secrets.token_hex(20),
            resolver=(f"{subnet}.2", options.dns_port),
            authoritative=(f"{subnet}.3", options.dns_port),
            speed=options.speed,
            subnet=subnet,
            directory=options.directory,
            started_at=time.time(),
            dynamodb=options.dynamodb,
        )
        _log.info("starts as %s on %s.0/24, pid %d", runtime.cloud_id, subnet, runtime.pid)
        try:
            with plain_name(runtime.directory) as directory:
                asyncio.run(run(runtime, listener, directory, pipe))
        finally:
            (runtime.directory / runtimes.RUNTIME).unlink(missing_ok=True)
            shutil.rmtree(runtime.directory / runtimes.SHIMS, ignore_errors=True)
            _log.info("ended")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
