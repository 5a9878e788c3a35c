"""Photographs a report in headless Chromium: what one sees first, as a small PNG."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 1200, 926
"""Of the part that is shown, in CSS pixels: verdict, figures and the timeline."""

COLOURS = 128
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # root's Chromium has none, and the page is ours
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=5000",  # until the charts stand still
    f"--window-size={WIDTH},{HEIGHT}",
)
_SCHEMES = {"light": "1", "dark": "0"}
"""What Chromium's setting preferredColorScheme calls them."""


def find_chromium() -> str:
    """The browser's path.

    Raises:
        SystemExit: there is none.
    """
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit(f"pictures need one of {', '.join(_BROWSERS)}; on Debian: apt-get install chromium")
    return found


def photograph(chromium: str, page: Path, picture: Path, *, scheme: str) -> None:
    """Write the top of a page, as readers of a light or a dark scheme see it.

    Raises:
        SystemExit: the browser made no picture.
    """
    with tempfile.TemporaryDirectory(prefix="srekv-pictures-") as folder:
        taken = Path(folder, "page.png")
        command = (
            chromium,
            *_OPTIONS,
            f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
            f"--user-data-dir={folder}/profile",
            f"--screenshot={taken}",
            page.as_uri(),
        )
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        if not taken.exists():
            raise SystemExit(f"{chromium} made no picture:\n{ended.stderr}")
        with Image.open(taken) as image:
            small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(picture, optimize=True)
