"""Prints what CHANGELOG.md says about a release; refuses a tag that is not of this tree.

Run it from the repository: python scripts/release_notes.py v0.1.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def version(module: str) -> str:
    """The version that the text of srekv/__init__.py states."""
    (stated,) = re.findall(r'^__version__ = "([^"]+)"$', module, re.MULTILINE)
    return str(stated)


def notes(changelog: str, release: str) -> str:
    """The section of one release, without its heading; "" when there is none.

    A heading is `## [0.1.0] - 2026-12-01`: a release has a day.
    """
    heading = rf"^## \[{re.escape(release)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def main(tag: str) -> None:
    """Print the notes of the tag's release, or say what is missing and end with 1."""
    release = version((ROOT / "srekv" / "__init__.py").read_text())
    if tag != f"v{release}":
        sys.exit(f"the tag is {tag}, srekv/__init__.py says {release}: set __version__, commit, tag that commit")
    said = notes((ROOT / "CHANGELOG.md").read_text(), release)
    if not said:
        sys.exit(f"CHANGELOG.md has no section `## [{release}] - YYYY-MM-DD`: rename Unreleased, begin a new one")
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
