"""DNS names as Route 53's API writes them: absolute, in lower case, with octal escapes.

Source: Route 53 Developer Guide, "DNS domain name format".
"""

from __future__ import annotations

import re

_CHARACTER = re.compile(r"\\[0-3][0-7]{2}|.", re.DOTALL)
_ITSELF = re.compile(r"[a-z0-9_-]")
_LEFT = re.compile(r"\.|[^!-~]")  # the separator, and what must come as an escape code: `problem` refuses it
_CANONICAL = re.compile(r"[a-z0-9_.-]+\.")
_OCTAL = re.compile(r"\\(?:([0-3][0-7]{2})|.)")


def escaped(name: str) -> str:
    r"""The name as the API lists it: every character but a-z, 0-9, "-" and "_" as an octal escape, "*" as \052."""
    if not name or _CANONICAL.fullmatch(name):
        return name
    return "".join(map(_escape, _CHARACTER.findall(name.removesuffix(".")))) + "."


def _escape(character: str) -> str:
    plain = chr(int(character[1:], 8)) if len(character) > 1 else character
    is_kept = _ITSELF.fullmatch(plain.lower()) or _LEFT.fullmatch(character)
    return plain.lower() if is_kept else f"\\{ord(plain):03o}"


def decimal(text: str) -> str:
    """Route 53's octal escapes as the decimal ones of DNS's own text form."""
    return _OCTAL.sub(lambda match: f"\\{int(match[1], 8):03}" if match[1] else match[0], text)


def problem(name: str) -> str | None:
    """What Route 53 answers to a name that is none, or None.

    Sources: cdk-preflight, probed 2026-09; harmony-one/harmony-ops#491, hashicorp/terraform#18482 (what is empty).
    """
    whole = name.removesuffix(".")
    labels = whole.split(".")
    if not name:
        return fatal("DomainNameEmpty", "Domain name is empty", "")
    if strange := next((one for one in whole if not "!" <= one <= "~"), ""):
        shown = strange if strange.isascii() else "?"
        return fatal("UnsupportedCharacter", "Value contains unsupported characters", shown)
    if whole and "" in labels:
        return fatal("DomainLabelEmpty", "Domain label is empty", whole)
    if long := next((label for label in labels if len(_CHARACTER.findall(label)) > 63), ""):
        return fatal("DomainLabelTooLong", "Domain label is too long", long)
    if len(_CHARACTER.findall(whole)) > 253:  # the documented 255 count it on the wire (cdk-preflight, 2026-09-13)
        return fatal("DomainNameTooLong", "Domain name is too long", whole)
    return None


def fatal(code: str, says: str, value: str) -> str:
    """The form of Route 53's complaint about a name or a value."""
    return f"FATAL problem: {code} ({says}) encountered with '{value}'"
