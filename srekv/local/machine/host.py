"""A running machine: its directories, its environment, its console, and how to start a process in it.

A machine has no mount namespace (that would need root), so absolute paths in its scripts, units and commands are moved
below its root directory instead: one pass of one regular expression over the text. Paths that are already below the
root are left alone, so rewriting twice is harmless.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from srekv.local.machine import shims

CONSOLE = "console.log"  # its name in a machine's directory

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MOVED = "etc|opt|srv|var|home|root|run|tmp|usr/local"
"""The directories that a machine owns; everything else (/bin, /dev, /usr/lib ...) is the host's."""

SKELETON = (
    *("etc/systemd/system", "etc/systemd/resolved.conf.d", "etc/sysconfig", "home/ec2-user", "opt", "root", "run"),
    *("srv", "tmp", "usr/local/bin", "var/lib/cloud", "var/log"),
)
"""What exists on a freshly installed machine."""

_START = r"(?<![\w./\-~})*])"
_END = r"(?![\w.-])"


class Rewriter:
    """Moves absolute paths below a machine's root, and /usr/bin/NAME to the directory of shims for these names."""

    def __init__(self, root: Path, *, shims: Path, names: Iterable[str]) -> None:
        self.root = root
        self._shims = str(shims)
        kept = "|".join(re.escape(str(path)) for path in (root, shims))
        commands = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._pattern = re.compile(
            rf"(?P<keep>(?:{kept}){_END})"
            rf"|{_START}(?P<moved>/(?:{_MOVED})){_END}"
            rf"|{_START}/(?:usr/)?s?bin/(?P<command>{commands or '(?!)'}){_END}"
        )

    def text(self, text: str) -> str:
        """Every such path in the text, moved."""
        return self._pattern.sub(self._replace, text)

    def file(self, path: str) -> Path:
        """The place of an absolute (or root-relative) path that a machine writes, always below its root."""
        if Path(path).is_relative_to(self.root):
            return Path(path)
        parts = [part for part in Path(path).parts if part not in ("/", "..")]
        return self.root.joinpath(*parts)

    def _replace(self, match: re.Match[str]) -> str:
        if match["command"]:
            return f"{self._shims}/{match['command']}"
        return match["keep"] or f"{self.root}{match['moved']}"


def is_shell(text: str) -> bool:
    """Whether the text is a script for a shell, whose paths are to be moved before it runs."""
    first = text.split("\n", 1)[0]
    return first.startswith("#!") and re.search(r"\b(?:ba|da|k|z)?sh\b", first) is not None


class Host:
    """Shared by everything in one machine's init; safe to use from several threads.

    `directory` is the machine's own, named after the instance id; `shims_directory` that of the replaced commands;
    `speed` is in AWS-equivalent seconds per wall-clock second; `environment` adds variables for every process.
    """

    def __init__(self, directory: Path, *, shims_directory: str, speed: float, environment: Mapping[str, str]) -> None:
        self.speed = speed
        self.directory = directory
        self.root = directory / "root"
        self.rewriter = Rewriter(self.root, shims=Path(shims_directory), names=shims.NAMES)
        self.environment = {
            "HOME": str(self.root / "root"),
            "TMPDIR": str(self.root / "tmp"),
            "PATH": f"{shims_directory}:{self.root}/usr/local/bin:{_SYSTEM_PATH}",
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
        """For ever, collect the dead processes that parents which ended left to us; never a child of `spawn`."""
        while sys.platform == "linux":  # elsewhere they are left to another process
            time.sleep(2)
            with self._lock:
                own = {child.pid for child in self._children if child.returncode is None}
                with contextlib.suppress(ChildProcessError):
                    while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                        if dead.si_pid in own:
                            break
                        os.waitpid(dead.si_pid, os.WNOHANG)

    def switch_off(self) -> None:
        """No process starts from now on."""
        with self._lock:
            self._off = True
