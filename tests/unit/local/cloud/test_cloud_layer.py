"""An account's laws laid over the local cloud, which keeps many of them itself: no contradiction, nothing for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from srekv.conformance.layer import Account
from tests.support.moto import serve

KEY, SECRET = "AKIALOCALLOCALLOCAL1", "the operator's secret"
TRUST = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def client(cloud: Any) -> Iterator[Callable[[str], Any]]:
    """Clients of a strict account, over a socket of the local cloud."""
    session = boto3.Session(KEY, SECRET, region_name="us-east-1")
    Account().attach(session)
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(service, endpoint_url=url)
        return made[service]

    with serve(cloud.plane) as url:
        yield client
        for one in made.values():
            one.close()


def persist(call: Callable[..., Any], **arguments: Any) -> Any:
    """Call until it is not refused, a few times."""
    for _ in range(8):
        try:
            return call(**arguments)
        except ClientError as error:
            last = error
    raise last


def test_a_node_lives_and_ends(cloud: Any, client: Callable[[str], Any]) -> None:
    """Launched once, pending until its machine runs, then given an address; ended, released, its group deleted."""
    ec2, iam = client("ec2"), client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="p")
    persist(iam.add_role_to_instance_profile, InstanceProfileName="p", RoleName="r")
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    image = ec2.describe_images(ImageIds=["ami-0d27e0fb3bac4d724"])["Images"][0]["ImageId"]
    launch = {
        "ImageId": image,
        "InstanceType": "t2.micro",
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": "t",
        "SecurityGroupIds": [group],
        "IamInstanceProfile": {"Name": "p"},
    }

    def state() -> str:
        found = persist(ec2.describe_instances, InstanceIds=[instance])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])

    instance = persist(ec2.run_instances, **launch)["Instances"][0]["InstanceId"]
    assert ec2.run_instances(**launch)["Instances"][0]["InstanceId"] == instance
    assert [state() for _ in range(5)] == ["pending"] * 5
    with pytest.raises(ClientError, match="pending instance"):
        persist(ec2.associate_address, AllocationId=address, InstanceId=instance)
    cloud.report("running")
    assert [state() for _ in range(5)][-1] == "running"
    persist(ec2.associate_address, AllocationId=address, InstanceId=instance)
    with pytest.raises(ClientError, match="is in use"):
        ec2.release_address(AllocationId=address)

    ec2.terminate_instances(InstanceIds=[instance])
    assert [state() for _ in range(5)] == ["shutting-down"] * 5
    with pytest.raises(ClientError, match="dependent object"):
        persist(ec2.delete_security_group, GroupId=group)
    cloud.report("stopped")
    assert [state() for _ in range(5)][-1] in {"shutting-down", "terminated"}
    cloud.report("terminated")
    assert state() == "terminated"
    persist(ec2.release_address, AllocationId=address)
    persist(ec2.delete_security_group, GroupId=group)
    iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
    persist(iam.delete_instance_profile, InstanceProfileName="p")
    persist(iam.delete_role, RoleName="r")
