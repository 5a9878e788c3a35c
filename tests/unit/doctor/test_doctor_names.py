"""Names as Route 53 lists them and as a person writes them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from srekv.doctor.facts import Zone
from srekv.doctor.gather_names import read_records

ZONE = Zone(id="Z1", name="example.internal.", private=True, vpcs=(), elsewhere=())
RECORDS = [
    {"Name": f"{name}.example.internal.", "Type": "A", "SetIdentifier": "a", "Failover": "PRIMARY"}
    for name in (r"\052.apps", "svc", r"a\100b")
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, ["*.apps", "svc", "a@b"]),
        ("*.apps", ["*.apps"]),
        (r"\052.apps.example.internal", ["*.apps"]),
        ("SVC.example.internal.", ["svc"]),
    ],
)
def test_a_name_is_found_as_it_is_written(asked: str | None, found: list[str]) -> None:
    """Listed with octal escapes, asked for with or without, with the zone's name or not: it is shown without."""
    answer = {"ResourceRecordSets": RECORDS}
    route53 = SimpleNamespace(can_paginate=lambda _: False, list_resource_record_sets=lambda **_: answer)
    clients: Any = SimpleNamespace(route53=route53)
    assert [one.name for one in read_records(clients, ZONE, asked)] == [f"{name}.example.internal." for name in found]
