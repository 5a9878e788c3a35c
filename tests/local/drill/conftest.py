"""A whole stack on a local cloud of its own, and the command line against it, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 90
DRILLS = 3
TOO_BUSY = ("machine too busy for speed", "not proven, as the machine", "did not come back faster than the threshold")
"""What an inconclusive verdict says of a computer that does not keep the speed of its local cloud."""

INCONCLUSIVE = 4

SMALL = ("--rate", "4", "--clients", "honor-ttl,keep-alive", "--seed", "7")


@dataclass(frozen=True)
class Cli:
    """The command line with a home of its own."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the developer's own settings."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SREKV_"))}
        return mine | {"SREKV_HOME": str(self.home), "SREKV_DEBUG": "1"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that is still running; whoever starts it waits for its end."""
        return subprocess.Popen(
            [sys.executable, "-m", "srekv.cli", "--output", "json", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def drill(self, directory: Path, *words: str, code: int = 0) -> dict[str, Any]:
        """A drill with a small load: what is measured is the stack, not this computer.

        One that the verdict says this computer was too busy for is drilled again, and then skipped: that is the right
        verdict, and nothing can be seen here.
        """
        for _ in range(DRILLS):
            found = self.run("failover-test", "--dir", str(directory), *SMALL, *words, code=code, or_code=INCONCLUSIVE)
            if found["code"] != INCONCLUSIVE or not any(reason in found["messages"] for reason in TOO_BUSY):
                assert found["code"] == code, found["messages"]
                return found
        pytest.skip(f"this computer was too busy for {DRILLS} drills")

    def run(self, *words: str, code: int = 0, or_code: int | None = None) -> dict[str, Any]:
        """The JSON document of a command that must end with that exit code; `code` and `messages` are added."""
        with self.start(*words) as process:
            out, errors = process.communicate(timeout=DEADLINE_S)
        assert process.returncode in {code, code if or_code is None else or_code}, errors
        document: dict[str, Any] = json.loads(out) if out else {}
        return document | {"messages": errors, "code": process.returncode}


@dataclass(frozen=True)
class Watched:
    """A drill under way, in a directory that held no other."""

    process: subprocess.Popen[str]
    directory: Path

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the drill has written down so far."""
        lines = [line for file in self.directory.glob("*/events.jsonl") for line in file.read_text().split("\n")[:-1]]
        return [json.loads(line) for line in lines]

    def await_event(self, kind: str) -> None:
        """Wait until the drill has written down such an event."""
        pause, end = threading.Event(), time.monotonic() + DEADLINE_S
        while not any(event["event"] == kind for event in self.events):
            assert time.monotonic() < end, f"no {kind}: {self.events}"
            assert self.process.poll() is None, self.process.communicate()
            pause.wait(0.02)


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line against a stack that is up."""
    one = Cli(tmp_path_factory.mktemp("a home"))  # with a space, as people have them
    try:
        one.run("up", "--speed", "10")
        yield one
    finally:
        one.run("local", "stop")


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Cli]:
    """The command line with a home, and so a local cloud, of its own."""
    one = Cli(tmp_path)
    yield one
    one.run("local", "stop")


@pytest.fixture
def drilling(cli: Cli, tmp_path: Path) -> Iterator[Any]:
    """Starts a drill in the background; one that still runs in the end is killed, and the stack healed."""
    started: list[Watched] = []

    def start(*words: str) -> Watched:
        process = cli.start("failover-test", "--dir", str(tmp_path), *SMALL, *words)
        started.append(Watched(process, tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()
    cli.run("up")
