"""Makes README.md's pictures from one real run of srekv: python scripts/pictures (or `make pictures`).

`terminal.svg` is the recording of the commands below, `report-light.png` and `report-dark.png` are the report that the
drill of that run wrote. Nothing in them is drawn by hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from film import draw
from recording import Recording
from screenshot import find_chromium, photograph

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
COMMANDS = (
    "srekv up",
    "srekv test",
    "srekv failover-test --report report",
    "srekv down --yes",
)
VERDICT = "HELD"
"""What the drill says where it held, as it does in a run worth a picture."""

KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""What the run takes from this environment: neither a home nor AWS settings, so it can only be the local cloud's."""


def main() -> None:
    """Record, photograph, write.

    Raises:
        SystemExit: Chromium is missing, or a command failed.
    """
    chromium = find_chromium()
    with tempfile.TemporaryDirectory(prefix="srekv-pictures-") as home:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {"HOME": home}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        try:
            recording = Recording(environment, directory=Path(home))
            for command in COMMANDS:
                recording.run(command)
        finally:
            subprocess.run(("srekv", "local", "stop"), env=environment, check=False, capture_output=True)
        (PICTURES / "terminal.svg").write_text(draw(recording.lines, recording.stays, still=VERDICT), encoding="utf-8")
        for scheme in ("light", "dark"):
            photograph(chromium, Path(home, "report", "report.html"), PICTURES / f"report-{scheme}.png", scheme=scheme)


if __name__ == "__main__":
    main()
