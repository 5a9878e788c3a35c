"""Law 2: stopped at any mutating call, or with an answer lost, then run again: one of everything, the same end.

A quick part of it: `make sweep-test` stops at every call in every way and writes docs/reference/convergence.md.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from srekv.errors import SrekvError
from tests.support.mutating_calls import DOWN, UP


def _interrupted(world: Any, mode: str, call: str, work: Any) -> None:
    """Run `work` with that happening at the first such call: at a second one, the next call stands for it."""
    if mode == "killed":
        world.account.kill_after(call, 1)
        with pytest.raises(world.Killed):
            work()
    else:
        world.account.lose_answer(call, 1)
        try:
            work()
        except SrekvError as error:
            assert error.why  # noqa: PT017 - it may also get through: botocore asks again where that is safe
    assert call in world.calls.log
    world.calls.clear()


def test_every_mutating_call_is_listed(world: Any) -> None:
    """A new call in `up` or `down` must be added to the tables, so that they are stopped there."""
    world.up()
    assert Counter(world.calls.mutating) == Counter(UP)
    assert world.census() == world.WHOLE
    world.down()
    assert Counter(world.calls.mutating) == Counter(DOWN)
    assert world.census() == world.EMPTY


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "convergence.md"
ROW = re.compile(r"\| (\w+) (\d+) \|(.*)\|")


def test_the_published_table_is_of_these_calls(world: Any, tmp_path: Path) -> None:
    """Its rows are the mutating calls that `up` and `down` make now, with everything they can make; no cell broke."""
    world.up(alarms=True, create_key=str(tmp_path / "key.pem"))
    made = {"up": Counter(world.calls.mutating)}
    world.down()
    made["down"] = Counter(world.calls.mutating)
    for command, calls in made.items():
        _, _, table = PAGE.read_text(encoding="utf-8").partition(f"## {command}\n")
        rows = ROW.findall(table.partition("\n## ")[0])
        assert Counter(operation for operation, _, _ in rows) == calls
        assert {cell.strip() for _, _, cells in rows for cell in cells.split("|")} == {"ok"}


@pytest.mark.parametrize("mode", ["killed", "lost"])
@pytest.mark.parametrize("call", [name for name in UP if name.startswith(("Allocate", "Create", "Run"))])
def test_up_goes_on_where_it_was_stopped(world: Any, mode: str, call: str) -> None:
    """Where asking again could make a second one: `up` again makes one resource each, and leaves nothing to repair."""
    _interrupted(world, mode, call, world.up)

    world.up()

    assert world.census() == world.WHOLE
    assert world.up().done == {}


@pytest.mark.parametrize(
    ("mode", "call"),
    [*(("killed", call) for call in DOWN), ("lost", "DeleteTable"), ("lost", "RemoveRoleFromInstanceProfile")],
)
def test_down_goes_on_where_it_was_stopped(world: Any, mode: str, call: str) -> None:
    """`down` again: nothing is left."""
    world.up()
    _interrupted(world, mode, call, world.down)

    assert world.down()[0] == ()

    assert world.census() == world.EMPTY


@pytest.mark.parametrize(
    "call", ["AllocateAddress", "AddRoleToInstanceProfile", "CreateHealthCheck", "CreateHostedZone", "RunInstances"]
)
def test_what_was_stopped_can_be_removed(world: Any, call: str) -> None:
    """`down` after a killed `up`: nothing is left, whatever had been made and not yet tagged."""
    _interrupted(world, "killed", call, world.up)

    assert world.down()[0] == ()

    assert world.census() == world.EMPTY
