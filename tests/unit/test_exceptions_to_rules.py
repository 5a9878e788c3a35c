"""Whoever leaves a linter's rule says why, in the place where it is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("srekv", "tests", "scripts", "benchmarks", "docs")


def sources() -> Iterator[Path]:
    """Every Python file of ours."""
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts)


def test_each_noqa_has_a_reason() -> None:
    """`noqa: CODE - why`, on its line."""
    bare = re.compile(r"# (?:ruff: )?noqa\b(?!: [A-Z]+\d+(?:, [A-Z]+\d+)* - \w)")
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if bare.search(line)
    ]
    assert left == []


def test_each_ignored_rule_has_a_reason() -> None:
    """Every rule that pyproject.toml switches off, everywhere or in a folder, has a comment on its line."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table = project[project.index("[tool.ruff.lint]") : project.index("[tool.ruff.lint.pydocstyle]")]
    ignoring = [line for line in table.splitlines() if re.search(r'"[A-Z]+\d*"', line) and "select" not in line]
    assert len(ignoring) > 10
    assert [line for line in ignoring if not re.search(r"# [\w`]", line)] == []
