"""Law 2: stopped at any mutating call, or with an answer lost, then run again: one of everything, the same end.

A quick part of it: `make sweep-test` stops at every call in every way and writes docs/reference/convergence.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from srekv.errors import SrekvError

UP = (
    ("AllocateAddress", 1),
    ("AllocateAddress", 2),
    ("AssociateAddress", 1),
    ("AssociateAddress", 2),
    ("AddRoleToInstanceProfile", 1),
    ("AuthorizeSecurityGroupIngress", 1),
    ("ChangeResourceRecordSets", 1),
    ("ChangeTagsForResource", 1),
    ("ChangeTagsForResource", 2),
    ("ChangeTagsForResource", 3),
    ("CreateHealthCheck", 1),
    ("CreateHealthCheck", 2),
    ("CreateHostedZone", 1),
    ("CreateInstanceProfile", 1),
    ("CreateRole", 1),
    ("CreateSecurityGroup", 1),
    ("CreateTable", 1),
    ("PutRolePolicy", 1),
    ("RunInstances", 1),
    ("RunInstances", 2),
    ("UpdateContinuousBackups", 1),
)
"""Every mutating call of a first `up`, by operation and occurrence; a test below holds the list to that."""

DOWN = (
    ("ChangeResourceRecordSets", 1),
    ("DeleteHealthCheck", 1),
    ("DeleteHealthCheck", 2),
    ("DeleteHostedZone", 1),
    ("DeleteInstanceProfile", 1),
    ("DeleteRole", 1),
    ("DeleteRolePolicy", 1),
    ("DeleteSecurityGroup", 1),
    ("DeleteTable", 1),
    ("DisassociateAddress", 1),
    ("DisassociateAddress", 2),
    ("ReleaseAddress", 1),
    ("ReleaseAddress", 2),
    ("RemoveRoleFromInstanceProfile", 1),
    ("TerminateInstances", 1),
    ("TerminateInstances", 2),
)
"""Every mutating call of a `down`."""


def _interrupted(world: Any, mode: str, call: tuple[str, int], work: Any) -> None:
    """Run `work` with that happening at that call."""
    if mode == "killed":
        world.calls.kill_after(*call)
        with pytest.raises(world.Killed):
            work()
    else:
        world.calls.lose_answer(*call)
        try:
            work()
        except SrekvError as error:
            assert error.why  # noqa: PT017 - it may also get through: botocore asks again where that is safe
    assert call[0] in world.calls.log
    world.calls.clear()


def test_every_mutating_call_is_listed(world: Any) -> None:
    """The two lists above are complete: a new call in `up` or `down` must be added to them."""
    world.up()
    assert Counter(world.calls.mutating) == Counter(operation for operation, _ in UP)
    assert world.census() == world.WHOLE
    world.down()
    assert Counter(world.calls.mutating) == Counter(operation for operation, _ in DOWN)
    assert world.census() == world.EMPTY


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "convergence.md"
ROW = re.compile(r"\| (\w+) (\d+) \|(.*)\|")


def _rows(command: str) -> Iterator[tuple[str, int, list[str]]]:
    """The rows of the published table of `up` or `down`: operation, number, cells."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition(f"## {command}\n")
    for operation, number, cells in ROW.findall(table.partition("\n## ")[0]):
        yield operation, int(number), [cell.strip() for cell in cells.split("|")]


def test_the_published_table_is_of_these_calls(world: Any, tmp_path: Path) -> None:
    """Its rows are the mutating calls that `up` and `down` make now, with everything they can make; no cell broke."""
    world.up(alarms=True, create_key=str(tmp_path / "key.pem"))
    made = {"up": Counter(world.calls.mutating)}
    world.down()
    made["down"] = Counter(world.calls.mutating)
    for command, calls in made.items():
        rows = list(_rows(command))
        assert Counter(operation for operation, _, _ in rows) == calls
        assert {cell for _, _, cells in rows for cell in cells} == {"ok"}


CREATES = tuple(call for call in UP if call[0].startswith(("Allocate", "Create", "Run")))
"""Those of `up` where asking again for a lost answer could make a second one."""


def _first(calls: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """The first of each operation, and each tagging: where a second one is stopped, the next call stands for it."""
    return tuple(call for call in calls if call[1] == 1 or call[0] == "ChangeTagsForResource")


def _cases(killed: tuple[tuple[str, int], ...], lost: tuple[tuple[str, int], ...]) -> list[Any]:
    cases = [("killed", call) for call in killed] + [("lost", call) for call in lost]
    return [pytest.param(mode, call, id=f"{mode}-{call[0]}-{call[1]}") for mode, call in cases]


@pytest.mark.parametrize(("mode", "call"), _cases(_first(CREATES), _first(CREATES)))
def test_up_goes_on_where_it_was_stopped(world: Any, mode: str, call: tuple[str, int]) -> None:
    """`up` again: one resource each, everything tagged, nothing left to repair."""
    _interrupted(world, mode, call, world.up)

    world.up()

    assert world.census() == world.WHOLE
    assert world.up().done == {}


@pytest.mark.parametrize(
    ("mode", "call"), _cases(_first(DOWN), (("DeleteTable", 1), ("RemoveRoleFromInstanceProfile", 1)))
)
def test_down_goes_on_where_it_was_stopped(world: Any, mode: str, call: tuple[str, int]) -> None:
    """`down` again: nothing is left."""
    world.up()
    _interrupted(world, mode, call, world.down)

    assert world.down()[0] == ()

    assert world.census() == world.EMPTY


@pytest.mark.parametrize("call", [UP[0], UP[4], UP[10], UP[12], UP[18]], ids=lambda call: f"{call[0]}-{call[1]}")
def test_what_was_stopped_can_be_removed(world: Any, call: tuple[str, int]) -> None:
    """`down` after a killed `up`: nothing is left, whatever had been made and not yet tagged."""
    _interrupted(world, "killed", call, world.up)

    assert world.down()[0] == ()

    assert world.census() == world.EMPTY
