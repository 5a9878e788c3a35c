"""Where the nodes go: a VPC that answers private names, and a public subnet in each of two Availability Zones.

Nothing here is created: the VPC and its subnets belong to the user. With --fix-vpc its two DNS attributes are set.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision.engine.answers import found, message_of
from srekv.provision.engine.run import Op, Ops, Run, Step, cannot
from srekv.provision.inventory.existing import Existing, node_of
from srekv.provision.inventory.marks import each
from srekv.provision.model import Resource
from srekv.provision.naming import NODES
from srekv.provision.steps.images import is_arm

DNS_ATTRIBUTES = (
    ("enableDnsSupport", "EnableDnsSupport", "--enable-dns-support"),
    ("enableDnsHostnames", "EnableDnsHostnames", "--enable-dns-hostnames"),
)
"""In this order: hostnames can be enabled only after support (aws-facts 2.2)."""


@dataclass(frozen=True)
class Place:
    """One node's subnet and its zone."""

    zone: str
    subnet_id: str


class Network:
    """Chooses the VPC and two subnets; `vpc_id` and `places` are there after ensure."""

    section = "Network"
    needs: tuple[Step, ...] = ()

    def __init__(self, run: Run, existing: Existing, *, waits_for_health: bool) -> None:
        self._run = run
        self._ec2 = run.clients.ec2
        self._existing = existing
        self._waits_for_health = waits_for_health
        self.vpc_id = ""
        self.places: tuple[Place, ...] = ()
        self._attributes: Sequence[bool] | None = None

    def observe(self) -> tuple[Resource, ...]:
        """Nothing: none of it is ours."""
        return ()

    def limits(self) -> Ops:
        """An instance cannot move: to another VPC, zone or subnet than it is in."""
        config, kept = self._run.config, self._kept()
        live = [node for node in NODES if node in kept]
        if not live:
            return
        fields = (
            ("VPC", (config.vpc_id,) if config.vpc_id else (), (self._lived_in,)),
            ("zones", _of_nodes(config.azs, live), tuple(kept[node].zone for node in live)),
            ("subnets", _of_nodes(config.subnets, live), tuple(kept[node].subnet_id for node in live)),
        )
        for field, want, have in fields:
            if want and want != have:
                yield cannot(
                    "stack",
                    config.stack,
                    "",
                    field=field,
                    have=", ".join(have),
                    want=", ".join(want),
                    next_step=CommandLine("srekv down") + ", then up with the new ones; or use another --stack",
                )

    @property
    def _lived_in(self) -> str:
        """The VPC in which a node lives, "" while there is none."""
        return str(self._existing.instances[0]["VpcId"]) if self._existing.instances else ""

    def fit(self) -> None:
        """Refuse now what `ensure` would refuse, before anything is made; `ensure` will not ask again."""
        tuple(self.ensure())  # what it would do is not done

    def ensure(self) -> Ops:
        """Choose, check, and with --fix-vpc switch the VPC's DNS attributes on."""
        refused = list(self.limits())
        yield from refused
        if self._attributes is None:
            self._attributes = self._look(movable=not refused)
        yield from self._check_attributes(self._attributes)

    def _look(self, *, movable: bool) -> Sequence[bool]:
        """Choose the VPC and the places, check their routes; the VPC's DNS attributes."""
        homeless = len(self._kept()) < len(NODES)
        subnets = self._candidates() if homeless else []
        self.vpc_id = self._one_vpc(subnets) if homeless and movable else self._lived_in
        with ThreadPoolExecutor(4, thread_name_prefix="network") as pool:
            attributes = [pool.submit(self._attribute, attribute, member) for attribute, member, _ in DNS_ATTRIBUTES]
            tables = pool.submit(self._route_tables)
            self.places = self._choose(subnets)
        self._check_routes([place.subnet_id for place in self.places], tables.result())
        return [attribute.result() for attribute in attributes]

    def settle(self) -> Ops:
        """Nothing to wait for."""
        return iter(())

    def destroy(self) -> Ops:
        """Nothing to remove."""
        return iter(())

    def _candidates(self) -> list[Mapping[str, Any]]:
        """The subnets to choose from: the given ones, or those of the VPC."""
        config = self._run.config
        if config.subnets:
            return self._given(config.subnets)
        vpc_id = self._lived_in or config.vpc_id or self._default_vpc()
        listed = self._subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
        subnets = [one for one in listed if one["VpcId"] == vpc_id]
        if not subnets:
            raise self._no_subnets(vpc_id)
        return subnets

    def _given(self, subnets: Sequence[str]) -> list[Mapping[str, Any]]:
        answer = found(self._subnets, SubnetIds=list(subnets)) or ()
        given = [one for one in answer if one["SubnetId"] in subnets]
        if len(given) < len({*subnets}):
            raise UsageError(
                f"{' or '.join(subnets)} is no subnet in {self._run.config.region}",
                next_step=CommandLine("aws ec2 describe-subnets") + " shows them",
            )
        return given

    def _no_subnets(self, vpc_id: str) -> SrekvError:
        answer = found(self._ec2.describe_vpcs, VpcIds=[vpc_id])
        if answer is None or vpc_id not in {one["VpcId"] for one in answer["Vpcs"]}:
            return UsageError(
                f"there is no VPC {vpc_id} in {self._run.config.region}",
                next_step=CommandLine("aws ec2 describe-vpcs") + " shows them",
            )
        return SrekvError(f"the VPC {vpc_id} has no subnets", next_step="create two public subnets, or give --vpc-id")

    def _subnets(self, **which: Any) -> list[Mapping[str, Any]]:
        pages = self._ec2.get_paginator("describe_subnets").paginate(**which)
        return [subnet for page in pages for subnet in page["Subnets"]]

    def _default_vpc(self) -> str:
        listed = each(self._ec2, "describe_vpcs", "Vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])
        vpcs = [one for one in listed if one.get("IsDefault")]
        if not vpcs:
            raise SrekvError(
                f"there is no default VPC in {self._run.config.region}",
                next_step=CommandLine("aws ec2 create-default-vpc") + ", or give --vpc-id",
            )
        return str(vpcs[0]["VpcId"])

    def _one_vpc(self, subnets: Sequence[Mapping[str, Any]]) -> str:
        vpcs = sorted({subnet["VpcId"] for subnet in subnets})
        if len(vpcs) != 1:
            raise UsageError(f"the subnets are in different VPCs: {', '.join(vpcs)}", next_step="give two of one VPC")
        wanted = self._run.config.vpc_id
        if wanted and wanted != vpcs[0]:
            raise UsageError(f"the subnets are in {vpcs[0]}, not in {wanted}", next_step="correct --vpc-id or --subnet")
        return str(vpcs[0])

    def _attribute(self, attribute: str, member: str) -> bool:
        answer: Any = self._ec2.describe_vpc_attribute(VpcId=self.vpc_id, Attribute=attribute)  # type: ignore[arg-type]
        return bool(answer[member]["Value"])

    def _check_attributes(self, values: Sequence[bool]) -> Ops:
        for (attribute, member, flag), value in zip(DNS_ATTRIBUTES, values, strict=True):
            if value:
                continue
            if not self._run.config.fix_vpc:
                raise SrekvError(
                    f"the VPC {self.vpc_id} has {attribute} switched off",
                    why="private zones need both DNS attributes",
                    next_step=CommandLine(f"aws ec2 modify-vpc-attribute --vpc-id {self.vpc_id} {flag}")
                    + ", or "
                    + CommandLine("srekv up --fix-vpc"),
                )
            yield self._fix(attribute, member)

    def _fix(self, attribute: str, member: str) -> Op:
        def fix() -> None:
            arguments: Any = {"VpcId": self.vpc_id, member: {"Value": True}}
            self._ec2.modify_vpc_attribute(**arguments)

        return Op(kind="VPC", name=self.vpc_id, id=self.vpc_id, action="change", detail=f"{attribute} on", call=fix)

    def _kept(self) -> dict[str, Place]:
        """The places of the nodes that exist."""
        return {
            node_of(one): Place(one["Placement"]["AvailabilityZone"], one["SubnetId"])
            for one in self._existing.instances
        }

    def _choose(self, subnets: Sequence[Mapping[str, Any]]) -> tuple[Place, ...]:
        """One place for each node, in their order: where it is, where it was asked for, or the next free zone."""
        config, kept = self._run.config, self._kept()
        missing = [node for node in NODES if node not in kept]
        if not missing:
            return tuple(kept[node] for node in NODES)
        by_zone = self._subnet_by_zone(subnets)
        if len(by_zone) < len(NODES):
            raise self._too_few(by_zone)
        asked = list(config.azs) or [zone for zone in by_zone if config.subnets]
        taken = {place.zone for place in kept.values()}
        zones = (
            [asked[NODES.index(node)] for node in missing] if asked else [zone for zone in by_zone if zone not in taken]
        )
        self._check_zones(zones, by_zone, len(missing))
        offered = self._offered(zones)
        usable = [zone for zone in zones if zone in offered]
        if len(usable) < len(missing) or (asked and usable != zones):
            raise self._not_offered(zones, offered, needed=len(zones) if asked else len(missing))
        chosen = dict(zip(missing, usable, strict=False))
        _refuse_full(subnets, {by_zone[zone] for zone in chosen.values()})
        return tuple(kept.get(node) or Place(chosen[node], by_zone[chosen[node]]) for node in NODES)

    def _subnet_by_zone(self, subnets: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """One subnet for each zone, in the order asked for, else by name; default ones first, full ones last."""
        if self._run.config.subnets:
            zone_of = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
            return {zone_of[subnet]: subnet for subnet in self._run.config.subnets}
        by_zone: dict[str, Mapping[str, Any]] = {}
        for subnet in sorted(subnets, key=lambda one: (_full(one), not one.get("DefaultForAz"), one["SubnetId"])):
            by_zone.setdefault(subnet["AvailabilityZone"], subnet)
        # Regional zones before Local Zones and the like: these have longer names, and do not offer everything.
        order = sorted(by_zone.items(), key=lambda item: (_full(item[1]), len(item[0]), item[0]))
        return {zone: str(subnet["SubnetId"]) for zone, subnet in order}

    def _check_zones(self, zones: Sequence[str], by_zone: Mapping[str, str], needed: int) -> None:
        for zone in zones:
            if zone not in by_zone:
                raise UsageError(
                    f"the VPC {self.vpc_id} has no subnet in {zone}",
                    why=f"it has subnets in {', '.join(sorted(by_zone))}",
                )
        if len(zones) < needed:
            raise self._too_few(by_zone)

    @staticmethod
    def _too_few(by_zone: Mapping[str, str]) -> UsageError:
        return UsageError(
            "two Availability Zones are needed",
            why=f"the subnets to choose from are all in {', '.join(sorted(by_zone))}",
            next_step="give --subnet twice, in two zones",
        )

    def _offered(self, zones: Sequence[str]) -> frozenset[str]:
        """The zones that offer the instance type (offered, not necessarily in stock: aws-facts 4.2)."""
        return frozenset(
            offer["Location"] for offer in self._offerings(zones, [self._run.config.instance_type], otherwise=zones)
        )

    def _offerings(self, zones: Sequence[str], types: list[str], *, otherwise: Sequence[str]) -> list[Any]:
        try:
            listed = each(
                self._ec2,
                "describe_instance_type_offerings",
                "InstanceTypeOfferings",
                LocationType="availability-zone",
                Filters=[{"Name": "instance-type", "Values": types}, {"Name": "location", "Values": list(zones)}],
            )
            return [
                one
                for one in listed
                if one["Location"] in zones and any(fnmatchcase(one["InstanceType"], name) for name in types)
            ]
        except ClientError as error:
            self._run.watcher.warn(f"cannot ask which zones offer {types[0]}: {message_of(error)}")
            return [{"Location": zone, "InstanceType": types[0]} for zone in otherwise]

    def _not_offered(self, zones: Sequence[str], offered: frozenset[str], *, needed: int) -> SrekvError:
        """`needed`: in how many of the zones a type must be offered to be of use."""
        wanted = self._run.config.instance_type
        size = wanted.partition(".")[2]
        arm = is_arm(wanted)
        lacking = [zone for zone in zones if zone not in offered]
        offers = self._offerings(zones, [f"{wanted[0]}*.{size}"], otherwise=())
        per_type: dict[str, set[str]] = {}
        for offer in offers:
            if is_arm(offer["InstanceType"]) == arm:
                per_type.setdefault(offer["InstanceType"], set()).add(offer["Location"])
        useful = sorted(name for name, there in per_type.items() if len(there) >= needed)
        nearest = difflib.get_close_matches(wanted, useful, n=1, cutoff=0)
        return SrekvError(
            f"{wanted} is not offered in {', '.join(lacking)}",
            why=f"only {', '.join(sorted(offered))} offers it" if offered else "none of these zones offers it",
            next_step=f"--instance-type {nearest[0]}"
            if nearest
            else "choose another --instance-type" + (", or other zones with --azs" if offered else ""),
        )

    def _route_tables(self) -> Sequence[Mapping[str, Any]]:
        filters: Any = [{"Name": "vpc-id", "Values": [self.vpc_id]}]
        pages = self._ec2.get_paginator("describe_route_tables").paginate(Filters=filters)
        return [table for page in pages for table in page["RouteTables"] if table["VpcId"] == self.vpc_id]

    def _check_routes(self, subnet_ids: Sequence[str], tables: Sequence[Mapping[str, Any]]) -> None:
        """Each subnet needs a default route to an internet gateway: checkers come from outside (aws-facts 2.2).

        With --no-wait nobody promised a healthy node, so there it is a warning.
        """
        closed = [subnet for subnet in subnet_ids if not is_public(subnet, tables)]
        if not closed:
            return
        what = f"no route to an internet gateway from {', '.join(closed)}"
        why = "the health checkers and the SSM agent use the internet, so the nodes would never become healthy"
        if not self._waits_for_health:
            self._run.watcher.warn(f"{what}: {why}")
            return
        raise SrekvError(what, why=why, next_step="give public subnets (--subnet twice), or add the route")


def _full(subnet: Mapping[str, Any]) -> bool:
    """Whether a launch would be refused for want of an address (InsufficientFreeAddressesInSubnet)."""
    return subnet.get("AvailableIpAddressCount") == 0


def _refuse_full(subnets: Sequence[Mapping[str, Any]], chosen: Collection[str]) -> None:
    full = [subnet["SubnetId"] for subnet in subnets if subnet["SubnetId"] in chosen and _full(subnet)]
    if full:
        raise SrekvError(
            f"there is no free address in {', '.join(full)}",
            why="a node takes one of its subnet's addresses",
            next_step="give other subnets (--subnet twice), or delete what holds their addresses",
        )


def _of_nodes(asked: Sequence[str], nodes: Sequence[str]) -> tuple[str, ...]:
    """What was asked for these nodes; nothing when nothing was asked."""
    return tuple(asked[NODES.index(node)] for node in nodes) if asked else ()


def is_public(subnet: str, tables: Sequence[Mapping[str, Any]]) -> bool:
    """Whether its route table, or else the VPC's main one, has an active default route to an internet gateway."""
    explicit = [table for table in tables if any(link.get("SubnetId") == subnet for link in table["Associations"])]
    main = [table for table in tables if any(link.get("Main") for link in table["Associations"])]
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0"
        and str(route.get("GatewayId", "")).startswith("igw-")
        and route.get("State", "active") == "active"
        for table in explicit or main
        for route in table["Routes"]
    )
