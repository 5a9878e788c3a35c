"""Writes docs/reference from the code: PYTHONPATH=scripts python -m reference; --check only says what differs."""

from __future__ import annotations

import sys
from pathlib import Path

from reference.commands import commands
from reference.configuration import configuration
from reference.conformance import conformance
from reference.faults import faults
from reference.outcomes import outcomes
from reference.policy import policy
from reference.prices import prices
from reference.service import service

PAGES = Path(__file__).parents[2] / "docs" / "reference"
MAKERS = {
    "commands.md": commands,
    "configuration.md": configuration,
    "conformance.md": conformance,
    "exit-codes.md": outcomes,
    "faults.md": faults,
    "http-api.md": service,
    "iam-policy.md": policy,
    "prices.md": prices,
}


def main(arguments: list[str]) -> int:
    """The exit code: 1 when --check finds a page that differs."""
    wanted = {PAGES / name: make() for name, make in MAKERS.items()}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" not in arguments:
            path.write_text(wanted[path], encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(Path.cwd())}\n")
    return int("--check" in arguments and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
