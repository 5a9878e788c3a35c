"""What developers, CI and nodes install is locked, and the locks are of this pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import lock
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def asked() -> list[Requirement]:
    """Every requirement of pyproject.toml, those of the extras too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for line in [*project["dependencies"], *(line for extra in extras for line in extra)]]


def pins(path: Path, python: str) -> Iterator[tuple[str, str]]:
    """Name and version of what a file pins for this Python on Linux."""
    system = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    for line in path.read_text().splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate(system):
                (version,) = one.specifier
                assert version.operator == "=="
                yield canonicalize_name(one.name), version.version


def test_the_lock_is_of_this_project() -> None:
    """What pyproject.toml asks for is what the lock was made of."""
    assert lock.digest((ROOT / "pyproject.toml").read_text()) in lock.LOCK.read_text(), "run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_gives_what_is_asked_for(python: str) -> None:
    """On each Python every requirement has exactly one pin, and one that it allows."""
    pinned = list(pins(lock.LOCK, python))
    versions = dict(pinned)
    assert len(versions) == len(pinned)
    refused = [str(one) for one in asked() if not one.specifier.contains(versions[canonicalize_name(one.name)])]
    assert refused == []


def test_the_nodes_get_what_was_tested() -> None:
    """The nodes' pins of a Python that developers also have are the developers' pins."""
    ours = dict(pins(lock.LOCK, "3.13"))
    nodes = dict(pins(lock.NODE_PINS, "3.13"))
    assert set(lock.NODES_NEED) <= set(nodes)
    assert {name: ours[name] for name in nodes} == nodes


def test_a_lock_names_no_index() -> None:
    """Where packages come from is the user's own setting."""
    for path in (lock.LOCK, lock.NODE_PINS):
        assert "://" not in path.read_text()


def test_another_requirement_is_another_digest() -> None:
    """A word more in pyproject.toml's requirements shows; a comment does not."""
    project = (ROOT / "pyproject.toml").read_text()
    assert lock.digest(project.replace('"click>=', '"click>=9,>=')) != lock.digest(project)
    assert lock.digest(project + "# words\n") == lock.digest(project)
