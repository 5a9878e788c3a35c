"""What no service of the local cloud reads: control characters that XML cannot hold, bodies that unpack to a GiB."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from srekv.local.overlay.input import LARGEST_REQUEST

KEY, SECRET = "AKIALOCALLOCALLOCAL1", "the operator's secret"
TRUST = '{"Version": "2012-10-17", "Statement": []}'
ESC = "a\x1b]0;title\x07b"
NOT_IN_XML = [chr(code) for code in range(32) if chr(code) not in "\t\n\r"] + ["\ufffe", "\uffff"]

TAGGED = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "k", "Value": ESC}]}]
CHECK = {"IPAddress": "127.53.0.9", "Port": 80, "Type": "HTTP"}

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a group's description": ("ec2", "create_security_group", {"GroupName": "g", "Description": ESC}),
    "a group's name": ("ec2", "create_security_group", {"GroupName": ESC, "Description": "d"}),
    "a tag at creation": ("ec2", "allocate_address", {"Domain": "vpc", "TagSpecifications": TAGGED}),
    "a filter": ("ec2", "describe_vpcs", {"Filters": [{"Name": "tag:Name", "Values": [ESC]}]}),
    "a role's description": (
        "iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "Description": ESC},
    ),
    "a role's tag": ("iam", "tag_role", {"RoleName": "node", "Tags": [{"Key": "k", "Value": ESC}]}),
    "a policy": ("iam", "put_role_policy", {"RoleName": "node", "PolicyName": "p", "PolicyDocument": ESC}),
    "a session": ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/node", "RoleSessionName": ESC}),
    "a zone's comment": (
        "route53", "create_hosted_zone",
        {"Name": "example.com", "CallerReference": "1", "HostedZoneConfig": {"Comment": ESC}},
    ),
    "a caller reference": ("route53", "create_health_check", {"CallerReference": ESC, "HealthCheckConfig": CHECK}),
    "a check's path": (
        "route53", "create_health_check",
        {"CallerReference": "1", "HealthCheckConfig": {**CHECK, "ResourcePath": ESC}},
    ),
    "a zone's tag": (
        "route53", "change_tags_for_resource",
        {"ResourceType": "hostedzone", "ResourceId": "Z1", "AddTags": [{"Key": "k", "Value": ESC}]},
    ),
    "where a list starts": ("route53", "list_hosted_zones_by_name", {"DNSName": ESC}),
    "a topic's tag": ("sns", "create_topic", {"Name": "t", "Tags": [{"Key": "k", "Value": ESC}]}),
}  # fmt: skip
"""Texts that XML answers repeat, then or later."""

CODES = {"ec2": "InvalidParameterValue", "route53": "InvalidInput"}


@pytest.mark.parametrize("case", CALLS)
def test_a_control_character_is_refused(cloud: Any, refusal: Any, case: str) -> None:
    """Before anything is stored, in the words of the service's other refusals, with the character as an escape."""
    service, method, params = CALLS[case]
    cloud.role()
    status, code, message = refusal(getattr(cloud.client(service), method), **params)
    expected = "ValidationError" if case == "where a list starts" else CODES.get(service, "ValidationError")
    assert (status, code) == (400, expected)
    assert "\x1b" not in message


def test_every_character_of_a_tag(cloud: Any, refusal: Any) -> None:
    """What XML 1.0 cannot hold is refused in values and keys; everything else is stored, and can be listed."""
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    for one in NOT_IN_XML:
        for tag in ({"Key": "k", "Value": f"a{one}"}, {"Key": f"k{one}", "Value": "a"}):
            status, code, message = refusal(ec2.create_tags, Resources=[vpc], Tags=[tag])
            assert (status, code) == (400, "InvalidParameterValue")
            assert "Tag.1." in message
    kept = "tab\t del\x7f nel\x85 \u202e clé \U0001f600 %1b &lt;"
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "k", "Value": kept}])
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"] == [{"Key": "k", "Value": kept}]


def test_a_servers_own_words(cloud: Any) -> None:
    """A failure reason repeats the endpoint's status line: whatever that is, AWS's tools can read the answer."""
    route53 = cloud.client("route53")
    check = route53.create_health_check(CallerReference="1", HealthCheckConfig=CHECK)["HealthCheck"]["Id"]
    status = "Failure: HTTP Status Code 503, \x1b[2J"
    cloud.data.observations = [{"at": 1.0, "region": "us-east-1", "checker": "127.0.0.9", "status": status}]
    seen = route53.get_health_check_last_failure_reason(HealthCheckId=check)["HealthCheckObservations"]
    assert seen[0]["StatusReport"]["Status"] == "Failure: HTTP Status Code 503, \ufffd[2J"


@pytest.fixture
def packed(cloud: Any) -> Callable[[str, bytes], tuple[int, bytes]]:
    """Sends a signed request with `Content-Encoding: gzip`: status and answer."""

    def send(service: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
        status, answer = cloud.signed(service, "http://127.53.0.1:8000/", headers, body)
        return status, answer

    return send


@pytest.mark.parametrize("service", ["ec2", "sts", "sns"])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (gzip.compress(b"Action=X&A=" + b"a" * LARGEST_REQUEST), b"it unpacks to more than"),
        (b"Action=X", b"it cannot be unpacked"),
        (gzip.compress(b"Action=X")[:-9], b"it cannot be unpacked"),
    ],
    ids=["bomb", "not packed", "half"],
)
def test_a_packed_body_is_bounded(packed: Any, service: str, body: bytes, says: bytes) -> None:
    """A few kB that would become a GiB are a refusal, for services of our own and for moto's."""
    status, answer = packed(service, body)
    assert status == 400
    assert b"MalformedHttpRequestException" in answer
    assert says in answer


def test_a_packed_body_is_read(packed: Any) -> None:
    """SDKs compress large requests: such a one is served."""
    status, answer = packed("sts", gzip.compress(b"Action=GetCallerIdentity&Version=2011-06-15"))
    assert (status, b"<Account>" in answer) == (200, True)
