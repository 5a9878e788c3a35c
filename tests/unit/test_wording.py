"""What srekv prints uses the field's words: no indefinite persons, no speaking machines, no private terms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "srekv"

REPLACED = re.compile(
    r"\b(nobody|somebody|anybody|whoever|says?|said|tells?|told|look(s|ed|ing)?|begins?|began|go(es)? on|in place of"
    r"|beside|impossible|so long|by the wall|zoo|purse|promise[sd]?)\b",
    re.IGNORECASE,
)
"""Words that a text of ours does without: a component is named, reports or returns; a run starts and continues."""


def _texts(path: Path) -> Iterator[str]:
    """The texts of a module that users may read: strings of several words, and the help of commands."""
    if path.suffix == ".toml":
        yield from (line.partition(" = ")[2] for line in path.read_text().splitlines())
        return
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any("click" in ast.unparse(one) for one in node.decorator_list):
            yield ast.get_docstring(node) or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value if " " in node.value.strip() else ""


@pytest.mark.parametrize(
    "path", sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.toml")]), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_words_of_a_text(path: Path) -> None:
    """Help texts, errors, warnings, headings and progress lines have none of the replaced words."""
    found = [text for text in _texts(path) if REPLACED.search(text)]
    assert not found
