"""EC2 may answer a question by tag without showing the tags, and an endpoint may ignore the question."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from srekv.errors import SrekvError
from srekv.provision.inventory.existing import Existing
from srekv.provision.naming import Names

OURS = {"srekv:stack": "srekv", "srekv:node": "az1"}
THEIRS = {"srekv:stack": "other", "srekv:node": "az1"}


class Ec2:
    """Answers with one instance and one address that have these tags.

    Args:
        tags: of both.
        hears: whether it honours filters; then both are found under our tag, whatever tags they show.
    """

    def __init__(self, tags: Mapping[str, str], *, hears: bool) -> None:
        self._tags = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._hears = hears

    def can_paginate(self, operation: str) -> bool:
        """DescribeAddresses has no pages."""
        return operation == "describe_instances"

    def get_paginator(self, _: str) -> Any:
        """One page of instances."""
        one = {"InstanceId": "i-1", "State": {"Name": "running"}, "Tags": self._tags}
        return SimpleNamespace(paginate=lambda **asked: [{"Reservations": [{"Instances": self._chosen(one, asked)}]}])

    def describe_addresses(self, **asked: Any) -> Any:
        """The address."""
        one = {"AllocationId": "eipalloc-1", "PublicIp": "198.51.100.1", "Tags": self._tags}
        return {"Addresses": self._chosen(one, asked)}

    def _chosen(self, one: Mapping[str, Any], asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [one] if not self._hears or asked["Filters"][0]["Values"] == ["srekv"] else []


def _existing(tags: Mapping[str, str], *, hears: bool = True) -> Existing:
    clients: Any = SimpleNamespace(ec2=Ec2(tags, hears=hears), route53=None)
    return Existing(clients, Names("srekv"))


def test_an_answer_without_tags_is_no_missing_node() -> None:
    """A second instance would be launched beside one whose node cannot be told: the run stops and says why."""
    existing = _existing({})
    with pytest.raises(SrekvError, match="EC2 shows i-1 without its tags") as refused:
        existing.fresh_instances()
    assert "srekv:stack" in refused.value.why
    with pytest.raises(SrekvError, match="EC2 shows eipalloc-1 without its tags"):
        existing.fresh_addresses()


@pytest.mark.parametrize("tags", [{}, THEIRS])
def test_a_neighbour_in_the_answer_is_left_out(tags: Mapping[str, str]) -> None:
    """An endpoint that ignores filters shows everybody's: what does not carry our tag is somebody else's."""
    existing = _existing(tags, hears=False)
    assert existing.fresh_instances() == []
    assert existing.fresh_addresses() == []


@pytest.mark.parametrize("hears", [True, False])
def test_an_answer_with_tags_is_taken(*, hears: bool) -> None:
    """The ordinary case, and the same where filters do not count."""
    existing = _existing(OURS, hears=hears)
    assert [one["InstanceId"] for one in existing.instances] == ["i-1"]
    assert [one["AllocationId"] for one in existing.fresh_addresses()] == ["eipalloc-1"]
