"""The timeline as lines of characters: what a terminal can show of the page's picture, also without colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from srekv.report.page import ERROR
from srekv.ui.text import Text
from srekv.ui.visible import visible

WIDTH = 58
"""Columns of time; with the lanes' names they fit into 80."""

NAME_WIDTH = 20
"""Columns of a lane's name."""

_NODE_STYLES = ("blue", "yellow")


def strip(timeline: Mapping[str, Any]) -> RenderableType:
    """One line a lane, one character for each WIDTH-th of the time: who served, what failed, what was answered.

    Args:
        timeline: what `srekv.report.page.timeline` gives.
    """
    begin, end = timeline["span"]
    columns: list[list[Counter[str]]] = [[Counter() for _ in range(WIDTH)] for _ in timeline["lanes"]]
    for lane, start, stop, state, *_ in (*timeline["bars"], *timeline["requests"]):
        first = _column(start, begin, end)
        last = _column(stop, begin, end)
        for column in range(first, max(first, last) + 1):
            columns[lane][column][state] += 1
    signs = _signs(timeline["nodes"])
    lines = [_line(name, cells, signs) for name, cells in zip(timeline["lanes"], columns, strict=True)]
    return Group(*lines, _ruler(begin, end), _legend(signs))


def _column(moment: float, begin: float, end: float) -> int:
    """The column that shows a moment; the first or the last one when the span does not contain it."""
    share = (moment - begin) / (end - begin) if end > begin else 0.0
    return min(int(WIDTH * min(max(share, 0.0), 1.0)), WIDTH - 1)


def _signs(nodes: list[str]) -> dict[str, tuple[str, str]]:
    """A character and a style for each state."""
    signs = {
        node: (str(number + 1), style) for number, (node, style) in enumerate(zip(nodes, _NODE_STYLES, strict=False))
    }
    return {**signs, "healthy": ("+", "green"), ERROR: ("x", "red")}


def _line(name: str, cells: list[Counter[str]], signs: Mapping[str, tuple[str, str]]) -> Text:
    text = Text(f"{visible(name):<{NAME_WIDTH}.{NAME_WIDTH - 1}}", no_wrap=True)
    for cell in cells:
        # A failure is what somebody looks for: one of them in a column is shown, however many requests succeeded.
        state = ERROR if cell[ERROR] else next(iter(cell.most_common(1)), ("", 0))[0]
        text.append(*signs.get(state, ("." if cell else " ", "dim")))
    return text


def _ruler(begin: float, end: float) -> Text:
    """Where the fault was, and the seconds at both ends."""
    zero = _column(0.0, begin, end)
    left, right = f"{begin:.0f}", f"{end:.0f} s"
    middle = " " * max(zero - len(left), 1) + "0"
    rest = max(WIDTH - len(left) - len(middle) - len(right), 1)
    return Text(" " * NAME_WIDTH + left + middle + " " * rest + right, "dim", no_wrap=True)


def _legend(signs: Mapping[str, tuple[str, str]]) -> Text:
    words = {"healthy": "healthy", ERROR: "failed or down"}
    parts = [f"{sign} {words.get(state, state)}" for state, (sign, _) in signs.items()]
    return Text(" " * NAME_WIDTH + ", ".join([*parts, ". not known"]), "dim")
