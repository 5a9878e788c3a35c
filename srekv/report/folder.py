"""A report as a folder: history.jsonl, verdict.json, junit.xml, report.html.

A history and the verdict over it belong together: the verdict carries the history's SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from srekv.check.model import History, Judgement, Verdict
from srekv.errors import UsageError
from srekv.report.data import history_document
from srekv.report.junit import junit

HISTORY, VERDICT, PAGE, JUNIT = "history.jsonl", "verdict.json", "report.html", "junit.xml"


def digest(history: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with history.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(history: Path) -> str | None:
    """The digest in the verdict of a history's folder; None without a verdict."""
    try:
        document: Any = json.loads((history.parent / VERDICT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    known = document.get("history_sha256") if isinstance(document, dict) else None
    return known if isinstance(known, str) and document.get("history") == history.name else None


def judge_seal(history: Path) -> Judgement | None:
    """Whether the file is still the one that was judged; None when it never was."""
    known = sealed(history)
    if known is None:
        return None
    found = digest(history)
    if found == known:
        return Judgement(checker="seal", verdict="held", summary=f"the history that was judged, sha256 {found[:12]}")
    summary = f"{history.name} was changed after it was judged: sha256 {found[:12]}, judged was {known[:12]}"
    return Judgement(checker="seal", verdict="violated", summary=summary)


def holds_other(directory: Path, file: Path) -> bool:
    """Whether a directory has another history than this file, or the verdict over another one."""
    own = directory / HISTORY
    if own.exists() and own.samefile(file):
        return False
    judged = digest(file)
    return (own.exists() and digest(own) != judged) or sealed(own) not in {None, judged}


def write(directory: Path, file: Path, history: History, verdict: Verdict) -> dict[str, Any]:
    """Write the report over a judged history.

    A verdict.json beside a history that was changed since is left as it is: it tells of the change.

    Args:
        directory: where the report goes; made if it is not there.
        file: the history's file; copied into the directory unless it is the one there.
        history: what was read from it.
        verdict: the verdict over it.

    Returns:
        what verdict.json holds, with the path of the page as `report`.

    Raises:
        UsageError: the directory holds another run; nothing was written.
    """
    from srekv.report.html import html

    if holds_other(directory, file):
        raise UsageError(
            f"{directory} holds the report of another run",
            why=f"its {HISTORY} or {VERDICT} is not about {file}, and would be overwritten",
            next_step="name another directory",
        )
    directory.mkdir(parents=True, exist_ok=True)
    own = directory / HISTORY
    if not own.exists():
        _save(own, file.read_bytes())
    document = history_document(history, verdict) | {
        "history": HISTORY,
        "history_sha256": digest(own),
        "report": str(directory / PAGE),
    }
    _save(directory / PAGE, html(document, history, verdict).encode())
    _save(directory / JUNIT, junit(verdict, name=f"srekv.{document['run'] or directory.name}"))
    if sealed(own) in {None, document["history_sha256"]}:
        _save(directory / VERDICT, json.dumps(document, indent=2).encode() + b"\n")
    return document


def _save(path: Path, data: bytes) -> None:
    """Whole or not at all: a report that is open in a browser is never half a file."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_bytes(data)
    half.replace(path)
