"""Makes findings out of findings.toml, which has the kinds: what each means, why it matters, the rule's source."""

from __future__ import annotations

import tomllib
from importlib import resources

from srekv.doctor.model import Finding, Severity
from srekv.errors import Advice

KINDS = tomllib.loads(resources.files("srekv.doctor").joinpath("findings.toml").read_text())
SOURCES = KINDS.pop("sources")


def find(
    kind: str, *, subject: str, proof: str, fix: Advice, severity: Severity | None = None, **words: object
) -> Finding:
    """A finding of that kind, a table of findings.toml; `words` fill in the braces of its title and its cause."""
    row = KINDS[kind]
    return Finding(
        id=row.get("id", kind),
        severity=severity or row["severity"],
        subject=subject,
        title=row["title"].format(**words),
        cause=row["cause"].format(**words),
        proof=proof,
        fix=fix,
        source=SOURCES.get(row.get("source"), ""),
    )
