"""What the installed cloud-init makes of user data: texts in base64 come in as JSON, what each would do goes out.

Run by the Python that has cloud-init, for example /usr/bin/python3. Nothing is written outside of a temporary folder;
the scripts of the user data are started, because only the kernel knows which of them it takes.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cloudinit import handlers, helpers, util
from cloudinit.config import cc_runcmd, cc_write_files, cc_write_files_deferred
from cloudinit.handlers.boot_hook import BootHookPartHandler
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.handlers.shell_script import ShellScriptPartHandler
from cloudinit.handlers.shell_script_by_frequency import ShellScriptByFreqPartHandler
from cloudinit.settings import PER_ALWAYS, PER_INSTANCE, PER_ONCE
from cloudinit.user_data import UserDataProcessor

LOG = logging.getLogger(__name__)


class Config(CloudConfigPartHandler):
    """Keeps what it has merged."""

    def __init__(self, paths: Any) -> None:
        super().__init__(paths)
        self.merged: dict[str, Any] = {}

    def _write_cloud_config(self) -> None:
        self.merged = self.cloud_buf or {}


class Hooks(BootHookPartHandler):
    """Keeps the hooks that would run, and does not run them."""

    def __init__(self, paths: Any) -> None:
        super().__init__(paths, None)
        self.kept: list[list[str]] = []

    def handle_part(self, _data: Any, ctype: str, filename: str, payload: str, _frequency: str) -> None:
        """Write one."""
        if ctype not in handlers.CONTENT_SIGNALS:
            self.kept += scripts([Path(self._write_part(payload, filename))])


def scripts(paths: list[Path]) -> list[list[str]]:
    """Name and text of those that the kernel takes, in the order of run-parts."""
    return [[path.name, path.read_bytes().decode()] for path in sorted(paths) if is_taken(path)]


def is_taken(path: Path) -> bool:
    """Whether the kernel takes the file for a program; its interpreter may be missing."""
    try:
        subprocess.run([path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=30)
    except OSError as error:
        return error.errno != errno.ENOEXEC
    return True


def files_of(config: dict[str, Any], cloud: Any) -> list[list[Any]]:
    """What both halves of write_files write."""
    written: list[list[Any]] = []

    def write(path: str, content: Any, omode: str, mode: int) -> None:
        written.append([path, base64.b64encode(util.encode_text(content)).decode(), mode, omode == "ab"])

    cc_write_files.util = SimpleNamespace(**{**vars(util), "write_file": write, "chownbyname": lambda *_: None})
    for module in (cc_write_files, cc_write_files_deferred):
        with contextlib.suppress(Exception):  # it ends the module, and is logged
            module.handle("write_files", config, cloud, LOG, [])
    return written


def outcome(data: bytes, folder: str) -> dict[str, Any]:
    """What is done at the first boot."""
    paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder}, SimpleNamespace(get_instance_id=lambda: "i-1"))
    try:
        message = UserDataProcessor(paths).process(data)
    except Exception as error:  # noqa: BLE001 - whatever it raises ends the stage
        return {"stopped": str(error)}
    config, hooks = Config(paths), Hooks(paths)
    often = [ShellScriptByFreqPartHandler(one, paths) for one in (PER_ONCE, PER_ALWAYS, PER_INSTANCE)]
    known = helpers.ContentHandlers()
    for one in (config, ShellScriptPartHandler(paths), *often, hooks):
        known.register(one)
        handlers.call_begin(one, None, PER_INSTANCE)
    state = {"handlers": known, "data": None, "frequency": PER_INSTANCE, "handlercount": 0, "excluded": []}
    handlers.walk(message, handlers.walker_callback, data={**state, "handlerdir": folder})
    handlers.call_end(config, None, PER_INSTANCE)
    user = paths.get_ipath_cur("scripts")
    cloud = SimpleNamespace(distro=SimpleNamespace(default_owner="root:root"), get_ipath=lambda _: user)
    boot = []
    with contextlib.suppress(TypeError):
        boot = [["bootcmd", util.shellify(config.merged["bootcmd"])]] if "bootcmd" in config.merged else []
    with contextlib.suppress(Exception):  # as above
        cc_runcmd.handle("runcmd", config.merged, cloud, LOG, [])
    folders = [*(Path(folder, f"scripts/per-{one}") for one in ("once", "boot", "instance")), Path(user)]
    first = [one for place in folders for one in scripts([*place.glob("*")])]
    return {"files": files_of(config.merged, cloud), "boot": hooks.kept + boot, "first": first}


def main() -> None:
    """All of them."""
    outcomes = []
    for text in json.load(sys.stdin):
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(outcome(base64.b64decode(text), folder))
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
