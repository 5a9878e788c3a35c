"""The bill of a plan, what it refuses, and how differences read."""

from __future__ import annotations

import pytest

from srekv.commands import plan as planning
from srekv.config import Config
from srekv.errors import SrekvError
from srekv.prices import HOURS, stack_costs, total_usd
from srekv.provision.drift import difference, policy_difference
from srekv.provision.model import Action, Change
from srekv.ui.console import Screen

KINDS = ("instance", "address", "health check", "hosted zone", "table")


def _change(kind: str, number: int, action: Action, detail: str = "") -> Change:
    return Change(section="x", kind=kind, name=f"{kind} {number}", id=str(number), action=action, detail=detail)


def _stack(action: Action) -> list[Change]:
    """A stack's resources as a plan has them, all with the same action."""
    twice = [_change(kind, number, action) for kind in KINDS[:3] for number in (1, 2)]
    return [*twice, *(_change(kind, 1, action) for kind in KINDS[3:])]


@pytest.mark.parametrize("interval", [10, 30])
def test_a_new_stack_costs_what_a_prediction_says(interval: int) -> None:
    """The bill of a first `up` is that of `predict` without alarms, by hour and month; nothing is there yet."""
    bill = planning.bill(_stack("create"), Config(interval=interval))
    assert bill.costs == stack_costs(interval=interval)
    assert bill.before == ()
    document = bill.to_json()
    assert document["usd_hour"] == pytest.approx(total_usd(bill.costs) / HOURS, abs=1e-4)
    assert document["usd_month_now"] == 0
    assert document["read"] == max(cost.price.read for cost in bill.costs)
    assert "USD an hour" in bill.lines()[0]
    assert "list prices of us-east-1, on demand, read 20" in bill.lines()[1]


def test_a_stack_that_stays_costs_what_it_costs() -> None:
    """Nothing to do: as now. A field that changes costs nothing, and a resource with two changes is one."""
    rows = [*_stack("leave"), _change("instance", 1, "change", "tags: Name lost")]
    bill = planning.bill(rows, Config())
    assert bill.lines()[0].endswith("; as now")


def test_the_difference_is_what_the_plan_adds() -> None:
    """A stopped instance that is started, alarms and their dashboard that are made, a surplus address that goes."""
    rows = [
        *[one for one in _stack("leave") if one.name != "instance 1"],
        _change("instance", 1, "change", planning.STARTED),
        *(_change("alarm", number, "create") for number in (1, 2, 3)),
        _change("dashboard", 1, "create"),
        _change("address", 3, "delete"),
    ]
    difference = 0.0116 * HOURS + 3 * 0.10 + 3 - 0.005 * HOURS
    assert planning.bill(rows, Config()).lines()[0].endswith(f"; {difference:+.2f} USD a month to now")


def test_an_unknown_instance_type_is_said() -> None:
    """No price is invented: the bill says what it leaves out."""
    bill = planning.bill(_stack("create"), Config(instance_type="m7i.large"))
    assert "without the m7i.large instances" in bill.lines()[0]
    assert not any("EC2" in cost.price.item for cost in bill.costs)
    assert bill.to_json()["unpriced"] == "the m7i.large instances"


def test_what_cannot_change_ends_the_command() -> None:
    """Exit 3, with every such field; a plan without one passes."""
    planning.refuse(_stack("create"))
    refused = Change(
        section="x", kind="role", name="r", id="", action="cannot change", detail="path a -> b", next_step="do that"
    )
    with pytest.raises(SrekvError) as caught:
        planning.refuse([*_stack("leave"), refused, refused])
    assert caught.value.exit_code == 3
    assert caught.value.what.startswith("2 of the fields")
    assert "role r: path a -> b" in caught.value.why
    assert caught.value.next_step == "do that"


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (None, "unknown"),
        ((), "none: everything is as it was asked for"),
        ((_change("table", 1, "change", "ttl 300 -> 10"),), "1 would change by: srekv up"),
    ],
)
def test_drift_is_said(capsys: pytest.CaptureFixture[str], drift: tuple[Change, ...] | None, said: str) -> None:
    """Unknown, none, or the rows and the command that repairs them."""
    planning.show_drift(Screen(as_json=False), drift)
    out = capsys.readouterr().out
    assert said in out
    assert ("ttl 300 -> 10" in out) is bool(drift)


def test_differences_read_without_wrapping() -> None:
    """Only wanted fields that differ, lists of one-member mappings by their values."""
    have = {"TTL": 300, "ResourceRecords": [{"Value": "a"}], "Same": 1, "Mine": 2}
    want = {"TTL": 10, "ResourceRecords": [{"Value": "b"}, {"Value": "c"}], "Same": 1, "New": True}
    assert difference(have, want) == "TTL 300 -> 10, ResourceRecords a -> b, c, New none -> True"


ALLOW = {"Effect": "Allow", "Action": ["b", "a"], "Resource": "*"}


@pytest.mark.parametrize(
    ("have", "said"),
    [
        (ALLOW, ""),
        ({**ALLOW, "Action": ["a", "b"], "Resource": ["*"]}, ""),
        ({**ALLOW, "Action": "*"}, "Action * -> a, b"),
        ({**ALLOW, "Effect": "Deny"}, "Effect Deny -> Allow"),
        ({**ALLOW, "Condition": {"Bool": {"x": "y"}}}, "Condition {'x': 'y'} -> none"),
        ({**ALLOW, "Sid": "Else"}, "Allow a, b on * not wanted; Allow a, b on * missing"),
        ({"Effect": "Allow", "NotAction": "a", "Resource": "*"}, "Action none -> a, b, NotAction a -> none"),
    ],
)
def test_policies_differ_by_what_they_allow(have: dict[str, object], said: str) -> None:
    """Order and single values in place of lists do not count; everything else does."""
    for statements in (have, [have]):
        assert policy_difference({"Statement": statements}, {"Statement": [ALLOW]}) == said
