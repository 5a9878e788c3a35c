"""The nodes' disks: their tags, and those that outlived their instance and go on costing money."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from srekv.provision.engine.answers import gone
from srekv.provision.engine.run import Op, Ops, Run, Step, leave
from srekv.provision.inventory.existing import Existing, node_of
from srekv.provision.inventory.marks import each, tagged
from srekv.provision.model import Resource
from srekv.provision.naming import lost_tags, tag_map

DETACHED = frozenset({"available", "error"})
"""The states of a volume that is on no instance."""


class Volumes:
    """Live nodes' root volumes keep their tags; a detached one, which should have gone with its instance, goes."""

    section = "EC2"
    needs: tuple[Step, ...] = ()

    def __init__(self, run: Run, existing: Existing) -> None:
        self._run = run
        self._existing = existing
        self._ec2 = run.clients.ec2

    def observe(self) -> tuple[Resource, ...]:
        """The volumes that belong to no instance."""
        return tuple(
            Resource(kind="volume", id=one["VolumeId"], name=_name(one), state=one["State"]) for one in self._detached()
        )

    def ensure(self) -> Ops:
        """Give the disks of the instances that there are their lost tags back; a new instance brings a tagged one."""
        wanted = {}
        for instance in self._existing.instances:
            disk, node = _root(instance), node_of(instance)
            if disk and node:
                wanted[disk] = self._run.names.tags(self._run.names.instance(node), node=node)
        if not wanted:
            return
        filters: Any = [{"Name": "volume-id", "Values": sorted(wanted)}]
        for volume in each(self._ec2, "describe_volumes", "Volumes", Filters=filters):
            if volume["VolumeId"] in wanted:
                yield self._keep(volume, wanted[volume["VolumeId"]])

    def _keep(self, volume: Mapping[str, Any], tags: Any) -> Op:
        volume_id, lost = volume["VolumeId"], lost_tags(tag_map(volume.get("Tags")), tags)
        if not lost:
            return leave("volume", _name(volume), volume_id)

        def tag() -> None:
            self._ec2.create_tags(Resources=[volume_id], Tags=tags)

        return Op(kind="volume", name=volume_id, id=volume_id, action="change", detail=lost, call=tag)

    def settle(self) -> Ops:
        """Nothing to wait for."""
        return iter(())

    def destroy(self) -> Ops:
        """Delete those that belong to no instance, when the instances are terminated."""
        for one in self._detached():
            volume = one["VolumeId"]
            call = partial(gone, self._ec2.delete_volume, VolumeId=volume)
            yield Op(kind="volume", name=_name(one), id=volume, action="delete", call=call)

    def _detached(self) -> list[Mapping[str, Any]]:
        alone = {"Name": "status", "Values": sorted(DETACHED)}
        found = tagged(self._ec2, "describe_volumes", "Volumes", stack=self._run.names.stack, filters=(alone,))
        return [one for one in found if one["State"] in DETACHED]


def _root(instance: Mapping[str, Any]) -> str:
    """The id of the instance's root volume, "" while it shows none; other volumes are the user's."""
    mappings = instance.get("BlockDeviceMappings", ())
    roots = (one["Ebs"]["VolumeId"] for one in mappings if one["DeviceName"] == instance.get("RootDeviceName"))
    return str(next(roots, ""))


def _name(volume: Mapping[str, Any]) -> str:
    return tag_map(volume.get("Tags")).get("Name", str(volume["VolumeId"]))
