"""A report as a folder: history.jsonl, verdict.json, junit.xml, report.html; all recomputed from the history."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srekv.check.history import parse
from srekv.check.model import Judgement, Verdict
from srekv.check.verdict import judge_history, worst
from srekv.drill.model import Promises
from srekv.report.data import history_document
from srekv.report.html import html
from srekv.report.junit import junit
from srekv.report.seal import HISTORY, VERDICT, digest, judge_seal

PAGE = "report.html"
JUNIT = "junit.xml"


@dataclass(frozen=True, kw_only=True)
class Written:
    """A report that was written.

    Attributes:
        page: the path of report.html.
        verdict: the verdict in it.
        document: what verdict.json holds.
    """

    page: Path
    verdict: Verdict
    document: dict[str, Any]


def write(directory: Path, history: Path, *, promises: Promises | None = None) -> Written:
    """Judge a history and write the report over it.

    Args:
        directory: where the report goes; made if it is not there.
        history: the history file; copied into the directory unless it is the one there.
        promises: what the run is held to; None: what the history itself carries.

    A history that was changed after it was judged is violated, and keeps the verdict.json that tells so.
    """
    directory.mkdir(parents=True, exist_ok=True)
    changed = judge_seal(history)
    own = directory / HISTORY
    if not own.exists() or not own.samefile(history):
        shutil.copyfile(history, own)
    with own.open(encoding="utf-8", errors="replace", newline="\n") as file:
        parsed = parse(file)
    verdict = _with(judge_history(parsed, promises=promises), changed)
    document = history_document(parsed, verdict) | {
        "history": HISTORY,
        "history_sha256": digest(own),
        "report": str(directory / PAGE),
    }
    _save(directory / PAGE, html(document, parsed, verdict).encode())
    _save(directory / JUNIT, junit(verdict, name=f"srekv.{document['run'] or own.parent.name}"))
    if changed is None or changed.verdict == "held" or directory.resolve() != history.parent.resolve():
        _save(directory / VERDICT, json.dumps(document, indent=2).encode() + b"\n")
    return Written(page=directory / PAGE, verdict=verdict, document=document)


def _with(verdict: Verdict, finding: Judgement | None) -> Verdict:
    """A verdict with one more finding; one that held is not worth a line."""
    if finding is None or finding.verdict == "held":
        return verdict
    findings = (*verdict.findings, finding)
    return replace(verdict, findings=findings, verdict=worst(one.verdict for one in findings))


def _save(path: Path, data: bytes) -> None:
    """Whole or not at all: a report that is open in a browser is never half a file."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_bytes(data)
    half.replace(path)
