"""Runs commands in a pseudo-terminal and remembers which line showed what, from when until when."""

from __future__ import annotations

import itertools
import os
import select
import shlex
import subprocess
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyte

COLUMNS, ROWS = 96, 30
_ALL_ROWS = 400
"""No line ever leaves the emulated screen; the film shows ROWS of them at a time."""

SAMPLE_S = 0.4
"""How often a line that keeps changing, such as a clock, is looked at."""

TYPED_S = 0.8
"""Between the prompt's line and the command's start."""

READ_S = 5.0
"""For a page of output that came at once."""

LAST_S = 3.0
"""After a command's end, before the next one."""

_DIM = 2
_GREY = 90

Look = tuple[str, bool]
"""A colour's name and whether the text is bold."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Neighbouring characters that look alike.

    Attributes:
        column: of the first one.
        text: the characters.
        look: colour and weight.
    """

    column: int
    text: str
    look: Look


@dataclass(frozen=True, kw_only=True)
class Line:
    """What stood in one row for some time.

    Attributes:
        row: counted from the recording's first.
        runs: the visible text.
        begin: seconds since the recording's begin.
        end: the same; None if it stood there to the last.
    """

    row: int
    runs: tuple[Run, ...]
    begin: float
    end: float | None


@dataclass(frozen=True, kw_only=True)
class Stay:
    """The row that is the first one shown, from a time on, in seconds since the recording's begin."""

    begin: float
    top: int


class _Screen(pyte.Screen):
    """As pyte's, with dim text, which it does not know, in grey."""

    def select_graphic_rendition(self, *attributes: int, **private: Any) -> None:
        super().select_graphic_rendition(*(_GREY if one == _DIM else one for one in attributes), **private)


class Recording:
    """A terminal in which commands run one after the other.

    Args:
        environment: of the commands; what describes a terminal is added.
        directory: where they run.

    Attributes:
        lines: what was seen so far and is gone, or, after the last command, all of it.
        stays: which rows are in view, in the order of time.
    """

    def __init__(self, environment: Mapping[str, str], *, directory: Path) -> None:
        size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        self._environment = {**environment, **size, "TERM": "xterm-256color"}
        self._directory = directory
        self._screen = _Screen(COLUMNS, _ALL_ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._shown: dict[int, tuple[tuple[Run, ...], float]] = {}
        self._gone: list[Line] = []
        self._pauses = 0.0
        self._now = 0.0
        self.stays = [Stay(begin=0.0, top=0)]

    @property
    def lines(self) -> list[Line]:
        """Every line that could ever be seen."""
        standing = [Line(row=row, runs=runs, begin=begin, end=None) for row, (runs, begin) in self._shown.items()]
        return [line for line in (*self._gone, *standing) if line.runs]

    def run(self, command: str) -> None:
        """Run one command to its end.

        Raises:
            SystemExit: it failed.
        """
        self._stream.feed(f"\x1b[1m$ {command}\x1b[0m\r\n".encode())
        self._look()
        self._pass(TYPED_S)
        process, terminal = self._start(command)
        begin = time.monotonic() - self._now
        sampled = 0.0
        while chunk := _read(terminal):
            self._stream.feed(chunk)
            self._now = time.monotonic() - begin
            if self._now - sampled >= SAMPLE_S:
                sampled = self._now
                self._look()
        os.close(terminal)
        if process.wait():
            raise SystemExit(f"{command}: exit code {process.returncode}\n" + "\n".join(self._screen.display).rstrip())
        self._stream.feed(b"\r\n")
        self._look(leisurely=True)
        self._pass(LAST_S)

    def _start(self, command: str) -> tuple[subprocess.Popen[bytes], int]:
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
        process = subprocess.Popen(
            shlex.split(command),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=self._environment,
            cwd=self._directory,
            start_new_session=True,
        )
        os.close(theirs)
        return process, ours

    def _pass(self, seconds: float) -> None:
        """Let time go by in which nothing happens but reading."""
        self._now += seconds

    def _look(self, *, leisurely: bool = False) -> None:
        """Compare the screen with what was there, and keep the last row in view.

        Args:
            leisurely: show each page of what came at once, before the last row.
        """
        for row in range(self._screen.cursor.y + ROWS):
            runs = _runs(self._screen.buffer[row])
            before, begin = self._shown.get(row, ((), self._now))
            if runs != before:
                if before and begin < self._now:
                    self._gone.append(Line(row=row, runs=before, begin=begin, end=self._now))
                self._shown[row] = (runs, self._now)
        last = max(self._screen.cursor.y - ROWS + 1, 0)
        while leisurely and last - self.stays[-1].top > ROWS:
            self._view(self.stays[-1].top + ROWS - 1)
            self._pass(READ_S)
        self._view(last)

    def _view(self, top: int) -> None:
        if top != self.stays[-1].top:
            self.stays.append(Stay(begin=self._now, top=top))


def _read(terminal: int) -> bytes:
    """The next output, or nothing when the last program has closed the terminal."""
    select.select([terminal], [], [])
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says so
        return b""


def _runs(cells: Mapping[int, Any]) -> tuple[Run, ...]:
    """A row's text without the space around it, cut where the look changes."""
    looks = [(cells[column].data, (cells[column].fg, cells[column].bold)) for column in range(COLUMNS)]
    runs = []
    for look, group in itertools.groupby(enumerate(looks), key=lambda one: one[1][1]):
        characters = list(group)
        column = characters[0][0]
        text = "".join(character for _, (character, _) in characters)
        if text.strip():
            indent = len(text) - len(text.lstrip())
            runs.append(Run(column=column + indent, text=text.strip(), look=look))
    return tuple(runs)
