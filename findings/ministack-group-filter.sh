#!/usr/bin/env bash
# Package: ministack 1.5.33 (PyPI), boto3 1.43.106
# Behaviour: DescribeSecurityGroups ignores the filter `description` and answers every group, with HTTP 200. EC2 documents
#   that filter; an unknown one is refused (InvalidParameterValue). A program that deletes what a filter returns deletes
#   more on this endpoint than on EC2.
# Output seen on 2026-11-30: a b default
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ministack==1.5.33 boto3==1.43.106
export HOME=$work BIND_HOST=127.0.0.1 GATEWAY_PORT=45466 AWS_ENDPOINT_URL=http://127.0.0.1:45466
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
"$work/venv/bin/ministack" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 60); do
    (exec 3<>/dev/tcp/127.0.0.1/$GATEWAY_PORT) 2>/dev/null && break
    sleep 0.5
done

seen=$("$work/venv/bin/python" - <<'PYTHON'
import boto3

ec2 = boto3.client("ec2")
vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
for name in ("a", "b"):
    ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
groups = ec2.describe_security_groups(Filters=[{"Name": "description", "Values": ["a"]}])["SecurityGroups"]
print(*sorted(group["GroupName"] for group in groups))
PYTHON
)
echo "groups with the description a: $seen"
[ "$seen" = "a b default" ]
