"""Puts the steps of one stack together: each is given the ones that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from srekv.provision import lease
from srekv.provision.deployment import describe
from srekv.provision.engine.run import Run
from srekv.provision.inventory.existing import Existing
from srekv.provision.model import Deployment
from srekv.provision.naming import NODES
from srekv.provision.step import Step
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.alarms import Alarms
from srekv.provision.steps.dns import PrivateZone
from srekv.provision.steps.firewall import Firewall
from srekv.provision.steps.health import HealthChecks
from srekv.provision.steps.iam import Identity
from srekv.provision.steps.keypair import KeyPair
from srekv.provision.steps.launch import Launcher
from srekv.provision.steps.leases import Leases
from srekv.provision.steps.network import Network
from srekv.provision.steps.nodes import Nodes
from srekv.provision.steps.settings import Settings, settings_of
from srekv.provision.steps.table import Table
from srekv.provision.steps.volumes import Volumes


class Steps:
    """Every step of a stack, in the order of the lab's sections; `role` is as it was at the beginning of the run."""

    def __init__(self, run: Run, role: Mapping[str, Any] | None, *, waits_for_health: bool = False) -> None:
        existing, kept, config = Existing(run.clients, run.names), settings_of(role), run.config
        self.run, self.existing = run, existing
        self.identity = identity = Identity(run, existing, role)
        self.network = network = Network(run, existing, waits_for_health)
        self.addresses = addresses = Addresses(run, existing, needs=(identity,))
        self.keys = keys = KeyPair(run, existing, needs=(identity,))
        self.firewall = firewall = Firewall(run, existing, network, addresses, needs=(network, addresses))
        self.volumes = volumes = Volumes(run, existing)
        spent_s = config.wall(lease.SPENT_S)
        until = lease.at_launch(kept.get("lease"), config.lease, now=datetime.now(UTC), spent_s=spent_s)
        self.launcher = launcher = Launcher(run, existing, identity, firewall, keys, until)
        before = (identity, network, firewall, addresses, keys, volumes)
        self.nodes = nodes = Nodes(run, existing, launcher, network, addresses, kept.get("port"), needs=before)
        self.leases = leases = Leases(run, existing, nodes, needs=(nodes,))
        self.table = table = Table(run, existing, needs=(identity,))
        self.checks = checks = HealthChecks(run, existing, addresses, needs=(addresses,))
        self.zone = zone = PrivateZone(run, existing, network, addresses, checks, needs=(network, addresses, checks))
        self.alarms = alarms = Alarms(run, existing, checks, bool(kept.get("alarms")), needs=(checks, table))
        self.settings = Settings(run, existing, role, needs=(identity, nodes, leases, table, zone, alarms))

    @property
    def all(self) -> tuple[Step, ...]:
        """The steps in the order in which they are made above."""
        return tuple(one for one in vars(self).values() if isinstance(one, Step))

    @property
    def rounds(self) -> tuple[list[Step], list[Step]]:
        """The steps as they are asked whether they `fit`: those that need to know the VPC last."""
        last = [step for step in self.all if self.network in step.needs]
        return [step for step in self.all if step not in last], last

    def deployment(self, instances: Sequence[Mapping[str, Any]] | None) -> Deployment:
        """What has been ensured, as one Deployment; `instances` are the live ones where they were just listed."""
        live = self.existing.fresh_instances() if instances is None else instances
        checks = {node: self.checks.described(node) for node in NODES}
        records = [self.zone.wanted(node) for node in NODES]
        return describe(self.run, live, self.addresses.public, checks, (self.run.config.zone_name, records))
