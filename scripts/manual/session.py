"""One bash session, as a reader has it: what a command sets, the next one finds."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

DEADLINE_S = 300.0
"""For one command: none takes a minute on a quiet machine, an installation or a drill several on a busy one."""

_MARK = "\x1emanual:"
"""Begins the line that tells the end of a command; no command prints the record separator."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its exit code, None when the deadline passed or the shell is gone; and what it printed."""

    code: int | None
    output: str
    seconds: float


class Session:
    """A bash that gets one command after the other.

    Args:
        directory: where it starts.
        notes: a directory of its own, for the commands' texts.
        environment: all of its environment.
    """

    def __init__(self, directory: Path, notes: Path, environment: dict[str, str]) -> None:
        self._notes = notes
        self._count = 0
        typed, self._keyboard = os.pipe()
        self._screen, printed = os.pipe()
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=directory,
            env=environment,
            stdin=typed,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(typed)
        os.close(printed)
        self._say("set -o pipefail")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()
        os.close(self._keyboard)
        os.close(self._screen)

    def run(self, command: str, *, answers: str = "", deadline_s: float = DEADLINE_S) -> Ended:
        """Run a command to its end.

        Args:
            command: as it is typed, one line or several.
            answers: what it reads from its standard input.
            deadline_s: wall-clock seconds.
        """
        self._count += 1
        script, typed = self._notes / f"{self._count}.sh", self._notes / f"{self._count}.in"
        script.write_text(command + "\n", encoding="utf-8")
        typed.write_text(answers, encoding="utf-8")
        begin = time.monotonic()
        self._say(f". '{script}' <'{typed}'; printf '\\n{_MARK}%s\\n' $?")
        text, code = self._read(begin + deadline_s)
        return Ended(code=code, output=text.strip("\n"), seconds=time.monotonic() - begin)

    def _say(self, line: str) -> None:
        os.write(self._keyboard, f"{line}\n".encode())

    def _read(self, deadline: float) -> tuple[str, int | None]:
        """What is printed until the mark, and the code that stands there."""
        seen = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._screen, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                piece = os.read(self._screen, 65536)
                seen += piece
                text, mark, rest = seen.decode(errors="replace").partition(_MARK)
                if mark and rest.endswith("\n"):
                    return text, int(rest)
                if not piece:
                    break
        return seen.decode(errors="replace"), None
