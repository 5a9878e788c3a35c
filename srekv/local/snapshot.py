"""moto's state as a Snapshot: what the data plane has to run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from srekv.errors import SrekvError
from srekv.local.model import Alias, HealthCheck, Machine, MachineState, Record, Snapshot, Zone
from srekv.local.overlay.world import World

if TYPE_CHECKING:  # importing moto's EC2 costs a second; annotations alone must not
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance
    from moto.route53.models import RecordSet

_log = logging.getLogger(__name__)

MOST_PORTS = 64
"""How many ports of one rule a machine is given at most: a rule for all of TCP must not open 65,536 sockets."""

_WANTED: dict[str, MachineState] = {
    "pending": "running",
    "running": "running",
    "stopping": "stopped",
    "stopped": "stopped",
    "shutting-down": "terminated",
}
"""What a machine should be, by EC2's word; a terminated instance is simply absent."""


UNEMULATED = {
    "GeoLocation": "geo_location",
    "GeoProximityLocation": "geo_proximity_location",
    "CidrRoutingConfig": "cidr_routing_config",
}
"""Routing policies that the name servers do not decide, as members of a ResourceRecordSet -> moto's names for them;
moto itself knows the first one alone."""


class Publisher:
    """Sends the data plane a whole snapshot whenever it differs from the last one sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._turn = threading.Lock()
        self._last: Snapshot | None = None

    def publish(self) -> None:
        """Send what is now; returns when the data plane has accepted it.

        One at a time, so that snapshots arrive in the order they were taken; who waits for its turn finds its own
        change already sent.
        """
        with self._turn:
            with self._world.lock:
                snapshot = take(self._world)
            if snapshot != self._last:
                try:
                    self._world.link.call("apply", snapshot=snapshot.to_json())
                except SrekvError as error:  # the change is made; the next one carries it to the data plane as well
                    _log.error("the data plane did not take a snapshot: %s", error)
                else:
                    self._last = snapshot


def take(world: World) -> Snapshot:
    """The snapshot of this moment. The caller holds the world's lock."""
    return Snapshot(machines=tuple(_machines(world)), checks=tuple(_checks(world)), zones=tuple(_zones(world)))


def _machines(world: World) -> Iterator[Machine]:
    for backend in world.ec2().values():
        for instance in backend.all_instances():
            if instance.state in _WANTED:
                yield Machine(
                    id=instance.id,
                    zone=instance.availability_zone or "",
                    private_address=instance.private_ip or "",
                    public_address=instance.public_ip,
                    ports=_ports(backend, instance),
                    user_data=str(instance.user_data or ""),
                    state=_WANTED[instance.state],
                    hard=instance.id in world.memory.hard,
                    role=role_of(world, instance),
                )


def role_of(world: World, instance: Instance) -> str | None:
    """The name of the role in an instance's profile, or None."""
    association = (instance.iam_instance_profile or {}).get("Arn")
    for profile in world.profiles():
        if profile.arn == association and profile.roles:
            return str(profile.roles[0].name)
    return None


def _ports(backend: EC2Backend, instance: Instance) -> tuple[int, ...]:
    """Every TCP port that an ingress rule of the instance's security groups opens to anyone."""
    groups = {group.id: group for nic in instance.nics.values() for group in nic.group_set}
    ports: set[int] = set()
    for group_id in groups:
        # Looked up again: a network interface keeps the group object that it was created with.
        group = backend.get_security_group_from_id(group_id)
        for rule in group.ingress_rules if group else ():
            if rule.ip_protocol == "tcp" and rule.from_port is not None and rule.to_port is not None:
                ports.update(range(rule.from_port, min(rule.to_port, rule.from_port + MOST_PORTS - 1) + 1))
    return tuple(sorted(ports - {0}))


def _checks(world: World) -> Iterator[HealthCheck]:
    checks = (check for backend in world.route53().values() for check in backend.health_checks.values())
    for check in checks:
        yield HealthCheck(
            id=check.id,
            type=check.type_ or "HTTP",
            address=check.ip_address or "",
            port=int(check.port),
            path=check.resource_path or "/",
            host=check.fqdn or "",
            interval=int(check.request_interval),
            threshold=int(check.failure_threshold),
            search=check.search_string or "",
            inverted=bool(check.inverted),
            disabled=bool(check.disabled),
        )


def _zones(world: World) -> Iterator[Zone]:
    for backend in world.route53().values():
        for zone in backend.zones.values():
            regions = [str(vpc["vpc_region"]) for vpc in zone.vpcs if vpc.get("vpc_region")]
            yield Zone(
                id=zone.resource_id,
                name=zone.name,
                records=tuple(_record(record) for record in zone.rrsets),
                region=(regions or [world.settings.region])[0],
            )


def _record(record: RecordSet) -> Record:
    return Record(
        name=record.name,
        type=record.type or "",
        ttl=int(record.ttl or 0),
        values=values_of(record),
        set_identifier=record.set_identifier,
        failover=record.failover,
        health_check=record.health_check_id,
        weight=record.weight,
        region=record.region,
        multivalue=bool(record.multi_value_answer),
        unemulated=next((policy for policy, attribute in UNEMULATED.items() if getattr(record, attribute, None)), None),
        alias=_alias(record),
    )


def _alias(record: RecordSet) -> Alias | None:
    target: dict[str, Any] | None = record.alias_target
    if not target:
        return None
    return Alias(
        zone=str(target["HostedZoneId"]).rpartition("/")[2],
        name=target["DNSName"],
        evaluate=target["EvaluateTargetHealth"],
    )


def values_of(record: RecordSet) -> tuple[str, ...]:
    """A record set's values; moto keeps them as texts or as {"Value": text}."""
    values: list[Any] = record.records or []
    return tuple(value["Value"] if isinstance(value, dict) else str(value) for value in values)
