"""Routing policies from the API to the answer: what Route 53 is told, what it lists, and what its name servers say."""

from __future__ import annotations

import random
from typing import Any

import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from srekv.local.zones import ZoneTable

RECORDS: dict[str, list[dict[str, Any]]] = {
    "plain": [{"TTL": 17, "ResourceRecords": [{"Value": "127.0.0.1"}]}],
    "failover": [
        {"Failover": "PRIMARY", "AliasTarget": {"DNSName": "weighted.sre-test.local", "EvaluateTargetHealth": True}},
        {"Failover": "SECONDARY", "TTL": 5, "ResourceRecords": [{"Value": "127.0.0.2"}]},
    ],
    "weighted": [
        {"Weight": 0, "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.3"}]},
        {"Weight": 255, "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.4"}]},
    ],
    "latency": [
        {"Region": "eu-west-1", "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.5"}]},
        {"Region": "us-east-1", "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.6"}]},
    ],
    "multivalue": [
        {"MultiValueAnswer": True, "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.7"}]},
        {"MultiValueAnswer": True, "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.8"}]},
    ],
    "geolocation": [
        {"GeoLocation": {"CountryCode": "*"}, "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.9"}]},
    ],
    "geoproximity": [
        {"GeoProximityLocation": {"AWSRegion": "us-east-1"}, "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.9"}]},
    ],
    "ip-based": [
        {
            "CidrRoutingConfig": {"CollectionId": "c8c02a84-aaaa-bbbb-e0d2-d833a2f80106", "LocationName": "*"},
            "TTL": 60,
            "ResourceRecords": [{"Value": "127.0.0.9"}],
        },
    ],
    "alias": [{"AliasTarget": {"DNSName": "plain.sre-test.local", "EvaluateTargetHealth": False}}],
    "balancer": [
        {
            "AliasTarget": {
                "HostedZoneId": "Z35SXDOTRQ7X7K",
                "DNSName": "lb-1.us-east-1.elb.amazonaws.com.",
                "EvaluateTargetHealth": True,
            }
        }
    ],
}
"""Name -> its record sets of type A, without what they all have; an alias without a zone means its own zone."""

ANSWERS = {
    "plain": ("127.0.0.1", 17),
    "failover": ("127.0.0.4", 60),
    "weighted": ("127.0.0.4", 60),
    "latency": ("127.0.0.6", 60),
    "multivalue": ("127.0.0.7 127.0.0.8", 60),
    "geolocation": None,
    "geoproximity": None,
    "ip-based": None,
    "alias": ("127.0.0.1", 17),
    "balancer": None,
}
"""Name -> its addresses and TTL; None: SERVFAIL."""


def members(name: str, number: int, record: dict[str, Any], zone: str) -> dict[str, Any]:
    """A whole ResourceRecordSet."""
    policy = record.keys() - {"TTL", "ResourceRecords", "AliasTarget"}
    identified = {"SetIdentifier": str(number)} if policy else {}
    alias = {"AliasTarget": {"HostedZoneId": zone, **record["AliasTarget"]}} if "AliasTarget" in record else {}
    return {"Name": f"{name}.sre-test.local.", "Type": "A", **identified, **record, **alias}


def test_a_routing_policy_reaches_the_name_servers_and_stays_in_the_list(cloud: Any) -> None:
    """Every policy: listed as it was given after later changes too, answered as it says or not at all."""
    zone = cloud.zone()["HostedZone"]["Id"].rpartition("/")[2]
    given: list[dict[str, Any]] = []
    for name in sorted(RECORDS, key=["weighted", "plain"].__contains__, reverse=True):  # targets before their aliases
        given += [members(name, number, record, zone) for number, record in enumerate(RECORDS[name])]
        cloud.change(zone, *(("UPSERT", one) for one in given))
    listed = cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    policies = ("Failover", "Weight", "Region", "MultiValueAnswer", "GeoLocation", "GeoProximityLocation")
    for policy in (*policies, "CidrRoutingConfig"):
        told, shown = (sorted(str(one[policy]) for one in records if policy in one) for records in (given, listed))
        assert told == shown, policy
    table = ZoneTable(cloud.data.last.zones, lambda _: True, random.Random(1))
    for name, expected in ANSWERS.items():
        answer = table.lookup(dns.name.from_text(f"{name}.sre-test.local."), dns.rdatatype.A)
        if expected is None:
            assert (answer.rcode, answer.answer) == (dns.rcode.SERVFAIL, ()), name
        else:
            found = " ".join(sorted(value.to_text() for value in answer.answer[0].values))
            assert (found, answer.answer[0].ttl) == expected, name


@pytest.mark.parametrize(("region", "address"), [("eu-central-1", "127.0.0.5"), (None, "127.0.0.6")])
def test_latency_is_counted_from_the_vpc_of_the_zone(cloud: Any, region: str | None, address: str) -> None:
    """From the Region of the VPC that the zone belongs to; for a public zone from the cloud's own."""
    public = {"Name": "sre-test.local", "CallerReference": "z1"}
    made = cloud.zone(region=region) if region else cloud.client("route53").create_hosted_zone(**public)
    zone = made["HostedZone"]["Id"]
    records = (members("latency", number, record, zone) for number, record in enumerate(RECORDS["latency"]))
    cloud.change(zone, *(("CREATE", one) for one in records))
    table = ZoneTable(cloud.data.last.zones, lambda _: True, random.Random(1))
    answer = table.lookup(dns.name.from_text("latency.sre-test.local."), dns.rdatatype.A)
    assert [value.to_text() for value in answer.answer[0].values] == [address]
