"""docs/reference/conformance.md is what the rules, the cases and the tests say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("conformance_table", ROOT / "scripts" / "conformance_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    """It is what the script writes now."""
    page = (ROOT / "docs" / "reference" / "conformance.md").read_text()
    assert page == script.table(), "python scripts/conformance_table.py > docs/reference/conformance.md"


def test_every_rule_is_shown_by_something(script: ModuleType) -> None:
    """A case or a test of its own."""
    assert [row[0] for row in script.rows() if not row[-1]] == []
