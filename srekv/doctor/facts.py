"""What was read, as frozen data: the rules see nothing else. What could not be read is absent, and in `unread`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from srekv.doctor.model import Finding, find
from srekv.provision.model import Observation

HTTP = frozenset({"HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH"})
ENDPOINTS = HTTP | {"TCP"}
"""The types of health checks that request an endpoint themselves; the others follow alarms or other checks."""

REPORTS = "route53:GetHealthCheckStatus"
"""The action that reads the checkers' reports, check by check."""

LAST = 32767
"""The number of every network ACL's last rule, which denies all and is shown as *."""


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Something that could not be read: what for, the call, the IAM action behind it, AWS's answer."""

    what: str
    action: str
    why: str
    denied: bool


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record set; `ttl` is None for an alias, `evaluates` its EvaluateTargetHealth, `inside`: to its own zone.

    `failover` is PRIMARY or SECONDARY; "" under another routing policy, which `policy` names in the console's words.
    """

    name: str
    kind: str
    failover: str
    policy: str = "failover"
    set_id: str
    ttl: int | None
    values: tuple[str, ...]
    check_id: str
    alias: str = ""
    evaluates: bool = False
    inside: bool = False

    @property
    def label(self) -> str:
        """For a person: the role, or policy and identifier, and the name."""
        role = self.failover or f"{self.policy} {self.set_id}".rstrip()
        return f"{role} {self.name.rstrip('.')}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The values that are IPv4 addresses."""
        return tuple(value for value in self.values if self.kind == "A" and is_address(value))

    def to_api(self, **changes: Any) -> dict[str, Any]:
        """As Route 53's ResourceRecordSet, with other values for some members."""
        return {
            "Name": self.name,
            "Type": self.kind,
            "SetIdentifier": self.set_id,
            "Failover": self.failover,
            "TTL": self.ttl,
            "ResourceRecords": [{"Value": value} for value in self.values],
            **({"HealthCheckId": self.check_id} if self.check_id else {}),
            **changes,
        }


@dataclass(frozen=True, kw_only=True)
class Group:
    """The record sets of one name and type, the PRIMARY first."""

    name: str
    kind: str
    records: tuple[Record, ...]

    @property
    def label(self) -> str:
        """The name, for a person."""
        return self.name.rstrip(".")

    @property
    def primary(self) -> Record | None:
        """The one with the role PRIMARY."""
        return next((one for one in self.records if one.failover == "PRIMARY"), None)

    @property
    def secondary(self) -> Record | None:
        """The one with the role SECONDARY."""
        return next((one for one in self.records if one.failover == "SECONDARY"), None)


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """One health check's configuration; `kind` is Route 53's Type.

    `endpoint` is EndpointType, PUBLIC or PRIVATE; "" where botocore (before 1.44.7) or the endpoint does not show it.
    """

    id: str
    kind: str
    address: str
    host: str
    port: int
    path: str
    interval: int
    threshold: int
    inverted: bool
    disabled: bool
    endpoint: str = ""

    @property
    def requests(self) -> bool:
        """Whether it sends requests to an IPv4 address: only such a check can be compared with a record."""
        return self.kind in ENDPOINTS and is_address(self.address)


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A hosted zone; `vpcs` are the VPCs of this Region that it is associated with, `elsewhere` those of others."""

    id: str
    name: str
    private: bool
    vpcs: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name, for a person."""
        return self.name.rstrip(".")


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What answers for the name in place of the zone: a more specific private zone, or a forwarding rule."""

    kind: str
    id: str
    name: str
    vpc_id: str


@dataclass(frozen=True, kw_only=True)
class Host:
    """What stands behind an address: an instance, or a bare network interface (then `instance_id` is "").

    `resolves`: whether its user data makes the zone known to its resolver; None where that was not read.
    """

    instance_id: str
    state: str
    zone: str
    vpc_id: str
    subnet_id: str
    groups: tuple[str, ...]
    public: str
    elastic: bool
    name: str
    resolves: bool | None = None

    @property
    def identity(self) -> str:
        """What tells two machines apart."""
        return self.instance_id or self.name


@dataclass(frozen=True, kw_only=True)
class GroupRule:
    """One inbound permission of a security group; prefix lists other than the checkers' are in `cidrs` already."""

    protocol: str
    low: int
    high: int
    cidrs: tuple[str, ...]
    prefix_lists: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AclEntry:
    """One rule of a network ACL; ports 0 to 65535 where none are given."""

    number: int
    egress: bool
    allows: bool
    protocol: str
    cidr: str
    low: int = 0
    high: int = 65535

    def __str__(self) -> str:
        """For a person."""
        number = "*" if self.number == LAST else self.number
        verb = "allows" if self.allows else "denies"
        protocol = {"-1": "everything", "6": "tcp"}.get(self.protocol, f"protocol {self.protocol}")
        ports = "" if (self.low, self.high) == (0, 65535) else f" {span(self.low, self.high)}"
        return f"rule {number} {verb} {protocol}{ports} {'to' if self.egress else 'from'} {self.cidr}"


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A subnet: its network ACL and whether it has a route to an internet gateway; None where nobody could look."""

    id: str
    acl_id: str = ""
    acl: tuple[AclEntry, ...] | None = None
    is_public: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """A VPC's two DNS attributes by name, as far as read; `exists` is False for an association left behind."""

    id: str
    attributes: Mapping[str, bool]
    exists: bool = True


@dataclass(frozen=True, kw_only=True)
class Checkers:
    """Where Route 53's health checkers come from: the Region's prefix list, and their ranges."""

    prefix_lists: tuple[str, ...]
    ranges: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StackFacts:
    """What belongs to a stack of ours beyond its zone; `policies` are the role's documents, None: could not be read."""

    name: str
    role: str
    table_arn: str
    policies: tuple[Mapping[str, Any], ...] | None
    fault: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that was read about one hosted zone and its failover records. Times are seconds.

    Attributes:
        others: the record sets that another policy, a health check or an alias makes more than one fixed answer.
        fixed: the number of the other names and types: one answer each, always the same.
        checks: by id; an id that a record names and that is missing here does not exist, if they could be listed.
        reports: by check id, its checkers' last reports; missing where they could not be read.
        hosts: by address, of the records and of the checks.
        public: the addresses that DescribeAddresses or a network interface's association lists as public.
        hosts_read: whether the account's addresses and instances could be listed.
        groups: by id, the inbound rules.
    """

    region: str
    zone: Zone
    pairs: tuple[Group, ...]
    others: tuple[Group, ...] = ()
    fixed: int = 0
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    checks_read: bool = True
    reports: Mapping[str, tuple[Observation, ...]] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    public: frozenset[str] = frozenset()
    hosts_read: bool = True
    groups: Mapping[str, tuple[GroupRule, ...]] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    checkers: Checkers | None = None
    rivals: tuple[Rival, ...] = ()
    stack: StackFacts | None = None
    unread: tuple[Unread, ...] = ()

    @property
    def records(self) -> Iterator[Record]:
        """Every failover record."""
        return (record for pair in self.pairs for record in pair.records)

    def of(self, pair: Group) -> Facts:
        """The same facts for one name: its records and the machines behind them."""
        addresses = {one for record in pair.records for one in record.addresses}
        addresses |= {check.address for record in pair.records if (check := self.check_of(record))}
        hosts = {one: host for one, host in self.hosts.items() if one in addresses}
        return replace(self, pairs=(pair,), others=(), hosts=hosts)

    def check_of(self, record: Record | None) -> HealthCheck | None:
        """The health check of a record, if it has one that exists."""
        return self.checks.get(record.check_id) if record else None

    def hosts_of(self, addresses: Iterable[str]) -> tuple[Host, ...]:
        """What stands behind these addresses, as far as it is known."""
        return tuple(self.hosts[one] for one in addresses if one in self.hosts)

    def is_inside(self, check: HealthCheck) -> bool:
        """Whether a check's checkers are in a VPC: Route 53 takes an internal address in no other check (R34)."""
        return check.endpoint == "PRIVATE" or (not check.endpoint and self.is_internal(check.address))

    def is_internal(self, address: str) -> bool:
        """Whether an IPv4 address is certainly not on the internet: a machine's own private one, or by its range.

        Loopback stands for the internet where the cloud is emulated; on AWS no health check has it.
        """
        if address in self.public or not is_address(address):
            return False
        ip = ipaddress.ip_address(address)
        return address in self.hosts or ip.is_multicast or not (ip.is_global or ip.is_loopback)

    def find(self, kind: str, subject: str, **words: Any) -> Finding:
        """A finding about this zone, as `model.find` makes them."""
        return find(kind, subject, in_stack=self.stack is not None, **words)


def covers(domain: str, name: str) -> bool:
    """Whether a name lies in a domain, or is it."""
    own, other = domain.rstrip(".").lower(), name.rstrip(".").lower()
    return not own or other == own or other.endswith(f".{own}")


def span(low: int, high: int) -> str:
    """Ports from one to another, for a person."""
    return f"{low}-{high}" if high != low else f"{low}"


def is_address(text: str) -> bool:
    """Whether it is an IPv4 address."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
