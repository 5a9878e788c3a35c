"""Route 53 of the local cloud, as a client sees it."""

from __future__ import annotations

import time
from typing import Any

import pytest

CHECK = {
    "Type": "HTTP",
    "IPAddress": "127.53.0.130",
    "Port": 8080,
    "ResourcePath": "/health",
    "RequestInterval": 10,
    "FailureThreshold": 3,
}


def create_check(cloud: Any, reference: str = "c1", **changes: Any) -> Any:
    """The health check of the lab."""
    config = {**CHECK, **changes}
    return cloud.client("route53").create_health_check(CallerReference=reference, HealthCheckConfig=config)[
        "HealthCheck"
    ]


def primary(check: str) -> dict[str, Any]:
    """The lab's primary record."""
    return {
        "Name": "svc.sre-test.local",
        "Type": "A",
        "TTL": 10,
        "SetIdentifier": "az1",
        "Failover": "PRIMARY",
        "HealthCheckId": check,
        "ResourceRecords": [{"Value": "127.53.0.130"}],
    }


def test_a_private_zone_is_born_as_aws_bears_it(cloud: Any) -> None:
    """Rows R1, R2, R10: shape of the answer, and the SOA and NS records."""
    answer = cloud.zone()
    assert answer["ChangeInfo"]["Status"] == "PENDING"
    assert "DelegationSet" not in answer
    assert answer["HostedZone"]["Config"]["PrivateZone"] is True
    assert answer["HostedZone"]["ResourceRecordSetCount"] == 2
    records = cloud.client("route53").list_resource_record_sets(HostedZoneId=answer["HostedZone"]["Id"])
    by_type = {record["Type"]: record for record in records["ResourceRecordSets"]}
    soa = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    assert (by_type["SOA"]["TTL"], by_type["SOA"]["ResourceRecords"]) == (900, [{"Value": soa}])
    assert (by_type["NS"]["TTL"], len(by_type["NS"]["ResourceRecords"])) == (172800, 4)
    (zone,) = cloud.data.last.zones
    assert (zone.name, {record.type for record in zone.records}) == ("sre-test.local.", {"SOA", "NS"})


def test_zone_references_and_names_are_used_once(cloud: Any, refusal: Any) -> None:
    """Rows R6, R8, R4, R12: also after the zone is gone."""
    zone = cloud.zone()["HostedZone"]["Id"]
    assert refusal(cloud.zone)[:2] == (409, "HostedZoneAlreadyExists")
    assert refusal(cloud.zone, reference="z2")[:2] == (400, "ConflictingDomainExists")
    route53 = cloud.client("route53")
    unknown = {"VPCRegion": "us-east-1", "VPCId": "vpc-0123456789abcdef0"}
    assert refusal(route53.create_hosted_zone, Name="a.local", CallerReference="z3", VPC=unknown)[1:] == (
        "InvalidVPCId",
        "The VPC ID is invalid.",
    )
    route53.delete_hosted_zone(Id=zone)
    assert refusal(cloud.zone)[:2] == (409, "HostedZoneAlreadyExists")
    assert refusal(route53.delete_hosted_zone, Id=zone)[:2] == (404, "NoSuchHostedZone")
    cloud.zone(reference="z4")


def test_zones_by_name_begin_at_a_name(cloud: Any) -> None:
    """Ordered by reversed labels, from the name on: callers must compare names themselves (aws-facts 2.3)."""
    for reference, name in enumerate(("b.test", "a.zone", "a.test")):
        cloud.zone(reference=str(reference), name=name)
    route53 = cloud.client("route53")
    listed = route53.list_hosted_zones_by_name(DNSName="b.test")
    assert [zone["Name"] for zone in listed["HostedZones"]] == ["b.test.", "a.zone."]
    page = route53.list_hosted_zones_by_name(MaxItems="1")
    assert ([zone["Name"] for zone in page["HostedZones"]], page["IsTruncated"]) == (["a.test."], True)
    assert page["NextDNSName"] == "b.test."


def test_records_reach_the_data_plane_and_keep_their_zone(cloud: Any, refusal: Any) -> None:
    """A failover record as the DNS server needs it; a zone with records is not deleted (R14)."""
    zone, check = cloud.zone()["HostedZone"]["Id"], create_check(cloud)["Id"]
    answer = cloud.change(zone, ("UPSERT", primary(check)))
    route53 = cloud.client("route53")
    assert route53.get_change(Id=answer["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    record = next(one for one in cloud.data.last.zones[0].records if one.type == "A")
    assert (record.name, record.ttl, record.values) == ("svc.sre-test.local.", 10, ("127.53.0.130",))
    assert (record.set_identifier, record.failover, record.health_check) == ("az1", "PRIMARY", check)
    assert refusal(route53.delete_hosted_zone, Id=zone)[:2] == (400, "HostedZoneNotEmpty")
    cloud.change(zone, ("DELETE", primary(check)))
    route53.delete_hosted_zone(Id=zone)
    assert cloud.data.last.zones == ()


def test_what_is_listed_can_be_deleted(cloud: Any) -> None:
    """DELETE wants exactly what ListResourceRecordSets shows, and accepts it."""
    zone = cloud.zone()["HostedZone"]["Id"]
    cloud.change(zone, ("CREATE", primary(create_check(cloud)["Id"])))
    listed = cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    cloud.change(zone, *(("DELETE", record) for record in listed if record["Type"] == "A"))
    left = cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert {record["Type"] for record in left} == {"SOA", "NS"}


def test_bad_batches_are_refused_with_aws_status_and_code(cloud: Any, refusal: Any) -> None:
    """A bad change is a 400, an unknown check and an unknown zone a 404."""
    zone = cloud.zone()["HostedZone"]["Id"]
    without = {name: value for name, value in primary("x").items() if name != "HealthCheckId"}

    def send(record: dict[str, Any], where: str = zone) -> Any:
        return cloud.change(where, ("CREATE", record))

    assert refusal(send, record=without) == (
        400,
        "InvalidChangeBatch",
        "[A non-alias primary ResourceRecordSet must have an associated health check. No changes made.]",
    )
    unknown = primary("11111111-1111-1111-1111-111111111111")
    assert refusal(send, record=unknown)[:2] == (404, "NoSuchHealthCheck")
    assert refusal(send, record=without, where="Z0NOTHERE")[:2] == (404, "NoSuchHostedZone")


def test_a_check_reference_gives_the_same_check_or_none(cloud: Any, refusal: Any) -> None:
    """Row R41, and aws-facts 1.2 for a deleted check."""
    first = create_check(cloud)
    assert create_check(cloud)["Id"] == first["Id"]
    expected = "A different health check has already been created with the specified caller reference."
    assert refusal(create_check, cloud=cloud, Port=81) == (409, "HealthCheckAlreadyExists", expected)
    assert create_check(cloud, reference="c2")["Id"] != first["Id"]
    cloud.client("route53").delete_health_check(HealthCheckId=first["Id"])
    assert refusal(create_check, cloud=cloud)[:2] == (409, "HealthCheckAlreadyExists")


def test_a_check_is_updated_in_place(cloud: Any, refusal: Any) -> None:
    """The version counts, a stale one is refused, flags go both ways, and the data plane hears of it."""
    check = create_check(cloud)
    route53 = cloud.client("route53")
    updated = route53.update_health_check(HealthCheckId=check["Id"], HealthCheckVersion=1, Inverted=True)["HealthCheck"]
    assert (updated["HealthCheckVersion"], updated["HealthCheckConfig"]["Inverted"]) == (2, True)
    assert cloud.data.last.checks[0].inverted
    stale = {"HealthCheckId": check["Id"], "HealthCheckVersion": 1, "Inverted": False}
    assert refusal(route53.update_health_check, **stale)[:2] == (409, "HealthCheckVersionMismatch")
    route53.update_health_check(HealthCheckId=check["Id"], Inverted=False, Disabled=True, Port=81)
    seen = cloud.data.last.checks[0]
    assert (seen.inverted, seen.disabled, seen.port, seen.interval, seen.path) == (False, True, 81, 10, "/health")


def test_a_refused_update_changes_nothing(cloud: Any, refusal: Any) -> None:
    """All or nothing."""
    check = create_check(cloud)
    route53 = cloud.client("route53")
    bad = {"HealthCheckId": check["Id"], "Port": 81, "IPAddress": "10.0.0.1"}
    assert refusal(route53.update_health_check, **bad)[1:] == ("InvalidInput", "IPv4 address 10.0.0.1 is forbidden.")
    assert route53.get_health_check(HealthCheckId=check["Id"])["HealthCheck"] == check


def test_health_is_what_the_checkers_report(cloud: Any, refusal: Any) -> None:
    """Observations come from the data plane; the last failure of a checker stays after it has recovered."""
    check = create_check(cloud)["Id"]
    route53 = cloud.client("route53")

    def report(status: str, healthy: bool) -> None:
        cloud.data.observations = [
            {"checker": "127.54.0.1", "region": "eu-west-1", "healthy": healthy, "status": status, "at": time.time()}
        ]

    def status() -> list[str]:
        answer = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        return [f"{one['Region']} {one['IPAddress']} {one['StatusReport']['Status']}" for one in answer]

    assert status() == []
    report("Failure: Connection timed out.", healthy=False)
    assert status() == ["eu-west-1 127.54.0.1 Failure: Connection timed out."]
    report("Success: HTTP Status Code 200, OK", healthy=True)
    assert status() == ["eu-west-1 127.54.0.1 Success: HTTP Status Code 200, OK"]
    (last,) = route53.get_health_check_last_failure_reason(HealthCheckId=check)["HealthCheckObservations"]
    assert last["StatusReport"]["Status"] == "Failure: Connection timed out."
    unknown = {"HealthCheckId": "11111111-1111-1111-1111-111111111111"}
    assert refusal(route53.get_health_check_status, **unknown)[:2] == (404, "NoSuchHealthCheck")


def test_deleting_a_check_in_use_succeeds_once(cloud: Any, refusal: Any) -> None:
    """Rows R44 and R42."""
    zone, check = cloud.zone()["HostedZone"]["Id"], create_check(cloud)["Id"]
    cloud.change(zone, ("CREATE", primary(check)))
    route53 = cloud.client("route53")
    route53.delete_health_check(HealthCheckId=check)
    assert refusal(route53.delete_health_check, HealthCheckId=check)[:2] == (404, "NoSuchHealthCheck")


def test_tags_are_kept_for_what_exists_only(cloud: Any, refusal: Any) -> None:
    """A check's tags can be read back; an unknown one's cannot."""
    check = create_check(cloud)["Id"]
    route53 = cloud.client("route53")
    tags = [{"Key": "srekv:stack", "Value": "srekv"}]
    route53.change_tags_for_resource(ResourceType="healthcheck", ResourceId=check, AddTags=tags)
    listed = route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=check)
    assert listed["ResourceTagSet"]["Tags"] == tags
    unknown = {"ResourceType": "healthcheck", "ResourceId": "11111111-1111-1111-1111-111111111111"}
    assert refusal(route53.list_tags_for_resource, **unknown)[:2] == (404, "NoSuchHealthCheck")


def test_the_checkers_call_from_loopback(cloud: Any) -> None:
    """GetCheckerIpRanges names the addresses that a security group must let in."""
    assert cloud.client("route53").get_checker_ip_ranges()["CheckerIpRanges"] == ["127.0.0.0/8"]


ESCAPED = {
    "*.apps": r"\052.apps",
    r"\052.apps": r"\052.apps",
    "A_b-1": "a_b-1",
    "a@b": r"a\100b",
    r"a\056b": r"a\056b",
    r"\101\040": r"a\040",
    "*.*": r"\052.\052",
}


@pytest.mark.parametrize(("given", "listed"), ESCAPED.items())
def test_names_are_listed_with_octal_escapes(cloud: Any, given: str, listed: str) -> None:
    """Everything but a-z, 0-9, "-" and "_", however it was given; either form finds, changes and deletes it."""
    zone = cloud.zone()["HostedZone"]["Id"]
    record = {"Name": f"{given}.sre-test.local", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "10.0.0.1"}]}
    cloud.change(zone, ("CREATE", record))
    route53 = cloud.client("route53")
    (found, *_) = route53.list_resource_record_sets(
        HostedZoneId=zone, StartRecordName=record["Name"], StartRecordType="A", MaxItems="1"
    )["ResourceRecordSets"]
    assert found == {**record, "Name": f"{listed}.sre-test.local."}
    assert cloud.data.last.zones[0].records[-1].name == found["Name"]
    cloud.change(zone, ("UPSERT", {**found, "TTL": 6}))
    cloud.change(zone, ("DELETE", {**record, "TTL": 6}))
    assert {one.type for one in cloud.data.last.zones[0].records} == {"SOA", "NS"}


def test_a_zone_s_name_is_escaped_and_checked(cloud: Any, refusal: Any) -> None:
    """As the names of records are (row R9)."""
    assert cloud.zone(name="api.*.test")["HostedZone"]["Name"] == r"api.\052.test."
    assert refusal(cloud.zone, reference="z2", name=r"API.\052.test")[1] == "ConflictingDomainExists"
    for name, text in (("a" * 64 + ".test", "DomainLabelTooLong"), ("a b.test", "UnsupportedCharacter")):
        status, code, message = refusal(cloud.zone, reference="z3", name=name)
        assert (status, code) == (400, "InvalidDomainName")
        assert text in message


def test_a_value_that_is_refused_is_an_invalid_change_batch(cloud: Any, refusal: Any) -> None:
    """HTTP 400, and the zone stays as it was; an alias to a record of the zone is listed as it was put."""
    zone = cloud.zone()["HostedZone"]["Id"]
    address = {"Name": "a.sre-test.local.", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "10.0.0.1"}]}
    other = {**address, "Type": "CNAME", "ResourceRecords": [{"Value": "b.test"}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": one} for one in (address, other)]}
    told = refusal(cloud.client("route53").change_resource_record_sets, HostedZoneId=zone, ChangeBatch=batch)
    assert told[:2] == (400, "InvalidChangeBatch")
    assert {one.type for one in cloud.data.last.zones[0].records} == {"SOA", "NS"}
    members = {"HostedZoneId": zone.rpartition("/")[2], "DNSName": "*.Sre-Test.local", "EvaluateTargetHealth": True}
    lead = {"Name": "b.sre-test.local.", "Type": "A", "AliasTarget": members}
    wildcard = {**address, "Name": "*.sre-test.local"}
    cloud.change(zone, ("CREATE", wildcard), ("CREATE", lead))
    listed = cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (found,) = [one for one in listed if one["Name"] == lead["Name"]]
    assert found == {**lead, "AliasTarget": {**members, "DNSName": r"\052.sre-test.local."}}
    cloud.change(zone, ("DELETE", lead), ("DELETE", wildcard))
