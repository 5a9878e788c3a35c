"""What a user has made and not yet removed: while there is any of it, the local cloud stays."""

from __future__ import annotations

from collections.abc import Iterator

from srekv.local.overlay.world import World


def leftovers(world: World) -> list[str]:
    """Every resource that is not part of a fresh account, as "kind id". The caller holds the world's lock."""
    return [*_ec2(world), *_route53(world), *_iam(world), *_tables(world), *_cloudwatch(world)]


def _ec2(world: World) -> Iterator[str]:
    for backend in world.ec2().values():
        yield from (f"instance {one.id}" for one in backend.all_instances() if one.state != "terminated")
        yield from (f"volume {name}" for name in backend.volumes)
        yield from (f"address {one.public_ip}" for one in backend.addresses)
        groups = (group for groups in backend.groups.values() for group in groups.values())
        yield from (f"security-group {group.id}" for group in groups if group.name != "default")
        yield from (f"key-pair {name}" for name in backend.key_pairs)
        yield from (f"vpc {vpc.id}" for vpc in backend.vpcs.values() if not vpc.is_default)


def _route53(world: World) -> Iterator[str]:
    for backend in world.route53().values():
        yield from (f"hosted-zone {zone.resource_id}" for zone in backend.zones.values())
        yield from (f"health-check {name}" for name in backend.health_checks)


def _iam(world: World) -> Iterator[str]:
    for backend in world.iam().values():
        yield from (f"role {role.name}" for role in backend.roles.values())
        yield from (f"instance-profile {profile.name}" for profile in backend.instance_profiles.values())


def _tables(world: World) -> Iterator[str]:
    for backend in world.dynamodb().values():
        yield from (f"table {name}" for name in list(backend.tables))
        yield from (f"backup {backup.name}" for backup in list(backend.backups.values()))


def _cloudwatch(world: World) -> Iterator[str]:
    for backend in world.cloudwatch().values():
        yield from (f"alarm {name}" for name in backend.alarms)
        yield from (f"dashboard {name}" for name in backend.dashboards)
