#!/usr/bin/env bash
# Package: ministack 1.5.33 (PyPI), boto3 1.43.106
# Behaviour: the root volume of a terminated instance stays, attached to it and in-use, and DescribeInstances shows no
#   network interface of an instance that was launched with one, and the default group in place of its own. EC2 deletes a
#   volume launched with DeleteOnTermination (the default of a root volume), and shows each interface and its groups. A
#   program that waits for the volumes to go waits in vain on this endpoint.
# Output seen on 2026-11-30: interfaces 0, groups default; after the termination: terminated, in-use
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet ministack==1.5.33 boto3==1.43.106
export HOME=$work BIND_HOST=127.0.0.1 GATEWAY_PORT=45467 AWS_ENDPOINT_URL=http://127.0.0.1:45467
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
subnet = ec2.describe_subnets()["Subnets"][0]
group = ec2.create_security_group(GroupName="mine", Description="mine", VpcId=subnet["VpcId"])["GroupId"]
interface = {"DeviceIndex": 0, "SubnetId": subnet["SubnetId"], "Groups": [group]}
launched = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, NetworkInterfaces=[interface])["Instances"][0]


def described():
    return ec2.describe_instances(InstanceIds=[launched["InstanceId"]])["Reservations"][0]["Instances"][0]


one = described()
shown = len(one.get("NetworkInterfaces", [])), *(group["GroupName"] for group in one["SecurityGroups"])
ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])
attached = [{"Name": "attachment.instance-id", "Values": [launched["InstanceId"]]}]
volumes = [volume["State"] for volume in ec2.describe_volumes(Filters=attached)["Volumes"]]
print("interfaces {}, groups {}".format(*shown), "after the termination:", sep="; ", end=" ")
print(described()["State"]["Name"], *volumes, sep=", ")
PYTHON
)
echo "$seen"
[ "$seen" = "interfaces 0, groups default; after the termination: terminated, in-use" ]
