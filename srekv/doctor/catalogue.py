"""Makes findings out of findings.toml, which has the kinds: what each means, why it matters, its proof and its cure."""

from __future__ import annotations

import tomllib
from importlib import resources

from srekv.doctor.model import Finding, Severity
from srekv.errors import Advice, CommandLine

KINDS = tomllib.loads(resources.files("srekv.doctor").joinpath("findings.toml").read_text())
SOURCES = KINDS.pop("sources")


def find(
    kind: str,
    subject: str,
    *,
    fix: Advice = "",
    in_stack: bool = False,
    severity: Severity | None = None,
    **words: object,
) -> Finding:
    """A finding of that kind, a table of findings.toml; `words` are what it has in braces.

    `fix` and `severity` are instead of the kind's own; `in_stack`: it is about a stack of ours, which `up` may repair.
    """
    row = KINDS[kind]
    text = {name: value.format(**words) for name, value in row.items() if isinstance(value, str)}
    if in_stack and "up" in row:
        fix = CommandLine("srekv up")
    elif "command" in text and not fix:
        fix = text.get("before", "") + CommandLine(text["command"]) + text.get("then", "")
    return Finding(
        id=row.get("id", kind),
        severity=severity or row["severity"],
        subject=subject,
        title=text["title"],
        cause=text["cause"],
        proof=text["proof"],
        fix=fix or text.get("fix", ""),
        source=SOURCES.get(row.get("source"), ""),
    )
