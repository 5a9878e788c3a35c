"""A machine as a reader has it: a checkout, an empty home, the tool in PATH, and an AWS account on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srekv.local import control

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", "build", "dist", "node_modules", "__pycache__", ".*_cache", ".hyp*", "srekv-drills")
)
KEPT = ("LANG", "LC_ALL", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONFIG_FILE", "PIP_NO_INDEX")
"""What a session takes over: the language, and where pip finds packages on this machine."""

SPEED = 4.0
"""Of every local cloud: several pages run at once, and a drill is judged by timeouts that this speed divides."""

ACCOUNT_SPEED = 10.0
"""Of an account in which nothing is drilled: what srekv takes for AWS has no clock to be told of."""

GONE_S = 20.0


class Place:
    """Everything below one directory.

    Attributes:
        checkout: a copy of the repository, where a session starts.
        home: the reader's home, empty at first.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.checkout = directory / "srekv"
        self.home = directory / "home"
        self.notes = directory / "notes"
        self.home.mkdir(parents=True)
        self.notes.mkdir()
        shutil.copytree(ROOT, self.checkout, ignore=LEFT_OUT)
        _reader_venv(directory / "venv")

    def environment(self) -> dict[str, str]:
        """A session's: nothing of this machine's but the language and the way to packages."""
        path = (self._directory / "venv" / "bin", Path(sys.executable).parent, os.environ["PATH"])
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        cache = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
        own = {
            "SREKV_SPEED": f"{SPEED:g}",
            "HOME": str(self.home),
            "TMPDIR": str(self._directory),
            "PIP_CACHE_DIR": cache,
        }
        return {"LANG": "C.UTF-8", **kept, **own, "PATH": os.pathsep.join(map(str, path))}

    @contextmanager
    def account(self, *, drilled: bool) -> Iterator[dict[str, str]]:
        """An AWS account for as long as it is needed: the local cloud, in a home of its own, as any tool sees it.

        Args:
            drilled: whether a drill measures it; its clock is AWS's then, so that the outage is as long as there.

        Yields:
            The variables that point boto3 and the AWS command line at it.
        """
        directory = control.home({"SREKV_HOME": str(self._directory / "account")})
        runtime = control.ensure(directory, speed=1.0 if drilled else ACCOUNT_SPEED, dns_port=_free_port())
        try:
            yield control.environment(runtime, "us-east-1")
        finally:
            control.stop(directory)

    def tidy(self) -> None:
        """End the reader's local cloud, if one runs."""
        control.stop(control.home({"HOME": str(self.home)}))

    def left(self) -> list[str]:
        """The processes that still run for this place, after those that are ending had time to; [] as it should be."""
        deadline = time.monotonic() + GONE_S
        while (found := list(_processes_of(self.home))) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found


def _reader_venv(directory: Path) -> None:
    """An environment that `pip install` may change: what is installed beside this Python is there already."""
    venv.create(directory, symlinks=True)
    python = directory / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    borrowed = directory / "lib" / version / "site-packages" / "borrowed.pth"
    borrowed.write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    pip = directory / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{python}" -m pip --disable-pip-version-check "$@"\n')
    pip.chmod(0o755)


def _free_port() -> int:
    """A port that nobody listens on now, by TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _processes_of(home: Path) -> Iterator[str]:
    """Those whose HOME it is; only Linux tells."""
    wanted = f"HOME={home}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                yield f"{process.name} {words.decode(errors='replace')}"
        except OSError:
            continue
