"""`python -m srekv` and the installed command: an interrupt during the imports of the command line is no traceback."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Import the command line and run it."""
    try:
        from srekv.cli import main as run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
