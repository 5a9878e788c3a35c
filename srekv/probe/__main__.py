"""`python -m srekv.probe SUBCOMMAND ...`: one measurement, its result as JSON on stdout."""

import sys

from srekv.probe.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
