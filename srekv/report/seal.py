"""A history and the verdict over it belong together: the verdict carries the history's SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from srekv.check.model import Judgement

HISTORY = "history.jsonl"
VERDICT = "verdict.json"


def digest(history: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with history.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(history: Path) -> str | None:
    """The digest that the verdict beside a history carries; None when there is no verdict beside it."""
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
