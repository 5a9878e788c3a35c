"""Scripts that run in a machine: those of user data, and Run Command's, with a deadline and their output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

from srekv.local.machine.host import Host

OUTPUT_LIMIT = 1024 * 1024
"""Most bytes kept of each output stream."""

TIMED_OUT_CODE = 137
"""Exit code of a script that was killed at its deadline (128 + SIGKILL)."""

_LAST_WORDS_S = 0.5
"""Wall-clock seconds that output may lag behind the end of its script.

A daemon that holds the pipe is not waited for.
"""


def write_script(host: Host, path: Path, body: str) -> list[str]:
    """Store a script with its paths moved into the machine; returns the command line that runs it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = host.rewriter.text(body)
    path.write_text(text)
    path.chmod(0o700)
    return [str(path)] if text.startswith("#!") else ["/bin/sh", str(path)]


def run(host: Host, command: str, script: str, timeout_s: float) -> dict[str, Any]:
    """Run a script as AWS-RunShellScript does.

    The answer of the link's `run`. Raises OSError when the machine goes off.
    """
    path = host.root / "var/lib/amazon/ssm" / command / "_script.sh"
    process = host.spawn(
        write_script(host, path, script),
        directory=Path(host.environment["HOME"]),
        output=subprocess.PIPE,
        errors=subprocess.PIPE,
    )
    streams = [_Stream(pipe) for pipe in (process.stdout, process.stderr) if pipe is not None]
    timed_out = False
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        timed_out = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        code = TIMED_OUT_CODE
    stdout, stderr = (stream.text() for stream in streams)
    status = "TimedOut" if timed_out else "Success" if code == 0 else "Failed"
    return {"code": code if code >= 0 else 128 - code, "stdout": stdout, "stderr": stderr, "status": status}


class _Stream:
    """Reads a pipe to its end, so that a daemon that outlives its script never blocks; keeps the first OUTPUT_LIMIT."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What came so far, once the script has ended."""
        self._thread.join(_LAST_WORDS_S)
        return bytes(self._kept).decode(errors="replace")

    def _read(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), 65536):
                self._kept += chunk[: OUTPUT_LIMIT - len(self._kept)]
