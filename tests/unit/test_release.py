"""What a release is made of: the changelog, the tag, and workflows that may do no more than they must."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import release_notes
import yaml

from srekv import __version__

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""The headings of Keep a Changelog."""

CHANGELOG = """\
# Changelog

## [Unreleased]

- later

## [1.10.0] - 2026-12-01

### Added

- this

## [1.1.0] - 2026-11-01

- that
"""


def workflow(path: Path) -> dict[str, Any]:
    """A workflow file as GitHub reads it."""
    read: dict[str, Any] = yaml.safe_load(path.read_text())
    return read


@pytest.mark.parametrize(
    ("release", "notes"),
    [("1.10.0", "### Added\n\n- this"), ("1.1.0", "- that"), ("1.1", ""), ("1x10.0", ""), ("Unreleased", "")],
)
def test_notes_are_the_section_of_that_release(release: str, notes: str) -> None:
    """That section, whole and alone; none for what is not a release."""
    assert release_notes.notes(CHANGELOG, release) == notes


@pytest.mark.parametrize("tag", ["v99.0.0", __version__, ""])
def test_a_tag_of_another_version_is_refused(tag: str) -> None:
    """The tag is the version that srekv says it is, with a v before it."""
    with pytest.raises(SystemExit, match="__version__"):
        release_notes.main(tag)


def test_the_changelog_keeps_its_form() -> None:
    """Unreleased comes first, then releases with their days; below them the kinds of change, each once."""
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    assert sections[0].startswith("[Unreleased]\n")
    for section in sections[1:]:
        assert re.match(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d\n", section)
    for section in sections:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert set(kinds) <= KINDS
        assert len(kinds) == len(set(kinds))


def test_ci_runs_what_we_run_on_every_supported_python() -> None:
    """From the oldest that pyproject.toml takes, without a gap, .ci/run itself; no other Python is claimed."""
    job = workflow(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["run"]
    pythons = job["strategy"]["matrix"]["python"]
    minors = [int(python.removeprefix("3.")) for python in pythons]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={pythons[0]}"
    assert minors == list(range(minors[0], minors[-1] + 1))
    claimed = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert set(claimed) <= set(pythons)
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_ends(path: Path) -> None:
    """By itself it may only read; each job has a time limit; each action comes in a version."""
    read = workflow(path)
    assert read["permissions"] == {"contents": "read"}
    assert "concurrency" in read
    for job in read["jobs"].values():
        if "uses" not in job:  # a called workflow has its own
            assert job["timeout-minutes"] <= 60
            for step in job["steps"]:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step.get("uses", "x/x@v1"))
