"""Looks for what is left of any srekv stack of an account, and removes it by the steps of `down`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from srekv.config import Config
from srekv.errors import CommandLine, SrekvError
from srekv.provision.data import delete_backup
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.account import Inventory, enabled_regions, take
from srekv.provision.inventory.holders import name_holders
from srekv.provision.inventory.leftover import Leftover
from srekv.provision.inventory.remains import Remains
from srekv.provision.model import Watcher
from srekv.provision.removal import Removal
from srekv.provision.stack import Stack, connect

if TYPE_CHECKING:
    import boto3

AT_ONCE = 4
"""Regions that are looked at side by side: each takes the inventory's threads."""


class Estate:
    """Every stack of one account on one target.

    Args:
        config: of any stack there.
        session: makes the clients, in place of a new session.
    """

    def __init__(self, config: Config, session: boto3.Session | None = None) -> None:
        self.config = config
        self._clients = Clients(config, session)

    def regions(self) -> tuple[str, ...]:
        """The Regions that the account can use."""
        return enabled_regions(self._clients)

    def look(self, regions: Sequence[str]) -> Inventory:
        """Everything of ours in these Regions, and what is in all of them.

        An organisation may forbid a Region that the account has: then it is told in `refused`. The Region that the
        user works in must not be.
        """
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="region") as pool:
            here = pool.submit(take, self._clients, "global")
            parts = list(pool.map(self._regional, regions))
        parts.append(here.result())
        return Inventory(
            tuple(one for part in parts for one in part.leftovers),
            tuple(dict.fromkeys(call for part in parts for call in part.calls)),
            {region: error for part in parts for region, error in part.refused.items()},
        )

    def _regional(self, region: str) -> Inventory:
        try:
            return take(self._clients.elsewhere(region), "regional")
        except SrekvError as error:
            if region == self.config.region:
                raise
            return Inventory((), (), {region: error})

    def stack(self, remains: Remains, watcher: Watcher) -> Stack:
        """The stack, to be asked or removed."""
        config = dataclasses.replace(self.config, stack=remains.stack, region=remains.region)
        return connect(config, {}, watcher, session=self._clients.session)

    def remove(self, remains: Remains, watcher: Watcher) -> Removal:
        """Remove what is left of a stack, as its own `down` would; what was kept stays.

        Raises:
            SrekvError: it was made anew, or its lease renewed, since somebody looked; or it could not be removed.
        """
        stack = self.stack(remains, watcher)
        if _has_changed(remains, stack):
            raise SrekvError(
                "skipped: the stack changed since it was listed",
                why="its role has been made since, or it has another lease: an up was, or is, at work",
                next_step="run " + CommandLine("srekv sweep") + " again",
            )
        return stack.down(keep_table=remains.keeps_table)

    def name_holders(self, left: Sequence[Leftover]) -> tuple[Leftover, ...]:
        """Leftovers of any stack in any Region, each with what uses it."""
        regions = sorted({one.region for one in left})
        parts = {region: [one for one in left if one.region == region] for region in regions}
        return tuple(
            one
            for region, part in parts.items()
            for one in name_holders(self._clients.elsewhere(region or self.config.region), part)
        )

    def delete_backup(self, backup: Leftover) -> None:
        """Delete a backup of any stack."""
        delete_backup(self._clients.elsewhere(backup.region), backup.id)


def _has_changed(remains: Remains, stack: Stack) -> bool:
    """Whether the stack has another role by now, or that role another lease: asking takes time, and lists may lag."""
    role = stack.role if stack.role and stack.run.names.owns(stack.role) else None
    if role is None:
        return False
    seen = next((one for one in remains.due if one.kind == "role"), None)
    return seen is None or (seen.created, seen.lease) != (role.get("CreateDate"), stack.run.config.lease)
