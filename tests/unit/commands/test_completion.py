"""What Tab proposes, and that it never fails or prints; in the shells themselves where they are installed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from srekv.cli import main_group
from srekv.commands.completion import SHELLS, VARIABLE, proposing
from srekv.drill.faults import NAMES
from srekv.drill.model import POLICIES
from tests.support.command import environment

DEADLINE_S = 60
FIRST, *_ = POLICIES


def proposed(*words: str) -> list[str]:
    """What may follow these words; the last one is begun."""
    shell = SHELLS["bash"](main_group, {}, "srekv", VARIABLE)
    return [one.value for one in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("failover-test", "--fault", ""), list(NAMES)),
        (("failover-test", "--fault", "gr"), ["gray-failure"]),
        (("failover-test", "--break", "lost"), ["lost-writes"]),
        (("failover-test", "--clients", f"{FIRST},"), [f"{FIRST},{kind}" for kind in POLICIES if kind != FIRST]),
        (("--region", "eu-nor"), ["eu-north-1"]),
        (("--region=eu-nor",), ["--region=eu-north-1"]),
        (("--region", "=", "eu-nor"), ["eu-north-1"]),
        (("--target", "="), ["local", "aws"]),
        (("policy", "--region", "eu-nor"), ["eu-north-1"]),
        (("local", "st"), ["status", "stop"]),
        (("completion", ""), list(SHELLS)),
        (("conformance", "--only", "no-such"), []),
    ],
)
def test_proposals(words: tuple[str, ...], expected: list[str]) -> None:
    """Each in the order in which there is one, and only what fits what is begun."""
    assert proposed(*words) == expected


@pytest.mark.parametrize("words", [("check", ""), ("compare", "a", ""), ("up", "--create-key", "")])
def test_files(words: tuple[str, ...]) -> None:
    """Files are left to the shell, which knows them."""
    shell = SHELLS["bash"](main_group, {}, "srekv", VARIABLE)
    assert [one.type for one in shell.get_completions(list(words[:-1]), words[-1])] == ["file"]


def test_names_with_control_characters() -> None:
    """Shells read proposals by lines and show them: such a name is not proposed."""
    complete = proposing(lambda: [("dev", ""), ("a\nplain,b", "")])
    assert [one.value for one in complete(click.Context(main_group), click.Option(["--profile"]), "")] == ["dev"]


def test_what_cannot_be_read_is_not_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A damaged configuration file: no profile, no error and no word about it."""
    (tmp_path / "config").write_text("no section")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert proposed("--profile", "") == []
    (tmp_path / "config").write_text("[profile team]\n[profile test]\n[profile dev]\n")
    assert proposed("--profile", "te") == ["team", "test"]
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Of a user in an empty home, who has srekv on the PATH."""
    command = tmp_path / "bin" / "srekv"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m srekv "$@"\n')
    command.chmod(0o755)
    return environment(tmp_path, PATH=f"{command.parent}:{os.environ['PATH']}", TERM="xterm")


def _installed(shell: str) -> str:
    return shutil.which(shell) or pytest.skip(f"{shell} is not installed here")


SESSIONS = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(srekv completion bash)"; echo rea""dy'),
    "zsh": (["-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(srekv completion zsh)"; echo rea""dy'),
}
"""How a session begins, and what its user types first."""


IN_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes its standard input the terminal of the session that it leads, then becomes the shell."""


@pytest.mark.parametrize("shell", sorted(SESSIONS))
def test_tab_in_a_shell(shell: str, variables: dict[str, str]) -> None:
    """In a terminal, Tab finishes the word."""
    path = _installed(shell)
    options, first = SESSIONS[shell]
    terminal, its_end = pty.openpty()
    with ExitStack() as stack:
        with os.fdopen(its_end, "rb") as shown:
            stack.callback(os.close, terminal)
            session = subprocess.Popen(
                [sys.executable, "-c", IN_A_TERMINAL, path, *options],
                env=variables,
                stdin=shown,
                stdout=shown,
                stderr=shown,
                start_new_session=True,
            )
            stack.callback(session.wait)
            stack.callback(session.kill)
        _type(terminal, f"{first}\n", until="ready\r\n")
        _type(terminal, "srekv failover-test --fault gr\t", until="--fault gray-failure")


def _type(terminal: int, keys: str, *, until: str) -> None:
    """Press keys and wait until the terminal shows something."""
    os.write(terminal, keys.encode())
    shown = ""
    end = time.monotonic() + DEADLINE_S
    while until not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, shown
        shown += os.read(terminal, 65536).decode(errors="replace")


def test_tab_in_fish(variables: dict[str, str]) -> None:
    """Fish proposes the values with what each is; one with a comma stays whole."""
    path = _installed("fish")
    ask = f"complete -C 'srekv failover-test --fault gr'; complete -C 'srekv failover-test --clients {FIRST},keep'"
    done = subprocess.run(
        [path, "--no-config", "-c", f"srekv completion fish | source; {ask}"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert "gray-failure\tthe primary's /health answers OK" in done.stdout
    assert f"{FIRST},keep-alive" in done.stdout.splitlines()
    assert done.stderr == ""
