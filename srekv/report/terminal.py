"""Findings and verdicts as rich renderables: verdict first, readable at 80 columns and without colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from srekv.check.model import CALLED, Judgement, Operation, Ruling, Step, Timing, Verdict
from srekv.drill.model import DrillResult, Finding
from srekv.ui.text import Text

BAR_WIDTH = 30
"""Columns of the picture's bars; with their names and seconds they fit into 80."""

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


def drill_view(result: DrillResult, verdict: Verdict) -> RenderableType:
    """A failover test: the verdict, the outage and its phases, the clients, the findings."""
    parts: list[RenderableType] = [_headline(verdict), Text(_speed(result), "dim")]
    if verdict.timing is not None:
        parts += [Text(), waterfall(verdict.timing), Text(), _clients(verdict.timing)]
    parts += [Text(), findings_view(verdict.findings), Text(f"history: {result.history}", overflow="fold")]
    return Group(*parts)


def verdict_view(verdict: Verdict) -> RenderableType:
    """A judged history: the verdict, the outage if there was one, and the findings with their proofs."""
    parts: list[RenderableType] = [_headline(verdict), Text()]
    if verdict.timing is not None:
        parts += [waterfall(verdict.timing), Text()]
    return Group(*parts, findings_view(verdict.findings))


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


def _speed(result: DrillResult) -> str:
    return f"seconds are AWS-equivalent; the drill took {result.wall_s:.1f} s (wall-clock, {result.speed:g}x)"


def waterfall(timing: Timing) -> RenderableType:
    """The phases as bars on one time line that begins with the fault."""
    rows = timing.steps
    length = max((row.begin + (row.seconds or 0) for row in rows), default=0)
    scale = BAR_WIDTH / length if length else 0
    table = _table("phase", "seconds", "since the fault")
    for row in rows:
        seconds = "never" if row.seconds is None else f"{row.seconds:.1f}"
        table.add_row(row.name, Text(seconds, justify="right"), Text(bar(row, scale), "cyan", no_wrap=True))
    notes = [Text(row.note, "dim") for row in rows if row.note]
    return Group(table, *notes)


def bar(step: Step, scale: float) -> str:
    """The step as characters, `scale` columns a second; one that never ended reaches the edge as an arrow."""
    begin = min(round(step.begin * scale), BAR_WIDTH - 1)
    if step.end is None:
        return " " * begin + "-" * (BAR_WIDTH - begin - 1) + ">"
    return " " * begin + "=" * max(round(step.end * scale) - begin, 1)


def _clients(timing: Timing) -> RenderableType:
    table = _table("client", "outage", "available", "errors", "what to change")
    for client in timing.clients:
        outage = f"{client.outage_s:.1f} s" if client.recovered else f"{client.outage_s:.1f} s, never recovered"
        table.add_row(
            client.name, outage, f"{100 * client.availability:.1f} %", str(client.errors), Text(client.advice)
        )
    return table


def findings_view(findings: Iterable[Judgement]) -> RenderableType:
    """Each checker's word, and below it the operations that prove it."""
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        shown = Group(Text(finding.summary), *(Text(_operation(one), "dim") for one in finding.proof))
        table.add_row(finding.checker, Text(CALLED[finding.verdict], _STYLES[finding.verdict]), shown)
    return table


def _operation(operation: Operation) -> str:
    end = "?" if operation.complete is None else f"{operation.complete:.3f}"
    if operation.op == "read":
        did = f"read -> {_value(operation.value)}"
    elif operation.op == "cas":
        did = f"cas {_value(operation.expect)} -> {_value(operation.value)}"
    else:
        did = operation.op if operation.op == "delete" else f"write {_value(operation.value)}"
    node = f" at {operation.node}" if operation.node else ""
    return f"[{operation.invoke:.3f}, {end}] client {operation.client}: {did} ({operation.outcome}){node}"


def _value(value: str | None) -> str:
    return "nothing" if value is None else repr(value)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
