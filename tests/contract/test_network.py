"""Where the nodes go, and who may reach them: every refusal says what to do, nothing is ever opened to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srekv.errors import SrekvError, UsageError
from srekv.provision.steps.firewall import RANGES, Rule

PREFIX_LIST = "com.amazonaws.us-east-1.route53-healthchecks"


def _vpc(world: Any, *zones: str) -> tuple[str, list[str]]:
    """A new VPC with a subnet in each of these zones; a new VPC has no DNS hostnames."""
    ec2 = world.by_hand("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    return vpc, subnets


def _places(world: Any) -> dict[str, tuple[str, str]]:
    """Node -> zone and subnet."""
    return {
        tag["Value"]: (one["Placement"]["AvailabilityZone"], one["SubnetId"])
        for one in world.listing()["instances"]
        for tag in one["Tags"]
        if tag["Key"] == "srekv:node"
    }


def _sources(world: Any) -> dict[str, set[str]]:
    """Why a rule is there -> where from; of the service's port."""
    found: dict[str, set[str]] = {}
    for rule in world.listing()["security group rules"]:
        if not rule["IsEgress"] and rule["FromPort"] == 80:
            source = rule.get("CidrIpv4") or rule.get("PrefixListId")
            found.setdefault(rule.get("Description", ""), set()).add(source)
    return found


def test_dns_attributes_are_needed(world: Any) -> None:
    """A VPC without DNS hostnames is refused with the command, or repaired with --fix-vpc."""
    vpc, _ = _vpc(world, "us-east-1a", "us-east-1b")
    with pytest.raises(SrekvError, match="enableDnsHostnames") as caught:
        world.up(vpc_id=vpc)
    assert f"modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames" in str(caught.value.next_step)
    assert "--fix-vpc" in str(caught.value.next_step)

    log = world.up(vpc_id=vpc, fix_vpc=True)
    assert ("VPC", "change", "enableDnsHostnames on") in log.repairs
    assert {one["VpcId"] for one in world.listing()["instances"]} == {vpc}
    assert world.up().done == {}, "a plain up finds the nodes' VPC by the nodes"


def test_no_way_to_the_internet(world: Any) -> None:
    """Without a route to an internet gateway nobody becomes healthy: an error if that is waited for, else a warning."""
    with pytest.raises(SrekvError, match="no route to an internet gateway"):
        world.up(wait=True)
    world.down()
    assert any("no route to an internet gateway" in warning for warning in world.up().warnings)

    ec2 = world.by_hand("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.describe_route_tables()["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert not any("gateway" in warning for warning in world.up().warnings)


def test_a_type_that_is_not_offered(world: Any) -> None:
    """The nearest type that two of the zones offer is named."""
    offered = {"t3.micro": "ab", "t4g.micro": "abc", "t9i.micro": "a"}
    every = [
        {"InstanceType": name, "Location": f"us-east-1{zone}"} for name, zones in offered.items() for zone in zones
    ]

    def answer(asked: Mapping[str, str]) -> Any:
        return world.success(InstanceTypeOfferings=every if "t*.micro" in asked.values() else [])

    world.calls.answers["DescribeInstanceTypeOfferings"] = answer
    with pytest.raises(SrekvError, match=r"t9\.micro is not offered in us-east-1a") as caught:
        world.up(instance_type="t9.micro")
    assert str(caught.value.next_step) == "--instance-type t3.micro"


def test_offerings_that_cannot_be_asked(world: Any) -> None:
    """An optional look-up that is denied is a warning, not a failure."""
    world.calls.answers["DescribeInstanceTypeOfferings"] = lambda _: world.refusal("UnauthorizedOperation", "no")
    assert any("which zones offer t2.micro" in warning for warning in world.up().warnings)
    assert len(world.listing()["instances"]) == 2


def test_zones_in_the_order_asked_for(world: Any) -> None:
    """--azs c,a puts the primary into c; without it, the first two zones by name."""
    world.up(azs=("us-east-1c", "us-east-1a"))
    assert [_places(world)[node][0] for node in ("az1", "az2")] == ["us-east-1c", "us-east-1a"]
    assert world.up().done == {}
    assert world.up(azs=("us-east-1c", "us-east-1a")).done == {}


def test_local_zones_come_last(world: Any) -> None:
    """A VPC may have subnets in Local Zones, whose names sort first: nobody who asked for no zone is sent there."""
    subnets = world.by_hand("ec2").describe_subnets()["Subnets"]
    nearby = {**subnets[0], "AvailabilityZone": "us-east-1-bos-1a", "SubnetId": "subnet-0", "DefaultForAz": False}
    world.calls.answers["DescribeSubnets"] = lambda _: world.success(Subnets=[nearby, *subnets])
    world.up()
    assert [_places(world)[node][0] for node in ("az1", "az2")] == ["us-east-1a", "us-east-1b"]


def test_given_subnets(world: Any) -> None:
    """--subnet twice: the primary goes into the first, the secondary into the second."""
    by_zone = {one["AvailabilityZone"]: one["SubnetId"] for one in world.listing()["subnets"]}
    wanted = by_zone["us-east-1d"], by_zone["us-east-1b"]
    world.up(subnets=wanted)
    assert (_places(world)["az1"][1], _places(world)["az2"][1]) == wanted
    assert world.up(subnets=wanted).done == {}


@pytest.mark.parametrize("by", ["subnets", "vpc_id"])
def test_one_zone_is_not_enough(world: Any, by: str) -> None:
    """Two subnets of one zone, given or found, are no two Availability Zones."""
    vpc, subnets = _vpc(world, "us-east-1a", "us-east-1a")
    with pytest.raises(UsageError, match="two Availability Zones are needed"):
        world.up(fix_vpc=True, **{by: {"subnets": tuple(subnets), "vpc_id": vpc}[by]})
    assert world.listing()["instances"] == []


def test_a_zone_without_a_subnet(world: Any) -> None:
    """The zones that have one are named."""
    vpc, _ = _vpc(world, "us-east-1a", "us-east-1b")
    with pytest.raises(UsageError, match="no subnet in us-east-1c") as caught:
        world.up(vpc_id=vpc, fix_vpc=True, azs=("us-east-1a", "us-east-1c"))
    assert "us-east-1a, us-east-1b" in caught.value.why


def test_subnets_of_two_vpcs(world: Any) -> None:
    """Subnets of different VPCs, or of another one than --vpc-id, are refused."""
    _, ours = _vpc(world, "us-east-1a")
    other = next(one["SubnetId"] for one in world.listing()["subnets"] if one["SubnetId"] not in ours)
    with pytest.raises(UsageError, match="different VPCs"):
        world.up(subnets=(ours[0], other))


def test_no_default_vpc(world: Any) -> None:
    """An account without a default VPC is told how to make one."""
    ec2 = world.by_hand("ec2")
    for subnet in world.listing()["subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=world.listing()["vpcs"][0]["VpcId"])
    with pytest.raises(SrekvError, match="no default VPC") as caught:
        world.up()
    assert "create-default-vpc" in str(caught.value.next_step)


def test_checkers_by_prefix_list(world: Any) -> None:
    """AWS's own prefix list is used where it exists; no range is copied then, nobody is warned."""
    lists = [{"PrefixListId": "pl-5", "PrefixListName": PREFIX_LIST}]
    world.calls.answers["DescribeManagedPrefixLists"] = lambda _: world.success(PrefixLists=lists)
    log = world.up()
    assert _sources(world)[""] == {"pl-5"}, "moto forgets a prefix list's description"
    assert not any("checker" in warning and "published" in warning for warning in log.warnings)
    assert world.up().done == {}


def test_checkers_by_route53s_answer(world: Any) -> None:
    """Without the list, what GetCheckerIpRanges says."""
    world.calls.answers["GetCheckerIpRanges"] = lambda _: world.success(CheckerIpRanges=["192.0.2.0/26"])
    world.up()
    assert _sources(world)["srekv: health checkers"] == {"192.0.2.0/26"}


def test_blocks_as_ec2_writes_them(world: Any) -> None:
    """EC2 takes neither an address without its /32 nor a netmask; both are usual ways to write a block."""
    world.up(allow_cidrs=("8.8.8.8", "10.0.0.0/255.0.0.0"))

    groups = world.by_hand("ec2").describe_security_groups(Filters=[{"Name": "group-name", "Values": ["srekv-web"]}])
    blocks = {
        peer["CidrIp"]: peer["Description"]
        for permission in groups["SecurityGroups"][0]["IpPermissions"]
        for peer in permission["IpRanges"]
    }
    assert blocks["8.8.8.8/32"] == blocks["10.0.0.0/8"] == "srekv: operator"
    assert world.up().repairs == []


def test_checkers_by_published_ranges(world: Any) -> None:
    """Without either, the ranges shipped with the package, and a warning that says so."""
    log = world.up()
    assert _sources(world)["srekv: health checkers"] == set(RANGES)
    assert any("ROUTE53_HEALTHCHECKS" in warning for warning in log.warnings)


@pytest.mark.parametrize("source", ["list", "told", "published"])
def test_never_open_to_everybody(world: Any, source: str) -> None:
    """Whatever answers, denied or not: three kinds of sources, none of them the whole internet."""
    denied = world.refusal("AccessDenied", "no", 403)
    if source != "list":
        world.calls.answers["DescribeManagedPrefixLists"] = lambda _: denied
    if source == "published":
        world.calls.answers["GetCheckerIpRanges"] = lambda _: denied
    world.up()
    sources = _sources(world)
    assert set(sources) == {"srekv: operator", "srekv: health checkers", "srekv: node"}
    assert sources["srekv: node"] == {f"{one['PublicIp']}/32" for one in world.listing()["addresses"]}
    assert "0.0.0.0/0" not in set().union(*sources.values())


SOURCES = st.one_of(
    st.ip_addresses(v=4).map(lambda ip: f"{ip}/32"),
    st.ip_addresses(v=6).map(lambda ip: f"{ip}/128"),
    st.sampled_from(["pl-1", "sg-1"]),
)


@given(first=st.integers(1, 65535), width=st.integers(0, 9), source=SOURCES)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_rule_is_its_ports_and_one_source(first: int, width: int, source: str) -> None:
    """A Rule becomes a permission for exactly its TCP ports and its one peer, with its reason."""
    permission = Rule(first, first + width, source).permission("why")
    said = tuple(permission.pop(key) for key in ("IpProtocol", "FromPort", "ToPort"))
    assert said == ("tcp", first, first + width)
    ((peer,),) = permission.values()
    assert set(peer.values()) == {source, "why"}


def test_a_rule_for_any_protocol_has_no_ports() -> None:
    """As EC2 writes it."""
    permission = Rule(-1, -1, "10.0.0.0/8", "-1").permission("why")
    assert permission == {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "why"}]}


def test_no_shipped_range_is_wide() -> None:
    """The shipped ranges are AWS's, none larger than /16, each a valid network."""
    import ipaddress

    for text in RANGES:
        assert ipaddress.IPv4Network(text).prefixlen > 16
