"""The doctor on a zone that was made by hand, with every kind of record and of health check: a table of truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.doctor import diagnose_zone

ZONE = "example.internal"


@dataclass(frozen=True)
class Machines:
    """Two instances in two zones with automatically assigned public addresses, and their private ones."""

    public: tuple[str, str]
    private: tuple[str, str]


def _machines(world: Any) -> Machines:
    """As the lab's console clicks make them: default VPC, one group open to port 80, no Elastic IP."""
    ec2, vpc, group = world.by_hand("ec2"), world.vpc(), world.put_group("web")
    world.open_internet()
    everyone = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[everyone])
    subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}
    interface = {"DeviceIndex": 0, "Groups": [group], "AssociatePublicIpAddress": True}
    ids = [
        world.put_instance(NetworkInterfaces=[{**interface, "SubnetId": subnets[zone]}])
        for zone in ("us-east-1a", "us-east-1b")
    ]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    described = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    found = {one["InstanceId"]: one for reservation in described for one in reservation["Instances"]}
    one, two = (found[each] for each in ids)
    return Machines(
        public=(one["PublicIpAddress"], two["PublicIpAddress"]),
        private=(one["PrivateIpAddress"], two["PrivateIpAddress"]),
    )


class Zone:
    """A private zone, filled by hand."""

    def __init__(self, world: Any) -> None:
        self.route53, self.machines = world.by_hand("route53"), _machines(world)
        self.id = world.put_zone(ZONE).rpartition("/")[2]
        self.well = tuple(self.check(IPAddress=address) for address in self.machines.public)

    def check(self, kind: str = "HTTP", **config: Any) -> str:
        """A health check; of an endpoint unless the kind says otherwise."""
        if kind not in {"CALCULATED", "CLOUDWATCH_METRIC"}:
            config = {"Port": 80, "RequestInterval": 10, "FailureThreshold": 3} | config
        if kind.startswith("HTTP"):
            config = {"ResourcePath": "/health"} | config
        reference = f"{kind} {sorted(config.items())}"[:64]
        answer = self.route53.create_health_check(CallerReference=reference, HealthCheckConfig={"Type": kind} | config)
        return str(answer["HealthCheck"]["Id"])

    def put(self, name: str, *records: dict[str, Any], kind: str = "A") -> None:
        """Record sets of one name."""
        sets = [
            {"Name": f"{name}.{ZONE}", "Type": kind, "SetIdentifier": str(number)} | one
            for number, one in enumerate(records)
        ]
        changes = [{"Action": "CREATE", "ResourceRecordSet": one} for one in sets]
        self.route53.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": changes})

    def single(self, name: str, record: dict[str, Any]) -> None:
        """A record set under the simple routing policy."""
        change = {"Action": "CREATE", "ResourceRecordSet": {"Name": f"{name}.{ZONE}", "Type": "A"} | record}
        self.route53.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": [change]})

    def pair(self, name: str, check: str | None = None, **primary: Any) -> None:
        """A failover pair of the two machines; the PRIMARY has this check, or other members altogether."""
        first = primary or values(self.machines.private[0]) | {"HealthCheckId": check or self.well[0]}
        second = values(self.machines.private[1]) | {"HealthCheckId": self.well[1]}
        self.put(name, {"Failover": "PRIMARY"} | first, {"Failover": "SECONDARY"} | second)


def values(value: str) -> dict[str, Any]:
    """A record's answer."""
    return {"TTL": 10, "ResourceRecords": [{"Value": value}]}


def alias(target: str, *, zone: str, evaluates: bool = True) -> dict[str, Any]:
    """An alias."""
    return {"AliasTarget": {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": evaluates}}


LOAD_BALANCER, BALANCERS = "lb-1.us-east-1.elb.amazonaws.com", "Z35SXDOTRQ7X7K"


def _fill(zone: Zone) -> None:
    """One name for each row of the table."""
    first = zone.machines.public[0]
    zone.pair("lab")
    zone.pair("https", zone.check("HTTPS", IPAddress=first))
    zone.pair("tcp", zone.check("TCP", IPAddress=first))
    zone.pair("match", zone.check("HTTP_STR_MATCH", IPAddress=first, SearchString="OK"))
    zone.pair("disabled", zone.check(IPAddress=first, Disabled=True))
    zone.pair("inverted", zone.check(IPAddress=first, Inverted=True))
    zone.pair("other-machine", zone.check(IPAddress=zone.machines.public[1], Port=80, FailureThreshold=2))
    zone.pair("named", zone.check(FullyQualifiedDomainName="www.example.com"))
    zone.pair("calculated", zone.check("CALCULATED", ChildHealthChecks=list(zone.well), HealthThreshold=1))
    alarm = {"AlarmIdentifier": {"Region": "us-east-1", "Name": "alarm"}, "InsufficientDataHealthStatus": "Unhealthy"}
    zone.pair("alarm", zone.check("CLOUDWATCH_METRIC", **alarm))
    zone.pair("balanced", **alias(LOAD_BALANCER, zone=BALANCERS))
    zone.put(
        "balancers",
        {"Failover": "PRIMARY"} | alias(LOAD_BALANCER, zone=BALANCERS),
        {"Failover": "SECONDARY"} | alias("lb-2.us-east-1.elb.amazonaws.com", zone=BALANCERS),
    )
    names = [{"HealthCheckId": check} | values(f"web{n}.example.com") for n, check in enumerate(zone.well)]
    zone.put("cname", {"Failover": "PRIMARY"} | names[0], {"Failover": "SECONDARY"} | names[1], kind="CNAME")
    one, two = ({"HealthCheckId": zone.well[n]} | values(zone.machines.private[n]) for n in range(2))
    zone.put("weighted", {"Weight": 0} | one, {"Weight": 1} | two)
    zone.put("latency", {"Region": "us-east-1"} | one, {"Region": "eu-west-1"} | two)
    zone.put("geo", {"GeoLocation": {"CountryCode": "DE"}} | one, {"GeoLocation": {"CountryCode": "*"}} | two)
    zone.put("multi", {"MultiValueAnswer": True} | one, {"MultiValueAnswer": True} | two)
    zone.pair("of-weighted", **alias(f"weighted.{ZONE}", zone=zone.id))
    zone.single("to-lab", alias(f"lab.{ZONE}", zone=zone.id, evaluates=False))
    zone.single("to-balancer", alias(LOAD_BALANCER, zone=BALANCERS, evaluates=False))
    zone.single("plain", values("10.0.0.9"))


WILL, WILL_NOT, UNKNOWN = "will fail over", "will not fail over", "unknown"

TRUTH = {
    "lab": (WILL, ""),
    "https": (WILL, ""),
    "tcp": (WILL, ""),
    "match": (WILL, ""),
    "disabled": (WILL_NOT, ""),
    "inverted": (WILL_NOT, ""),
    "other-machine": (WILL_NOT, ""),
    "named": (UNKNOWN, "HTTP check of www.example.com"),
    "calculated": (UNKNOWN, "CALCULATED check"),
    "alarm": (UNKNOWN, "CLOUDWATCH_METRIC check"),
    "balanced": (UNKNOWN, f"the alias target {LOAD_BALANCER}"),
    "balancers": (UNKNOWN, f"the alias target {LOAD_BALANCER}"),
    "cname": (UNKNOWN, "what is behind web0.example.com"),
    "weighted": (UNKNOWN, "the weighted routing policy"),
    "latency": (UNKNOWN, "the latency routing policy"),
    "geo": (UNKNOWN, "the geolocation routing policy"),
    "multi": (UNKNOWN, "the multivalue routing policy"),
    "of-weighted": (UNKNOWN, f"the alias target weighted.{ZONE}"),
    "to-lab": (UNKNOWN, "the simple routing policy"),
}
"""Name -> its verdict, and what was not examined."""


def test_every_name_of_a_zone_has_its_verdict(world: Any) -> None:
    """Automatically assigned addresses are public; what is not followed leaves its name unknown, and it alone."""
    zone = Zone(world)
    _fill(zone)
    diagnosis = diagnose_zone(world, zone_id=zone.id)
    found = {one.name.removesuffix(f".{ZONE}"): one for one in diagnosis.names}
    assert {name: one.verdict for name, one in found.items()} == {name: verdict for name, (verdict, _) in TRUTH.items()}
    for name, (_, gap) in TRUTH.items():
        gaps = [one for record in found[name].records for one in record.not_examined]
        assert any(gap in one for one in gaps) if gap else gaps == []
    assert diagnosis.fixed == 2
    prevents = {one.id for one in diagnosis.prevents}
    assert prevents == {"check-disabled", "check-inverted", "check-elsewhere"}
