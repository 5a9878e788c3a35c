"""Puts the facts about one zone together. Reading calls only; a part that cannot be read is left out and noted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from srekv.doctor import gather_hosts, gather_names
from srekv.doctor.facts import Facts
from srekv.doctor.gather_stack import read_stack
from srekv.doctor.reader import Reader
from srekv.provision.engine.run import Run


def gather(
    run: Run,
    *,
    zone_id: str | None = None,
    record: str | None = None,
    role: Mapping[str, Any] | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Facts:
    """Read everything that the rules look at.

    Args:
        run: the clients, and the stack's settings.
        zone_id: any hosted zone; None: the stack's own.
        record: one name of the zone; None: every name in it.
        role: the stack's role, when the zone is the stack's own.
        pause: waits so many seconds between calls that must not be made often.

    Raises:
        UsageError: there is no such zone, or no such record in it.
        SrekvError: the zone or its records cannot be read.
    """
    clients, reader = run.clients, Reader()
    zone = gather_names.read_zone(
        clients, zone_id or gather_names.stack_zone(clients, run.names.reference_prefix("zone"))
    )
    every = gather_names.read_records(clients, zone, record)
    pairs, others = gather_names.pairs_of(every), gather_names.others_of(every)
    records = [one for pair in pairs for one in pair.records]
    listed = gather_names.read_checks(reader, clients)
    ids = {one.check_id for one in records}
    checks = {one: check for one, check in (listed or {}).items() if one in ids}
    lookup = gather_hosts.Hosts(reader, clients, vpcs=zone.vpcs, zone_name=zone.name)
    hosts = lookup.behind(
        {address for one in records for address in one.addresses} | {check.address for check in checks.values()}
    )
    checkers = gather_hosts.read_checkers(reader, clients)
    groups = gather_hosts.read_groups(reader, clients, (group for host in hosts.values() for group in host.groups))
    return Facts(
        region=clients.region,
        zone=zone,
        pairs=pairs,
        others=others,
        fixed=sum(gather_names.is_fixed(one) for one in every),
        checks=checks,
        checks_read=listed is not None,
        reports=gather_names.read_reports(reader, clients, checks.values(), pause),
        hosts=hosts,
        public=lookup.public,
        hosts_read=lookup.complete,
        groups=gather_hosts.expand_lists(reader, clients, groups, checkers.prefix_lists),
        subnets=gather_hosts.read_subnets(reader, clients, hosts.values()),
        vpcs=gather_hosts.read_vpcs(reader, clients, zone.vpcs),
        checkers=checkers,
        rivals=gather_names.read_rivals(reader, clients, zone, [pair.name for pair in pairs]),
        stack=read_stack(reader, run, role) if role and zone_id is None else None,
        unread=reader.unread,
    )
