"""moto's state as a Snapshot: what the data plane has to run; and what a user has made and not yet removed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from srekv.errors import SrekvError
from srekv.local.model import Alias, HealthCheck, Machine, MachineState, Record, Snapshot, Zone
from srekv.local.overlay.world import World

if TYPE_CHECKING:  # importing moto's EC2 costs a second; annotations alone must not
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance

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
                snapshot = _take(self._world)
            if snapshot != self._last:
                try:
                    self._world.link.call("apply", snapshot=asdict(snapshot))
                except SrekvError as error:  # the change is made; the next one carries it to the data plane as well
                    _log.error("the data plane did not take a snapshot: %s", error)
                else:
                    self._last = snapshot


def _take(world: World) -> Snapshot:
    route53 = world.backends("route53").values()
    return Snapshot(
        machines=tuple(
            _machine(world, backend, instance)
            for backend in world.backends("ec2").values()
            for instance in backend.all_instances()
            if instance.state in _WANTED
        ),
        checks=tuple(_check(check) for backend in route53 for check in backend.health_checks.values()),
        zones=tuple(_zone(zone, world.settings.region) for backend in route53 for zone in backend.zones.values()),
    )


def _machine(world: World, backend: EC2Backend, instance: Instance) -> Machine:
    return Machine(
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
    roles = (profile.roles for profile in world.profiles() if profile.arn == association and profile.roles)
    return next((str(found[0].name) for found in roles), None)


def _ports(backend: EC2Backend, instance: Instance) -> tuple[int, ...]:
    """Every TCP port that an ingress rule of the instance's security groups opens to anyone."""
    ports: set[int] = set()
    for group_id in {group.id for nic in instance.nics.values() for group in nic.group_set}:
        # Looked up again: a network interface keeps the group object that it was created with.
        group = backend.get_security_group_from_id(group_id)
        for rule in group.ingress_rules if group else ():
            if rule.ip_protocol == "tcp" and rule.from_port is not None and rule.to_port is not None:
                ports.update(range(rule.from_port, min(rule.to_port, rule.from_port + MOST_PORTS - 1) + 1))
    return tuple(sorted(ports - {0}))


def _check(check: Any) -> HealthCheck:
    config = {name: value for name, value in check.health_check_config.items() if value is not None}
    return HealthCheck(
        id=check.id,
        type=config.get("Type", "HTTP"),
        address=config.get("IPAddress", ""),
        port=int(config.get("Port", 80)),
        path=config.get("ResourcePath", "/"),
        host=config.get("FullyQualifiedDomainName", ""),
        interval=int(config.get("RequestInterval", 30)),
        threshold=int(config.get("FailureThreshold", 3)),
        search=config.get("SearchString", ""),
        inverted=bool(config.get("Inverted")),
        disabled=bool(config.get("Disabled")),
    )


def _zone(zone: Any, usual: str) -> Zone:
    regions = [str(vpc["vpc_region"]) for vpc in zone.vpcs if vpc.get("vpc_region")]
    records = tuple(_record(record) for record in record_sets(zone.rrsets))
    return Zone(id=zone.resource_id, name=zone.name, records=records, region=(regions or [usual])[0])


def _record(record: dict[str, Any]) -> Record:
    target = record.get("AliasTarget")
    alias = target and Alias(
        zone=str(target["HostedZoneId"]).rpartition("/")[2],
        name=target["DNSName"],
        evaluate=target["EvaluateTargetHealth"],
    )
    undecided = ("GeoLocation", "GeoProximityLocation", "CidrRoutingConfig")  # by the name servers
    return Record(
        name=record["Name"],
        type=record["Type"],
        ttl=int(record.get("TTL", 0)),
        values=tuple(one["Value"] for one in record.get("ResourceRecords", ())),
        set_identifier=record.get("SetIdentifier"),
        failover=record.get("Failover"),
        health_check=record.get("HealthCheckId"),
        weight=record.get("Weight"),
        region=record.get("Region"),
        multivalue=bool(record.get("MultiValueAnswer")),
        unemulated=next((policy for policy in undecided if policy in record), None),
        alias=alias,
    )


class StoredRecordSet:
    """A record set as the API writes it, under the name and the type that moto sorts by."""

    def __init__(self, api: dict[str, Any]) -> None:
        self.api, self.name, self.type = api, api["Name"], api["Type"]


def record_sets(stored: Iterable[Any]) -> list[dict[str, Any]]:
    """Record sets as the API writes them; those of moto's own, which a public zone is born with, are plain."""
    found = []
    for one in stored:
        if isinstance(one, StoredRecordSet):
            found.append(one.api)
            continue
        values = [{"Value": value["Value"] if isinstance(value, dict) else str(value)} for value in one.records or ()]
        found.append({"Name": one.name, "Type": one.type, "TTL": int(one.ttl or 0), "ResourceRecords": values})
    return found


def leftovers(world: World) -> list[str]:
    """What a user has made and not yet removed, as "kind id"; the caller holds the world's lock."""
    found: list[str] = []

    def add(kind: str, names: Iterable[str | None]) -> None:
        found.extend(f"{kind} {name}" for name in names)

    for ec2 in world.backends("ec2").values():
        add("instance", (one.id for one in ec2.all_instances() if one.state != "terminated"))
        add("volume", ec2.volumes)
        add("address", (one.public_ip for one in ec2.addresses))
        groups = (group for groups in ec2.groups.values() for group in groups.values())
        add("security-group", (group.id for group in groups if group.name != "default"))
        add("key-pair", ec2.key_pairs)
        add("vpc", (vpc.id for vpc in ec2.vpcs.values() if not vpc.is_default))
    for route53 in world.backends("route53").values():
        add("hosted-zone", (zone.resource_id for zone in route53.zones.values()))
        add("health-check", route53.health_checks)
    for iam in world.backends("iam").values():
        add("role", (role.name for role in iam.roles.values()))
        add("instance-profile", (profile.name for profile in iam.instance_profiles.values()))
    for dynamodb in world.backends("dynamodb").values():  # under a lock of its own: from copies
        add("table", list(dynamodb.tables))
        add("backup", (backup.name for backup in list(dynamodb.backups.values())))
    for cloudwatch in world.backends("cloudwatch").values():
        add("alarm", cloudwatch.alarms)
        add("dashboard", cloudwatch.dashboards)
    return found
