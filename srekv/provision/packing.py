"""Python source made small: user data has no room for what only readers need."""

from __future__ import annotations

import ast
import io
import tokenize


def bare(source: str) -> str:
    """The same program without comments and docstrings; every line keeps its number, for tracebacks' sake."""
    lines = source.split("\n")
    for first, start, last, end, rest in _cuts(source):
        tail = lines[last][end:]
        lines[first : last + 1] = [(lines[first][:start] + rest + tail).rstrip(), *[""] * (last - first)]
    return "\n".join(lines)


def _cuts(source: str) -> list[tuple[int, int, int, int, str]]:
    """What goes, the last first: first line (from 0), column in it, last line, column in it, what comes instead."""
    cuts = [
        (token.start[0] - 1, token.start[1], token.end[0] - 1, token.end[1], "")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    cuts += [
        # A body must not be empty; columns are counted in bytes, and nothing but blanks stands before a docstring.
        (node.lineno - 1, node.col_offset, node.end_lineno - 1, len(source.split("\n")[node.end_lineno - 1]), '""')
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and node.end_lineno is not None
    ]
    return sorted(cuts, reverse=True)
