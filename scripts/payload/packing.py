"""Python source made small: user data has no room for what only readers and type checkers need.

Comments, docstrings, annotations that nothing reads, blanks and long private names go; the program stays the same and
every part of it on its line, so that a traceback from a node can be read beside the source.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from payload.renaming import renamed

_TYPING = re.compile(r"^from typing import (.+)$", re.MULTILINE)


class _Cut(NamedTuple):
    """What goes: first line (from 0), character in it, last line, character in it, what comes instead."""

    first: int
    start: int
    last: int
    end: int
    rest: str = ""


def bare(sources: Mapping[str, str]) -> dict[str, str]:
    """The same modules of one package, by file name, made small; private names are the same in all of them."""
    return {
        name: _dedented(_squeezed(source))
        for name, source in renamed({k: _less(v) for k, v in sources.items()}).items()
    }


def _less(source: str) -> str:
    """Without what no interpreter needs. A class body keeps its annotations: dataclasses live by them."""
    lines, tree = source.split("\n"), ast.parse(source)
    text = _without(source, [*_comments(source), *_docstrings(lines, tree), *_annotations(lines, tree)])
    imports = _TYPING.search(text)
    if not imports:
        return text
    others = set(re.findall(r"\w+", text.replace(imports[0], "")))
    needed = ", ".join(name for name in imports[1].split(", ") if name in others)
    return text.replace(imports[0], f"from typing import {needed}" if needed else "")


def _without(source: str, cuts: list[_Cut]) -> str:
    lines = source.split("\n")
    for cut in sorted(cuts, reverse=True):
        tail = lines[cut.last][cut.end :]
        blank = [""] * (cut.last - cut.first)
        lines[cut.first : cut.last + 1] = [(lines[cut.first][: cut.start] + cut.rest + tail).rstrip(), *blank]
    return "\n".join(lines)


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
            yield _back_to("->", lines, node.returns)
        elif isinstance(node, ast.AnnAssign) and node.value and id(node) not in in_classes:
            yield _back_to(":", lines, node.annotation)


def _back_to(mark: str, lines: list[str], annotation: ast.expr) -> _Cut:
    """The annotation, the mark before it and the blanks before that."""
    (line, start), end = _span(lines, annotation)
    return _Cut(line, len(lines[line][: lines[line].rindex(mark, 0, start)].rstrip()), *end)


def _span(lines: list[str], node: ast.expr | ast.stmt | ast.arg) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where it begins and ends, lines from 0 and in characters: ast counts bytes."""
    last, end = node.end_lineno or node.lineno, node.end_col_offset or 0
    return (_place(lines, node.lineno, node.col_offset), _place(lines, last, end))


def _place(lines: list[str], line: int, column: int) -> tuple[int, int]:
    return line - 1, len(lines[line - 1].encode()[:column].decode())


def _squeezed(source: str) -> str:
    """Without blanks between tokens that need none; strings are left alone."""
    cuts, depth, last = [], 0, None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        depth -= kind == "FSTRING_END"
        if kind in {"INDENT", "DEDENT"}:
            continue
        if (
            last
            and not depth
            and last.end[0] == token.start[0]
            and last.end[1] < token.start[1]
            and _apart(last, token)
        ):
            cuts.append(_Cut(last.end[0] - 1, last.end[1], last.end[0] - 1, token.start[1]))
        depth += kind == "FSTRING_START"
        last = token
    return _without(source, cuts)


def _apart(left: tokenize.TokenInfo, right: tokenize.TokenInfo) -> bool:
    """Whether the two are told apart without a blank, by every Python."""
    word = re.compile(r"[\w\"'.]")
    return left.type != tokenize.NUMBER and not (word.match(left.string[-1:]) and word.match(right.string[:1]))


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
