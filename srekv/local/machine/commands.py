"""Scripts that run in a machine: those of user data, and Run Command's, with a deadline and their output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from srekv.local.machine.host import Host

OUTPUT_LIMIT = 1024 * 1024
"""Most bytes that are returned of each output stream."""

TIMED_OUT_CODE = 137
"""Exit code of a script that was killed at its deadline (128 + SIGKILL)."""


def write_script(host: Host, path: Path, body: str) -> list[str]:
    """Store a script with its paths moved into the machine; returns the command line that runs it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = host.rewriter.text(body)
    path.write_text(text)
    path.chmod(0o700)
    return [str(path)] if text.startswith("#!") else ["/bin/sh", str(path)]


def run(host: Host, command: str, script: str, timeout_s: float) -> dict[str, Any]:
    """Run a script as AWS-RunShellScript does, with its output in files, as a daemon may keep writing to it.

    The answer of the link's `run`. Raises OSError when the machine goes off.
    """
    place = host.root / "var/lib/amazon/ssm" / command
    words = write_script(host, place / "_script.sh", script)
    outputs = [place / "stdout", place / "stderr"]
    with outputs[0].open("wb") as stdout, outputs[1].open("wb") as stderr:
        process = host.spawn(words, directory=Path(host.environment["HOME"]), output=stdout, errors=stderr)
    try:
        code = process.wait(timeout_s)
        status = "Failed" if code else "Success"
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        code, status = TIMED_OUT_CODE, "TimedOut"
    texts = [_start_of(path) for path in outputs]
    return {"code": code if code >= 0 else 128 - code, "stdout": texts[0], "stderr": texts[1], "status": status}


def _start_of(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(OUTPUT_LIMIT).decode(errors="replace")
