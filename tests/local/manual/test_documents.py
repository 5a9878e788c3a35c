"""docs/reference/documents.md names each member that a real command prints, and no other."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from manual.place import ROOT, Place

pytestmark = [
    pytest.mark.local,
    pytest.mark.manual,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("documents"),  # the commands run once, in one worker
]

PAGE = ROOT / "docs" / "reference" / "documents.md"
MAP = "map "
"""How the meaning of a member begins whose own members have no fixed names."""

RUN = (
    ("srekv failover-test --list", "failover-test --list"),
    ("srekv predict", "predict --target 60"),
    ("srekv conformance", "conformance --only key-unknown-sts"),
    ("srekv up --dry-run", "up --dry-run"),
    ("srekv up", "up --lease 2h"),
    ("srekv local status", "local status"),
    ("srekv test", "test"),
    ("srekv kv", "kv put a b"),
    ("srekv kv", "kv get a"),
    ("srekv status", "status"),
    ("srekv status --watch", "status --watch"),
    ("srekv failover-test", "failover-test --dir drills"),
    ("srekv compare", "compare drills drills"),
    ("srekv failover", "failover"),
    ("srekv failover", "failover --back"),
    ("srekv doctor", "doctor --target-outage 1"),
    ("srekv sweep", "sweep --dry-run --older-than 0s"),
    ("srekv down", "down --yes"),
)
"""The page's heading, and a command that prints such a document; in an order in which they work."""


@pytest.fixture(scope="module")
def printed() -> Iterator[dict[str, list[Any]]]:
    """By heading: what the commands printed."""
    found: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory(prefix="srekv-manual-") as directory:
        place = Place(Path(directory))
        try:
            for heading, words in RUN:
                found.setdefault(heading, []).append(json.loads(output(place, words)))
        finally:
            place.tidy()
        assert place.left() == []
    return found


def output(place: Place, words: str) -> str:
    """One document that a command prints; one that goes on is told to end after its first."""
    with subprocess.Popen(
        ["srekv", "--output", "json", *words.split()],
        cwd=place.checkout,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if "--watch" not in words:
            return process.stdout.read()
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        return first


@pytest.mark.parametrize("heading", sorted({heading for heading, _ in RUN}))
def test_the_page_names_the_members(printed: dict[str, list[Any]], heading: str) -> None:
    """Those that it names are printed, unless there was nothing to print them of; and no other is."""
    known = documented(heading)
    for document in printed[heading]:
        seen = dict(members(document, "", known))
        hollow = tuple(name for name, empty in seen.items() if empty)
        missing = {
            name for name in known if name not in seen and not name.startswith(tuple(f"{one}." for one in hollow))
        }
        assert (set(seen) - set(known), missing) == (set(), set())


def test_every_section_of_the_page_is_compared() -> None:
    """A table that nobody compares would say what it likes."""
    tables = {heading for heading in sections(2) if re.search(r"^\| `", sections(2)[heading], re.MULTILINE)}
    assert tables - {"Shapes"} == {heading for heading, _ in RUN}


def members(value: Any, prefix: str, known: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """The names of a document's members as the page writes them, and whether there is nothing in them."""
    for key, inner in value.items():
        name = f"{prefix}{key}"
        name = f"{name}[]" if isinstance(inner, list) or (inner is None and f"{name}[]" in known) else name
        yield name, inner is None or inner == []
        if known.get(name, "").startswith(MAP):
            continue
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict):
                yield from members(item, f"{name}.", known)


def documented(heading: str) -> dict[str, str]:
    """The members that a section names, with their meanings; a shape's members in the place of its name."""
    found = {}
    for name, meaning in rows(sections(2)[heading]):
        found[name] = meaning
        shape = re.search(r"\(#(\w+)\)", meaning)
        if shape:
            found |= {f"{name}.{inner}": text for inner, text in rows(sections(3)[shape[1]])}
    return found


def sections(level: int) -> dict[str, str]:
    """The page's texts by the headings of a level."""
    parts = re.split(rf"^{'#' * level} (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str) -> list[tuple[str, str]]:
    """The first two cells of a table's rows."""
    return re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE)
