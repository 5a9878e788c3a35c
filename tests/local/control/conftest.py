"""Real local clouds, each in a directory of its own, all of them ended after the test."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from srekv.local import control

DEADLINE_S = 30


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A runtime directory; what runs in it at the end of the test is stopped."""
    place = tmp_path / "local"
    yield place
    control.stop(place)


@pytest.fixture
def client() -> Iterator[Callable[[control.Runtime, str], Any]]:
    """Makes boto3 clients of a local cloud."""
    import boto3

    made = []

    def make(runtime: control.Runtime, service: str) -> Any:
        one = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=runtime.endpoint,
            aws_access_key_id=runtime.access_key,
            aws_secret_access_key=runtime.secret_key,
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


class Pipe:
    """A named pipe that programs in any machine can write to, by a path that is not moved into the machine."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = f"/proc/{os.getpid()}/root{path}"
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def read(self) -> str:
        """What was written, as soon as there is something."""
        ready, _, _ = select.select([self._descriptor], [], [], DEADLINE_S)
        assert ready, "nobody wrote"
        return os.read(self._descriptor, 65536).decode()

    def close(self) -> None:
        """Take it down."""
        os.close(self._descriptor)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    """A way for machines to tell the test something."""
    one = Pipe(tmp_path / "pipe")
    yield one
    one.close()


def wait_for_end(pids: set[int]) -> None:
    """Wait until every one of the processes has ended."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            ready, _, _ = select.select([descriptor], [], [], DEADLINE_S)
            assert ready, f"process {pid} lives on"
        finally:
            os.close(descriptor)


@pytest.fixture
def ended() -> Callable[[set[int]], None]:
    """Waits until processes have ended."""
    return wait_for_end
