"""The interpreters on this computer that what travels has to run on."""

from __future__ import annotations

import shutil
from pathlib import Path


def interpreters() -> dict[str, Path]:
    """One CPython for each minor version from 3.8 on: pyenv's, else what is on the PATH."""
    found: dict[str, Path] = {}
    for minor in range(8, 15):
        version = f"3.{minor}"
        on_path = shutil.which(f"python{version}")
        candidates = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        candidates += [Path(on_path)] if on_path and "shims" not in on_path else []
        if candidates:
            found[version] = candidates[0]
    return found
