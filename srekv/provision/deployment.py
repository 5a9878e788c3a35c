"""Reads a whole stack back from the cloud: what `status` shows and drills work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from srekv.errors import CommandLine, SrekvError
from srekv.provision.engine.run import Run
from srekv.provision.inventory.existing import Existing, of_node
from srekv.provision.inventory.marks import Described, each
from srekv.provision.lease import explain_end
from srekv.provision.model import Check, Deployment, Node, Role
from srekv.provision.naming import FAULT_TAG, NODES, tag_map
from srekv.provision.queries import hosted_zones

ROLES: dict[str, Role] = {"az1": "primary", "az2": "secondary"}


def read(run: Run) -> Deployment:
    """The stack as it is now; raises SrekvError if a part is missing, which `up` repairs."""
    existing = Existing(run.clients, run.names)
    with ThreadPoolExecutor(4, thread_name_prefix="read") as pool:
        instances = pool.submit(existing.fresh_instances)
        addresses = pool.submit(existing.fresh_addresses)
        checks = pool.submit(existing.fresh_checks)
        zone = pool.submit(_zone, run)
    public = {node: one["PublicIp"] for node in NODES for one in of_node(addresses.result(), node)[:1]}
    first = {node: listed[0] for node, listed in checks.result().items()}
    return describe(run, instances.result(), public, first, zone.result())


def fault_note(instances: Sequence[Described]) -> str:
    """The note that a drill left on the primary; "" without one."""
    notes = (tag_map(one.get("Tags")).get(FAULT_TAG, "") for one in of_node(instances, NODES[0]))
    return next((note for note in notes if note), "")


def describe(
    run: Run,
    instances: Sequence[Described],
    addresses: Mapping[str, str],
    checks: Mapping[str, Described],
    zone: tuple[str, Sequence[Described]],
) -> Deployment:
    """A stack from AWS's descriptions: live instances, each node's Elastic IP and health check, the zone's records."""
    zone_name, records = zone
    nodes = [_node(name, one, addresses.get(name, "")) for name in NODES for one in of_node(instances, name)[:1]]
    asking = [_check(run.names.check(name), checks[name]) for name in NODES if name in checks]
    missing = [f"instance {name}" for name in NODES if name not in {node.name for node in nodes}]
    missing += [f"address of {node.name}" for node in nodes if not node.address]
    missing += [] if len(asking) == len(NODES) else ["health checks"]
    missing += [] if zone_name else ["hosted zone"]
    missing += [] if len(records) == len(NODES) or not zone_name else ["failover records"]
    if missing:
        what, why = f"the stack {run.config.stack} is not complete", f"missing: {', '.join(missing)}"
        if not nodes and not asking and not zone_name:
            what, why = f"there is no stack {run.config.stack} in {run.config.region}", ""
        ended = explain_end(run.config.lease, now=datetime.now(UTC))
        raise ended or SrekvError(what, why=why, next_step=CommandLine("srekv up"))
    return Deployment(
        stack=run.config.stack,
        region=run.config.region,
        zone_name=zone_name,
        name=records[0]["Name"].rstrip("."),
        port=asking[0].port,
        ttl=max(int(record.get("TTL", 0)) for record in records),
        table=run.names.table,
        nodes=tuple(nodes),
        checks=tuple(asking),
        fault=fault_note(instances),
    )


def _node(name: str, instance: Described, address: str) -> Node:
    return Node(
        name=name,
        role=ROLES[name],
        zone=instance["Placement"]["AvailabilityZone"],
        instance_id=instance["InstanceId"],
        address=address,
        private_address=instance.get("PrivateIpAddress", ""),
        state=instance["State"]["Name"],
    )


def _check(name: str, check: Described) -> Check:
    config = check["HealthCheckConfig"]
    return Check(
        name=name,
        id=check["Id"],
        address=config.get("IPAddress", ""),
        port=config.get("Port", 80),
        path=config.get("ResourcePath", "/"),
        interval=config.get("RequestInterval", 30),
        threshold=config.get("FailureThreshold", 3),
        inverted=bool(config.get("Inverted")),
        disabled=bool(config.get("Disabled")),
    )


def _zone(run: Run) -> tuple[str, list[Described]]:
    """The zone's name without the trailing dot, and the failover records that `up` put there."""
    route53, ours = run.clients.route53, {run.names.instance(node) for node in NODES}
    for stack, zone in hosted_zones(route53):
        if stack == run.names.stack:
            records = each(route53, "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone["Id"])
            return zone["Name"].rstrip("."), [one for one in records if one.get("SetIdentifier") in ours]
    return "", []
