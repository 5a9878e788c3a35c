"""Puts the steps of one stack together: each is given the ones that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from srekv.config import Config
from srekv.provision import lease
from srekv.provision.deployment import assemble
from srekv.provision.engine.clients import Clients
from srekv.provision.engine.run import Run, Step
from srekv.provision.engine.scheduler import Look
from srekv.provision.inventory.existing import Existing
from srekv.provision.model import Deployment
from srekv.provision.operator import operator_cidrs
from srekv.provision.steps.addresses import Addresses
from srekv.provision.steps.alarms import Alarms
from srekv.provision.steps.dns import PrivateZone
from srekv.provision.steps.firewall import Firewall
from srekv.provision.steps.health import HealthChecks
from srekv.provision.steps.iam import Identity
from srekv.provision.steps.images import Images
from srekv.provision.steps.keypair import KeyPair
from srekv.provision.steps.leasing import Leasing
from srekv.provision.steps.network import Network
from srekv.provision.steps.nodes import Nodes
from srekv.provision.steps.settings import Settings, stored
from srekv.provision.steps.table import Table
from srekv.provision.steps.volumes import Volumes


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Every step of a stack, each given the ones it needs."""

    run: Run
    existing: Existing
    identity: Identity
    network: Network
    addresses: Addresses
    keys: KeyPair
    images: Images
    volumes: Volumes
    firewall: Firewall
    table: Table
    nodes: Nodes
    leasing: Leasing
    checks: HealthChecks
    zone: PrivateZone
    alarms: Alarms
    settings: Settings

    @classmethod
    def of(cls, run: Run, role: Mapping[str, Any] | None, *, waits_for_health: bool = False) -> Steps:
        """The steps of one run; nothing is called yet."""
        existing = Existing(run.clients, run.names)
        identity = Identity(run, role)
        network = Network(run, existing, waits_for_health=waits_for_health)
        addresses = Addresses(run, existing, needs=(identity,))
        keys = KeyPair(run, existing, needs=(identity,))
        images = Images(run, existing)
        operator = operator_cidrs(run.config, _custom_endpoint(run.clients))
        firewall = Firewall(run, network, addresses, operator=operator)
        table = Table(run, needs=(identity,))
        checks = HealthChecks(run, existing, addresses)
        zone = PrivateZone(run, network=network, addresses=addresses, checks=checks)
        alarms = Alarms(run, checks, table, wanted_before=bool(stored(role).get("alarms")))
        volumes = Volumes(run, existing)
        nodes = Nodes(
            run,
            existing,
            identity=identity,
            network=network,
            firewall=firewall,
            addresses=addresses,
            keys=keys,
            images=images,
            volumes=volumes,
            lease_at_launch=_lease_at_launch(run.config, role),
            port_at_launch=stored(role).get("port"),
        )
        leasing = Leasing(run, existing, nodes)
        return cls(
            run=run,
            existing=existing,
            identity=identity,
            network=network,
            addresses=addresses,
            keys=keys,
            images=images,
            volumes=volumes,
            firewall=firewall,
            table=table,
            nodes=nodes,
            leasing=leasing,
            checks=checks,
            zone=zone,
            alarms=alarms,
            settings=Settings(run, role, needs=(identity, nodes, leasing, table, zone, alarms)),
        )

    @property
    def fits(self) -> tuple[tuple[Look, ...], ...]:
        """What refuses a request before anything is made; the second round needs to know the VPC."""
        return (
            (
                (self.identity.fit, "checking the role"),
                (self.network.fit, "checking the network"),
                (self.images.fit, "finding the machine image"),
                (self.keys.fit, "checking the key pair"),
                (self.table.fit, "checking the table"),
                (self.nodes.fit, "packing the nodes' user data"),
                (self.alarms.fit, "checking alarms and dashboard"),
            ),
            (
                (self.firewall.fit, "checking the security group"),
                (self.zone.fit, "listing the hosted zones"),
            ),
        )

    @property
    def all(self) -> tuple[Step, ...]:
        """The steps in the order of the lab's sections."""
        return (
            self.identity,
            self.network,
            self.addresses,
            self.keys,
            self.images,
            self.firewall,
            self.volumes,
            self.nodes,
            self.leasing,
            self.table,
            self.checks,
            self.zone,
            self.alarms,
            self.settings,
        )

    def deployment(self, instances: Sequence[Mapping[str, Any]] | None) -> Deployment:
        """What has been ensured, as one Deployment; `instances` are the live ones if somebody has just listed them."""
        live = self.existing.fresh_instances() if instances is None else instances
        return assemble(self.run, live, addresses=self.addresses.public, checks=self.checks.check_id)


def _lease_at_launch(config: Config, role: Mapping[str, Any] | None) -> datetime | None:
    """The lease that new instances begin with."""
    kept = stored(role).get("lease")
    return lease.at_launch(kept, config.lease, now=datetime.now(UTC), spent_s=config.wall(lease.SPENT_S))


def _custom_endpoint(clients: Clients) -> str | None:
    """The URL in place of AWS's own, wherever boto3 took it from; None for AWS itself."""
    url = clients.ec2.meta.endpoint_url
    host = urlsplit(url).hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")) else url
