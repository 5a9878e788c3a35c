"""Collects what became of each cell of the sweep and writes the table that docs/reference/convergence.md shows."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "convergence.md"
FAULTS = ("killed before", "killed after", "answer lost", "throttled 3 times")
HEAD = """\
# Stopped at every call

Made by `make sweep-test`; do not edit. Each cell is one run: the command is stopped at that call in that way, in an
account that behaves as AWS does (`srekv conformance` lists its rules), and then:

- `up`: `up` again gives one of everything, all of it tagged and pointing at each other; one more `up` makes no
  mutating call; then `down` leaves nothing.
- `down`: `down` again leaves nothing. And, stopped there once more: `up` gives one of everything, one more `up` makes
  no mutating call, and `down` leaves nothing.

*killed before*: the process ends before it makes the call. *killed after*: it ends when the call has taken effect.
*answer lost*: the call takes effect and its connection breaks; the process lives. *throttled 3 times*: AWS refuses the
call three times as one too many; the command must get through by itself. The number counts the calls of one name that
take effect. The settings are the default ones; calls that those do not need were swept with
`--alarms --create-key FILE`.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """For machines that have no six minutes each time."""
    parser.addoption(
        "--share", type=int, default=1, metavar="N", help="run one N-th of the cells, another one each day"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep today's share."""
    share = config.getoption("--share")
    today = datetime.now(UTC).toordinal() % share
    items[:] = [one for one in items if zlib.crc32(one.nodeid.encode()) % share == today]


def pytest_configure(config: pytest.Config) -> None:
    """Where the cells are kept that have been run."""
    config.stash[_CELLS] = {}


_CELLS: pytest.StashKey[dict[tuple[str, str, int, str], str]] = pytest.StashKey()


class _Collector:
    """Hears every test's report, also those of xdist's workers."""

    def __init__(self, cells: dict[tuple[str, str, int, str], str]) -> None:
        self._cells = cells

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A cell is what its test said, or how it broke."""
        cell = dict(report.user_properties).get("cell")
        if cell and (report.when == "call" or report.failed):
            command, operation, number, fault = cell
            self._cells[command, operation, number, fault] = "ok" if report.passed else _how(report)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin to listen."""
    session.config.pluginmanager.register(_Collector(session.config.stash[_CELLS]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page when the whole sweep has run; xdist's workers have nothing to write."""
    cells = session.config.stash[_CELLS]
    if hasattr(session.config, "workerinput") or not _is_whole(session.config, cells):
        return
    PAGE.write_text(HEAD + "".join(_table(command, cells) for command in ("up", "down")), encoding="utf-8")


def _is_whole(config: pytest.Config, cells: dict[Any, str]) -> bool:
    """Not a selection of its tests."""
    chosen = config.option
    return bool(cells) and chosen.share == 1 and not chosen.keyword and not any("::" in one for one in config.args)


def _how(report: pytest.TestReport) -> str:
    """The last line of a failure that says something, without what would break a table."""
    lines = [line.removeprefix("E").strip() for line in report.longreprtext.splitlines() if line.startswith("E ")]
    return (lines[0] if lines else "broke").replace("|", "/")[:80]


def _table(command: str, cells: dict[tuple[str, str, int, str], str]) -> str:
    rows = sorted({(operation, number) for what, operation, number, _ in cells if what == command})
    lines = [f"\n## {command}\n", "| call | " + " | ".join(FAULTS) + " |", "|---|" + "---|" * len(FAULTS)]
    for operation, number in rows:
        shown = [cells.get((command, operation, number, fault), "not run") for fault in FAULTS]
        lines.append(f"| {operation} {number} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"
