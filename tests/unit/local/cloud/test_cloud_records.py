"""Route 53's rules for changing records, row by row of aws-recorded section 2."""

from __future__ import annotations

from typing import Any

import pytest

from srekv.local.overlay.records import BatchError, Change, apply_batch, normalise

ZONE = "example.local."


def record(**changes: Any) -> dict[str, Any]:
    """The failover primary of the lab, with changes; None leaves a member out."""
    base = {
        "Name": "svc.example.local",
        "Type": "A",
        "TTL": 10,
        "SetIdentifier": "one",
        "Failover": "PRIMARY",
        "HealthCheckId": "hc1",
        "ResourceRecords": [{"Value": "127.53.0.130"}],
    }
    return normalise({**base, **changes})


def simple(**changes: Any) -> dict[str, Any]:
    """A simple A record."""
    return record(**{"SetIdentifier": None, "Failover": None, "HealthCheckId": None, **changes})


def apply(current: list[dict[str, Any]], *changes: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What is after a batch."""
    batch = [Change(action=action, record=one) for action, one in changes]
    return apply_batch(current, batch, zone=ZONE, check_exists={"hc1", "hc2"}.__contains__)


SECONDARY = record(SetIdentifier="two", Failover="SECONDARY", HealthCheckId=None)

REFUSED = {
    "R20 primary without check": ([], "CREATE", record(HealthCheckId=None), "InvalidChangeBatch", "non-alias primary"),
    "R22 no TTL": ([], "CREATE", record(TTL=None), "InvalidInput", "but found none in Change with [Action=CREATE"),
    "R22 no values": ([], "CREATE", record(ResourceRecords=None), "InvalidInput", "Expected exactly one of"),
    "R22 alias and TTL": ([], "CREATE", record(AliasTarget={"DNSName": "x"}), "InvalidInput", "more than one"),
    "R23 no identifier": ([], "UPSERT", record(SetIdentifier=None), "InvalidInput", "Missing field 'SetIdentifier'"),
    "R24 no policy": ([], "CREATE", record(Failover=None), "InvalidInput", "Expected exactly one of [Weight, Region"),
    "R26 failover over simple": ([simple()], "CREATE", record(), "InvalidChangeBatch", "non-failover RRSet"),
    "R27 simple over failover": ([record()], "CREATE", simple(), "InvalidChangeBatch", "cannot be created"),
    "R28 second primary": (
        [record()],
        "CREATE",
        record(SetIdentifier="x"),
        "InvalidChangeBatch",
        "role already exists",
    ),
    "R30 check on simple": ([], "CREATE", simple(HealthCheckId="hc1"), "InvalidChangeBatch", "DNS name must have"),
    "R32 exists": ([record()], "CREATE", record(), "InvalidChangeBatch", "but it already exists]"),
    "R32 not there": ([], "DELETE", record(), "InvalidChangeBatch", "but it was not found]"),
    "R32 other values": (
        [record()],
        "DELETE",
        record(TTL=11),
        "InvalidChangeBatch",
        "do not match the current values]",
    ),
    "R32 without check": ([SECONDARY], "DELETE", {**SECONDARY, "HealthCheckId": "hc2"}, "InvalidChangeBatch", "do not"),
    "R33 TTL": ([], "CREATE", simple(TTL=2**31), "InvalidInput", "less than or equal to 2147483647"),
    "R33 apex CNAME": ([], "CREATE", simple(Name=ZONE, Type="CNAME"), "InvalidChangeBatch", "not permitted at apex"),
    "outside the zone": ([], "CREATE", simple(Name="a.elsewhere."), "InvalidChangeBatch", "not permitted in zone"),
    "unknown check": ([], "CREATE", record(HealthCheckId="hc9"), "NoSuchHealthCheck", "hc9"),
    "not an address": ([], "CREATE", simple(ResourceRecords=[{"Value": "a"}]), "InvalidChangeBatch", "IllegalIPv4"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_batch_that_aws_refuses_is_refused_in_its_words(case: tuple[Any, ...]) -> None:
    """Code and text of the row."""
    current, action, changed, code, text = case
    with pytest.raises(BatchError) as refused:
        apply(current, (action, changed))
    assert refused.value.code == code
    assert text in str(refused.value)


def test_a_refused_batch_changes_nothing_and_names_every_bad_change() -> None:
    """All or nothing: the good change of a bad batch is not made, and every message is listed."""
    current = [SECONDARY]
    with pytest.raises(BatchError) as refused:
        apply(current, ("CREATE", record()), ("DELETE", simple(Name="a." + ZONE)), ("DELETE", simple(Name="b." + ZONE)))
    assert str(refused.value).count("was not found") == 2
    assert current == [SECONDARY]


def test_the_same_record_twice_in_a_batch_is_refused() -> None:
    """Row R25."""
    with pytest.raises(BatchError, match=r"invalid set of changes for a resource record set 'A svc\.example\.local\.'"):
        apply([], ("UPSERT", record()), ("UPSERT", record()))


def test_a_batch_may_delete_and_create_the_same_record() -> None:
    """The way to replace a simple record by a failover pair in one step (row R26)."""
    assert apply([simple()], ("DELETE", simple()), ("CREATE", record()), ("CREATE", SECONDARY)) == [record(), SECONDARY]


def test_upsert_creates_and_then_replaces() -> None:
    """One record set either way."""
    once = apply([], ("UPSERT", record()))
    assert apply(once, ("UPSERT", record(TTL=60))) == [record(TTL=60)]


def test_delete_takes_only_the_record_it_names() -> None:
    """Another record set with the same identifier under another name stays."""
    other = record(Name="other.example.local")
    assert apply([record(), other], ("DELETE", record())) == [other]
