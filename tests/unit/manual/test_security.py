"""SECURITY.md names tests that exist."""

from __future__ import annotations

import re

from manual.runner import ROOT

TABLE = re.compile(r"`(test_\w+\.py)(?:::(test_\w+))?`")


def test_every_protection_names_its_test() -> None:
    """Each file and each function in the table of listeners and secrets."""
    named = TABLE.findall((ROOT / "SECURITY.md").read_text())
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(named) > 10
    assert [(file, test) for file, test in named if f"def {test or 'test_'}" not in sources.get(file, "")] == []
