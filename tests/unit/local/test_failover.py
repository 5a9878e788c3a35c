"""The failover truth table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.local.failover import choose
from srekv.local.model import Record


def record(role: str | None, check: str | None = None, value: str = "127.0.0.1") -> Record:
    """An A record for svc, with a failover role or none."""
    return Record(
        name="svc.sre-test.local.",
        type="A",
        ttl=10,
        values=(value,),
        set_identifier=role or value,
        failover=role,
        health_check=check,
    )


@pytest.mark.parametrize(
    ("primary", "secondary", "answer"),
    [
        ("up", "up", "PRIMARY"),
        ("up", "down", "PRIMARY"),
        ("up", None, "PRIMARY"),
        ("down", "up", "SECONDARY"),
        ("down", None, "SECONDARY"),
        ("down", "down", "PRIMARY"),
        (None, "up", "PRIMARY"),
        (None, "down", "PRIMARY"),
        (None, None, "PRIMARY"),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_truth_table(primary: str | None, secondary: str | None, answer: str, reverse: bool) -> None:
    """Each row of the table, in whichever order the records come."""
    records = [record("PRIMARY", primary), record("SECONDARY", secondary)]
    chosen = choose(records[::-1] if reverse else records, lambda check: check == "up")
    assert [one.failover for one in chosen] == [answer]


@pytest.mark.parametrize("role", ["PRIMARY", "SECONDARY"])
@pytest.mark.parametrize("check", ["up", "down", None])
def test_half_a_pair_is_answered_as_it_is(role: str, check: str | None) -> None:
    """A lone record of a pair is the answer, healthy or not."""
    only = record(role, check)
    assert choose([only], lambda check: check == "up") == (only,)


def test_records_without_failover_lose_only_what_is_unhealthy() -> None:
    """Several records with checks of their own: the healthy ones, or all when none is."""
    good, bad, unchecked = (
        record(None, "up", "127.0.0.1"),
        record(None, "down", "127.0.0.2"),
        record(None, None, "127.0.0.3"),
    )
    assert choose([good, bad, unchecked], lambda check: check == "up") == (good, unchecked)
    assert choose([bad, bad], lambda check: check == "up") == (bad, bad)


ANY_RECORD = st.builds(record, st.sampled_from(["PRIMARY", "SECONDARY", None]), st.sampled_from(["a", "b", "c", None]))


@given(st.lists(ANY_RECORD, max_size=6), st.sets(st.sampled_from("abc")))
def test_never_nothing_for_something(records: list[Record], healthy: set[str]) -> None:
    """Whatever is ill, a name that has records answers some of them; a failover role answers exactly one."""
    chosen = choose(records, healthy.__contains__)
    assert bool(chosen) == bool(records)
    assert set(chosen) <= set(records)
    if any(one.failover for one in chosen):
        assert len(chosen) == 1
