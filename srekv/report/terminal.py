"""Findings, verdicts and timelines as rich renderables: verdict first, readable at 80 columns and without colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table

from srekv.check.model import CALLED, Operation, Ruling, Step, Timing, Verdict
from srekv.drill.model import DrillResult, Finding
from srekv.report.page import ERROR
from srekv.ui.text import Text
from srekv.ui.visible import visible

BAR_WIDTH = 30
"""Columns of the picture's bars; with their names and seconds they fit into 80."""

WIDTH = 58
"""Columns of time in the timeline; with the lanes' names they fit into 80."""

NAME_WIDTH = 20
"""Columns of a lane's name."""

_STYLES: dict[Ruling, str] = {"held": "bold green", "violated": "bold red", "unknown": "bold yellow"}


def acceptance_table(findings: Sequence[Finding]) -> RenderableType:
    """Every finding with what was seen, and the count below."""
    table = _table("", "test", "seen", "s")
    for finding in findings:
        mark = Text("ok", "green") if finding.passed else Text("FAILED", "bold red")
        table.add_row(mark, Text(finding.name), Text(finding.detail), f"{finding.elapsed_s:.1f}")
    failed = sum(not finding.passed for finding in findings)
    summary = f"{failed} of {len(findings)} failed" if failed else f"all {len(findings)} passed"
    return Group(table, Text(summary, "bold red" if failed else "bold green"))


def verdict_view(verdict: Verdict, result: DrillResult | None = None) -> RenderableType:
    """A judged history: the verdict, the outage, the findings with their proofs; of a drill also what clients saw."""
    timing = verdict.timing
    parts: list[RenderableType] = [_headline(verdict)]
    if result is not None:
        took = f"the drill took {result.wall_s:.1f} s (wall-clock, {result.speed:g}x)"
        parts.append(Text(f"seconds are AWS-equivalent; {took}", "dim"))
    if timing is not None:
        parts += [Text(), _waterfall(timing)]
    if timing is not None and result is not None:
        parts += [Text(), _clients(timing)]
    findings = Table.grid(padding=(0, 2))
    for one in verdict.findings:
        shown = Group(Text(one.summary), *(Text(_operation(each), "dim") for each in one.proof))
        findings.add_row(one.checker, Text(CALLED[one.verdict], _STYLES[one.verdict]), shown)
    parts += [Text(), findings]
    if result is not None:
        parts.append(Text(f"history: {result.history}", overflow="fold"))
    return Group(*parts)


def _headline(verdict: Verdict) -> Text:
    counts = [f"{verdict.operations} operations", f"{verdict.acknowledged} acknowledged changes", verdict.losses]
    word = (CALLED[verdict.verdict].upper(), _STYLES[verdict.verdict])
    text = Text.assemble(word, f"  {', '.join(filter(None, counts))}")
    if verdict.reason:
        text.append(f"\n{verdict.reason}", _STYLES[verdict.verdict])
    timing = verdict.timing
    if timing is not None:
        bound = "" if timing.bound_s is None else f" (at most {timing.bound_s:.1f} s expected)"
        outage = "not measured" if timing.outage_s is None else f"{timing.outage_s:.1f} s{bound}"
        text.append(f"\noutage {outage} after: {timing.fault}")
        if timing.expected is not None:
            text.append(f"\n{timing.expected.luck}", "dim")
    return text


def _waterfall(timing: Timing) -> RenderableType:
    """The phases as bars on one time line that begins with the fault."""
    rows = timing.steps
    length = max((row.begin + (row.seconds or 0) for row in rows), default=0)
    scale = BAR_WIDTH / length if length else 0
    table = _table("phase", "seconds", "since the fault")
    for row in rows:
        seconds = "never" if row.seconds is None else f"{row.seconds:.1f}"
        table.add_row(row.name, Text(seconds, justify="right"), Text(bar(row, scale), "cyan", no_wrap=True))
    return Group(table, *(Text(row.note, "dim") for row in rows if row.note))


def bar(step: Step, scale: float) -> str:
    """The step as characters, `scale` columns a second; one that never ended reaches the edge as an arrow."""
    begin = min(round(step.begin * scale), BAR_WIDTH - 1)
    if step.end is None:
        return " " * begin + "-" * (BAR_WIDTH - begin - 1) + ">"
    return " " * begin + "=" * max(round(step.end * scale) - begin, 1)


def _clients(timing: Timing) -> RenderableType:
    table = _table("client", "outage", "available", "errors", "what to change")
    for client in timing.clients:
        outage = f"{client.outage_s:.1f} s{'' if client.recovered else ', never recovered'}"
        available = f"{100 * client.availability:.1f} %"
        table.add_row(client.name, outage, available, str(client.errors), Text(client.advice))
    return table


def _operation(operation: Operation) -> str:
    end = "?" if operation.complete is None else f"{operation.complete:.3f}"
    expect, value = ("nothing" if one is None else repr(one) for one in (operation.expect, operation.value))
    words = {"read": f"read -> {value}", "cas": f"cas {expect} -> {value}", "write": f"write {value}"}
    did = words.get(operation.op, operation.op)
    node = f" at {operation.node}" if operation.node else ""
    return f"[{operation.invoke:.3f}, {end}] client {operation.client}: {did} ({operation.outcome}){node}"


def _table(*headings: str) -> Table:
    columns = [Column(one, overflow="fold") for one in headings]
    return Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def strip(timeline: Mapping[str, Any]) -> RenderableType:
    """One line a lane, one character for each WIDTH-th of the time: who served, what failed, what was answered.

    `timeline` is what `srekv.report.page.timeline` returns.
    """
    begin, end = timeline["span"]
    columns: list[list[Counter[str]]] = [[Counter() for _ in range(WIDTH)] for _ in timeline["lanes"]]
    for lane, start, stop, state, *_ in (*timeline["bars"], *timeline["requests"]):
        first, last = _column(start, begin, end), _column(stop, begin, end)
        for column in range(first, max(first, last) + 1):
            columns[lane][column][state] += 1
    nodes = enumerate(zip(timeline["nodes"], ("blue", "yellow"), strict=False), start=1)
    signs = {node: (str(number), style) for number, (node, style) in nodes}
    signs |= {"healthy": ("+", "green"), ERROR: ("x", "red")}
    lines = [_line(name, cells, signs) for name, cells in zip(timeline["lanes"], columns, strict=True)]
    left, right = f"{begin:.0f}", f"{end:.0f} s"
    middle = " " * max(_column(0.0, begin, end) - len(left), 1) + "0"
    rest = max(WIDTH - len(left) - len(middle) - len(right), 1)
    ruler = left + middle + " " * rest + right
    words = [f"{sign} {'failed or down' if state == ERROR else state}" for state, (sign, _) in signs.items()]
    legend = ", ".join([*words, ". not known"])
    return Group(*lines, *(Text(" " * NAME_WIDTH + one, "dim", no_wrap=one is ruler) for one in (ruler, legend)))


def _column(moment: float, begin: float, end: float) -> int:
    """The column that shows a moment; the first or the last one when the span does not contain it."""
    share = (moment - begin) / (end - begin) if end > begin else 0.0
    return min(int(WIDTH * min(max(share, 0.0), 1.0)), WIDTH - 1)


def _line(name: str, cells: list[Counter[str]], signs: Mapping[str, tuple[str, str]]) -> Text:
    text = Text(f"{visible(name):<{NAME_WIDTH}.{NAME_WIDTH - 1}}", no_wrap=True)
    for cell in cells:
        # a failure in a column is shown however many requests succeeded
        state = ERROR if cell[ERROR] else next(iter(cell.most_common(1)), ("", 0))[0]
        text.append(*signs.get(state, ("." if cell else " ", "dim")))
    return text
