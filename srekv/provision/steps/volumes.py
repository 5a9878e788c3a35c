"""The nodes' disks: their tags, and those that outlived their instance and go on costing money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srekv.provision.inventory.existing import node_of
from srekv.provision.inventory.marks import each, tagged, tags_of
from srekv.provision.step import Ops, change_or_leave, delete
from srekv.provision.steps.base import StackStep

DETACHED = frozenset({"available", "error"})  # the states of a volume that is on no instance


class Volumes(StackStep):
    """Live nodes' root volumes keep their tags; a detached one, which should have gone with its instance, goes."""

    section = "EC2"

    def ensure(self) -> Ops:
        """Give the disks of the instances that there are their lost tags back; a new instance brings a tagged one."""
        wanted = {}
        for instance in self.existing.instances:
            disk, node = _root(instance), node_of(instance)
            if disk and node:
                wanted[disk] = self.names.tags(self.names.instance(node), node=node)
        if not wanted:
            return
        filters = [{"Name": "volume-id", "Values": sorted(wanted)}]
        for one in each(self.ec2, "describe_volumes", "Volumes", Filters=filters):
            what = ("volume", _name(one), one["VolumeId"])
            if one["VolumeId"] in wanted:
                yield from change_or_leave(*what, self._retag(*what, one, wanted[one["VolumeId"]]))

    def destroy(self) -> Ops:
        """Delete those that belong to no instance, when the instances are terminated."""
        alone = {"Name": "status", "Values": sorted(DETACHED)}
        for one in tagged(self.ec2, "describe_volumes", "Volumes", stack=self.names.stack, filters=(alone,)):
            volume, state = one["VolumeId"], one["State"]
            if state in DETACHED:
                yield delete("volume", _name(one), volume, state, self.ec2.delete_volume, VolumeId=volume)


def _root(instance: Mapping[str, Any]) -> str:
    """The id of the instance's root volume, "" while it shows none; other volumes are the user's."""
    mappings = instance.get("BlockDeviceMappings", ())
    roots = (one["Ebs"]["VolumeId"] for one in mappings if one["DeviceName"] == instance.get("RootDeviceName"))
    return str(next(roots, ""))


def _name(volume: Mapping[str, Any]) -> str:
    return tags_of(volume).get("Name", str(volume["VolumeId"]))
