#!/usr/bin/env bash
# Package: moto 5.2.5, boto3 1.43.106 (PyPI)
# Behaviour: ModifyNetworkInterfaceAttribute with Groups on an instance's interface answers success, and the interface is
#   still in the group that it was to leave: moto shows the groups of the launch and the new ones together. EC2 documents
#   that Groups replaces the current set. And a group that an interface is in can be deleted on moto: EC2 refuses that
#   with DependencyViolation.
# Output seen on 2026-11-30: before: a, after: a b, a deleted: yes
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[ec2]==5.2.5' boto3==1.43.106
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

seen=$("$work/venv/bin/python" - <<'PYTHON'
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws


def groups(interface):
    (one,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
    return " ".join(sorted(group["GroupName"] for group in one["Groups"]))


with mock_aws():
    ec2 = boto3.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    a, b = (ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in "ab")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    launched = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SecurityGroupIds=[a])
    interface = launched["Instances"][0]["NetworkInterfaces"][0]["NetworkInterfaceId"]
    before = groups(interface)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[b])
    after = groups(interface)
    try:
        ec2.delete_security_group(GroupId=a)
        deleted = "yes"
    except ClientError as error:
        deleted = error.response["Error"]["Code"]
    print(f"before: {before}, after: {after}, a deleted: {deleted}")
PYTHON
)
echo "$seen"
[ "$seen" = "before: a, after: a b, a deleted: yes" ]
