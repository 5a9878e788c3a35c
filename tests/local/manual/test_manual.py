"""Every command of README.md and of the manual's pages works as it is written, and leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from manual.runner import ROOT, missing, pages, run, to_run

pytestmark = [pytest.mark.local, pytest.mark.manual, pytest.mark.timeout(900)]


LONGEST_FIRST = sorted(filter(to_run, pages()), key=lambda page: -len(to_run(page)))


@pytest.mark.parametrize("page", LONGEST_FIRST, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_page_works(page: Path) -> None:
    """In order, in one session, from an empty home."""
    if lacking := missing(page):
        pytest.skip(f"this machine has no {', '.join(lacking)}")
    with tempfile.TemporaryDirectory(prefix="srekv-manual-") as directory:
        run(page, Path(directory))
