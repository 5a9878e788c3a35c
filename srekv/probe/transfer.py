"""A run's files on the vantage point: how far they are, and their way home.

A run RUN has RUN.jsonl, its history, and RUN.json, what the tool that started it wants remembered; beside the history
lie FILE.stop (it shall end) and FILE.done (it has ended in order). SSM's stdout ends after 24,000 characters
(aws-facts 4.10), so files go home in pieces, and come in pieces, each compressed and with a checksum.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import pathlib
import time
import zlib
from typing import Any

from srekv.probe import journal

ROOM = 22_000
"""Characters of base64 in one answer, so that the whole JSON document stays below SSM's 24,000."""

LARGEST = 1 << 24
"""Bytes of a file that may come here, unpacked."""

RUNS = 50
"""How many runs are listed at most, the latest first; 50 of them fit in one answer."""


def fetch(file: str, *, offset: int, limit: int) -> dict[str, Any]:
    """A compressed piece of the file: as many of the `limit` bytes after `offset` as fit in one answer.

    A file that is not there is an empty piece, "exists": false.
    """
    data, size = b"", -1
    with contextlib.suppress(FileNotFoundError), open(file, "rb") as stream:  # noqa: PTH123 - as everywhere here
        size = os.fstat(stream.fileno()).st_size
        stream.seek(offset)
        data = stream.read(limit)
    packed = zlib.compress(data, 9)
    while len(packed) * 4 // 3 + 4 > ROOM:
        data = data[: min(len(data) * 3 // 4, len(data) * ROOM // (len(packed) * 4 // 3))]
        packed = zlib.compress(data, 9)
    return {
        "exists": size >= 0,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "offset": offset,
        "data_b64": base64.b64encode(packed).decode(),
        "eof": offset + len(data) >= size,
    }


def store(file: str, *, offset: int, data: bytes, sha256: str) -> dict[str, Any]:
    """Take a piece of a compressed file; the last one brings the checksum of the whole, which then replaces the file.

    Raises:
        OSError: a piece is missing, or the whole is damaged; the file is as it was.
    """
    part = pathlib.Path(file + ".part")
    with part.open("r+b" if offset else "wb") as stream:
        if stream.seek(0, os.SEEK_END) < offset:
            raise OSError("a piece before offset %d is missing" % offset)
        stream.seek(offset)
        stream.truncate()
        stream.write(data)
    if sha256:
        packed = part.read_bytes()
        if hashlib.sha256(packed).hexdigest() != sha256:
            part.unlink()
            raise OSError("what arrived is damaged")
        unpacker = zlib.decompressobj()
        part.write_bytes(unpacker.decompress(packed, LARGEST))
        if unpacker.unconsumed_tail:
            raise OSError("what arrived unpacks to more than %d bytes" % LARGEST)
        part.replace(file)
    return {"stored": offset + len(data)}


def remove(file: str) -> dict[str, Any]:
    """Remove a run's files, given its history; fine when there are none."""
    path = pathlib.Path(file)
    found = list(path.parent.glob(path.stem + ".json*"))
    for one in found:
        one.unlink()
    return {"removed": sorted(one.name for one in found)}


def runs(directory: str) -> dict[str, Any]:
    """The runs whose histories lie in the directory, the latest first."""
    files = sorted(pathlib.Path(directory).glob("*.jsonl"), key=lambda file: file.stat().st_mtime, reverse=True)
    return {"runs": [{"run": file.stem, "written": file.stat().st_mtime, **status(str(file))} for file in files[:RUNS]]}


def settle(file: str, *, stop: bool, wait_s: float) -> dict[str, Any]:
    """The status of a load, after telling it to stop (`stop`) and waiting wait_s wall-clock seconds for its end."""
    if stop:
        pathlib.Path(file + ".stop").touch()
    deadline = time.monotonic() + wait_s
    while True:
        seen = status(file)
        if seen["done"] or not seen["running"] or time.monotonic() >= deadline:
            return seen
        time.sleep(0.05)


def status(path: str) -> dict[str, Any]:
    """How far a load has come; `now` is this host's wall clock, for aligning events recorded elsewhere."""
    file = pathlib.Path(path)
    running = journal.alive(path)  # before `done` is looked for: a load that ends between the two is done
    return {
        "exists": file.exists(),
        "size": file.stat().st_size if file.exists() else 0,
        "running": running,
        "done": pathlib.Path(path + ".done").exists(),
        "now": time.time(),
    }
