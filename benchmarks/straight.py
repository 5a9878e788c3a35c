"""The lab as a straight-line boto3 script: what `up --no-wait` is compared with. It cannot be run twice.

Give the endpoint as its argument. With --waiters it waits as boto3 users do: with the library's own waiters.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def client(service: str, endpoint: str) -> Any:
    """A client as a script makes it."""
    return boto3.client(  # type: ignore[call-overload] # the service is any string
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )


def main(endpoint: str, *, waiters: bool) -> None:
    """Section by section, one call after the other: 21 of them."""
    iam, ec2, dynamodb, route53, ssm = (client(name, endpoint) for name in ("iam", "ec2", "dynamodb", "route53", "ssm"))
    name = "straight"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][:2]
    group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="127.0.0.1/32")
    image = ssm.get_parameter(Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    if waiters:
        dynamodb.get_waiter("table_exists").wait(TableName=name)
    instances = [
        ec2.run_instances(
            ImageId=image["Value"],
            InstanceType="t2.micro",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet["SubnetId"],
            SecurityGroupIds=[group],
            IamInstanceProfile={"Name": name},
        )["Instances"][0]["InstanceId"]
        for subnet in subnets
    ]
    if waiters:
        ec2.get_waiter("instance_running").wait(InstanceIds=instances)
    described = ec2.describe_instances(InstanceIds=instances)["Reservations"]
    addresses = [one["Instances"][0].get("PublicIpAddress", "127.0.0.1") for one in described]
    zone = route53.create_hosted_zone(
        Name="straight.local",
        CallerReference=name,
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
        HostedZoneConfig={"PrivateZone": True},
    )["HostedZone"]["Id"]
    checks = []
    for number, address in enumerate(addresses):
        config = {"IPAddress": address, "Port": 80, "Type": "HTTP", "ResourcePath": "/health"}
        check = route53.create_health_check(CallerReference=f"{name}{number}", HealthCheckConfig=config)["HealthCheck"]
        tags = [{"Key": "Name", "Value": f"hc-az{number + 1}"}]
        route53.change_tags_for_resource(ResourceType="healthcheck", ResourceId=check["Id"], AddTags=tags)
        checks.append(check["Id"])
    for role, address, check in zip(("PRIMARY", "SECONDARY"), addresses, checks, strict=True):
        record = {
            "Name": "svc.straight.local",
            "Type": "A",
            "TTL": 300,
            "SetIdentifier": role,
            "Failover": role,
            "HealthCheckId": check,
            "ResourceRecords": [{"Value": address}],
        }
        route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        )


if __name__ == "__main__":
    main(sys.argv[1], waiters="--waiters" in sys.argv)
