"""Instances and addresses that have lost the stack's tag, found by what holds on to them.

A tag is all that tells an instance or an address apart from its neighbours', and anybody can remove one. Two other
signs are asked for together: an instance has our address and our instance profile; an address is on our instance and
our health check asks it. Nothing is called as long as every node has both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from srekv.provision.engine.answers import found
from srekv.provision.inventory.marks import instances
from srekv.provision.naming import STACK_TAG, Names, tag_map

FOUND_FOR = "FoundForNode"
"""In a stray's description: the node it belongs to; its tags may not say."""

Described = Mapping[str, Any]


def stray_instances(ec2: Any, names: Names, addresses: Mapping[str, Sequence[Described]]) -> list[Described]:
    """Untagged instances that hold our addresses and run under our profile, in any state.

    Args:
        ec2: a client.
        names: the stack's names.
        addresses: the tagged addresses of each node that has no tagged instance.
    """
    holders = {one["InstanceId"]: node for node, listed in addresses.items() for one in listed if one.get("InstanceId")}
    if not holders:
        return []
    listed = found(lambda: list(instances(ec2, InstanceIds=sorted(holders)))) or ()
    profile = f":instance-profile{names.path}{names.role}"
    return [
        {**one, FOUND_FOR: holders[one["InstanceId"]]}
        for one in listed
        if one["InstanceId"] in holders
        and str(one.get("IamInstanceProfile", {}).get("Arn", "")).endswith(profile)
        and _is_untagged(one)
    ]


def stray_addresses(
    ec2: Any, owners: Mapping[str, Sequence[Described]], checks: Mapping[str, Sequence[Described]]
) -> list[Described]:
    """Untagged addresses on our instances that our health checks ask.

    Args:
        ec2: a client.
        owners: the tagged instances of each node that has no tagged address.
        checks: the health checks by node.
    """
    holders = {one["InstanceId"]: node for node, listed in owners.items() for one in listed}
    if not holders:
        return []
    answer = ec2.describe_addresses(Filters=[{"Name": "instance-id", "Values": sorted(holders)}])
    return [
        {**one, FOUND_FOR: holders[one["InstanceId"]]}
        for one in answer["Addresses"]
        if one.get("InstanceId") in holders
        and _is_untagged(one)
        and one["PublicIp"] in _asked(checks.get(holders[one["InstanceId"]], ()))
    ]


def _asked(checks: Sequence[Described]) -> set[str]:
    return {check["HealthCheckConfig"].get("IPAddress", "") for check in checks}


def _is_untagged(resource: Described) -> bool:
    return STACK_TAG not in tag_map(resource.get("Tags"))
