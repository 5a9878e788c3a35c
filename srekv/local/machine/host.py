"""A running machine: its directories, its environment, its console, and how to start a process in it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from srekv.local.machine import shims
from srekv.local.machine.paths import Rewriter

CONSOLE = "console.log"  # its name in a machine's directory

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host:
    """Shared by everything in one machine's init; safe to use from several threads.

    Args:
        directory: the machine's own; its name is the instance id.
        shims_directory: that of the replaced commands.
        speed: AWS-equivalent seconds per wall-clock second.
        environment: variables for every process, in addition to those that follow from the above.
    """

    def __init__(self, directory: Path, *, shims_directory: str, speed: float, environment: Mapping[str, str]) -> None:
        self.speed = speed
        self.directory = directory
        self.root = directory / "root"
        self.rewriter = Rewriter(self.root, shims=Path(shims_directory), names=shims.NAMES)
        self.environment = {
            "HOME": str(self.root / "root"),
            "TMPDIR": str(self.root / "tmp"),
            "PATH": f"{shims_directory}:{self.root}/usr/local/bin:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).with_name("netshim")),  # gives programs the machine's network
            "SREKV_MACHINE_DIRECTORY": str(directory),
            **environment,
        }
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        self._started = time.monotonic()
        self._off = False

    def log(self, source: str, text: str) -> None:
        """Lines for the console."""
        stamp = f"[{time.monotonic() - self._started:9.3f}] {source}: "
        lines = "".join(f"{stamp}{line}\n" for line in text.splitlines())
        with self.open_console() as console:
            console.write(lines.encode())

    def open_console(self) -> IO[bytes]:
        """The console for appending; processes write to it directly."""
        return open(self.directory / CONSOLE, "ab", buffering=0)  # noqa: PTH123 - unbuffered

    def spawn(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        output: IO[bytes] | int,
        errors: IO[bytes] | int = subprocess.STDOUT,
    ) -> subprocess.Popen[bytes]:
        """A process of this machine, leader of its own session. Raises OSError, also once the machine goes off."""
        with self._lock:
            if self._off:
                raise ProcessLookupError("the machine is off")
            child = subprocess.Popen(  # noqa: S603 - running what user data says is the purpose
                list(argv),
                env=dict(self.environment if environment is None else environment),
                cwd=directory or self.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            self._children = [one for one in self._children if one.returncode is None]
            self._children.append(child)
            return child

    def reap(self) -> None:
        """Collect dead processes that were left to us by parents of theirs that ended; never a child of `spawn`."""
        if sys.platform != "linux":
            return  # they were left to somebody else
        with self._lock:
            own = {child.pid for child in self._children if child.returncode is None}
            while True:
                try:
                    dead: Any = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                except ChildProcessError:
                    return
                if dead is None or dead.si_pid in own:
                    return
                os.waitpid(dead.si_pid, os.WNOHANG)

    def switch_off(self) -> None:
        """No process starts from now on."""
        with self._lock:
            self._off = True
