"""A folder that no other user of the computer can read, write or replace; root is trusted."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

from srekv.errors import SrekvError


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

    Raises:
        OSError: it cannot be examined, or does not exist.
        SrekvError: another user can; it names the folder that is too open and the command that closes it.
    """
    for folder in dict.fromkeys((directory, *directory.parents, *directory.resolve().parents)):
        target = folder.stat()
        owners = {folder.lstat().st_uid, target.st_uid}
        trusted = {os.geteuid()} if folder == directory else {os.geteuid(), 0, Path("/").stat().st_uid}
        if strangers := owners - trusted:
            why = f"{folder} belongs to user {min(strangers)}, and srekv runs as user {os.geteuid()}"
            raise _shared(directory, why, "SREKV_HOME=DIRECTORY srekv ... keeps it in a folder of your own")
        if writers := _writers(target, sticky_helps=folder != directory):
            raise _shared(directory, f"{writers} can write {folder}", f"chmod go-w {shlex.quote(str(folder))}")


def _shared(directory: Path, why: str, next_step: str) -> SrekvError:
    what = f"the local cloud does not use {directory}: another user can replace what is in it"
    return SrekvError(what, why=why, next_step=next_step)


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
