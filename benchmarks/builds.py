"""Two builds of srekv to compare in one run: an earlier commit, and the code of this tree.

Both run on this interpreter, so on the same versions of every dependency.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

BEFORE = "2b5d4c9"
"""The build that the figures of the manual are compared with."""


@dataclass(frozen=True)
class Build:
    """One version of the code.

    Attributes:
        name: as a table shows it.
        root: the directory that has the package `srekv`.
    """

    name: str
    root: Path

    def srekv(self, *words: str) -> list[str]:
        """The command line of this build."""
        return [*self.python, "-m", "srekv", *words]

    @property
    def python(self) -> list[str]:
        """An interpreter that imports nothing from the current directory."""
        return [sys.executable, "-P"]

    @property
    def variables(self) -> dict[str, str]:
        """What the environment of such a command needs."""
        return {"PYTHONPATH": str(self.root)}


@contextmanager
def two_builds(before: str = BEFORE) -> Iterator[tuple[Build, Build]]:
    """The earlier build, checked out in a temporary worktree that is removed afterwards, and this one."""
    with tempfile.TemporaryDirectory(prefix="srekv-before-") as place:
        root = Path(place, "tree")
        _git("worktree", "add", "--quiet", "--detach", str(root), before)
        try:
            yield Build(f"before ({before})", root), Build("this build", ROOT)
        finally:
            _git("worktree", "remove", "--force", str(root))


def _git(*words: str) -> None:
    subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True)
