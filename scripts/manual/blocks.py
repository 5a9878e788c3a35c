"""Finds the commands of a page of Markdown: every `console` block, each command on a line that begins with `$ `.

What a page may say about its commands, where a reader sees it or in a comment that GitHub and Sphinx leave out:

- `$ echo $?` right after a command, with the number under it: the exit code of that command, otherwise 0.
- `<!-- exits: 1 -->` on the line before a block: the same for the block's last command.
- `... [y/N]: y` in the output: the answer that the command gets.
- `<!-- not run: REASON -->` on the line before a block: the block cannot run in a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

LANGUAGE = "console"
SHELLS = frozenset({"bash", "sh", "shell", "zsh", "fish", "shell-session"})
"""Languages of blocks in which a command would hide from the test."""

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w-]*)")
_NOTE = re.compile(r"<!-- *(?P<key>not run|exits): *(?P<value>.*?) *-->")
_ANSWER = re.compile(r"\[y/N\]: (\S+)$")
_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_REMARK = re.compile(r"\s+# .*$")
_CODE_OF_LAST = "echo $?"


class ManualError(ValueError):
    """A page that breaks the convention; says where and how."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a page.

    Attributes:
        line: where it stands, from 1.
        text: as it is typed; a continued one has more than one line.
        output: the lines that the page shows under it.
        exits: the exit code it must end with.
    """

    line: int
    text: str
    output: tuple[str, ...] = ()
    exits: int = 0

    @property
    def bare(self) -> str:
        """The command without a remark at its end."""
        return _REMARK.sub("", self.text)

    @property
    def answers(self) -> str:
        """What is typed while it runs."""
        found = (_ANSWER.search(line) for line in self.output)
        return "".join(f"{answer[1]}\n" for answer in found if answer)


@dataclass(frozen=True, kw_only=True)
class Block:
    """The commands of one block; `not_run` is the reason why they cannot run in a test, None when they can."""

    line: int
    commands: tuple[Command, ...]
    not_run: str | None = None


@dataclass(frozen=True, kw_only=True)
class Fenced:
    """Any fenced block: its language, its lines, the number of the first of them, from 1, and the line above it all."""

    line: int
    language: str
    lines: tuple[str, ...]
    before: str


def blocks(page: Path) -> tuple[Block, ...]:
    """The `console` blocks of a page.

    Raises:
        ManualError: the page breaks the convention.
    """
    return tuple(_block(page, one) for one in fenced(page) if one.language == LANGUAGE)


def fenced(page: Path) -> Iterator[Fenced]:
    """Every fenced block of a page.

    Raises:
        ManualError: one is not closed.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        opening = _FENCE.fullmatch(lines[at].rstrip())
        at += 1
        if not opening:
            continue
        end = next((one for one in range(at, len(lines)) if lines[one].strip() == opening["fence"]), None)
        if end is None:
            raise ManualError(f"{page}:{at}: this block is not closed")
        inside = tuple(line.removeprefix(opening["indent"]) for line in lines[at:end])
        before = lines[at - 2].strip() if at > 1 else ""
        yield Fenced(line=at + 1, language=opening["language"], lines=inside, before=before)
        at = end + 1


def notes(page: Path) -> Iterator[tuple[int, str]]:
    """The comments of a page that speak about a block: line, and the line after it."""
    lines = [*page.read_text(encoding="utf-8").splitlines(), ""]
    for number, line in enumerate(lines[:-1], 1):
        if _NOTE.search(line):
            yield number, lines[number].strip()


def _block(page: Path, found: Fenced) -> Block:
    commands = tuple(_with_codes(list(_commands(page, found))))
    if not commands:
        raise ManualError(f'{page}:{found.line}: no line of this block begins with "$ "')
    note = _NOTE.fullmatch(found.before)
    if note is None:
        return Block(line=found.line, commands=commands)
    if not note["value"]:
        raise ManualError(f"{page}:{found.line}: this block does not say why it is not run")
    if note["key"] == "not run":
        return Block(line=found.line, commands=commands, not_run=note["value"])
    if not note["value"].isdecimal():
        raise ManualError(f"{page}:{found.line}: {note['value']} is no exit code")
    return Block(line=found.line, commands=(*commands[:-1], replace(commands[-1], exits=int(note["value"]))))


def _commands(page: Path, found: Fenced) -> Iterator[Command]:
    text: list[str] = []
    output: list[str] = []
    start = found.line
    for number, line in enumerate(found.lines, found.line):
        if text and _goes_on(text):
            text.append(line)
        elif line.startswith("$ "):
            if text:
                yield Command(line=start, text="\n".join(text), output=tuple(output))
            text, output, start = [line.removeprefix("$ ")], [], number
        elif text:
            output.append(line)
        else:
            raise ManualError(f"{page}:{number}: output before the first command")
    if text:
        yield Command(line=start, text="\n".join(text), output=tuple(output))


def _goes_on(text: Sequence[str]) -> bool:
    """Whether the next line belongs to the command: after a backslash, and inside a here-document."""
    document = _DOCUMENT.search(text[0])
    return text[-1].endswith("\\") or (document is not None and document[1] not in text[1:])


def _with_codes(commands: Sequence[Command]) -> Iterator[Command]:
    """The commands, each with the exit code that an `echo $?` after it shows; those are not run themselves."""
    for at, command in enumerate(commands):
        after = commands[at + 1] if at + 1 < len(commands) else None
        if command.text == _CODE_OF_LAST:
            continue
        if after and after.text == _CODE_OF_LAST and after.output:
            yield replace(command, exits=int(after.output[0]))
        else:
            yield command
