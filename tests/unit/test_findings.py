"""The form of findings/: each script states a package, a behaviour and what was seen, and needs no srekv."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

FINDINGS = sorted((Path(__file__).parents[2] / "findings").iterdir())
HEADER = (
    r"#!/usr/bin/env bash\n# Package: .*\d+\.\d.*\n(#.*\n)*# Behaviour: .*\n(#.*\n)*"
    r"# Output seen on \d{4}-\d\d-\d\d:.*\n(#.*\n)*set -euo pipefail\n"
)


@pytest.mark.parametrize("script", FINDINGS, ids=lambda path: path.name)
def test_a_finding_states_package_behaviour_and_output(script: Path) -> None:
    """An executable shell script with the header of CONTRIBUTING, in a temporary folder, without srekv."""
    text = script.read_text(encoding="utf-8")
    assert script.suffix == ".sh"
    assert os.access(script, os.X_OK)
    assert re.match(HEADER, text)
    assert "mktemp -d" in text
    assert "srekv" not in text
