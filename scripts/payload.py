"""Writes srekv/provision/payload/app.payload from srekv/app: `make payload`, or python scripts/payload.py.

python-minifier removes what only readers need and shortens names. It keeps each name that another program could use;
here every caller is known, so parameters that no call passes by keyword become short too, and imports that only
annotations used are removed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from python_minifier import minify

PACKAGE = Path(__file__).parents[1] / "srekv"
PAYLOAD = PACKAGE / "provision" / "payload" / "app.payload"


def read_sources() -> dict[str, str]:
    """The modules of the service, by file name."""
    return {path.name: path.read_text("utf-8") for path in sorted((PACKAGE / "app").glob("*.py"))}


def make_payload() -> str:
    """The modules of the service made small, each after a form feed and a line with its name."""
    return "".join(f"\fsrekv/app/{name}\n{text}" for name, text in minify_package(read_sources()).items())


def minify_package(modules: Mapping[str, str]) -> dict[str, str]:
    """The same modules, by file name, as one program for Python 3.8 and later that only calls itself.

    Raises:
        ValueError: a module has a text in the braces of an f-string.
        SyntaxError: a module needs a later Python.
    """
    trees = {name: _strip(name, text) for name, text in modules.items()}
    keywords = {node.arg for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    return {name: _shorten(name, _Narrower(tree, keywords).visit(tree)) for name, tree in trees.items()}


def _strip(name: str, text: str) -> ast.Module:
    """A module without comments, docstrings and annotations."""
    bare = minify(text, name, remove_literal_statements=True, rename_locals=False, hoist_literals=False)
    tree = ast.parse(bare, name, feature_version=(3, 8))
    _check_f_strings(name, tree)
    return tree


def _check_f_strings(name: str, tree: ast.Module) -> None:
    """Refuse a text in the braces of an f-string: from 3.12 on python-minifier gives it the f-string's own quotes."""
    fields = (node.value for node in ast.walk(tree) if isinstance(node, ast.FormattedValue))
    parts = (part.value for field in fields for part in ast.walk(field) if isinstance(part, ast.Constant))
    texts = [part for part in parts if isinstance(part, str | bytes)]
    if texts:
        raise ValueError(f"{name}: put {texts[0]!r} into a variable; it is in the braces of an f-string")


def _shorten(name: str, tree: ast.AST) -> str:
    text = minify(
        ast.unparse(tree),
        name,
        hoist_literals=False,  # names for repeated texts are larger once all is compressed
        rename_globals=True,
        preserve_globals=sorted(_find_public_names(tree)),
        preserve_locals=["self", *_find_views(tree)],  # one word that is always the same takes least room
    )
    return f"{text}\n"


def _find_public_names(tree: ast.AST) -> Iterator[str]:
    """The names of a module that others import."""
    for node in ast.walk(tree):
        names = {getattr(node, field, None) for field in ("id", "name", "asname")}
        yield from (name for name in names if name and (name.startswith("__") or not name.startswith("_")))


def _find_views(tree: ast.AST) -> Iterator[str]:
    """Decorated functions: Flask calls its endpoints as their functions are called."""
    return (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.decorator_list)


class _Narrower(ast.NodeTransformer):
    """Drops imports that nothing uses, and makes parameters positional up to the first that some call names.

    A function that takes any keyword is left alone, and one inside another: frameworks call those by keyword.
    """

    def __init__(self, tree: ast.AST, keywords: set[str | None]) -> None:
        self._used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self._keywords = keywords

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        """Without the names that are not used."""
        node.names = [alias for alias in node.names if (alias.asname or alias.name) in self._used]
        return node if node.names else ast.Pass()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        """What is defined inside it is not visited."""
        parameters = node.args
        while parameters.args and not parameters.kwarg and parameters.args[0].arg not in self._keywords:
            parameters.posonlyargs.append(parameters.args.pop(0))
        return node


def main() -> int:
    """The exit code."""
    PAYLOAD.write_text(make_payload(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
