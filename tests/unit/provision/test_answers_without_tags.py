"""EC2 may answer a question by tag without showing the tags."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from srekv.errors import SrekvError
from srekv.provision.existing import Existing
from srekv.provision.naming import Names

TAGS = [{"Key": "srekv:stack", "Value": "srekv"}, {"Key": "srekv:node", "Value": "az1"}]


class Ec2:
    """Answers with one instance and one address."""

    def __init__(self, tags: list[dict[str, str]]) -> None:
        self._tags = tags

    def get_paginator(self, operation: str) -> Any:
        """One page of instances."""
        assert operation == "describe_instances"
        page = {"Reservations": [{"Instances": [{"InstanceId": "i-1", "Tags": self._tags}]}]}
        return SimpleNamespace(paginate=lambda **_: [page])

    def describe_addresses(self, **_: Any) -> Any:
        """The address."""
        return {"Addresses": [{"AllocationId": "eipalloc-1", "PublicIp": "198.51.100.1", "Tags": self._tags}]}


def _existing(tags: list[dict[str, str]]) -> Existing:
    clients: Any = SimpleNamespace(ec2=Ec2(tags), route53=None)
    return Existing(clients, Names("srekv"))


def test_an_answer_without_tags_is_no_missing_node() -> None:
    """A second instance would be launched beside one whose node cannot be told: the run stops and says why."""
    existing = _existing([])
    with pytest.raises(SrekvError, match="an instance of this stack without its tags") as refused:
        existing.fresh_instances()
    assert "i-1" in refused.value.why
    with pytest.raises(SrekvError, match="an address of this stack without its tags"):
        existing.fresh_addresses()


def test_an_answer_with_tags_is_taken() -> None:
    """The ordinary case."""
    existing = _existing(TAGS)
    assert [one["InstanceId"] for one in existing.instances] == ["i-1"]
    assert [one["AllocationId"] for one in existing.fresh_addresses()] == ["eipalloc-1"]
