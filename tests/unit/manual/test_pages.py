"""Every page keeps the convention: its commands can be found and run, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from manual.blocks import SHELLS, blocks, fenced, notes
from manual.runner import ELSEWHERE, ROOT, pages
from reference.commands import contexts

LINKED = (*pages(), *sorted(ROOT.glob("[A-Z]*.md")), ROOT / "srekv" / "app" / "README.md")
PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))


@PAGES
def test_every_command_can_be_run_or_the_page_says_why_not(page: Path) -> None:
    """A reason has words, and stands right above its block; no command hides in a block that no test runs."""
    for block in blocks(page):
        assert block.not_run is None or len(block.not_run.split()) > 1, f"{page}:{block.line}"
    assert [line for line, after in notes(page) if not after.startswith("```console")] == []
    hidden = [block.line for block in fenced(page) if block.language in SHELLS]
    assert hidden == [], "use ```console, and `$ ` before each command"


@PAGES
def test_every_command_line_in_the_text_is_one_that_srekv_takes(page: Path) -> None:
    """Also outside the blocks that are run: no command and no option that there is not."""
    assert [span for span in spans(page) if refused(span)] == []


def test_what_is_left_to_ci_is_run_there() -> None:
    """A command that the manual's test leaves out, because CI itself runs it, stands in .ci/run."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    run = {re.sub(r" [A-Z]+=.*", "", line) for line in lines}
    assert [command for command in ELSEWHERE if command not in run] == []


def test_every_page_stands_in_the_index() -> None:
    """On GitHub the index is the only list of pages."""
    index = ROOT / "docs" / "index.md"
    links = set(re.findall(r"\]\(([^)#]+\.md)", index.read_text()))
    every = {page.relative_to(index.parent).as_posix() for page in pages() if index.parent in page.parents}
    assert every - links == {"index.md"}


@pytest.mark.parametrize("page", sorted(set(LINKED)), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    """A job of make is one that `make help` lists; a link leads to a file and a heading in it, by GitHub's anchors."""
    jobs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^\$ )make ([a-z][a-z -]*)", page.read_text(), re.MULTILINE)
    assert {job for words in named for job in words.split()} - jobs == set()
    assert [link for link in links_of(page) if not leads(page, link)] == []


def links_of(page: Path) -> Iterator[str]:
    """Links and pictures that are no addresses."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for pattern in (r"\]\(<?([^)\s>]+)>?\)", r"(?:src|href|srcset)=\"([^\"]+)\""):
        yield from (link for link in re.findall(pattern, text) if not re.match(r"[a-z]+:", link))


def leads(page: Path, link: str) -> bool:
    """Whether the file is there, and the heading in it."""
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or target.suffix != ".md" or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    bare = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in bare}


def spans(page: Path) -> Iterator[str]:
    """Command lines of srekv: code in the text, and in blocks of any language the whole ones."""
    whole = page.read_text()
    text = re.sub(r"^ *```.*?^ *```$", "", whole, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"(?<!`)`(srekv [^`]+)`(?!`)", text)
    yield from re.findall(r"^ *\$ (srekv [^\\\n]+)$", whole, re.MULTILINE)


def refused(span: str) -> str:
    """What of a command line srekv does not know, "" if it knows all of it; what follows a pipe is not srekv's."""
    commands = commands_by_path()
    try:
        words = shlex.split(span.replace("\\|", "|"), comments=True)[1:]
    except ValueError:
        return "it cannot be split into words"
    known, path = set(option_names(commands["srekv"])), "srekv"
    for word in words:
        name = word.partition("=")[0]
        if word in {"|", "&&", ";", "||", ">"}:
            break
        if f"{path} {word}" in commands:
            path = f"{path} {word}"
            known |= set(option_names(commands[path]))
        elif name.startswith("-") and not name.lstrip("-").isdecimal() and name not in known:
            return name
    return "" if path != "srekv" or not words or words[0].startswith("-") or not words[0].islower() else words[0]


@cache
def commands_by_path() -> dict[str, click.Context]:
    """Every command."""
    return {context.command_path: context for context in contexts()}


def option_names(context: click.Context) -> Iterator[str]:
    """The names of a command's options."""
    for one in context.command.get_params(context):
        yield from (*one.opts, *one.secondary_opts)
