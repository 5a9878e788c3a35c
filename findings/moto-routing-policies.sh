#!/usr/bin/env bash
# Package: moto 5.2.5, boto3 1.43.106 (PyPI)
# Behaviour: ChangeResourceRecordSets takes a record with GeoProximityLocation or CidrRoutingConfig, and
#   ListResourceRecordSets shows it without that member: with a SetIdentifier and no routing policy, which Route 53
#   refuses to create. The other five policies stay.
# Output seen on 2026-11-30: lost: CidrRoutingConfig GeoProximityLocation
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[route53]==5.2.5' boto3==1.43.106
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

seen=$("$work/venv/bin/python" - <<'PYTHON'
import boto3
from moto import mock_aws

POLICIES = {
    "Weight": 1,
    "Region": "us-east-1",
    "Failover": "SECONDARY",
    "MultiValueAnswer": True,
    "GeoLocation": {"CountryCode": "*"},
    "GeoProximityLocation": {"AWSRegion": "us-east-1"},
    "CidrRoutingConfig": {"CollectionId": "c8c02a84-aaaa-bbbb-e0d2-d833a2f80106", "LocationName": "*"},
}
with mock_aws():
    route53 = boto3.client("route53")
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="one")["HostedZone"]["Id"]
    for policy, value in POLICIES.items():
        record = {"Name": f"{policy}.example.com", "Type": "A", "SetIdentifier": "one", policy: value, "TTL": 60}
        record["ResourceRecords"] = [{"Value": "192.0.2.1"}]
        changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    listed = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
kept = {policy for policy in POLICIES for record in listed if policy in record}
print("lost:", *sorted(POLICIES.keys() - kept))
PYTHON
)
echo "$seen"
[ "$seen" = "lost: CidrRoutingConfig GeoProximityLocation" ]
