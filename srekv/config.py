"""Config: every value a command needs, validated before the first call.

What differs between AWS and the local cloud is a value here (endpoint, keys, resolver, port, speed), never a branch.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from datetime import datetime

from srekv.errors import CommandLine, UsageError, none_of

DEFAULT_STACK = "srekv"
DEFAULT_REGION = "us-east-1"
VPC_RESOLVER = "169.254.169.253"  # the same link-local address in every VPC (aws-facts 2.7)
INTERVALS = (10, 30)  # the only request intervals Route 53 accepts, in seconds (aws-recorded R35)
SPEEDS = (10.0, 5.0, 2.0, 1.0)  # the clock speeds that a local cloud chooses from, the fastest first
OPERATING_SYSTEMS = ("al2023", "al2")
SHORTEST_LEASE_S, LONGEST_LEASE_S = 600, 30 * 86_400  # a shorter one would end before the nodes serve; longer is none
LONGEST_TAG = 256  # characters in the value of an IAM tag
LONGEST_DURATION_S = 36_500 * 86_400  # a hundred years: dates can still be counted back from today by it

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_STACK = r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,19}"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS = "DNS labels: a-z, 0-9 and inner hyphens, at most 63 characters each"

_FORMS = (
    ("--stack", "stack", _STACK, "1-20 lower-case letters, digits and inner hyphens, a letter first"),
    ("--region", "region", r"[a-z]{2}(?:-[a-z]+)+-\d", "for example us-east-1"),
    ("--instance-type", "instance_type", r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "for example t2.micro"),
    ("--record", "record", _LABEL, _DNS),
    ("--zone", "zone_name", rf"{_LABEL}(?:\.{_LABEL})*", _DNS),
    # what an IAM tag, where a stack's settings are kept, can hold of a key pair's name
    ("--key-name", "key_name", r"[A-Za-z0-9 _.:/=+@-]{0,255}", "letters, digits, spaces and _.:/=+@-"),
    ("--vpc-id", "vpc_id", r"vpc-[0-9a-f]+", "an id such as vpc-0abc123"),
    ("--subnet", "subnets", r"subnet-[0-9a-f]+", "an id such as subnet-0abc123"),
    ("--ami", "ami", r"ami-[0-9a-f]+", "an id such as ami-0abc123"),
    ("--azs", "azs", r"[a-z]{2}(?:-[a-z0-9]+)+-\d[a-z]", "for example us-east-1a,us-east-1b"),
)
"""Option, attribute, pattern of each of its values, and what is expected."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One stack on one target.

    Durations are in AWS-equivalent seconds; divide by `speed` for wall-clock seconds.

    Raises:
        UsageError: a value that can never work, with the nearest valid one.
    """

    stack: str = DEFAULT_STACK  # every resource carries it as the tag `srekv:stack`
    target: str = "local"  # or "aws"; for display only, nothing decides by it
    region: str = DEFAULT_REGION
    profile: str | None = None  # of the AWS configuration files; None: boto3's ordinary chain
    endpoint: str | None = None  # one URL for every service; None: AWS's own endpoints (or AWS_ENDPOINT_URL)
    access_key: str | None = None  # key id for `endpoint`; None: boto3's ordinary chain
    secret_key: str | None = field(default=None, repr=False)
    resolver: tuple[str, int] = (VPC_RESOLVER, 53)  # address and port of the one that clients inside the VPC ask
    port: int = 80  # the service's; the health checks, the security group and the URL follow it
    speed: float = 1.0  # how many AWS-equivalent seconds pass in one wall-clock second

    zone: str | None = None
    record: str = "svc"

    vpc_id: str | None = None
    azs: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    fix_vpc: bool = False
    allow_cidrs: tuple[str, ...] = ()
    key_name: str | None = None
    create_key: str | None = None
    instance_type: str = "t2.micro"
    os: str = "al2023"
    unsupported: bool = False  # whether an operating system past its end of support is accepted
    ami: str | None = None
    deletion_protection: bool = False
    interval: int = 10  # of a health check's requests, seconds: 10 or 30
    threshold: int = 3  # consecutive passes or failures that flip one checker, 1-10
    ttl: int = 10  # of the failover records, seconds
    alarms: bool = False
    lease_s: float | None = None  # how long the lease that is asked for lasts, AWS-equivalent seconds; None: none is
    lease: datetime | None = None  # when the nodes end themselves, an aware time of the wall clock; None: never

    def __post_init__(self) -> None:
        for option, name, pattern, expectation in _FORMS:
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if value is not None:
                    _refuse_unless_matching(option, value, pattern, expectation)
        if len(self.name) > 253:
            raise UsageError(f"{self.name} is too long for a DNS name", why="the limit is 253 characters")
        if self.key_name and self.create_key:
            raise UsageError("--key-name and --create-key exclude each other", next_step="give one of the two")
        self._refuse_numbers()
        self._refuse_network()

    def _refuse_numbers(self) -> None:
        if self.os not in OPERATING_SYSTEMS:
            raise none_of("--os", self.os, OPERATING_SYSTEMS)
        if self.interval not in INTERVALS:
            nearest = min(INTERVALS, key=lambda one: abs(one - self.interval))
            raise _invalid("--interval", self.interval, "expected 10 or 30", f"did you mean {nearest}?")
        for option, value, low, high in (
            ("--threshold", self.threshold, 1, 10),
            ("--ttl", self.ttl, 0, 2_147_483_647),
            ("--port", self.port, 1, 65535),
        ):
            if not low <= value <= high:
                nearest = min(max(value, low), high)
                raise _invalid(option, value, f"it must be {low} to {high}", f"nearest: {nearest}")
        if not 0.1 <= self.speed <= 100:
            raise _invalid("--speed", self.speed, "it must be between 0.1 and 100")
        if self.lease_s is not None and not SHORTEST_LEASE_S <= self.lease_s <= LONGEST_LEASE_S:
            nearest_s = min(max(self.lease_s, SHORTEST_LEASE_S), LONGEST_LEASE_S)
            hint = f"nearest: --lease {in_units(nearest_s)}"
            raise _invalid("--lease", in_units(self.lease_s), "a lease lasts 10 minutes to 30 days", hint)

    def _refuse_network(self) -> None:
        for zone in self.azs:
            if not zone.startswith(self.region):
                valid = f"--azs {self.region}a,{self.region}b"
                raise UsageError(f"--azs {zone} is not in {self.region}", next_step=valid)
        for option, values in (("--azs", self.azs), ("--subnet", self.subnets)):
            if values and len(set(values)) != 2:
                what = f"{option} needs two different values, got {', '.join(values)}"
                raise UsageError(what, why="a failover needs two Availability Zones")
        for cidr in self.allow_cidrs:
            _refuse_unless_cidr(cidr)
        if len(" ".join(self.allow_cidrs)) > LONGEST_TAG:
            raise UsageError(
                f"{len(self.allow_cidrs)} times --allow-cidr is too many",
                why=f"they are kept in a tag, which holds {LONGEST_TAG} characters",
                next_step="give fewer and wider blocks",
            )

    @property
    def zone_name(self) -> str:
        """The private zone, without the trailing dot."""
        if self.zone:
            return self.zone.rstrip(".").lower()
        return "sre-test.local" if self.stack == DEFAULT_STACK else f"{self.stack}.sre-test.local"

    @property
    def name(self) -> str:
        """The service's DNS name, without the trailing dot."""
        return f"{self.record}.{self.zone_name}"

    @property
    def url(self) -> str:
        """The service's base URL."""
        return f"http://{self.name}" + ("" if self.port == 80 else f":{self.port}")

    def wall(self, seconds: float) -> float:
        """AWS-equivalent seconds as wall-clock seconds."""
        return seconds / self.speed


def refuse_unsupported(os: str, *, accepted: bool) -> None:
    """Raise UsageError for new or repaired nodes of a system without security fixes, unless that was accepted.

    A stack that has it can still be shown, drilled and removed. Source: https://aws.amazon.com/amazon-linux-2/
    """
    if os == "al2" and not accepted:
        raise UsageError(
            "Amazon Linux 2 is past its end of support",
            why="it gets no security fixes since 2026-06-30, and no urllib3 with its own is left for its Python, 3.8",
            next_step=CommandLine("srekv up --os al2023")
            + "; to accept that: "
            + CommandLine("srekv up --os al2 --unsupported"),
        )


def fastest(keeps: float) -> float:
    """The fastest of SPEEDS for a machine that keeps so much; the slowest when it keeps none."""
    return next((speed for speed in SPEEDS if speed <= keeps), SPEEDS[-1])


def _invalid(option: str, value: object, why: str, next_step: str = "") -> UsageError:
    return UsageError(f"invalid value for {option}: {value}", why=why, next_step=next_step)


def _refuse_unless_matching(option: str, value: str, pattern: str, expectation: str) -> None:
    """Refuse a value of another form, with the nearest one of that form if one comes to mind."""
    if re.fullmatch(pattern, value):
        return
    lowered = value.strip().lower()
    labels = [re.sub(r"[^a-z0-9]+", "-", label).strip("-")[:63].rstrip("-") for label in lowered.split(".")]
    label = "-".join(labels)
    short = label.lstrip("0123456789-")[:20].rstrip("-")
    nearest = next((one for one in (lowered, ".".join(labels), label, short) if re.fullmatch(pattern, one)), "")
    raise _invalid(option, repr(value), f"expected {expectation}", f"did you mean {nearest}?" if nearest else "")


def _refuse_unless_cidr(cidr: str) -> None:
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        try:
            next_step = f"did you mean {ipaddress.ip_network(cidr.strip(), strict=False)}?"
        except ValueError:
            next_step = "for example 203.0.113.7/32"
        raise UsageError(f"--allow-cidr {cidr} is not a CIDR block", why=str(error), next_step=next_step) from None
    if network.version != 4:
        raise UsageError(f"--allow-cidr {cidr} is IPv6", why="the nodes have IPv4 addresses only")


def clock_speed(text: str, option: str) -> float | None:
    """The number in a text such as 5 or 0.5; None for auto; UsageError if it is neither."""
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise _invalid(option, repr(text), "expected auto or a number", f"for example {option} 5") from None


def in_units(seconds: float) -> str:
    """A duration as `duration` reads it, in the largest unit that divides it."""
    unit = next((one for one in ("d", "h", "m") if seconds and seconds % _UNITS[one] == 0), "s")
    return f"{seconds / _UNITS[unit]:g}{unit}"


def duration(text: str, option: str) -> float:
    """Seconds in a text such as 90m, 2h, 3d or 1h30m; UsageError if it is none or over LONGEST_DURATION_S."""
    compact = text.strip().lower().replace(" ", "")
    if not re.fullmatch(r"(?:\d+(?:\.\d+)?[smhd])+", compact):
        raise UsageError(
            f"{option} {text!r} is no duration",
            why="expected a number and its unit, s, m, h or d",
            next_step=f"for example {option} 90m, {option} 2h or {option} 3d",
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", compact))
    if seconds > LONGEST_DURATION_S:
        longest = in_units(LONGEST_DURATION_S)
        raise _invalid(option, repr(text), f"it must be at most {longest}", f"nearest: {option} {longest}")
    return seconds
