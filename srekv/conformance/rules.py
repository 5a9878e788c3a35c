"""Reads the catalogue of AWS's rules, rules.toml, which says what its members mean."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that AWS does and an emulator may forgive; its members are those of rules.toml."""

    id: str
    rows: tuple[str, ...]
    source: str
    says: str
    text: str = ""


def _read() -> Mapping[str, Rule]:
    members = tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))
    return {name: Rule(id=name, **{**given, "rows": tuple(given["rows"])}) for name, given in members.items()}


RULES = _read()
"""Every rule by its id, in the order in which the layer applies them."""
