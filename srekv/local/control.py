"""Start, find, join and stop a local cloud. The command line uses this; it imports neither moto nor the DNS library."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from srekv.errors import SrekvError, TimeoutExceeded, UsageError
from srekv.local import runtime as runtimes
from srekv.local.runtime import LOG, MACHINES, PACKAGE_ROOT, Runtime, home, is_alive

__all__ = ["DNS_PORT", "Runtime", "ensure", "environment", "find", "home", "logs", "release", "status", "stop"]

DNS_PORT = 5300  # of a local cloud that is started without a wish
LOG_LIMIT = 8 * 1024 * 1024  # a longer supervisor log starts anew with the next cloud

_STOP_S = 15.0
_LAUNCH = 'log="$1"; shift; exec </dev/null >>"$log" 2>&1; "$@" &'
"""Starts the supervisor as nobody's child, so that whoever started it need not collect it."""


def find(directory: Path) -> Runtime | None:
    """The cloud that runs in this directory; a stale description counts for nothing."""
    runtime = runtimes.read(directory)
    if runtime is None or not is_alive(directory):
        return None
    with contextlib.suppress(OSError, ValueError):
        if _get(runtime, "/_srekv/ping").get("cloud") == runtime.cloud_id:
            return runtime
    return None


def ensure(
    directory: Path,
    *,
    speed: float | None = None,
    usual: float | None = None,
    dns_port: int | None = None,
    dynamodb: str | None = None,
    timeout_s: float = 20,
    meanwhile: Callable[[], object] = lambda: None,
    started: Callable[[Runtime], object] = lambda _: None,
) -> Runtime:
    """Join the cloud that runs in this directory, or start one.

    Args:
        directory: see `home`.
        speed: the wished speed, or None for whatever runs (`usual` when nothing does).
        usual: the speed of a new cloud without a wish, or None for what this machine keeps.
        dns_port: the wished port of the name servers, or None for whatever runs (DNS_PORT when nothing does).
        dynamodb: the wished URL of the database for its tables, or None for whatever runs (its own when nothing does).
        timeout_s: wall-clock seconds until it must serve.
        meanwhile: called while a new cloud starts, for work that does not need it (imports, for example).
        started: called with a new cloud.

    Raises:
        UsageError: it runs at another speed, its name servers have another port, or its tables live elsewhere.
        SrekvError: it cannot be started; the message says why.
        TimeoutExceeded: it did not serve in time.
    """
    _make(directory)
    with runtimes.locked(directory / runtimes.START_LOCK, timeout_s=timeout_s) as held:
        if not held:
            raise TimeoutExceeded(
                "another process has been starting the local cloud for too long",
                why=f"{directory / runtimes.START_LOCK} is locked",
                next_step="srekv local logs",
            )
        running = _settled(directory, timeout_s)
        if running is not None:
            return _joined(running, speed=speed, dns_port=dns_port, dynamodb=dynamodb)
        if is_alive(directory):
            raise SrekvError(
                "a local cloud runs here and does not answer",
                why=f"its supervisor lives, its endpoint is silent; see {directory / LOG}",
                next_step="srekv local stop",
            )
        options = {
            "--directory": directory,
            "--speed": speed or usual or 0,
            "--dns-port": DNS_PORT if dns_port is None else dns_port,
            "--dynamodb": dynamodb or "",
        }
        running = _start(directory, options, timeout_s, meanwhile)
    started(running)
    return running


def stop(directory: Path) -> bool:
    """End the cloud and everything in it; False when none ran. Takes some seconds at most.

    Raises SrekvError when it does not end starting or ending in time, or when nothing proves which process it is.
    """
    _settled(directory, _STOP_S)
    runtime = runtimes.read(directory)
    if not is_alive(directory):
        if runtime is not None:
            _sweep(runtime)
        return False
    if runtime is None:
        raise SrekvError(
            "the local cloud is starting or ending",
            why=f"{directory} is locked by its supervisor and has no {runtimes.RUNTIME}",
            next_step="try again in a few seconds",
        )
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = runtimes.holder(directory)
        if pid is None and is_alive(directory):
            raise SrekvError(
                "the local cloud cannot be stopped",
                why=f"{directory / runtimes.LIFE_LOCK} does not name its holder, as an older srekv left it",
                next_step=f"kill {runtime.pid}, if that process is srekv.local.supervisor",
            )
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + _STOP_S
        while is_alive(directory) and time.monotonic() < deadline:
            time.sleep(0.01)
        if not is_alive(directory):
            break
    _sweep(runtime)
    return True


def _settled(directory: Path, timeout_s: float) -> Runtime | None:
    """The cloud that runs here; one whose starter was killed, or that is just ending, gets the time that it needs."""
    deadline = time.monotonic() + timeout_s
    while (running := find(directory)) is None and is_alive(directory) and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


def release(directory: Path) -> bool:
    """Stop the cloud if no resource is left in it; True when it was stopped."""
    runtime = find(directory)
    if runtime is None:
        return False
    try:
        empty = _get(runtime, "/_srekv/empty", signed=True).get("empty") is True
    except (OSError, ValueError):
        return False
    return empty and stop(directory)


def logs(directory: Path) -> Iterator[str]:
    """The lines of the supervisor's log, then of every machine's console, each machine under a heading."""
    if (directory / LOG).exists():
        yield from _lines(directory / LOG)
    for console in sorted(directory.glob(f"{MACHINES}/*/console.log")):
        yield f"==> {console.parent.name} <=="
        yield from _lines(console)


def environment(runtime: Runtime, region: str) -> dict[str, str]:
    """The variables that lead any AWS tool to this cloud."""
    return {
        "AWS_ACCESS_KEY_ID": runtime.access_key,
        "AWS_SECRET_ACCESS_KEY": runtime.secret_key,
        "AWS_ENDPOINT_URL": runtime.endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def status(runtime: Runtime) -> dict[str, Any]:
    """What can be said about a running cloud, as JSON values and without its secret."""
    left = _get(runtime, "/_srekv/empty", signed=True)
    return {
        "cloud_id": runtime.cloud_id,
        "pid": runtime.pid,
        "endpoint": runtime.endpoint,
        "resolver": {"address": runtime.resolver[0], "port": runtime.resolver[1]},
        "authoritative": {"address": runtime.authoritative[0], "port": runtime.authoritative[1]},
        "speed": runtime.speed,
        "dynamodb": runtime.dynamodb or runtime.endpoint,
        "directory": str(runtime.directory),
        "uptime_s": round(time.time() - runtime.started_at, 1),
        "empty": left.get("empty"),
        "resources": left.get("resources", []),
    }


def _joined(running: Runtime, *, speed: float | None, dns_port: int | None, dynamodb: str | None) -> Runtime:
    """The cloud that runs, unless something else was wished for."""
    for option, name, wish, has in (
        ("--speed", "speed", speed, running.speed),
        ("--dns-port", "DNS port", dns_port, running.resolver[1]),
        ("--dynamodb-endpoint", "DynamoDB endpoint", dynamodb, running.dynamodb),
    ):
        if wish is not None and wish != has:
            value = f"{has:g}" if isinstance(has, float) else str(has)
            raise UsageError(
                f"{option} {f'{wish:g}' if isinstance(wish, float) else wish} is not possible now",
                why=f"the local cloud runs at {name} {value or '(its own)'}, which is fixed for its life",
                next_step=f"leave {option} out, "
                + (f"say {option} {value}, or end it first: srekv local stop" if value else "or: srekv local stop"),
            )
    return running


def _make(directory: Path) -> None:
    try:
        runtimes.make_private(directory)
    except OSError as error:
        raise SrekvError(
            f"the local cloud has no place: {directory} cannot be made",
            why=f"{error.filename}: {error.strerror}",
            next_step="SREKV_HOME=DIRECTORY srekv ... keeps it in a directory of your choice",
        ) from None


def _start(
    directory: Path, options: Mapping[str, object], timeout_s: float, meanwhile: Callable[[], object]
) -> Runtime:
    log = directory / LOG
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.unlink()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answer:
        try:
            _launch(directory, options, writing)
        finally:
            os.close(writing)
        meanwhile()
        if not select.select([answer], [], [], timeout_s)[0]:
            raise TimeoutExceeded(
                f"the local cloud did not serve within {timeout_s:g} s", why=_tail(log), next_step="srekv local logs"
            )
        text = answer.read()  # nothing if it ended without a word
    message: dict[str, str] = json.loads(text) if text else {}
    runtime = find(directory) if message.get("ready") else None
    if runtime is not None:
        return runtime
    raise SrekvError(
        message.get("what", "the local cloud ended while it was starting"),
        why=message.get("why") or _tail(log),
        next_step=message.get("next_step") or "srekv local logs",
    )


def _launch(directory: Path, options: Mapping[str, object], descriptor: int) -> None:
    """Start the supervisor, with none of the operator's AWS settings or keys."""
    supervisor = [sys.executable, "-P", "-m", "srekv.local.supervisor"]
    supervisor += [str(part) for pair in options.items() for part in pair]
    log = directory / LOG
    log.touch(mode=0o600)
    # What earlier clouds left: kept until now for their consoles, and those machines cannot be started again.
    shutil.rmtree(directory / MACHINES, ignore_errors=True)
    kept = ("HOME", "PATH", "LANG", "LC_ALL", "TMPDIR", "TZ")
    inherited = {key: value for key, value in os.environ.items() if key in kept}
    subprocess.run(  # noqa: S603 - our own interpreter and our own words
        ["/bin/sh", "-c", _LAUNCH, "sh", str(log), *supervisor, "--ready-fd", str(descriptor)],
        env={**inherited, "PYTHONPATH": str(PACKAGE_ROOT)},
        pass_fds=[descriptor],
        cwd=directory,
        start_new_session=True,
        check=True,
    )


def _tail(log: Path) -> str:
    lines = list(_lines(log))[-15:]
    return "\n".join(("the end of its log:", *lines)) if lines else f"its log {log} is empty"


def _lines(path: Path) -> Iterator[str]:
    with path.open(errors="replace") as file:
        for line in file:
            yield line.rstrip("\n")


def _get(runtime: Runtime, path: str, *, signed: bool = False) -> dict[str, Any]:
    """A document that the control plane serves about itself. Raises OSError or ValueError.

    A signature proves that the operator sent the request, without the secret in it.
    """
    host = runtime.endpoint.removeprefix("http://")
    headers = {"Host": host}
    if signed:
        from srekv.local.auth import signed_headers

        keys = (runtime.access_key, runtime.secret_key)
        headers |= signed_headers(keys, "srekv", "local", method="GET", url=runtime.endpoint + path)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((f"{runtime.subnet}.1", int(host.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n{lines}\r\n".encode())
        with connection.makefile("rb") as stream:
            answer = stream.read()
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the peer's mistake, not a type error of ours
    return document


def _sweep(runtime: Runtime) -> None:
    """End what is left of the machines of a cloud that did not end orderly, and its description."""
    from srekv.local.machine.processes import kill_all

    for machine in runtime.directory.glob(f"{MACHINES}/*"):
        kill_all(runtime.token(machine.name))
    (runtime.directory / runtimes.RUNTIME).unlink(missing_ok=True)
