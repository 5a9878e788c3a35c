"""The runtime directory of a local cloud: where it is, who may write it, and which cloud runs there."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import json
import os
import pwd
import shlex
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from srekv.errors import SrekvError

RUNTIME = "runtime.json"
START_LOCK = "lock"
LIFE_LOCK = "alive"
LOG = "supervisor.log"
MACHINES = "machines"
SHIMS = "shims"
"""Names in the runtime directory.

LIFE_LOCK is held by the supervisor for as long as it lives, and holds its process id; START_LOCK by who starts one.
"""

NETWORKS = "127.53"  # the first two bytes of every local cloud's addresses

ACCOUNT = "123456789012"
API_PORT = 8000
MACHINE_HOSTS = range(64, 128)  # last bytes of the machines' private addresses
PACKAGE_ROOT = Path(__file__).resolve().parents[2]  # the directory that `import srekv` finds the package in


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A running local cloud."""

    pid: int  # of its supervisor
    cloud_id: str  # its random name
    endpoint: str  # URL of every AWS service
    access_key: str  # key id of the operator; `secret_key` is the secret
    secret_key: str = field(repr=False)
    resolver: tuple[str, int]  # address and port of the caching resolver, what clients ask
    authoritative: tuple[str, int]  # address and port of the zones' name server
    speed: float  # AWS-equivalent seconds per wall-clock second; 0 until it is settled
    subnet: str  # the first three bytes of its addresses
    directory: Path  # its runtime directory
    started_at: float  # Unix time
    dynamodb: str = ""  # URL of the database that its tables live in; "" for its own
    keeps: float = 0.0  # the speed that this machine kept when it started

    def token(self, machine: str) -> str:
        """What a machine's processes carry in their environment; unique among the machines of all clouds."""
        return f"{self.cloud_id}/{machine}"


def home(environ: Mapping[str, str]) -> Path:
    """The runtime directory: below $SREKV_HOME, else below XDG's state directory."""
    states = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or Path.home(), ".local", "state")
    base = environ.get("SREKV_HOME") or Path(states, "srekv")
    return Path(base).absolute() / "local"


def write(runtime: Runtime) -> None:
    """Store the description, readable by its owner alone, all at once."""
    path = runtime.directory / RUNTIME
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(json.dumps({**asdict(runtime), "directory": str(runtime.directory)}, indent=1))
    fresh.replace(path)


def read(directory: Path) -> Runtime | None:
    """The description that was stored last, of a cloud that may have gone; None without a readable one.

    Raises SrekvError when another user could have stored it.
    """
    try:
        refuse_shared(directory)
        data = json.loads((directory / RUNTIME).read_text())
        known = {one.name: data[one.name] for one in fields(Runtime) if one.name in data}
        places = {name: (str(data[name][0]), int(data[name][1])) for name in ("resolver", "authoritative")}
        return Runtime(**{**known, **places, "directory": directory})
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


@contextlib.contextmanager
def locked(path: Path, *, timeout_s: float) -> Iterator[bool]:
    """Hold the lock file exclusively; yields False when somebody else kept it for timeout_s wall-clock seconds."""
    deadline = time.monotonic() + timeout_s
    with path.open("a") as file:
        while not (held := try_lock(file.fileno())) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield held


def try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; False when another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(directory: Path) -> bool:
    """Whether a supervisor lives in this directory: it holds its lock, whatever process ids say."""
    try:
        with (directory / LIFE_LOCK).open("r+") as file:
            return not try_lock(file.fileno())
    except FileNotFoundError:
        return False


def holder(directory: Path) -> int | None:
    """The process id of the supervisor that lives in this directory; None without one.

    A description may be of an earlier cloud, whose process id belongs to another process by now: only the lock's
    holder wrote its own into the lock's file.
    """
    try:
        return int((directory / LIFE_LOCK).read_text()) if is_alive(directory) else None
    except (OSError, ValueError):
        return None


def make_private(directory: Path) -> None:
    """Make the folder, and those above it that are missing, for their owner alone, whatever the umask.

    Raises OSError when it cannot be made, and what `refuse_shared` raises.
    """
    missing = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    refuse_shared(directory)
    directory.chmod(0o700)


def refuse_shared(directory: Path) -> None:
    """Make sure that no other user can write the folder, or replace it by writing one above it.

    Raises OSError if it cannot be examined; SrekvError with the folder that is too open and how to close it.
    """
    for folder in dict.fromkeys((directory, *directory.parents, *directory.resolve().parents)):
        target = folder.stat()
        owners = {folder.lstat().st_uid, target.st_uid}
        trusted = {os.geteuid()} if folder == directory else {os.geteuid(), 0, Path("/").stat().st_uid}
        what = f"the local cloud does not use {directory}: another user can replace what is in it"
        if strangers := owners - trusted:
            why = f"{folder} belongs to user {min(strangers)}, and srekv runs as user {os.geteuid()}"
            raise SrekvError(what, why=why, next_step="SREKV_HOME=DIRECTORY srekv ... keeps it in a folder of your own")
        if writers := _writers(target, sticky_helps=folder != directory):
            why, next_step = f"{writers} can write {folder}", f"chmod go-w {shlex.quote(str(folder))}"
            raise SrekvError(what, why=why, next_step=next_step)


def _writers(state: os.stat_result, *, sticky_helps: bool) -> str:
    """Which others may write in a folder, "" for none; in a sticky one (/tmp) they cannot replace what is ours."""
    if sticky_helps and state.st_mode & stat.S_ISVTX:
        return ""
    if state.st_mode & stat.S_IWOTH:
        return "every user"
    return f"group {state.st_gid}" if state.st_mode & stat.S_IWGRP and not _is_private(state.st_gid) else ""


def _is_private(gid: int) -> bool:
    """Whether a group is the user's own, as useradd makes one of the user's name; umask 002 goes with it."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and {user.pw_name}.issuperset(group.gr_mem)
