"""What on EC2 carries the stack's tag, asked once per run: several steps look at the same instances and addresses."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.marks import tagged
from srekv.provision.inventory.strays import FOUND_FOR, stray_addresses, stray_instances
from srekv.provision.naming import NODE_TAG, NODES, Names, tag_map

LIVE = frozenset({"pending", "running", "stopping", "stopped"})
"""Instance states that can run again and cost money; shutting-down and terminated ones are on their way out."""


class Existing:
    """The stack's instances, addresses and security groups as they were when first asked for."""

    def __init__(self, clients: Clients, names: Names) -> None:
        self._ec2 = clients.ec2
        self._route53 = clients.route53
        self._names = names
        self._instances_lock = threading.Lock()
        self._addresses_lock = threading.Lock()
        self._checks_lock = threading.Lock()
        self._strays_lock = threading.Lock()

    def fresh_instances(self) -> list[Mapping[str, Any]]:
        """The live instances now, each with at least one call."""
        live = {"Name": "instance-state-name", "Values": sorted(LIVE)}
        found = tagged(self._ec2, "describe_instances", "Reservations", stack=self._names.stack, filters=(live,))
        return [one for one in found if one["State"]["Name"] in LIVE]

    def fresh_addresses(self) -> list[Mapping[str, Any]]:
        """The Elastic IPs now."""
        return tagged(self._ec2, "describe_addresses", "Addresses", stack=self._names.stack)

    def fresh_checks(self) -> dict[str, list[Mapping[str, Any]]]:
        """The health checks by node now, found by their CallerReference: they take no tags at creation."""
        prefixes = {node: self._names.reference_prefix(node) for node in NODES}
        ours: dict[str, list[Mapping[str, Any]]] = {}
        for page in self._route53.get_paginator("list_health_checks").paginate():
            for check in page["HealthChecks"]:
                for node, prefix in prefixes.items():
                    if check["CallerReference"].startswith(prefix):
                        ours.setdefault(node, []).append(check)
        return {node: sorted(checks, key=lambda check: check["Id"]) for node, checks in ours.items()}

    @cached_property
    def _tagged_instances(self) -> list[Mapping[str, Any]]:
        return self.fresh_instances()

    @cached_property
    def _tagged_addresses(self) -> list[Mapping[str, Any]]:
        return self.fresh_addresses()

    @cached_property
    def _stray_instances(self) -> list[Mapping[str, Any]]:
        tagged = self._instances_with_tag()
        without = [node for node in NODES if not of_node(tagged, node)]
        if not without:
            return []
        addresses = self._addresses_with_tag()
        strays = stray_instances(self._ec2, self._names, {node: of_node(addresses, node) for node in without})
        return [one for one in strays if one["State"]["Name"] in LIVE]

    @cached_property
    def _stray_addresses(self) -> list[Mapping[str, Any]]:
        instances, tagged = self._instances_with_tag(), self._addresses_with_tag()
        without = [node for node in NODES if not of_node(tagged, node) and of_node(instances, node)]
        if not without:
            return []
        return stray_addresses(self._ec2, {node: of_node(instances, node) for node in without}, self.checks)

    def _instances_with_tag(self) -> list[Mapping[str, Any]]:
        with self._instances_lock:
            return self._tagged_instances

    def _addresses_with_tag(self) -> list[Mapping[str, Any]]:
        with self._addresses_lock:
            return self._tagged_addresses

    @property
    def stray_instances(self) -> Sequence[Mapping[str, Any]]:
        """Those of `instances` that have lost the stack's tag."""
        with self._strays_lock:
            return self._stray_instances

    @property
    def stray_addresses(self) -> Sequence[Mapping[str, Any]]:
        """Those of `addresses` that have lost the stack's tag."""
        with self._strays_lock:
            return self._stray_addresses

    @property
    def instances(self) -> Sequence[Mapping[str, Any]]:
        """The live instances at the beginning of the run."""
        return [*self._instances_with_tag(), *self.stray_instances]

    @property
    def addresses(self) -> Sequence[Mapping[str, Any]]:
        """The Elastic IPs at the beginning of the run."""
        return [*self._addresses_with_tag(), *self.stray_addresses]

    @cached_property
    def _checks(self) -> dict[str, list[Mapping[str, Any]]]:
        return self.fresh_checks()

    @property
    def checks(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The health checks by node at the beginning of the run."""
        with self._checks_lock:
            return self._checks


def of_node(resources: Sequence[Mapping[str, Any]], node: str) -> list[Mapping[str, Any]]:
    """Those that belong to a node."""
    return [one for one in resources if node_of(one) == node]


def node_of(resource: Mapping[str, Any]) -> str:
    """The node that a resource of a stack belongs to: by its srekv:node tag, else by its Name; "" if it has neither."""
    if FOUND_FOR in resource:
        return str(resource[FOUND_FOR])
    tags = tag_map(resource.get("Tags"))
    by_name = (node for node in NODES if tags.get("Name", "").startswith(f"srekv-{node}"))
    return tags.get(NODE_TAG) or next(by_name, "")
