"""A history on its way home: through SSM, whose stdout ends after 24,000 characters (aws-facts 4.10)."""

from __future__ import annotations

import base64
import hashlib
import os
import pathlib
import time
import zlib
from typing import Any

ROOM = 22_000
"""Characters of base64 in one answer, so that the whole JSON document stays below SSM's 24,000."""


def fetch(path: str, *, offset: int, limit: int) -> dict[str, Any]:
    """A compressed piece of the file: as many of the `limit` bytes after `offset` as fit in one answer."""
    with pathlib.Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(offset)
        data = file.read(limit)
    packed = zlib.compress(data, 9)
    while len(packed) * 4 // 3 + 4 > ROOM:
        data = data[: len(data) * 3 // 4]
        packed = zlib.compress(data, 9)
    return {
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "offset": offset,
        "data_b64": base64.b64encode(packed).decode(),
        "eof": offset + len(data) >= size,
    }


def settle(path: str, *, stop: bool, wait_s: float) -> dict[str, Any]:
    """The status of a load, after telling it to stop (`stop`) and waiting wait_s wall-clock seconds for its end."""
    if stop:
        pathlib.Path(path + ".stop").touch()
    deadline = time.monotonic() + wait_s
    while True:
        seen = status(path)
        if seen["done"] or not seen["running"] or time.monotonic() >= deadline:
            return seen
        time.sleep(0.05)


def status(path: str) -> dict[str, Any]:
    """How far a load has come; `now` is this host's wall clock, for aligning events recorded elsewhere."""
    file = pathlib.Path(path)
    return {
        "exists": file.exists(),
        "size": file.stat().st_size if file.exists() else 0,
        "running": _alive(pathlib.Path(path + ".pid")),
        "done": pathlib.Path(path + ".done").exists(),
        "now": time.time(),
    }


def _alive(pid_file: pathlib.Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True
