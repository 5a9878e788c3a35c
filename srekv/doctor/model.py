"""The doctor's results: findings, made of the kinds in findings.toml, and a verdict for each name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal

from srekv.errors import Advice, CommandLine

Severity = Literal["prevents", "delays", "risk", "unchecked"]
"""What a finding means: no failover, a late one, one that may go wrong; or something was not examined."""

ORDER: tuple[Severity, ...] = ("prevents", "delays", "risk", "unchecked")

Verdict = Literal["will fail over", "will not fail over", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or that was not examined, about a record, a check, an address, a resource's id.

    `id` is its kind, stable, for scripts: "group-shuts-checkers-out"; `cause` is why the title matters,
    `proof` the value that was read, `fix` a command or what else to do, `source` where the rule comes from.
    """

    id: str
    severity: Severity
    subject: str
    title: str
    cause: str
    proof: str
    fix: Advice
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """What the user holds a failover to, seconds: the longest outage that is wanted, the clients' time-out.

    `bound`: interval, threshold and TTL -> the longest outage that they explain.
    """

    bound: Callable[[int, int, int], float]
    target_s: float | None = None
    client_timeout_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was examined of one record set, and what was not."""

    record: str
    examined: tuple[str, ...]
    not_examined: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NameVerdict:
    """Whether one name and type fails over; `not_examined` is about the zone, its VPCs or the stack."""

    name: str
    kind: str
    policy: str
    prevented: bool
    records: tuple[Examination, ...]
    not_examined: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """No, if anything prevents it; unknown, if anything was not examined; else yes."""
        if self.prevented:
            return "will not fail over"
        gaps = self.not_examined or any(one.not_examined for one in self.records)
        return "unknown" if gaps else "will fail over"

    def to_json(self) -> dict[str, Any]:
        """As a member of `doctor`'s document."""
        return {
            "name": self.name,
            "type": self.kind,
            "policy": self.policy,
            "verdict": self.verdict,
            "not_examined": list(self.not_examined),
            "records": [vars(one) for one in self.records],
        }


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All findings about one subject, the worst first, and the questions that were asked.

    `names`: of a zone, the verdict for each; before the first `up` there are none. `fixed`: how many names and types in
    the zone have one fixed answer.
    """

    subject: str
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    names: tuple[NameVerdict, ...] = ()
    fixed: int = 0

    @classmethod
    def of(
        cls,
        subject: str,
        findings: Iterable[Finding],
        checked: Iterable[str],
        *,
        names: Iterable[NameVerdict] = (),
        fixed: int = 0,
    ) -> Diagnosis:
        """With the findings in order, and those with one cure as one, about all that it cures, with every proof."""
        alike: dict[Finding, list[Finding]] = {}
        for finding in findings:
            alike.setdefault(replace(finding, subject="", proof=""), []).append(finding)
        once = []
        for kind, same in alike.items():
            subjects = " and ".join(dict.fromkeys(one.subject for one in same))
            once.append(replace(kind, subject=subjects, proof="; ".join(dict.fromkeys(one.proof for one in same))))
        return cls(
            subject=subject,
            findings=tuple(sorted(once, key=lambda one: ORDER.index(one.severity))),
            checked=tuple(checked),
            names=tuple(names),
            fixed=fixed,
        )

    @property
    def prevents(self) -> tuple[Finding, ...]:
        """The findings that prevent a failover."""
        return tuple(one for one in self.findings if one.severity == "prevents")

    @property
    def verdict(self) -> Verdict:
        """No, if anything prevents it; unknown, if a name's is, or, without names, if anything was not examined."""
        if self.prevents:
            return "will not fail over"
        known = [one.verdict != "unknown" for one in self.names]
        known = known or [one.severity != "unchecked" for one in self.findings]
        return "will fail over" if all(known) else "unknown"


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
