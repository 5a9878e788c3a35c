"""Runs the commands of the pages that are named, of all without a name: PYTHONPATH=scripts python -m manual PAGE..."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from manual.blocks import ManualError
from manual.runner import pages, run


def main(names: list[str]) -> int:
    """The exit code: 1 when a page's command failed."""
    failed = False
    for page in [Path(name).resolve() for name in names] or pages():
        with tempfile.TemporaryDirectory(prefix="srekv-manual-") as directory:
            try:
                run(page, Path(directory), tell=_tell)
            except ManualError as error:
                _tell(str(error))
                failed = True
    return int(failed)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
