"""Runs srekv as a user does: in a process of its own, with an empty home, without the developer's own settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

DEADLINE_S = 90


def environment(home: Path, **more: str) -> dict[str, str]:
    """Of a user who has no AWS configuration."""
    mine = {"PATH": os.environ["PATH"], "HOME": str(home), "SREKV_HOME": str(home)}
    return mine | {"AWS_EC2_METADATA_DISABLED": "true"} | more


def srekv(
    *words: str, home: Path, through: Sequence[str] = (), stdout: int | IO[str] = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command that has ended, with an empty standard input.

    Args:
        words: after `srekv`.
        home: the user's home.
        through: a program that starts it.
        stdout: where its output goes.
        variables: more of its environment.
    """
    return subprocess.run(
        [*through, sys.executable, "-m", "srekv.cli", *words],
        env=environment(home, **variables),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
