"""The headline of every verdict, in every form: it gives the reason, and nothing in it contradicts the verdict."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from srekv.commands.report import write_report
from srekv.drill.model import Objectives
from srekv.report.terminal import verdict_view

Lines = list[dict[str, Any]]


def operation(op: str, value: str | None, at: float, **members: Any) -> dict[str, Any]:
    """An operation that is acknowledged at once, on a key of its own."""
    base = {"client": "x", "op": op, "key": "x", "value": value, "invoke": at, "complete": at + 0.1, "outcome": "ok"}
    return {**base, **members}


def unchanged(lines: Lines) -> Lines:
    """The drill as it was."""
    return lines


def gone(lines: Lines) -> Lines:
    """An acknowledged write that the final read does not find: `--break lost-writes` on a key that is written once."""
    return [*lines, operation("write", "x1", 1), operation("read", None, 115, final=True)]


def covered(lines: Lines) -> Lines:
    """A write that was lost and covered by a later one: what `--break lost-writes` mostly leaves."""
    acts = [operation("write", "x1", 1), operation("read", None, 2), operation("write", "x2", 3)]
    return [*lines, *acts, operation("read", "x2", 115, final=True)]


def stale(lines: Lines) -> Lines:
    """A read of an older value: `--break stale-reads`."""
    acts = [operation("write", "x1", 1), operation("write", "x2", 3), operation("read", "x1", 4)]
    return [*lines, *acts, operation("read", "x2", 115, final=True)]


def invented(lines: Lines) -> Lines:
    """A value that was never written."""
    return [*lines, operation("read", "ghost", 115, final=True)]


def unanswered(lines: Lines) -> Lines:
    """No operation after the fault is answered, until the load ends."""
    late = {"complete": None, "outcome": "unknown"}
    return [{**one, **late} if one.get("invoke", 0) > 10 and not one.get("final") else one for one in lines]


def unread(lines: Lines) -> Lines:
    """The final reads failed."""
    return [{**one, "outcome": "fail", "value": None} if one.get("final") else one for one in lines]


def unsteady(lines: Lines) -> Lines:
    """Most operations before the fault failed."""
    return [{**one, "outcome": "fail"} if one.get("invoke", 99) < 7 and one["op"] == "read" else one for one in lines]


def damaged(lines: Lines) -> Lines:
    """A line that is no operation."""
    return [*lines, {"op": "swap"}]


@pytest.mark.parametrize(
    ("change", "promises", "word", "losses", "reason"),
    [
        (unchanged, Objectives(), "HELD", "0 lost", ""),
        (gone, Objectives(max_lost=1), "VIOLATED", "1 lost", "linear: no order of the operations"),
        (gone, Objectives(), "VIOLATED", "1 lost", "lost: 1 acknowledged change gone at the end"),
        (covered, Objectives(), "VIOLATED", "", "linear: no order of the operations"),
        (stale, Objectives(), "VIOLATED", "", "linear: no order of the operations"),
        (invented, Objectives(), "VIOLATED", "", "lost: 1 reads found a value that was never written"),
        (unanswered, Objectives(), "VIOLATED", "0 lost", "timing: clients never recovered: honor-ttl"),
        (unchanged, Objectives(max_outage_s=5), "VIOLATED", "0 lost", "max-outage:"),
        (unchanged, Objectives(min_availability=1), "VIOLATED", "0 lost", "min-availability:"),
        (unread, Objectives(), "INCONCLUSIVE", "", "lost:"),
        (unsteady, Objectives(), "INCONCLUSIVE", "0 lost", "steady:"),
        (damaged, Objectives(), "INCONCLUSIVE", "0 lost", "history: 1 lines could not be understood"),
    ],
)
def test_the_headline_does_not_contradict_the_verdict(
    drill_file: Path,
    *,
    change: Callable[[Lines], Lines],
    promises: Objectives,
    word: str,
    losses: str,
    reason: str,
) -> None:
    """Terminal, page, JSON and JUnit agree; "0 lost" is there only where the history proves it."""
    lines = change([json.loads(line) for line in drill_file.read_text().splitlines()])
    drill_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    written = write_report(drill_file.parent, drill_file, objectives=promises)

    out = io.StringIO()
    Console(file=out, width=400, color_system=None).print(verdict_view(written.verdict))
    first, second = out.getvalue().splitlines()[:2]
    assert first.split()[0] == word
    assert re.findall(r"\d+ lost", first) == ([losses] if losses else [])
    assert second.startswith(reason or "outage")

    page = (drill_file.parent / "report.html").read_text().partition("</header>")[0].partition("<header")[2]
    assert f">{word.lower()}</p>" in page
    assert reason in page
    assert ("No acknowledged write was lost" in page) == (losses == "0 lost")
    assert ("1 acknowledged write lost" in page) == (losses == "1 lost")

    document = json.loads((drill_file.parent / "verdict.json").read_text())
    assert document["verdict"].upper() == {"INCONCLUSIVE": "UNKNOWN"}.get(word, word)
    assert (document["reason"] or "").startswith(reason)
    assert (document["reason"] is None) == (word == "HELD")

    suite = ET.parse(drill_file.parent / "junit.xml").getroot()[0]
    failures, errors = (int(suite.get(name, "")) for name in ("failures", "errors"))
    assert (failures > 0, failures == 0 < errors) == (word == "VIOLATED", word == "INCONCLUSIVE")
