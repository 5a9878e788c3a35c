"""Absolute paths move below a machine's root, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from srekv.local.machine.host import Rewriter, is_shell

ROOT = Path("/home/me/state/machines/i-1/root")
SHIMS = Path("/home/me/state/shims")


@pytest.fixture
def rewriter() -> Rewriter:
    """A rewriter whose own directories look like paths to be moved."""
    return Rewriter(ROOT, shims=SHIMS, names=["python3", "python3.13", "systemctl", "sudo"])


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("cat /etc/hosts", f"cat {ROOT}/etc/hosts"),
        ("echo x>/tmp/a;ls /opt", f"echo x>{ROOT}/tmp/a;ls {ROOT}/opt"),
        ("PATH=/usr/local/bin:/usr/bin", f"PATH={ROOT}/usr/local/bin:/usr/bin"),
        ("'/home/ec2-user/app.py'", f"'{ROOT}/home/ec2-user/app.py'"),
        ("/usr/bin/python3 /srv/x.py", f"{SHIMS}/python3 {ROOT}/srv/x.py"),
        ("/usr/bin/python3.13 -m venv /opt/v", f"{SHIMS}/python3.13 -m venv {ROOT}/opt/v"),
        ("/bin/systemctl start x", f"{SHIMS}/systemctl start x"),
    ],
)
def test_paths_of_the_machine_move(rewriter: Rewriter, text: str, moved: str) -> None:
    """The machine's directories and the replaced commands are found wherever a shell would see them."""
    assert rewriter.text(text) == moved


@pytest.mark.parametrize(
    "text",
    [
        "http://169.254.169.254/latest/api/token",
        "http://host/var/www",
        "ls /dev/null /usr/lib /bin/sh /proc/1/environ",
        "./etc/x ../tmp/y a/opt/b ~/tmp ${HOME}/var $(pwd)/run",
        "/etcetera /running /tmpfile /optional",
        "s/.*/$/ ; 1/2",
    ],
)
def test_everything_else_stays(rewriter: Rewriter, text: str) -> None:
    """URLs, relative paths, other directories and longer names are left alone."""
    assert rewriter.text(text) == text


def test_moving_twice_is_moving_once(rewriter: Rewriter) -> None:
    """A unit written by a script was rewritten with the script; reading it must not move it again."""
    once = rewriter.text("ExecStart=/usr/bin/python3 /opt/app/app.py --log /var/log/app.log")
    assert rewriter.text(once) == once


@pytest.mark.parametrize("path", ["/etc/x", "etc/x", "/../../etc/x", f"{ROOT}/etc/x"])
def test_files_never_leave_the_root(rewriter: Rewriter, path: str) -> None:
    """A path that user data writes lands below the root, dots or not."""
    assert rewriter.file(path) == ROOT / "etc/x"


@pytest.mark.parametrize(
    ("text", "shell"),
    [("#!/bin/sh\n", True), ("#!/usr/bin/env bash\n", True), ("#!/usr/bin/python3\n", False), ("echo\n", False)],
)
def test_shell_scripts_are_recognised(text: str, shell: bool) -> None:
    """Only scripts for a shell are rewritten when they are stored."""
    assert is_shell(text) is shell
