"""Runs the commands of one page, in order, in one session."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from manual.blocks import Command, ManualError, blocks
from manual.place import ROOT, Place
from manual.session import Ended, Session

ELSEWHERE = ("make docs", "make lint", "make manual-test", "make sweep-test", "make test")
"""Commands that .ci/run itself runs, on a line of their own: a test that ran the tests would not end."""

TOOLS = ("aws", "dig", "jq", "curl", "make")
"""Programs that a page may use and a machine may not have."""

PORT_80 = "right to serve port 80 (sysctl net.ipv4.ip_unprivileged_port_start=80)"

_WITH_ACCOUNT = re.compile(r"--target[ =]aws|SREKV_TARGET=aws|(^|[|(;&] *)aws ")
_LAST_LINES = 40
_FIRST_WITH_ENDPOINTS = {1: 29, 2: 13}
"""The AWS command line's minor version of July 2023, by its major version."""


def pages() -> tuple[Path, ...]:
    """README.md and every page of the manual."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def to_run(page: Path) -> tuple[Command, ...]:
    """The commands of a page that a session runs."""
    every = (command for block in blocks(page) if block.not_run is None for command in block.commands)
    return tuple(command for command in every if command.bare not in ELSEWHERE)


def missing(page: Path) -> list[str]:
    """What a page needs and this machine does not have: programs, the right to serve an account's port 80."""
    commands = to_run(page)
    needed = (tool for tool in TOOLS if any(_uses(one, tool) for one in commands))
    tools = [tool for tool in needed if not shutil.which(tool) or (tool == "aws" and not _aws_asks_endpoints())]
    return tools if _may_serve_port_80() or not _with_account(commands) else [*tools, PORT_80]


def run(page: Path, directory: Path, tell: Callable[[str], None] = lambda _: None) -> None:
    """Run a page's commands and leave nothing behind.

    Args:
        page: the page.
        directory: an empty one; the session's checkout and home are made in it.
        tell: is told of each command that ended.

    Raises:
        ManualError: a command did not end as the page says, or something was left.
    """
    commands = to_run(page)
    if not commands:
        return
    place = Place(directory)
    with ExitStack() as stack:
        environment = place.environment()
        if _with_account(commands):
            drilled = any(_WITH_ACCOUNT.search(one.text) and "failover-test" in one.text for one in commands)
            environment |= stack.enter_context(place.account(drilled=drilled))
        stack.callback(place.tidy)
        session = stack.enter_context(Session(place.checkout, place.notes, environment))
        for command in commands:
            ended = session.run(command.text, answers=command.answers)
            tell(f"{page.name}:{command.line}: {ended.seconds:5.1f} s  {command.text}")
            if ended.code != command.exits:
                raise ManualError("\n".join(_failure(page, command, ended)))
    if left := place.left():
        raise ManualError(f"{page.name}: processes were left:\n" + "\n".join(left))


def _with_account(commands: Iterable[Command]) -> bool:
    return any(_WITH_ACCOUNT.search(one.text) for one in commands)


def _may_serve_port_80() -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", 80))
        except OSError as error:
            return not isinstance(error, PermissionError)
    return True


def _aws_asks_endpoints() -> bool:
    """Whether the AWS command line knows AWS_ENDPOINT_URL: an older one would ask AWS itself."""
    told = subprocess.run(["aws", "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"aws-cli/(\d+)\.(\d+)", told)
    return version is not None and int(version[2]) >= _FIRST_WITH_ENDPOINTS.get(int(version[1]), 0)


def _failure(page: Path, command: Command, ended: Ended) -> Iterator[str]:
    came = "did not end in time" if ended.code is None else f"exited {ended.code}, not {command.exits}"
    yield f"{page.relative_to(ROOT)}:{command.line}: this command {came} ({ended.seconds:.0f} s)"
    yield f"$ {command.text}"
    yield from ended.output.splitlines()[-_LAST_LINES:]


def _uses(command: Command, tool: str) -> bool:
    return re.search(rf"(^|[|(;&]) *{tool} ", command.text, re.MULTILINE) is not None
