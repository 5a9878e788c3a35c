"""Styled text for a terminal; every renderable that srekv makes is of these, or of strings."""

from __future__ import annotations

from typing import Any, Self

import rich.text
from rich.style import StyleType

from srekv.ui.visible import visible


class Text(rich.text.Text):
    """As rich's, with control characters as escapes: rich drops some (BEL, BS, VT, FF, CR) and passes the others on."""

    def __init__(self, text: str = "", style: StyleType = "", **settings: Any) -> None:
        super().__init__(visible(text), style, **settings)

    @classmethod
    def assemble(cls, *parts: str | rich.text.Text | tuple[str, StyleType], **settings: Any) -> Self:
        """One text of several, each with its style."""
        text = cls(**settings)
        for part in parts:
            text.append(*part) if isinstance(part, tuple) else text.append(part)
        return text

    def append(self, text: rich.text.Text | str, style: StyleType | None = None) -> Self:
        """Add text at the end."""
        super().append(visible(text) if isinstance(text, str) else text, style)
        return self
