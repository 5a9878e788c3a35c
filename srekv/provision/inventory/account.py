"""Every srekv stack of an account: lists what exists, and removes a stack by the steps of `down`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from srekv.config import Config
from srekv.errors import CommandLine, SrekvError
from srekv.provision.engine.answers import explained
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.holders import name_holders
from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.listings import Inventory, take_inventory
from srekv.provision.inventory.stacks import StackInRegion
from srekv.provision.model import Watcher
from srekv.provision.removal import Removal
from srekv.provision.stack import Stack, connect
from srekv.provision.steps.table import delete_backup

if TYPE_CHECKING:
    import boto3

AT_ONCE = 4
"""Regions that are listed side by side: each takes the inventory's threads."""


class Account:
    """Every stack of one account on one target; `config`: of any stack there."""

    def __init__(self, config: Config, session: boto3.Session | None = None) -> None:
        self.config = config
        self._clients = Clients(config, session)

    def regions(self) -> tuple[str, ...]:
        """The Regions that the account can use."""
        with explained("listing the Regions"):
            return tuple(sorted(region["RegionName"] for region in self._clients.ec2.describe_regions()["Regions"]))

    def inventory(self, regions: Sequence[str]) -> Inventory:
        """Everything of ours in these Regions, and what is in all of them.

        An organisation may forbid a Region that the account has: then it is in `refused`. The Region that the user
        works in must not be.
        """

        def regional(region: str) -> Inventory:
            try:
                return take_inventory(self._clients.elsewhere(region), "regional")
            except SrekvError as error:
                if region == self.config.region:
                    raise
                return Inventory(refused={region: error})

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="region") as pool:
            everywhere = pool.submit(take_inventory, self._clients, "global")
            parts = [*pool.map(regional, regions), everywhere.result()]
        return Inventory(
            tuple(one for part in parts for one in part.leftovers),
            tuple(dict.fromkeys(call for part in parts for call in part.calls)),
            {region: error for part in parts for region, error in part.refused.items()},
        )

    def stack(self, found: StackInRegion, watcher: Watcher) -> Stack:
        """The stack, to be read or removed."""
        config = dataclasses.replace(self.config, stack=found.stack, region=found.region)
        return connect(config, {}, watcher, session=self._clients.session)

    def remove(self, found: StackInRegion, watcher: Watcher) -> Removal:
        """Remove what is left of a stack, as its own `down` would; what was kept stays.

        Raises:
            SrekvError: it was made anew, or its lease renewed, since it was listed; or it could not be removed.
        """
        stack = self.stack(found, watcher)
        role = stack.role if stack.role and stack.run.names.owns(stack.role) else None
        seen = {(one.created, one.lease) for one in found.due if one.kind == "role"}
        if role is not None and (role.get("CreateDate"), stack.run.config.lease) not in seen:
            raise SrekvError(
                "skipped: the stack changed since it was listed",
                why="its role has been made since, or it has another lease: an up was, or is, at work",
                next_step="run " + CommandLine("srekv sweep") + " again",
            )
        return stack.down(keep_table=found.keeps_table)

    def name_holders(self, left: Sequence[Leftover]) -> tuple[Leftover, ...]:
        """Leftovers of any stack in any Region, each with what uses it."""
        return tuple(
            one
            for region in sorted({one.region for one in left})
            for one in name_holders(
                self._clients.elsewhere(region or self.config.region), [one for one in left if one.region == region]
            )
        )

    def delete_backup(self, backup: Leftover) -> None:
        """Delete a backup of any stack."""
        delete_backup(self._clients.elsewhere(backup.region), backup.id)
