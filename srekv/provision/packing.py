"""Python source made small: user data has no room for what only readers and type checkers need."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple


class _Cut(NamedTuple):
    """What goes: first line (from 0), character in it, last line, character in it, what comes instead."""

    first: int
    start: int
    last: int
    end: int
    rest: str = ""


def bare(source: str) -> str:
    """The same program without comments, docstrings and the annotations that nothing reads, indented by single blanks.

    Every line keeps its number, for tracebacks' sake. A class body keeps its annotations: dataclasses live by them.
    """
    lines, tree = source.split("\n"), ast.parse(source)
    cuts = [*_comments(source), *_docstrings(lines, tree), *_annotations(lines, tree)]
    for cut in sorted(cuts, reverse=True):
        tail = lines[cut.last][cut.end :]
        blank = [""] * (cut.last - cut.first)
        lines[cut.first : cut.last + 1] = [(lines[cut.first][: cut.start] + cut.rest + tail).rstrip(), *blank]
    return _dedented("\n".join(lines))


def _comments(source: str) -> Iterator[_Cut]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield _Cut(token.start[0] - 1, token.start[1], token.end[0] - 1, token.end[1])


def _docstrings(lines: list[str], tree: ast.AST) -> Iterator[_Cut]:
    """Strings that stand alone; a body must not be empty."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            (first, start), (last, end) = _span(lines, node)
            yield _Cut(first, start, last, end, '""')


def _annotations(lines: list[str], tree: ast.AST) -> Iterator[_Cut]:
    """Those of functions, and of assignments outside class bodies."""
    in_classes = {id(part) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation:
            line, start = _span(lines, node)[0]
            yield _Cut(line, start + len(node.arg), *_span(lines, node.annotation)[1])
        elif isinstance(node, ast.FunctionDef) and node.returns:
            (line, start), end = _span(lines, node.returns)
            yield _Cut(line, len(lines[line][: lines[line].rindex("->", 0, start)].rstrip()), *end)
        elif isinstance(node, ast.AnnAssign) and node.value and id(node) not in in_classes:
            yield _Cut(*_span(lines, node.target)[1], *_span(lines, node.annotation)[1])


def _span(lines: list[str], node: ast.expr | ast.stmt | ast.arg) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where it begins and ends, lines from 0 and in characters: ast counts bytes."""
    last, end = node.end_lineno or node.lineno, node.end_col_offset or 0
    return (_place(lines, node.lineno, node.col_offset), _place(lines, last, end))


def _place(lines: list[str], line: int, column: int) -> tuple[int, int]:
    return line - 1, len(lines[line - 1].encode()[:column].decode())


def _dedented(source: str) -> str:
    """One blank for each four at a line's beginning, strings of several lines left alone."""
    inside = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Constant, ast.JoinedStr))
        for line in range(node.lineno, node.end_lineno or node.lineno)
    }
    lines = source.split("\n")
    return "\n".join(
        line if number in inside else re.sub("^(?: {4})+", lambda indent: " " * (len(indent[0]) // 4), line)
        for number, line in enumerate(lines)
    )
