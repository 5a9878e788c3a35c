"""`srekv doctor` as a user runs it, on a stack that really runs."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import boto3
import pytest

pytestmark = pytest.mark.local

DEADLINE_S = 60


def test_a_running_stack_will_fail_over(cli: Any) -> None:
    """No finding on a stack that `up` has just made sure of; a target that its settings cannot keep is one."""
    cli.run("up")
    well = cli.run("doctor")
    assert (well["verdict"], well["findings"]) == ("will fail over", [])
    assert well["subject"] == "sre-test.local"
    assert [(one["name"], one["verdict"]) for one in well["names"]] == [("svc.sre-test.local", "will fail over")]
    assert all("machine" in one["examined"] and not one["not_examined"] for one in well["names"][0]["records"])

    late = cli.run("doctor", "--target-outage", "20", "--client-timeout", "60", code=1)
    findings = [(one["id"], one["severity"]) for one in late["findings"]]
    assert findings == [("over-target", "prevents"), ("patient-clients", "delays")]
    assert late["verdict"] == "will not fail over"


def test_another_stack_is_looked_at_before_it_is_made(cli: Any) -> None:
    """A name without a stack: what its first `up` would meet."""
    before = cli.run("--stack", "blue", "doctor")
    assert before["before_up"] is True
    assert before["findings"] == []
    refused = cli.run("--stack", "blue", "doctor", "--instance-type", "t2.enormous", code=1)
    assert refused["findings"][0]["id"] == "up-refused"


@contextmanager
def _clients(environment: dict[str, str]) -> Iterator[Callable[[str], Any]]:
    """Clients of the local cloud, as `srekv local env` leads them to it."""
    with ExitStack() as stack:

        def client(service: str) -> Any:
            one = boto3.client(
                service,
                region_name="us-east-1",
                endpoint_url=environment["AWS_ENDPOINT_URL"],
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            )
            return stack.enter_context(closing(one))

        yield client


def _nodes_by_hand(ec2: Any) -> list[dict[str, Any]]:
    """Copies of the stack's nodes under automatically assigned addresses, as the console launches them."""
    nodes = [one for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]]
    group = ec2.create_security_group(GroupName="by-hand", Description="by hand", VpcId=nodes[0]["VpcId"])["GroupId"]
    everyone = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[everyone])
    ids = []
    for node in nodes:
        data = ec2.describe_instance_attribute(InstanceId=node["InstanceId"], Attribute="userData")["UserData"]["Value"]
        place = {"DeviceIndex": 0, "SubnetId": node["SubnetId"], "Groups": [group], "AssociatePublicIpAddress": True}
        made = ec2.run_instances(
            ImageId=node["ImageId"],
            InstanceType="t2.micro",
            MinCount=1,
            MaxCount=1,
            UserData=base64.b64decode(data),
            IamInstanceProfile={"Arn": node["IamInstanceProfile"]["Arn"]},
            NetworkInterfaces=[place],
        )
        ids.append(made["Instances"][0]["InstanceId"])
    found = [one for group in ec2.describe_instances(InstanceIds=ids)["Reservations"] for one in group["Instances"]]
    return sorted(found, key=lambda one: ids.index(one["InstanceId"]))


def _zone_by_hand(route53: Any, nodes: list[dict[str, Any]]) -> str:
    """A private zone with a failover pair of these nodes, each with a health check of its public address."""
    zone = route53.create_hosted_zone(
        Name="hand.internal",
        VPC={"VPCRegion": "us-east-1", "VPCId": nodes[0]["VpcId"]},
        CallerReference="hand",
        HostedZoneConfig={"PrivateZone": True},
    )["HostedZone"]["Id"]
    changes = []
    for node, failover in zip(nodes, ("PRIMARY", "SECONDARY"), strict=True):
        config = {"Type": "HTTP", "IPAddress": node["PublicIpAddress"], "Port": 8080, "ResourcePath": "/health"}
        config |= {"RequestInterval": 10, "FailureThreshold": 3}
        check = route53.create_health_check(CallerReference=failover, HealthCheckConfig=config)["HealthCheck"]["Id"]
        record = {"Name": "svc.hand.internal", "Type": "A", "TTL": 10, "SetIdentifier": failover, "Failover": failover}
        record |= {"HealthCheckId": check, "ResourceRecords": [{"Value": node["PrivateIpAddress"]}]}
        changes.append({"Action": "CREATE", "ResourceRecordSet": record})
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    return str(zone).rpartition("/")[2]


def _await_success(route53: Any) -> None:
    """Wait until every checker of every health check reports success."""
    pause, end = threading.Event(), time.monotonic() + DEADLINE_S
    ids = [one["Id"] for one in route53.list_health_checks()["HealthChecks"]]
    while True:
        reports = [
            report["StatusReport"]["Status"]
            for one in ids
            for report in route53.get_health_check_status(HealthCheckId=one)["HealthCheckObservations"]
        ]
        if len(reports) == 16 * len(ids) and all(one.startswith("Success") for one in reports):
            return
        assert time.monotonic() < end, reports
        pause.wait(0.2)


def test_the_lab_by_hand_will_fail_over(tenant: Any) -> None:
    """Automatically assigned addresses are public on the local cloud, too; that a stop loses them is a risk."""
    tenant.run("up", "--speed", "10", "--no-wait")
    with _clients(tenant.run("local", "env")) as client:
        zone = _zone_by_hand(client("route53"), _nodes_by_hand(client("ec2")))
        _await_success(client("route53"))
    seen = tenant.run("doctor", "--zone-id", zone)
    assert seen["verdict"] == "will fail over"
    assert {(one["id"], one["severity"]) for one in seen["findings"]} == {("address-not-elastic", "risk")}
