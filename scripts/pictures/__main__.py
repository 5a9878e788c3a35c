"""Makes README.md's pictures from one real run of srekv: python scripts/pictures (or `make pictures`).

`terminal.svg` shows what the test and the drill printed, `report-light.png` and `report-dark.png` the report that the
drill wrote. Nothing in them is drawn by hand.
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text
from screenshot import find_chromium, photograph

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
COLUMNS = 96
COMMANDS = {
    "srekv up": False,
    "srekv test": True,
    "srekv failover-test --report report": True,
    "srekv down --yes": False,
}
"""In this order; whether the picture shows it."""

KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""What the run takes from this environment: neither a home nor AWS settings, so it can only be the local cloud's."""


def main() -> None:
    """Run, photograph, write.

    Raises:
        SystemExit: Chromium is missing, or a command failed.
    """
    chromium = find_chromium()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    with tempfile.TemporaryDirectory(prefix="srekv-pictures-") as home:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {"HOME": home, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        try:
            for command, is_shown in COMMANDS.items():
                ended = subprocess.run(
                    shlex.split(command), env=environment, cwd=home, check=False, capture_output=True, text=True
                )
                if ended.returncode:
                    raise SystemExit(f"{command}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
                if is_shown:
                    console.print(Text(f"$ {command}", "bold"), Text.from_ansi(ended.stdout), sep="\n")
        finally:
            subprocess.run(("srekv", "local", "stop"), env=environment, check=False, capture_output=True)
        console.save_svg(str(PICTURES / "terminal.svg"), title="srekv")
        for scheme in ("light", "dark"):
            photograph(chromium, Path(home, "report", "report.html"), PICTURES / f"report-{scheme}.png", scheme=scheme)


if __name__ == "__main__":
    main()
