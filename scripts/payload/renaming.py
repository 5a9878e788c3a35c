"""Short names for what nobody outside a package calls by name: local variables, and names with a leading underscore.

A name is a local variable of a module if functions bind it there, and nothing else does. Of the parameters only `self`
is one: others may call by keyword. Public names, keywords, attributes and strings stay; a string that is a private
name, as in __slots__, is that name.
"""

from __future__ import annotations

import ast
import builtins
import io
import itertools
import keyword
import re
import string
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_PRIVATE = re.compile(r"(?<!\w)_[A-Za-z]\w*")
_FIELD = re.compile(r"{([^{}]*?)(?:![rsa])?(?::[^{}()\[\]]*)?}")
_NAME = re.compile(r"(?<![\w.\"'])[A-Za-z_]\w*(?![\w\"'])")


class _Place(NamedTuple):
    """A name: line and character, both from 0."""

    line: int
    start: int
    name: str


def renamed(sources: Mapping[str, str]) -> dict[str, str]:
    """The same modules with short names, the private ones equal in all of them."""
    private = Counter(name for source in sources.values() for name in _PRIVATE.findall(source))
    new = dict(zip(_ordered(private), (f"_{name}" for name in _short()), strict=False))
    return {
        name: _PRIVATE.sub(lambda found: new[found[0]], _with_short_locals(source)) for name, source in sources.items()
    }


def _short() -> Iterator[str]:
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_letters, repeat=length))


def _ordered(names: Counter[str]) -> list[str]:
    """The most frequent first."""
    return sorted(names, key=lambda name: (-names[name], name))


def _with_short_locals(source: str) -> str:
    tree = ast.parse(source)
    scopes = _Scopes()
    scopes.visit(tree)
    names = scopes.local - scopes.other - set(dir(builtins)) - {"_"}
    names = {name for name in names if len(name) > 1 and not name.startswith("_")}
    places = [place for place in _places(source, tree) if place.name in names]
    used = set(re.findall(r"\w+", source))
    free = (name for name in _short() if name not in used and not keyword.iskeyword(name))
    new = dict(zip(_ordered(Counter(place.name for place in places)), free, strict=False))
    lines = source.split("\n")
    for line, start, name in sorted(places, reverse=True):
        lines[line] = lines[line][:start] + new[name] + lines[line][start + len(name) :]
    return "\n".join(lines)


class _Scopes(ast.NodeVisitor):
    """Which names functions bind, and which are bound or used in any other way."""

    def __init__(self) -> None:
        self.local: set[str] = set()
        self.other: set[str] = set()
        self._inside = False

    def visit_Name(self, node: ast.Name) -> None:
        """A variable; one that is only read belongs to whom binds it."""
        if not self._inside:
            self.other.add(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.local.add(node.id)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """`except E as name`."""
        (self.local if self._inside else self.other).update([node.name] if node.name else [])
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """`import name`."""
        self.other.update((alias.asname or alias.name).split(".")[0] for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from x import name`."""
        self.other.update(alias.asname or alias.name for alias in node.names)

    def visit_Global(self, node: ast.Global) -> None:
        """A module's variable."""
        self.other.update(node.names)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Its name, and what its body binds."""
        self.other.add(node.name)
        self._within(node, inside=False)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Its name and parameters, and what it binds."""
        self.other.add(node.name)
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)
        self._parameters(node.args)
        self._within(ast.Module(node.body, []), inside=True)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Its parameters."""
        self._parameters(node.args)
        self._within(node, inside=True)

    def _parameters(self, arguments: ast.arguments) -> None:
        for node in ast.walk(arguments):
            if isinstance(node, ast.arg):
                (self.local if node.arg == "self" else self.other).add(node.arg)

    def _within(self, node: ast.AST, *, inside: bool) -> None:
        self._inside, before = inside, self._inside
        self.generic_visit(node)
        self._inside = before


def _places(source: str, tree: ast.AST) -> Iterator[_Place]:
    """Every name that is a variable: no attribute, no keyword of a call."""
    lines = source.split("\n")
    skipped = {
        (node.lineno, len(lines[node.lineno - 1].encode()[: node.col_offset].decode()))
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
    }
    last = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line, start = token.start
        if token.type == tokenize.NAME and last != "." and token.start not in skipped:
            yield _Place(line - 1, start, token.string)
        elif token.type == tokenize.STRING and re.match("[rR]?[fF]", token.string) and line == token.end[0]:
            # Python 3.11 sees such a string as one token, later ones see its names.
            for field in _FIELD.finditer(token.string):
                for name in _NAME.finditer(field[1]):
                    yield _Place(line - 1, start + field.start(1) + name.start(), name[0])
        last = token.string
