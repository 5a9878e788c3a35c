"""Writes srekv/provision/payload/app.payload from srekv/app: PYTHONPATH=scripts python -m payload."""

from __future__ import annotations

import sys
from pathlib import Path

from payload.packing import bare

PACKAGE = Path(__file__).parents[2] / "srekv"
PAYLOAD = PACKAGE / "provision" / "payload" / "app.payload"


def payload() -> str:
    """The modules of the service made small, each after a form feed and a line with its name."""
    sources = {path.name: path.read_text("utf-8") for path in (PACKAGE / "app").glob("*.py")}
    return "".join(f"\fsrekv/app/{name}\n{text}" for name, text in sorted(bare(sources).items()))


def main() -> int:
    """The exit code."""
    PAYLOAD.write_text(payload(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
