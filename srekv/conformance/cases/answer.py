"""What a case sees, and what was recorded of it."""

from __future__ import annotations

import re
from dataclasses import dataclass


class NotAskedError(Exception):
    """The question cannot be put here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One answer: HTTP status, Error.Code ("" for success), and the error's text or what a success showed."""

    status: int
    code: str = ""
    text: str = ""

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.status, self.code, self.text) if part)


@dataclass(frozen=True)
class Answer:
    """An answer that was recorded; the text is a regular expression that must be found ("" matches any)."""

    status: int
    code: str = ""
    text: str = ""

    def matches(self, seen: Seen) -> bool:
        """Whether this is what was seen."""
        same = (self.status, self.code) == (seen.status, seen.code)
        return same and re.search(self.text, seen.text, re.DOTALL) is not None

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.status, self.code, self.text) if part)
