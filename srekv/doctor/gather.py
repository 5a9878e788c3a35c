"""Puts the facts about one zone together. Reading calls only; a part that cannot be read is left out and noted."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from srekv.doctor import gather_hosts, gather_names
from srekv.doctor.facts import Facts, StackFacts
from srekv.doctor.reader import Reader
from srekv.provision.deployment import fault_note
from srekv.provision.engine.run import Run
from srekv.provision.inventory.existing import Existing
from srekv.provision.steps.iam import table_arn


def gather(
    run: Run,
    *,
    zone_id: str | None = None,
    record: str | None = None,
    role: Mapping[str, Any] | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Facts:
    """Read everything that the rules need about a hosted zone, None: the stack's own, whose role is `role`.

    `record` is one name of the zone, None: every name; `pause` waits so many seconds between calls that must not be
    made often.

    Raises:
        UsageError: there is no such zone, or no such record in it.
        SrekvError: the zone or its records cannot be read.
    """
    clients, reader = run.clients, Reader()
    zone = gather_names.read_zone(clients, zone_id or gather_names.stack_zone(clients, run.names.stack))
    every = gather_names.read_records(clients, zone, record)
    records = [one for one in every if one.failover]
    pairs = gather_names.grouped(records)
    others = [one for one in every if not one.failover and not gather_names.is_fixed(one)]
    listed = gather_names.read_checks(reader, clients)
    ids = {one.check_id for one in records}
    checks = {one: check for one, check in (listed or {}).items() if one in ids}
    lookup = gather_hosts.Hosts(reader, clients, vpcs=zone.vpcs, zone_name=zone.name)
    addresses = {address for one in records for address in one.addresses}
    hosts = lookup.behind(addresses | {check.address for check in checks.values()})
    checkers = gather_hosts.read_checkers(reader, clients)
    groups = [group for host in hosts.values() for group in host.groups]
    return Facts(
        region=clients.region,
        zone=zone,
        pairs=pairs,
        others=gather_names.grouped(others),
        fixed=len(every) - len(records) - len(others),
        checks=checks,
        checks_read=listed is not None,
        reports=gather_names.read_reports(reader, clients, checks.values(), pause),
        hosts=hosts,
        public=lookup.public,
        hosts_read=lookup.complete,
        groups=gather_hosts.read_groups(reader, clients, groups, checkers),
        subnets=gather_hosts.read_subnets(reader, clients, hosts.values()),
        vpcs=gather_hosts.read_vpcs(reader, clients, zone.vpcs),
        checkers=checkers,
        rivals=gather_names.read_rivals(reader, clients, zone, [pair.name for pair in pairs]),
        stack=_read_stack(reader, run, role) if role and zone_id is None else None,
        unread=reader.unread,
    )


def _read_stack(reader: Reader, run: Run, role: Mapping[str, Any]) -> StackFacts:
    """What the stack whose role this is has beyond its zone: its nodes' permissions, and the note of a drill."""
    existing = Existing(run.clients, run.names)
    instances = reader.try_call("a drill's note", "ec2:DescribeInstances", existing.fresh_instances)
    return StackFacts(
        name=run.config.stack,
        role=role["RoleName"],
        table_arn=table_arn(role["Arn"], run.config.region, run.names.table),
        policies=_read_policies(reader, run.clients.iam, role["RoleName"]),
        fault=fault_note(instances or []),
    )


def _read_policies(reader: Reader, iam: Any, role: str) -> tuple[Mapping[str, Any], ...] | None:
    """Every policy document of a role, inline and attached; None if one could not be read."""
    what = "the nodes' permissions"
    documents: list[Any] = []
    names = reader.pages(what, iam, "list_role_policies", "PolicyNames", RoleName=role)
    attached = reader.pages(what, iam, "list_attached_role_policies", "AttachedPolicies", RoleName=role)
    if names is None or attached is None:
        return None
    for name in names:
        inline = reader.ask(what, iam, "get_role_policy", RoleName=role, PolicyName=name)
        documents.append(inline and inline["PolicyDocument"])
    for arn in (one["PolicyArn"] for one in attached):
        policy = reader.ask(what, iam, "get_policy", PolicyArn=arn)
        which = policy and {"PolicyArn": arn, "VersionId": policy["Policy"]["DefaultVersionId"]}
        version = which and reader.ask(what, iam, "get_policy_version", **which)
        documents.append(version and version["PolicyVersion"]["Document"])
    if None in documents:
        return None
    # botocore decodes policy documents; an endpoint may still hand out their text
    return tuple(json.loads(urllib.parse.unquote(one)) if isinstance(one, str) else one for one in documents)
