"""The report as a folder: every figure from the history, sealed, well-formed, and asking nobody for anything."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from srekv.check.verdict import judge_file
from srekv.commands.report import write_report
from srekv.drill.model import Objectives
from srekv.report.folder import digest, judge_seal


class Page(html.parser.HTMLParser):
    """What a report's page says: its figures, and every address that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: dict[str, str] = {}
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        found = dict(attrs)
        self.tags.add(tag)
        if "data-figure" in found:
            self.figures[found["data-figure"] or ""] = found["data-value"] or ""
        self.addresses += [found[name] or "" for name in ("src", "href", "action") if name in found]


def member(document: Any, path: str) -> Any:
    """A member of a document by its dotted path."""
    for name in path.split("."):
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def test_the_folder_is_complete(drill_file: Path, tmp_path: Path) -> None:
    """A copy of the history, the verdict, JUnit and the page."""
    write_report(tmp_path / "report", drill_file)
    names = sorted(one.name for one in (tmp_path / "report").iterdir())

    assert names == ["history.jsonl", "junit.xml", "report.html", "verdict.json"]
    assert (tmp_path / "report" / "history.jsonl").read_bytes() == drill_file.read_bytes()


def test_every_figure_on_the_page_is_the_verdicts(drill_file: Path) -> None:
    """The page has no number of its own."""
    write_report(drill_file.parent, drill_file)
    document = json.loads((drill_file.parent / "verdict.json").read_text())
    page = Page((drill_file.parent / "report.html").read_text())

    assert len(page.figures) > 30
    assert {"outage_s", "lost", "availability", "bound_s", "expected.p95_s", "clients.5.outage_s"} <= set(page.figures)
    assert {name: value for name, value in page.figures.items() if value != str(member(document, name))} == {}


def test_the_verdicts_figures_are_the_checkers(drill_file: Path) -> None:
    """verdict.json says what judging the history says."""
    document = write_report(drill_file.parent, drill_file).document
    verdict = judge_file(drill_file)

    assert verdict.timing is not None
    assert document["verdict"] == verdict.verdict == "held"
    assert document["outage_s"] == verdict.timing.outage_s
    assert document["history_sha256"] == digest(drill_file)
    assert document["settings"]["seed"] == 1


def test_the_page_names_nobody(drill_file: Path) -> None:
    """No address outside the page, and a policy that forbids the browser to ask for any."""
    write_report(drill_file.parent, drill_file)
    text = (drill_file.parent / "report.html").read_text()
    page = Page(text)

    assert set(page.addresses) == {"data:,", "#findings"}
    assert not page.tags & {"img", "iframe", "object", "embed"}
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import", text.split("<body>")[0])


def test_drawing_again_changes_nothing(drill_file: Path) -> None:
    """The same history gives the same files."""
    write_report(drill_file.parent, drill_file)
    before = {one.name: one.read_bytes() for one in drill_file.parent.iterdir()}
    write_report(drill_file.parent, drill_file)
    assert {one.name: one.read_bytes() for one in drill_file.parent.iterdir()} == before


def test_a_changed_history_is_detected(drill_file: Path) -> None:
    """One changed digit is a violation, and the verdict that tells so is not written over."""
    write_report(drill_file.parent, drill_file)
    sealed = (drill_file.parent / "verdict.json").read_bytes()
    drill_file.write_text(drill_file.read_text().replace('"honor-ttl.1"', '"honor-ttl.0"'))
    written = write_report(drill_file.parent, drill_file)

    assert written.verdict.verdict == "violated"
    assert "was changed after it was judged" in (drill_file.parent / "report.html").read_text()
    assert (drill_file.parent / "verdict.json").read_bytes() == sealed


def test_a_history_that_was_never_judged_has_no_seal(drill_file: Path) -> None:
    """No verdict beside it, or one that is no verdict: nothing to say."""
    assert judge_seal(drill_file) is None
    (drill_file.parent / "verdict.json").write_text("[1]")
    assert judge_seal(drill_file) is None


@pytest.mark.parametrize(("limit", "attribute"), [(5.0, "failures"), (None, None)])
def test_junit_has_a_case_for_each_finding(drill_file: Path, limit: float | None, attribute: str | None) -> None:
    """What was not kept is a failure; the counts add up."""
    written = write_report(drill_file.parent, drill_file, objectives=Objectives(max_outage_s=limit))
    suite = ET.parse(drill_file.parent / "junit.xml").getroot()[0]

    assert [case.get("name") for case in suite] == [one.checker for one in written.verdict.findings]
    assert int(suite.get("tests", "")) == len(suite)
    assert sum(int(suite.get(one, "")) for one in ("failures", "errors")) == (1 if attribute else 0)
    assert len(suite.findall("./testcase/failure")) == (1 if attribute else 0)


def test_what_a_history_says_stays_text(tmp_path: Path) -> None:
    """Names and values from a file are shown, never run: not as markup, not as the end of a script."""
    evil = "</script><script>alert(1)</script>"
    lines = [
        {"event": "fault", "at": 1, "what": evil, "node": evil},
        {
            "client": evil,
            "zoo": evil,
            "op": "read",
            "key": evil,
            "value": evil,
            "invoke": 0,
            "complete": 1,
            "outcome": "ok",
        },
    ]
    file = tmp_path / "history.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_report(tmp_path, file)
    text = (tmp_path / "report.html").read_text()

    assert "<script>alert" not in text
    assert Page(text).figures["verdict"] == "violated"


@pytest.mark.parametrize("text", ["", "\n", "no history\n", '{"event": "fault", "at": 1}\n'])
def test_any_file_has_a_report(tmp_path: Path, text: str) -> None:
    """A history without operations, without a fault, or without sense still gives a page."""
    file = tmp_path / "history.jsonl"
    file.write_text(text)
    assert write_report(tmp_path, file).page.exists()
