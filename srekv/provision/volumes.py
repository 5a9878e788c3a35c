"""Disks that outlived their instance: they cost money and nobody else's deletion takes them along."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from srekv.provision.answers import gone
from srekv.provision.model import Resource
from srekv.provision.naming import tag_map
from srekv.provision.run import Op, Ops, Run, Step


class Volumes:
    """The stack's detached volumes: a node's disk goes with its instance, unless somebody changed that."""

    section = "EC2"
    needs: tuple[Step, ...] = ()

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ec2 = run.clients.ec2

    def observe(self) -> tuple[Resource, ...]:
        """The volumes that belong to no instance."""
        return tuple(
            Resource(kind="volume", id=one["VolumeId"], name=_name(one), state=one["State"]) for one in self._detached()
        )

    def ensure(self) -> Ops:
        """Nothing: an instance brings its disk."""
        return iter(())

    def settle(self) -> Ops:
        """Nothing to wait for."""
        return iter(())

    def destroy(self) -> Ops:
        """Delete them; to be done when the instances are terminated."""
        for one in self._detached():
            volume = one["VolumeId"]
            call = partial(gone, self._ec2.delete_volume, VolumeId=volume)
            yield Op(kind="volume", name=_name(one), id=volume, action="delete", call=call)

    def _detached(self) -> list[Mapping[str, Any]]:
        filters: Any = [self._run.names.tag_filter, {"Name": "status", "Values": ["available", "error"]}]
        pages = self._ec2.get_paginator("describe_volumes").paginate(Filters=filters)
        return [one for page in pages for one in page["Volumes"]]


def _name(volume: Mapping[str, Any]) -> str:
    return tag_map(volume.get("Tags")).get("Name", str(volume["VolumeId"]))
