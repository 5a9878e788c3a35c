"""Which stacks a sweep takes: by lease, by age, by Region, and never what was kept on purpose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.stacks import StackInRegion, judge

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def _thing(kind: str, age: timedelta | None = None, *, region: str = "us-east-1", **more: Any) -> Leftover:
    members = {"id": f"{kind}-id", "name": kind, "stack": "srekv", **more}
    return Leftover(kind=kind, region=region, created=None if age is None else NOW - age, **members)


def _judge(
    *things: Leftover, regions: tuple[str, ...] = ("us-east-1",), everywhere: bool = False
) -> list[StackInRegion]:
    return list(judge(things, now=NOW, older_than=DAY, regions=regions, everywhere=everywhere))


def _verdicts(*things: Leftover, **where: Any) -> list[tuple[str, str, str]]:
    return [(one.stack, one.region, one.verdict) for one in _judge(*things, **where)]


@pytest.mark.parametrize(
    ("ages", "verdict"),
    [
        ([HOUR], "young"),
        ([DAY], "old"),
        ([HOUR, 2 * DAY], "old"),
        ([None, HOUR], "young"),
        ([None, None], "old"),
    ],
)
def test_the_oldest_known_thing_counts(ages: list[timedelta | None], verdict: str) -> None:
    """A stack is as old as the oldest thing of which AWS tells the age; without any age it has no role: leftovers."""
    assert _verdicts(*(_thing("address", age, id=str(age)) for age in ages)) == [("srekv", "us-east-1", verdict)]


@pytest.mark.parametrize(
    ("age", "lease", "verdict"),
    [(HOUR, -HOUR, "expired"), (9 * DAY, HOUR, "leased"), (9 * DAY, -HOUR, "expired"), (HOUR, HOUR, "leased")],
)
def test_a_lease_counts_more_than_age(age: timedelta, lease: timedelta, verdict: str) -> None:
    """An expired lease makes a stack due at any age; one that is not over keeps it at any age."""
    assert _verdicts(_thing("role", age, lease=NOW + lease))[0][2] == verdict


def test_the_roles_lease_is_the_stacks() -> None:
    """A node that was told an earlier end does not make a stack due whose role has a later one."""
    role, node = _thing("role", HOUR, lease=NOW + HOUR), _thing("instance", HOUR, lease=NOW - HOUR)
    assert _verdicts(role, node)[0][2] == "leased"
    assert _verdicts(node)[0][2] == "expired"


def test_kept_things_are_not_due() -> None:
    """Backups stay, and a table without a role: `down --keep-table` left it; a table with its role goes."""
    table, backup = _thing("table", 9 * DAY), _thing("backup", 9 * DAY)
    (kept,) = _judge(table, backup)
    assert (kept.verdict, kept.due, kept.keeps_table, kept.is_due) == ("kept", (), True, False)
    (mixed,) = _judge(table, backup, _thing("address"))
    assert (mixed.verdict, [one.kind for one in mixed.due], mixed.keeps_table) == ("old", ["address"], True)
    (whole,) = _judge(table, backup, _thing("role", 9 * DAY))
    assert ([one.kind for one in whole.due], whole.keeps_table) == (["table", "role"], False)


def test_what_is_everywhere_belongs_to_its_home() -> None:
    """Roles, zones and checks show in every Region; only a sweep of their stack's own Region may take them."""
    elsewhere = [_thing("role", 9 * DAY, region="eu-west-1"), _thing("health check", region="")]
    assert _verdicts(*elsewhere) == [("srekv", "eu-west-1", "elsewhere")]
    assert _verdicts(*elsewhere, regions=("eu-west-1",)) == [("srekv", "eu-west-1", "old")]
    by_zone = [_thing("hosted zone", region="eu-west-1"), _thing("health check", region="")]
    assert _verdicts(*by_zone) == [("srekv", "eu-west-1", "elsewhere")]
    by_check = [_thing("health check", region="eu-west-1"), _thing("instance profile", region="")]
    assert _verdicts(*by_check) == [("srekv", "eu-west-1", "elsewhere")]


def test_a_namesake_in_another_region_is_left() -> None:
    """Things of a stack whose role is in another Region: its `down` would take the living half."""
    found = _verdicts(
        _thing("role", 9 * DAY, region="eu-west-1"), _thing("address"), regions=("eu-west-1", "us-east-1")
    )
    assert found == [("srekv", "eu-west-1", "old"), ("srekv", "us-east-1", "elsewhere")]


def test_without_a_home_only_a_look_everywhere_decides() -> None:
    """A check alone tells no Region: it is left, unless every Region was looked at and has nothing."""
    check = _thing("health check", region="")
    assert _verdicts(check) == [("srekv", "", "unsure")]
    assert _verdicts(check, regions=("us-east-1", "us-west-2"), everywhere=True) == [("srekv", "us-east-1", "old")]


def test_order() -> None:
    """Expired leases first, then what has no age, then the oldest; what is left comes last."""
    found = _judge(
        _thing("role", HOUR, stack="young"),
        _thing("role", 2 * DAY, stack="old"),
        _thing("role", 9 * DAY, stack="older"),
        _thing("address", stack="ageless"),
        _thing("role", HOUR, stack="expired", lease=NOW - HOUR),
    )
    assert [one.stack for one in found] == ["expired", "ageless", "older", "old", "young"]
    assert [one.is_due for one in found] == [True, True, True, True, False]


def test_alarms_do_not_tell_where_a_stack_is() -> None:
    """Those about its health checks are in us-east-1, wherever it is: what else there is tells before them."""
    alarm, node = _thing("alarm", 2 * DAY), _thing("instance", 2 * DAY, region="us-west-2")
    assert ("srekv", "us-west-2", "old") in _verdicts(alarm, node, regions=("us-west-2",))
    assert _verdicts(alarm) == [("srekv", "us-east-1", "old")]
