"""What a stack has on EC2, and its health checks, asked once per run: several steps read the same ones.

Only a tag marks an instance or an address as the stack's, and a user can remove it. Two other signs are asked for
together: an instance has our address and our instance profile; an address is on our instance and
our health check asks it. Nothing is called for that as long as every node has both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from srekv.provision.engine.answers import or_none
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.marks import Described, each, instances, tagged, tags_of
from srekv.provision.naming import NODE_TAG, NODES, STACK_TAG, Names
from srekv.provision.queries import health_checks

LIVE = frozenset({"pending", "running", "stopping", "stopped"})
"""Instance states that can run again and cost money; shutting-down and terminated ones are on their way out."""

FOUND_FOR = "FoundForNode"
"""In the description of something without our tag: the node it belongs to; its tags may lack it."""


class Existing:
    """The stack's instances, addresses and health checks as they were when first asked for."""

    def __init__(self, clients: Clients, names: Names) -> None:
        self._ec2 = clients.ec2
        self._route53 = clients.route53
        self._names = names
        reads = (self.fresh_instances, self.fresh_addresses, self.fresh_checks)
        untagged = (self._untagged_instances, self._untagged_addresses)
        self._locks = {read: threading.Lock() for read in (*reads, *untagged)}
        self._seen: dict[Callable[[], Any], Any] = {}

    def _once(self, read: Callable[[], Any]) -> Any:
        """What `read` returned when it was first called; steps may ask for it at the same time."""
        with self._locks[read]:
            if read not in self._seen:
                self._seen[read] = read()
            return self._seen[read]

    def fresh_instances(self) -> list[Described]:
        """The live instances now, each with at least one call."""
        live = {"Name": "instance-state-name", "Values": sorted(LIVE)}
        listed = tagged(self._ec2, "describe_instances", "Reservations", stack=self._names.stack, filters=(live,))
        return [one for one in listed if one["State"]["Name"] in LIVE]

    def fresh_addresses(self) -> list[Described]:
        """The Elastic IPs now."""
        return tagged(self._ec2, "describe_addresses", "Addresses", stack=self._names.stack)

    def fresh_checks(self) -> dict[str, list[Described]]:
        """The health checks by node now, found by their CallerReference: they take no tags at creation."""
        ours: dict[str, list[Described]] = {}
        for stack, node, check in health_checks(self._route53):
            if stack == self._names.stack:
                ours.setdefault(node, []).append(check)
        return {node: sorted(checks, key=lambda check: check["Id"]) for node, checks in ours.items()}

    def _untagged_instances(self) -> list[Described]:
        """Live instances that hold our addresses and run under our profile."""
        tagged = self._once(self.fresh_instances)
        lacking = [node for node in NODES if not of_node(tagged, node)]
        addresses = self._once(self.fresh_addresses) if lacking else ()
        holders = {one.get("InstanceId"): node for node in lacking for one in of_node(addresses, node)}
        holders.pop(None, None)
        if not holders:
            return []
        listed = or_none(lambda: list(instances(self._ec2, InstanceIds=sorted(holders)))) or ()
        profile = f":instance-profile{self._names.path}{self._names.role}"
        return [
            {**one, FOUND_FOR: holders[one["InstanceId"]]}
            for one in listed
            if one["InstanceId"] in holders
            and one["State"]["Name"] in LIVE
            and str(one.get("IamInstanceProfile", {}).get("Arn", "")).endswith(profile)
            and STACK_TAG not in tags_of(one)
        ]

    def _untagged_addresses(self) -> list[Described]:
        """Addresses on our instances that our health checks ask."""
        instances, tagged = self._once(self.fresh_instances), self._once(self.fresh_addresses)
        lacking = [node for node in NODES if not of_node(tagged, node)]
        holders = {one["InstanceId"]: node for node in lacking for one in of_node(instances, node)}
        if not holders:
            return []
        checks = [(node, check["HealthCheckConfig"]) for node, listed in self.checks.items() for check in listed]
        asked = {(node, config.get("IPAddress")) for node, config in checks}
        filters = [{"Name": "instance-id", "Values": sorted(holders)}]
        return [
            {**one, FOUND_FOR: holders[one["InstanceId"]]}
            for one in each(self._ec2, "describe_addresses", "Addresses", Filters=filters)
            if one.get("InstanceId") in holders
            and STACK_TAG not in tags_of(one)
            and (holders[one["InstanceId"]], one["PublicIp"]) in asked
        ]

    @property
    def stray_instances(self) -> Sequence[Described]:
        """Those of `instances` that have lost the stack's tag."""
        return self._once(self._untagged_instances)  # type: ignore[no-any-return]

    @property
    def stray_addresses(self) -> Sequence[Described]:
        """Those of `addresses` that have lost the stack's tag."""
        return self._once(self._untagged_addresses)  # type: ignore[no-any-return]

    @property
    def instances(self) -> Sequence[Described]:
        """The live instances at the beginning of the run."""
        return [*self._once(self.fresh_instances), *self.stray_instances]

    @property
    def addresses(self) -> Sequence[Described]:
        """The Elastic IPs at the beginning of the run."""
        return [*self._once(self.fresh_addresses), *self.stray_addresses]

    @property
    def checks(self) -> Mapping[str, Sequence[Described]]:
        """The health checks by node at the beginning of the run."""
        return self._once(self.fresh_checks)  # type: ignore[no-any-return]


def of_node(resources: Sequence[Described], node: str) -> list[Described]:
    """Those that belong to a node."""
    return [one for one in resources if node_of(one) == node]


def node_of(resource: Described) -> str:
    """The node that a resource of a stack belongs to: by its srekv:node tag, else by its Name; "" if it has neither."""
    if FOUND_FOR in resource:
        return str(resource[FOUND_FOR])
    tags = tags_of(resource)
    by_name = (node for node in NODES if tags.get("Name", "").startswith(f"srekv-{node}"))
    return tags.get(NODE_TAG) or next(by_name, "")
