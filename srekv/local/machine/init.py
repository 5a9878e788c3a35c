"""Process one of a machine: `python -S -P -m srekv.local.machine.init`, started by the supervisor.

It speaks the link's protocol over the inherited socket: `boot {...}` -> null once the machine runs, `run {command,
script, timeout_s}`, and the notification `power_off {}`. When the link closes, the supervisor has gone or wants the
machine off at once: every process is killed and init ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from srekv.local.link import FD_VARIABLE, ThreadLink
from srekv.local.machine import cloudinit
from srekv.local.machine.host import CONSOLE, SKELETON, Host, is_shell
from srekv.local.machine.processes import TOKEN, adopt_orphans, kill_all
from srekv.local.machine.systemctl import Systemctl

OUTPUT_LIMIT = 1024 * 1024  # most bytes that are returned of each output stream
CONSOLE_LIMIT = 4 * 1024 * 1024  # a longer console log starts anew at the next boot


class Init:
    """The machine's life from power on to power off."""

    def __init__(self) -> None:
        self._host: Host | None = None
        self._systemctl: Systemctl | None = None

    def boot(self, directory: str, user_data: str, **settings: Any) -> None:
        """Prepare the root and start everything; user data (base64) is run in the background. `settings`: see Host."""
        host = Host(Path(directory), **settings)
        console = host.directory / CONSOLE
        if console.exists() and console.stat().st_size > CONSOLE_LIMIT:
            console.unlink()
        for name in ("run", "tmp"):  # empty after a boot: they are tmpfs on Amazon Linux 2023
            shutil.rmtree(host.root / name, ignore_errors=True)
        for name in SKELETON:
            host.root.joinpath(name).mkdir(parents=True, exist_ok=True)
        host.log("kernel", f"machine {host.directory.name} boots")
        systemctl = Systemctl(host, self.power_off)
        self._host, self._systemctl = host, systemctl
        _serve(host, systemctl)
        _background(lambda: _follow(host, systemctl, user_data))
        _background(host.reap)

    def run(self, command: str, script: str, timeout_s: float) -> dict[str, Any]:
        """Run a script as AWS-RunShellScript does, for these wall-clock seconds; it ends with its own process."""
        host = self._host
        assert host is not None  # noqa: S101 - it boots first
        words = _write_script(host, host.root / "var/lib/amazon/ssm" / command / "_script.sh", script)
        home = Path(host.environment["HOME"])
        process = host.spawn(words, directory=home, output=subprocess.PIPE, errors=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - they are pipes
        output = _Output(process.stdout, process.stderr)
        ended = threading.Thread(target=process.wait, daemon=True)  # wait() with a limit polls every 50 ms
        ended.start()
        ended.join(timeout_s)
        if ended.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            ended.join()
            code, status = 128 + signal.SIGKILL, "TimedOut"
        else:
            code, status = process.returncode, "Failed" if process.returncode else "Success"
        stdout, stderr = output.starts()
        return {"code": code if code >= 0 else 128 - code, "stdout": stdout, "stderr": stderr, "status": status}

    def power_off(self) -> None:
        """End the machine in order, its services first."""
        if self._systemctl is not None:
            self._systemctl.stop_all()
        self.end()

    def end(self) -> None:
        """Kill every process of the machine and end init itself."""
        if self._host is not None:
            self._host.switch_off()
            kill_all(self._host.environment[TOKEN], os.getpid())
        os._exit(0)


def _follow(host: Host, systemctl: Systemctl, user_data: str) -> None:
    """What cloud-init does in a boot; enabled units start concurrently, as multi-user.target does."""
    mark = host.root / "var/lib/cloud/instance/boot-finished"
    first = not mark.exists()
    try:
        plan = cloudinit.parse(user_data)
        for note in plan.notes if first else ():
            host.log("cloud-init", note)
        for script in plan.boot:
            _run_script(host, script)
        if not first:
            systemctl.start_enabled()
        for file in plan.files if first else ():
            _write(host, file)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()  # before the scripts: they run once, even if the machine goes off half-way
        for script in plan.first if first else plan.later:
            _run_script(host, script)
        host.log("cloud-init", "finished")
    except Exception as error:  # noqa: BLE001 - the machine stays up, with what went wrong on its console
        host.log("cloud-init", f"stopped: {error!r}")


def _run_script(host: Host, script: cloudinit.Script) -> None:
    path = host.root / "var/lib/cloud/instance/scripts" / script.name.replace(" ", "-")
    words = _write_script(host, path, script.body)
    try:
        with host.open_console() as console:
            code = host.spawn(words, output=console).wait()
    except FileNotFoundError as error:
        host.log("cloud-init", f"{script.name}: cannot run: {error}")
        return
    if code:
        host.log("cloud-init", f"{script.name}: failed with exit code {code}")


def _write(host: Host, file: cloudinit.File) -> None:
    path = host.rewriter.file(file.path)
    content = file.content
    with contextlib.suppress(UnicodeDecodeError):
        if is_shell(text := content.decode()):
            content = host.rewriter.text(text).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab" if file.append else "wb") as target:
            target.write(content)
        path.chmod(file.permissions)
    except OSError as error:
        host.log("cloud-init", f"write_files: {file.path}: {error.strerror}")


def _write_script(host: Host, path: Path, body: str) -> list[str]:
    """Store a script with its paths moved into the machine; returns the command line that runs it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = host.rewriter.text(body)
    path.write_text(text)
    path.chmod(0o700)
    return [str(path)] if text.startswith("#!") else ["/bin/sh", str(path)]


class _Output:
    """What a command prints, the start of each stream; all is read, also of a daemon that keeps one open."""

    def __init__(self, *pipes: IO[bytes]) -> None:
        self._lock = threading.Lock()
        self._open = list(pipes)
        self._kept = {pipe: bytearray() for pipe in pipes}
        for pipe in pipes:
            os.set_blocking(pipe.fileno(), False)
        _background(self._read_on)

    def starts(self) -> list[str]:
        """The first OUTPUT_LIMIT bytes of each stream, of what was written so far."""
        with self._lock:
            for pipe in self._open:
                while len(self._kept[pipe]) < OUTPUT_LIMIT and self._read(pipe):
                    pass
            return [kept.decode(errors="replace") for kept in self._kept.values()]

    def _read_on(self) -> None:
        while self._open:
            ready = select.select(self._open, [], [])[0]
            with self._lock:
                for pipe in ready:
                    if self._read(pipe) == b"":
                        self._open.remove(pipe)
                        pipe.close()

    def _read(self, pipe: IO[bytes]) -> bytes | None:
        """What is there now: nothing at the end, None before it."""
        try:
            data = os.read(pipe.fileno(), 64 * 1024)
        except BlockingIOError:
            return None
        kept = self._kept[pipe]
        kept += data[: OUTPUT_LIMIT - len(kept)]
        return data


def _serve(host: Host, systemctl: Systemctl) -> None:
    """Listen for the machine's systemctl: a line of JSON in, a line of JSON out."""

    class Request(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                answer = systemctl.handle(json.loads(self.rfile.readline()))
                self.wfile.write(json.dumps(answer._asdict()).encode() + b"\n")

    os.chdir(host.directory)  # a socket's path has room for 100 bytes
    Path("control.sock").unlink(missing_ok=True)
    server = socketserver.ThreadingUnixStreamServer("control.sock", Request)
    server.daemon_threads = True
    _background(server.serve_forever)


def _background(work: Callable[[], object]) -> None:
    threading.Thread(target=work, daemon=True).start()


def main() -> None:
    """Boot when told to, and end with the link."""
    adopt_orphans()
    init = Init()
    link = ThreadLink(
        socket.socket(fileno=int(os.environ.pop(FD_VARIABLE))),
        {"boot": init.boot, "run": init.run, "power_off": init.power_off},
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: init.end())
    link.start()
    link.wait()
    init.end()


if __name__ == "__main__":
    main()
