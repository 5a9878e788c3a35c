"""Shows control characters as escapes: names, tags, histories and answers must not control the terminal."""

from __future__ import annotations

# C0, DEL and C1: ECMA-48 gives them, and the sequences that start with them, a function.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}

# Embeddings, overrides and isolates (Unicode UAX 9): they show text in another order than it has.
_BIDI = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}

_ESCAPES = _CONTROLS | _BIDI


def visible(text: str) -> str:
    r"""The text with each control character but newline and tab as an escape: `\x1b`, `\u202e`."""
    return text.translate(_ESCAPES)
