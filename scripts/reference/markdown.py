"""The little Markdown that the pages need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def page(title: str, *parts: str) -> str:
    """A whole page: its title, then its parts with an empty line before each."""
    made = "Made by `make reference` from the code; a test holds it equal."
    return "\n\n".join((f"# {title}", *(part.strip("\n") for part in parts), made)) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold anything in one line."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def code(text: str, language: str = "text") -> str:
    """A block that is shown as it is."""
    return f"```{language}\n{text}\n```"


def quoted(words: Iterable[object], between: str = ", ") -> str:
    """Words as code."""
    return between.join(f"`{word}`" for word in words)


def prose(text: str) -> str:
    """Text in which `*` and `<` mean themselves."""
    return text.replace("*", "\\*").replace("<", "&lt;")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
