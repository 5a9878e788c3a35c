"""The doctor on an account that behaves as AWS does: it finds what a hand did to a stack, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from srekv.doctor import preflight
from srekv.doctor.model import Finding
from srekv.doctor.permissions import permission_findings, read_permissions
from srekv.doctor.reader import Reader
from srekv.errors import SrekvError, UsageError
from srekv.provision.steps.collection import Steps
from srekv.provision.steps.firewall import RANGES
from tests.support.doctor import diagnose_zone, read_facts

READING = ("Describe", "Get", "List", "Simulate")
Hand = Callable[[], object]


def _found(world: Any, **which: Any) -> set[tuple[str, str]]:
    return {(one.id, one.severity) for one in diagnose_zone(world, **which).findings}


class Scene:
    """A healthy stack, and the hand that spoils it."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.ec2, self.route53, self.iam = (world.by_hand(service) for service in ("ec2", "route53", "iam"))
        self.route = world.open_internet()
        world.up()
        listing = world.listing()
        self.zone = listing["zones"][0]["HostedZone"]["Id"].rpartition("/")[2]
        self.records = {one["Failover"]: one for one in listing["records"] if "Failover" in one}
        self.group = next(one["GroupId"] for one in listing["security groups"] if one["GroupName"] == "srekv-web")
        self.instances = {one["PublicIpAddress"]: one for one in listing["instances"]}
        self.vpc = listing["instances"][0]["VpcId"]

    def address(self, role: str) -> str:
        """A record's address."""
        return str(self.records[role]["ResourceRecords"][0]["Value"])

    def put(self, role: str, **changes: Any) -> None:
        """Write a record with other values; None takes a member away."""
        record = {key: value for key, value in {**self.records[role], **changes}.items() if value is not None}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        self.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=batch)

    def check(self, role: str, **changes: Any) -> None:
        """Change a record's health check."""
        self.route53.update_health_check(HealthCheckId=self.records[role]["HealthCheckId"], **changes)

    @contextmanager
    def undone(self, do: Hand, undo: Hand) -> Iterator[None]:
        """Something, for a while."""
        do()
        yield
        undo()

    def changed(self, change: Callable[..., object], *what: str, to: dict[str, Any], back: dict[str, Any]) -> Any:
        """Another value, for a while."""
        return self.undone(lambda: change(*what, **to), lambda: change(*what, **back))

    @contextmanager
    def acl(self, *, egress: bool) -> Iterator[None]:
        """A rule of the default network ACL that denies everything."""
        acl = self.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["NetworkAcls"][0]
        rule = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": 90, "Egress": egress}
        self.ec2.create_network_acl_entry(**rule, Protocol="-1", RuleAction="deny", CidrBlock="0.0.0.0/0")
        yield
        self.ec2.delete_network_acl_entry(**rule)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """The security group admits the operator and the nodes, as in the original lab."""
        (group,) = self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"]
        rules = [
            {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort")}
            | {"IpRanges": [one for one in rule["IpRanges"] if "checkers" in one["Description"]]}
            for rule in group["IpPermissions"]
        ]
        self.ec2.revoke_security_group_ingress(GroupId=self.group, IpPermissions=rules)
        yield
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=rules)

    @contextmanager
    def narrower_zone(self) -> Iterator[None]:
        """A private zone of the record's own name in the same VPC."""
        zone = self.world.put_zone("svc.sre-test.local", vpc=self.vpc, reference="narrower")
        yield
        self.route53.delete_hosted_zone(Id=zone)

    @contextmanager
    def no_policy(self) -> Iterator[None]:
        """The nodes' role without its policy."""
        name = {"RoleName": "EC2_DynamoDB_Access", "PolicyName": "srekv-node"}
        document = self.iam.get_role_policy(**name)["PolicyDocument"]
        self.iam.delete_role_policy(**name)
        yield
        self.iam.put_role_policy(**name, PolicyDocument=json.dumps(document))


def _damages(scene: Scene) -> dict[str, tuple[Any, set[tuple[str, str]]]]:
    """What a hand does -> the findings."""
    here, there = scene.address("PRIMARY"), scene.address("SECONDARY")
    secondary = scene.instances[there]["InstanceId"]
    route = {name: scene.route[name] for name in ("RouteTableId", "DestinationCidrBlock")}
    off, on = ({"VpcId": scene.vpc, "EnableDnsHostnames": {"Value": value}} for value in (False, True))
    return {
        "group": (scene.closed(), {("group-shuts-checkers-out", "prevents")}),
        "acl in": (scene.acl(egress=False), {("acl-stops-checkers", "prevents")}),
        "acl out": (scene.acl(egress=True), {("acl-stops-answers", "prevents")}),
        "route": (
            scene.undone(lambda: scene.ec2.delete_route(**route), lambda: scene.ec2.create_route(**scene.route)),
            {("no-internet-route", "prevents")},
        ),
        "hostnames": (
            scene.changed(scene.ec2.modify_vpc_attribute, to=off, back=on),
            {("dns-attribute-off", "prevents")},
        ),
        "check elsewhere": (
            scene.changed(scene.check, "PRIMARY", to={"IPAddress": there}, back={"IPAddress": here}),
            {("check-elsewhere", "prevents")},
        ),
        "disabled": (
            scene.changed(scene.check, "PRIMARY", to={"Disabled": True}, back={"Disabled": False}),
            {("check-disabled", "prevents")},
        ),
        "path": (
            scene.changed(scene.check, "SECONDARY", to={"ResourcePath": "/"}, back={"ResourcePath": "/health"}),
            {("shallow-check", "risk")},
        ),
        "ttl": (scene.changed(scene.put, "PRIMARY", to={"TTL": 300}, back={}), {("ttl-long", "delays")}),
        "unchecked": (
            scene.changed(scene.put, "SECONDARY", to={"HealthCheckId": None}, back={}),
            {("secondary-unchecked", "risk")},
        ),
        "stopped": (
            scene.undone(
                lambda: scene.ec2.stop_instances(InstanceIds=[secondary]),
                lambda: scene.ec2.start_instances(InstanceIds=[secondary]),
            ),
            {("not-running", "prevents")},
        ),
        "narrower zone": (scene.narrower_zone(), {("name-answered-elsewhere", "prevents")}),
        "role": (scene.no_policy(), {("role-lacks-table", "prevents"), ("role-lacks-agent", "risk")}),
    }


ROUNDS = (
    ("group", "hostnames", "path", "ttl"),
    ("acl in", "disabled", "unchecked", "role"),
    ("acl out", "route", "narrower zone"),
    ("check elsewhere", "stopped"),
)
"""What a hand does at once: things that have nothing to do with each other, so that each must be told apart."""


def test_each_damage_is_found_and_nothing_else(strict: Any) -> None:
    """A healthy stack has no finding; each thing that a hand does to it has its own; no call changes anything."""
    scene = Scene(strict)
    assert _found(strict) == set()
    damages = _damages(scene)
    assert sorted(damages) == sorted(damage for together in ROUNDS for damage in together)
    for together in ROUNDS:
        with ExitStack() as damaged:
            for damage in together:
                damaged.enter_context(damages[damage][0])
            strict.account.forget()
            assert _found(strict) == set().union(*(damages[damage][1] for damage in together))
            assert [name for name in strict.calls.log if not name.startswith(READING)] == []
    assert _found(strict) == set()


def _foreign(world: Any) -> str:
    """A public zone made by hand: a check of a private address, and a secondary without a check."""
    route53 = world.by_hand("route53")
    zone = str(route53.create_hosted_zone(Name="example.com", CallerReference="x")["HostedZone"]["Id"])
    config = {"Type": "HTTP", "IPAddress": "10.0.0.5", "Port": 80, "RequestInterval": 30, "FailureThreshold": 3}
    check = route53.create_health_check(CallerReference="c", HealthCheckConfig=config)["HealthCheck"]["Id"]
    sets: list[dict[str, Any]] = [
        {
            "Failover": "PRIMARY",
            "SetIdentifier": "a",
            "HealthCheckId": check,
            "ResourceRecords": [{"Value": "52.1.1.1"}],
        },
        {"Failover": "SECONDARY", "SetIdentifier": "b", "ResourceRecords": [{"Value": "52.1.1.2"}]},
    ]
    changes = [
        {"Action": "CREATE", "ResourceRecordSet": {"Name": "www.example.com", "Type": "A", "TTL": 300, **one}}
        for one in sets
    ]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    return zone.rpartition("/")[2]


def test_any_zone_can_be_looked_at(world: Any) -> None:
    """Without a stack, by its id: what is wrong with somebody else's zone; one record of it by either name."""
    zone = _foreign(world)
    found = {
        ("private-endpoint", "unchecked"),
        ("check-elsewhere", "unchecked"),
        ("machine-unknown", "unchecked"),
        ("shallow-check", "risk"),
        ("secondary-unchecked", "risk"),
        ("ttl-long", "delays"),
    }
    world.account.forget()
    assert _found(world, zone_id=zone) == found
    assert world.calls.mutating == []
    assert _found(world, zone_id=zone, record="www") == found
    assert _found(world, zone_id=zone, record="www.example.com.") == found
    with pytest.raises(UsageError, match="no failover record") as caught:
        read_facts(world, zone_id=zone, record="api")
    assert "www.example.com" in caught.value.why
    with pytest.raises(UsageError, match="no hosted zone"):
        read_facts(world, zone_id="Z0000000000000")


def _interface(world: Any, vpc: str, number: int, group: str) -> tuple[str, str]:
    """A network interface without an instance, in a zone of its own: its private address and its Elastic IP."""
    ec2 = world.by_hand("ec2")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.3.{number}.0/24", AvailabilityZone=f"us-east-1{'ab'[number]}")[
        "Subnet"
    ]["SubnetId"]
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface["NetworkInterfaceId"])
    return interface["PrivateIpAddress"], address["PublicIp"]


def _balanced(world: Any) -> tuple[str, str]:
    """A private zone whose records lead to bare interfaces, behind a group that admits a prefix list."""
    ec2, route53 = world.by_hand("ec2"), world.by_hand("route53")
    vpc = ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    entries = [{"Cidr": cidr} for cidr in RANGES]
    checkers = ec2.create_managed_prefix_list(
        PrefixListName="mine", MaxEntries=40, AddressFamily="IPv4", Entries=entries
    )["PrefixList"]["PrefixListId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    peer = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": checkers}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[peer])
    zone, changes = world.put_zone("example.internal", vpc=vpc), []
    for number, failover in enumerate(("PRIMARY", "SECONDARY")):
        private, public = _interface(world, vpc, number, group)
        config = {"Type": "HTTP", "IPAddress": public, "Port": 80, "ResourcePath": "/health", "RequestInterval": 10}
        check = route53.create_health_check(CallerReference=failover, HealthCheckConfig=config)["HealthCheck"]["Id"]
        record = {"Name": "svc.example.internal", "Type": "A", "TTL": 10, "SetIdentifier": failover}
        more = {"Failover": failover, "HealthCheckId": check, "ResourceRecords": [{"Value": private}]}
        changes.append({"Action": "CREATE", "ResourceRecordSet": record | more})
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    return zone.rpartition("/")[2], vpc


def test_whatever_has_the_address_is_looked_at(world: Any) -> None:
    """Load balancers' interfaces as well as instances; a prefix list of the user's own counts by its entries."""
    zone, vpc = _balanced(world)
    facts = read_facts(world, zone_id=zone)
    assert {host.zone for host in facts.hosts.values()} == {"us-east-1a", "us-east-1b"}
    assert _found(world, zone_id=zone) == {("no-internet-route", "prevents")}

    resolver, subnets = world.by_hand("route53resolver"), world.by_hand("ec2").describe_subnets()["Subnets"]
    group = next(iter(facts.groups))
    endpoint = resolver.create_resolver_endpoint(
        CreatorRequestId="e",
        Direction="OUTBOUND",
        SecurityGroupIds=[group],
        IpAddresses=[{"SubnetId": one["SubnetId"]} for one in subnets if one["VpcId"] == vpc],
    )["ResolverEndpoint"]["Id"]
    for name in ("internal", "example.internal", "api.example.internal"):
        rule = resolver.create_resolver_rule(
            CreatorRequestId=name,
            Name=name.replace(".", "-"),
            RuleType="FORWARD",
            DomainName=name,
            ResolverEndpointId=endpoint,
            TargetIps=[{"Ip": "10.3.0.9", "Port": 53}],
        )["ResolverRule"]["Id"]
        resolver.associate_resolver_rule(ResolverRuleId=rule, Name=name.replace(".", "-"), VPCId=vpc)
    rivals = [one for one in diagnose_zone(world, zone_id=zone).findings if one.id == "name-answered-elsewhere"]
    assert [one.subject for one in rivals] == ["svc.example.internal"]
    assert "forwarding rule" in rivals[0].proof
    assert "for example.internal" in rivals[0].proof


def test_what_may_not_be_read_is_said(world: Any) -> None:
    """A refused reading call is a finding that names the action; the verdict stays open."""
    zone = _foreign(world)
    denied = "User is not authorized"
    world.account.fail("ListHealthChecks", "AccessDenied", denied, status=403)
    world.account.fail("DescribeAddresses", "UnauthorizedOperation", denied, status=403)
    diagnosis = diagnose_zone(world, zone_id=zone)
    unchecked = {one.subject for one in diagnosis.findings if one.severity == "unchecked"}
    assert unchecked == {"route53:ListHealthChecks", "ec2:DescribeAddresses"}
    assert diagnosis.verdict == "unknown"


def _before_up(world: Any, **given: Any) -> list[Finding]:
    stack, _ = world.stack(**given)
    return list(preflight.findings(Steps(stack.run, stack.role, waits_for_health=True)))


def _refused(world: Any, **given: Any) -> SrekvError:
    """`up` with its preflight, which must refuse and must have changed nothing."""
    stack, _ = world.stack(**given)
    before = world.census()
    world.account.forget()
    with pytest.raises(SrekvError) as caught:
        stack.up(wait=False, preflight=preflight.refuse)
    assert world.calls.mutating == []
    assert world.census() == before
    return caught.value


def test_nothing_is_created_when_up_would_fail(world: Any) -> None:
    """Too few addresses, a network ACL in the way, a type that no zone offers: refused before the first change."""
    scene_ec2 = world.by_hand("ec2")
    taken = [scene_ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(4)]
    error = _refused(world)
    assert "Elastic IPs" in error.what
    assert "vpc-max-elastic-ips is 5, 4 are taken, 2 are needed" in error.why
    assert "release" in str(error.next_step)
    scene_ec2.release_address(AllocationId=taken[0])

    (acl,) = scene_ec2.describe_network_acls()["NetworkAcls"]
    rule = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": 90, "Egress": False}
    scene_ec2.create_network_acl_entry(**rule, Protocol="-1", RuleAction="deny", CidrBlock="0.0.0.0/0")
    assert "--rule-number 89" in str(_refused(world).next_step)
    scene_ec2.delete_network_acl_entry(**rule)

    assert "is not offered" in _refused(world, instance_type="t2.enormous").what


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"key_name": "nokey"}, "there is no key pair nokey"),
        ({"create_key": "/nowhere/key.pem"}, "the private key cannot be written to /nowhere/key.pem"),
        ({"ami": "ami-0abc123"}, "there is no image ami-0abc123"),
        ({"vpc_id": "vpc-0abc123"}, "there is no VPC vpc-0abc123"),
        ({"subnets": ("subnet-0abc123", "subnet-0abc124")}, "subnet-0abc123 or subnet-0abc124 is no subnet"),
    ],
    ids=str,
)
def test_what_is_named_and_not_there_is_refused_first(world: Any, given: dict[str, Any], what: str) -> None:
    """Nothing is made, so nothing is remembered either: a plain `up` afterwards does not ask for it again."""
    assert what in _refused(world, **given).what
    assert world.stack()[0].is_new


def test_a_first_up_asks_three_more_calls(world: Any) -> None:
    """The quota, the addresses taken, the network ACLs; what the network looks at is not asked twice."""
    world.up()
    usual = list(world.calls.log)
    world.down()
    stack, log = world.stack()
    world.account.forget()
    stack.up(wait=False, preflight=preflight.refuse)
    assert len(world.calls.log) <= len(usual) + 4  # GetRole is asked when the stack is opened
    assert sorted(set(world.calls.log) - set(usual)) == ["DescribeAccountAttributes", "DescribeNetworkAcls"]
    assert not [warning for warning in log.warnings if "not examined" in warning]


def test_doctor_before_the_first_up(world: Any) -> None:
    """Without a stack the same things are findings: here a VPC without gateway and a type that is not offered."""
    assert [one.id for one in _before_up(world)] == ["up-refused"]
    world.open_internet()
    assert _before_up(world) == []
    (finding,) = _before_up(world, instance_type="t2.enormous")
    assert "is not offered" in finding.title
    assert finding.fix


def test_missing_permissions_are_told_by_iam(world: Any) -> None:
    """Each action that IAM would refuse is named; one allowed on some resource, or in want of context, is not."""

    def decide(parameters: Any) -> Any:
        actions = [value for key, value in parameters.items() if key.startswith("ActionNames.")]
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": "*",
                "EvalDecision": "implicitDeny" if action in {"iam:PassRole", "ec2:RunInstances"} else "allowed",
                "MissingContextValues": ["ec2:Region"] if action == "ec2:RunInstances" else [],
            }
            for action in actions
        ]
        return world.success(EvaluationResults=results, IsTruncated=False)

    world.calls.answers["SimulatePrincipalPolicy"] = decide
    stack, _ = world.stack()
    reader = Reader()
    permissions = read_permissions(reader, stack.run)
    assert permissions.refused == {"iam:PassRole": "implicitDeny"}
    assert permissions.who.startswith("arn:aws:iam::")
    (finding,) = permission_findings(permissions, severity="prevents")
    assert "iam:PassRole" in finding.proof


def test_without_the_simulator_ec2_is_asked(world: Any) -> None:
    """Where IAM refuses the question, dry runs answer for EC2, and create nothing; elsewhere nothing is rehearsed."""
    stack, _ = world.stack()
    before = world.census()
    world.calls.answers["SimulatePrincipalPolicy"] = lambda _: world.refusal("AccessDenied", "no", 403)
    world.account.fail("AllocateAddress", "UnauthorizedOperation", "You are not authorized", status=403)
    reader = Reader()
    assert read_permissions(reader, stack.run).refused == {"ec2:AllocateAddress": "UnauthorizedOperation"}
    assert [one.action for one in reader.unread] == ["iam:SimulatePrincipalPolicy"]
    assert world.census() == before

    world.calls.answers["SimulatePrincipalPolicy"] = lambda _: world.refusal("InvalidAction", "unknown", 400)
    world.account.forget()
    assert read_permissions(Reader(), stack.run).refused is None
    assert set(world.calls.log) == {"GetCallerIdentity", "SimulatePrincipalPolicy"}
