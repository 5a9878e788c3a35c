"""Where the nodes go: a VPC that answers private names, and a public subnet in each of two Availability Zones.

Nothing here is created: the VPC and its subnets belong to the user. With --fix-vpc its two DNS attributes are set.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, SrekvError, UsageError
from srekv.provision.engine.answers import message_of, or_none
from srekv.provision.inventory.existing import node_of
from srekv.provision.inventory.marks import Described, each
from srekv.provision.naming import NODES
from srekv.provision.step import Ops, anew, cannot, change
from srekv.provision.steps.base import StackStep

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


@dataclass(eq=False)
class Network(StackStep):
    """Chooses the VPC and two subnets; `vpc_id` and `places` are there after ensure."""

    section = "Network"
    checking = "checking the network"
    waits_for_health: bool  # so that a node that cannot become healthy is an error
    vpc_id: str = field(default="", init=False)
    places: tuple[Place, ...] = field(default=(), init=False)
    _attributes: Sequence[bool] | None = field(default=None, init=False)

    def limits(self) -> Ops:
        """An instance cannot move: to another VPC, zone or subnet than it is in."""
        config, kept = self.config, self._kept()
        live = [node for node in NODES if node in kept]
        if not live:
            return
        fields = (
            ("VPC", (config.vpc_id,) if config.vpc_id else (), (self._lived_in,)),
            ("zones", _of_nodes(config.azs, live), tuple(kept[node].zone for node in live)),
            ("subnets", _of_nodes(config.subnets, live), tuple(kept[node].subnet_id for node in live)),
        )
        for name, want, have in fields:
            if want and want != have:
                now, asked = ", ".join(have), ", ".join(want)
                yield cannot("stack", config.stack, "", field=name, have=now, want=asked, next_step=anew("ones"))

    @property
    def _lived_in(self) -> str:
        return str(self.existing.instances[0]["VpcId"]) if self.existing.instances else ""

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

        def is_on(attribute: Any, member: str) -> bool:
            answer: Any = self.ec2.describe_vpc_attribute(VpcId=self.vpc_id, Attribute=attribute)
            return bool(answer[member]["Value"])

        with ThreadPoolExecutor(4, thread_name_prefix="network") as pool:
            attributes = [pool.submit(is_on, attribute, member) for attribute, member, _ in DNS_ATTRIBUTES]
            tables = pool.submit(self._of_vpc, "describe_route_tables", "RouteTables", self.vpc_id)
            self.places = self._choose(subnets)
        self._check_routes(tables.result())
        return [attribute.result() for attribute in attributes]

    def _of_vpc(self, operation: str, member: str, vpc_id: str) -> list[Described]:
        listed = each(self.ec2, operation, member, Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
        return [one for one in listed if one["VpcId"] == vpc_id]

    def _candidates(self) -> list[Described]:
        """The subnets to choose from: the given ones, or those of the VPC."""
        given, region = self.config.subnets, self.config.region
        if given:
            answer = or_none(lambda: list(each(self.ec2, "describe_subnets", "Subnets", SubnetIds=list(given)))) or ()
            subnets = [one for one in answer if one["SubnetId"] in given]
            if len(subnets) < len({*given}):
                shown = CommandLine("aws ec2 describe-subnets") + " shows them"
                raise UsageError(f"{' or '.join(given)} is no subnet in {region}", next_step=shown)
            return subnets
        vpc_id = self._lived_in or self.config.vpc_id or self._default_vpc()
        subnets = self._of_vpc("describe_subnets", "Subnets", vpc_id)
        if subnets:
            return subnets
        vpcs = or_none(self.ec2.describe_vpcs, VpcIds=[vpc_id])
        if vpcs is None or vpc_id not in {one["VpcId"] for one in vpcs["Vpcs"]}:
            shown = CommandLine("aws ec2 describe-vpcs") + " shows them"
            raise UsageError(f"there is no VPC {vpc_id} in {region}", next_step=shown)
        raise SrekvError(f"the VPC {vpc_id} has no subnets", next_step="create two public subnets, or give --vpc-id")

    def _default_vpc(self) -> str:
        listed = each(self.ec2, "describe_vpcs", "Vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])
        vpc = next((one for one in listed if one.get("IsDefault")), None)
        if vpc is None:
            create_one = CommandLine("aws ec2 create-default-vpc") + ", or give --vpc-id"
            raise SrekvError(f"there is no default VPC in {self.config.region}", next_step=create_one)
        return str(vpc["VpcId"])

    def _one_vpc(self, subnets: Sequence[Described]) -> str:
        vpcs = sorted({subnet["VpcId"] for subnet in subnets})
        if len(vpcs) != 1:
            raise UsageError(f"the subnets are in different VPCs: {', '.join(vpcs)}", next_step="give two of one VPC")
        wanted = self.config.vpc_id
        if wanted and wanted != vpcs[0]:
            raise UsageError(f"the subnets are in {vpcs[0]}, not in {wanted}", next_step="correct --vpc-id or --subnet")
        return str(vpcs[0])

    def _check_attributes(self, values: Sequence[bool]) -> Ops:
        vpc_id, call = self.vpc_id, self.ec2.modify_vpc_attribute
        for (attribute, member, flag), value in zip(DNS_ATTRIBUTES, values, strict=True):
            if value:
                continue
            if not self.config.fix_vpc:
                what, why = f"the VPC {vpc_id} has {attribute} switched off", "private zones need both DNS attributes"
                switch_on = CommandLine(f"aws ec2 modify-vpc-attribute --vpc-id {vpc_id} {flag}")
                raise SrekvError(what, why=why, next_step=switch_on + ", or " + CommandLine("srekv up --fix-vpc"))
            yield change("VPC", vpc_id, vpc_id, f"{attribute} on", call, **{"VpcId": vpc_id, member: {"Value": True}})

    def _kept(self) -> dict[str, Place]:
        live = self.existing.instances
        return {node_of(one): Place(one["Placement"]["AvailabilityZone"], one["SubnetId"]) for one in live}

    def _choose(self, subnets: Sequence[Described]) -> tuple[Place, ...]:
        """One place for each node, in their order: where it is, where it was asked for, or the next free zone."""
        config, kept = self.config, self._kept()
        missing = [node for node in NODES if node not in kept]
        if not missing:
            return tuple(kept[node] for node in NODES)
        by_zone = self._subnet_by_zone(subnets)
        if len(by_zone) < len(NODES):
            raise UsageError(
                "two Availability Zones are needed",
                why=f"the subnets to choose from are all in {', '.join(sorted(by_zone))}",
                next_step="give --subnet twice, in two zones",
            )
        asked = list(config.azs) or [zone for zone in by_zone if config.subnets]
        taken = {place.zone for place in kept.values()}
        zones = list(_of_nodes(asked, missing)) or [one for one in by_zone if one not in taken]
        for zone in zones:
            if zone not in by_zone:
                why = f"it has subnets in {', '.join(sorted(by_zone))}"
                raise UsageError(f"the VPC {self.vpc_id} has no subnet in {zone}", why=why)
        # Offered, not necessarily in stock (aws-facts 4.2).
        offered = {one["Location"] for one in self._offerings(zones, config.instance_type, otherwise=zones)}
        usable = [zone for zone in zones if zone in offered]
        if len(usable) < len(missing) or (asked and usable != zones):
            raise self._not_offered(zones, offered, needed=len(zones) if asked else len(missing))
        chosen = dict(zip(missing, usable, strict=False))
        _refuse_full(subnets, {by_zone[zone] for zone in chosen.values()})
        return tuple(kept.get(node) or Place(chosen[node], by_zone[chosen[node]]) for node in NODES)

    def _subnet_by_zone(self, subnets: Sequence[Described]) -> dict[str, str]:
        """One subnet for each zone, in the order asked for, else by name; default ones first, full ones last."""
        if self.config.subnets:
            zone_of = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
            return {zone_of[subnet]: subnet for subnet in self.config.subnets}
        by_zone: dict[str, Described] = {}
        for subnet in sorted(subnets, key=lambda one: (_full(one), not one.get("DefaultForAz"), one["SubnetId"])):
            by_zone.setdefault(subnet["AvailabilityZone"], subnet)
        # Regional zones before Local Zones and the like: these have longer names, and do not offer everything.
        order = sorted(by_zone.items(), key=lambda item: (_full(item[1]), len(item[0]), item[0]))
        return {zone: str(subnet["SubnetId"]) for zone, subnet in order}

    def _offerings(self, zones: Sequence[str], name: str, *, otherwise: Sequence[str]) -> list[Any]:
        """The zones that offer a type, or types of this pattern; `otherwise`: those assumed where EC2 lists none."""
        try:
            listed = each(
                self.ec2,
                "describe_instance_type_offerings",
                "InstanceTypeOfferings",
                LocationType="availability-zone",
                Filters=[{"Name": "instance-type", "Values": [name]}, {"Name": "location", "Values": list(zones)}],
            )
            return [one for one in listed if one["Location"] in zones and fnmatchcase(one["InstanceType"], name)]
        except ClientError as error:
            self.run.watcher.warn(f"cannot ask which zones offer {name}: {message_of(error)}")
            return [{"Location": zone, "InstanceType": name} for zone in otherwise]

    def _not_offered(self, zones: Sequence[str], offered: Collection[str], *, needed: int) -> SrekvError:
        """`needed`: in how many of the zones a type must be offered to be of use."""
        wanted = self.config.instance_type
        per_type: dict[str, set[str]] = {}
        for offer in self._offerings(zones, f"{wanted[0]}*.{wanted.partition('.')[2]}", otherwise=()):
            if is_arm(offer["InstanceType"]) == is_arm(wanted):
                per_type.setdefault(offer["InstanceType"], set()).add(offer["Location"])
        useful = sorted(name for name, there in per_type.items() if len(there) >= needed)
        nearest = difflib.get_close_matches(wanted, useful, n=1, cutoff=0)
        what = f"{wanted} is not offered in {', '.join(zone for zone in zones if zone not in offered)}"
        why = f"only {', '.join(sorted(offered))} offers it" if offered else "none of these zones offers it"
        other = "choose another --instance-type" + (", or other zones with --azs" if offered else "")
        return SrekvError(what, why=why, next_step=f"--instance-type {nearest[0]}" if nearest else other)

    def _check_routes(self, tables: Sequence[Described]) -> None:
        """Each subnet needs a default route to an internet gateway: checkers come from outside (aws-facts 2.2)."""
        closed = [place.subnet_id for place in self.places if not is_public(place.subnet_id, tables)]
        if not closed:
            return
        what = f"no route to an internet gateway from {', '.join(closed)}"
        why = "the health checkers and the SSM agent use the internet, so the nodes would never become healthy"
        if self.waits_for_health:
            raise SrekvError(what, why=why, next_step="give public subnets (--subnet twice), or add the route")
        self.run.watcher.warn(f"{what}: {why}")  # with --no-wait no node need become healthy


def is_arm(instance_type: str) -> bool:
    """Whether the type has a Graviton processor: the first one, a1, or a "g" after the generation, as in t4g.micro."""
    return bool(re.match(r"(a1|[a-z]+\d+[a-z]*g[a-z]*)\.", instance_type))


def _full(subnet: Described) -> bool:
    """Whether a launch would be refused for want of an address (InsufficientFreeAddressesInSubnet)."""
    return subnet.get("AvailableIpAddressCount") == 0


def _refuse_full(subnets: Sequence[Described], chosen: Collection[str]) -> None:
    full = [subnet["SubnetId"] for subnet in subnets if subnet["SubnetId"] in chosen and _full(subnet)]
    if full:
        what, why = f"there is no free address in {', '.join(full)}", "a node takes one of its subnet's addresses"
        next_step = "give other subnets (--subnet twice), or delete what holds their addresses"
        raise SrekvError(what, why=why, next_step=next_step)


def _of_nodes(asked: Sequence[str], nodes: Sequence[str]) -> tuple[str, ...]:
    """What was asked for these nodes; nothing when nothing was asked."""
    return tuple(asked[NODES.index(node)] for node in nodes) if asked else ()


def is_public(subnet: str, tables: Sequence[Described]) -> bool:
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
