#!/usr/bin/env bash
# Package: moto 5.2.5, boto3 1.44.5 (PyPI)
# Behaviour: SendCommand with InstanceIds and without Targets is sent to every instance of the Region, the named ones and all
#   others: their invocations are listed, with status Success. The API reference has InstanceIds as the nodes where the
#   command runs.
# Output seen on 2026-11-30: asked for: 1, sent to: 2
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[ec2,ssm]==5.2.5' boto3==1.44.5
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

seen=$("$work/venv/bin/python" - <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    ec2, ssm = boto3.client("ec2"), boto3.client("ssm")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    launched = ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2)["Instances"]
    asked = [launched[0]["InstanceId"]]
    sent = ssm.send_command(InstanceIds=asked, DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]})
    print(f"asked for: {len(asked)}, sent to: {len(sent['Command']['InstanceIds'])}")
PYTHON
)
echo "$seen"
[ "$seen" = "asked for: 1, sent to: 2" ]
