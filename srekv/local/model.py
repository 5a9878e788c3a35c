"""What the control plane tells the data plane: the resources that exist, as plain data that survives JSON.

The control plane (moto and its overlay) runs in one process, the data plane (machines, checkers, DNS, gateway) in
another. After every mutating call the control plane sends a whole Snapshot; the data plane converges to it. Nothing
here knows how a resource came to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MachineState = Literal["running", "stopped", "terminated"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An EC2 instance as the data plane must run it."""

    id: str
    zone: str
    private_address: str  # its private IPv4 address as EC2 shows it
    public_address: str | None  # the loopback address that clients reach it by (Elastic IP or automatic), or None
    ports: tuple[int, ...]  # TCP ports that its security groups open to anyone
    user_data: str  # base64 of what RunInstances received, "" for none
    state: MachineState
    hard: bool = False  # stop without a graceful shutdown (StopInstances with SkipOsShutdown)
    role: str | None = None  # the name of the role in its instance profile, or None


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """A Route 53 health check; times are AWS-equivalent seconds. `type` is HTTP, HTTPS, TCP, HTTP_STR_MATCH ..."""

    id: str
    type: str
    address: str
    port: int
    path: str
    host: str
    interval: int
    threshold: int
    search: str = ""
    inverted: bool = False
    disabled: bool = False


@dataclass(frozen=True, kw_only=True)
class Alias:
    """What an alias record stands for."""

    zone: str  # the id of the hosted zone that its target is in; AWS resources have zones of their own
    name: str  # the target, absolute, in lower case
    evaluate: bool  # EvaluateTargetHealth: the alias is as healthy as its target


@dataclass(frozen=True, kw_only=True)
class Record:
    """One resource record set."""

    name: str
    type: str
    ttl: int = 0  # AWS-equivalent seconds; of no meaning for an alias, which has its target's
    values: tuple[str, ...] = ()  # as the API takes them; none for an alias
    set_identifier: str | None = None
    failover: str | None = None
    health_check: str | None = None
    weight: int | None = None
    region: str | None = None
    multivalue: bool = False
    unemulated: str | None = None  # the member with a routing policy that is not emulated, GeoLocation for one
    alias: Alias | None = None


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A hosted zone with all its records, SOA and NS too."""

    id: str
    name: str  # absolute, in lower case, like every name in it
    records: tuple[Record, ...]
    region: str = ""  # the Region of the VPC that asks: a latency record's distance is counted from there


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything the data plane has to run, complete: what is absent is to end."""

    machines: tuple[Machine, ...] = ()
    checks: tuple[HealthCheck, ...] = ()
    zones: tuple[Zone, ...] = ()
