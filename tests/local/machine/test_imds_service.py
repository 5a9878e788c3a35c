"""The metadata service is version 2, and credentials come from the cloud when they are needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from srekv.local.imds import MetadataService, Response, documents
from srekv.local.model import Machine

MACHINE = Machine(
    id="i-0abc",
    zone="us-east-1b",
    private_address="172.31.16.5",
    public_address="127.53.0.129",
    ports=(80,),
    user_data="aGVsbG8=",
    state="running",
    role="web",
)


class Source:
    """Hands out credentials that are valid for so many seconds, and counts how often."""

    def __init__(self, seconds: float) -> None:
        self.asked = 0
        self._seconds = seconds

    async def __call__(self) -> Mapping[str, str] | None:
        """The next credentials."""
        self.asked += 1
        end = datetime.now(UTC) + timedelta(seconds=self._seconds)
        return {
            "AccessKeyId": f"ASIA{self.asked}",
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Role": "web",
        }


def service(source: Source | None = None, machine: Machine = MACHINE) -> MetadataService:
    """That of a machine; it does not listen."""
    return MetadataService(machine=lambda: machine, credentials=source or Source(3600))


async def ask(path: str, *, source: Source | None = None, machine: Machine = MACHINE, times: int = 1) -> Response:
    """GET a path with a fresh token, so many times on one service; the last answer."""
    asked = service(source, machine)
    token = await asked.respond("PUT", "/latest/api/token", {"x-aws-ec2-metadata-token-ttl-seconds": "60"})
    headers = {"x-aws-ec2-metadata-token": token.body}
    return [await asked.respond("GET", path, headers) for _ in range(times)][-1]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PUT", {}, 400),
        ("PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "0"}, 400),
        ("PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "21601"}, 400),
        ("PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "soon"}, 400),
        ("PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "60", "x-forwarded-for": "10.0.0.1"}, 403),
        ("GET", {"x-aws-ec2-metadata-token-ttl-seconds": "60"}, 405),
        ("PUT", {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}, 200),
    ],
)
async def test_tokens_need_a_lifetime(method: str, headers: dict[str, str], status: int) -> None:
    """A token is issued for 1 to 21600 seconds, to a PUT that no proxy forwarded."""
    assert (await service().respond(method, "/latest/api/token", headers)).status == status


@pytest.mark.parametrize("headers", [{}, {"x-aws-ec2-metadata-token": "made-up"}])
async def test_nothing_without_a_token(headers: dict[str, str]) -> None:
    """IMDSv1 requests and invented tokens get 401."""
    assert (await service().respond("GET", "/latest/meta-data/instance-id", headers)).status == 401


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/latest/meta-data/instance-id", "i-0abc"),
        ("/latest/meta-data/placement/availability-zone", "us-east-1b"),
        ("/latest/meta-data/placement/region", "us-east-1"),
        ("/latest/meta-data/local-ipv4", "172.31.16.5"),
        ("/latest/meta-data/public-ipv4", "127.53.0.129"),
        ("/latest/meta-data/iam/security-credentials/", "web"),
        ("/latest/user-data", "hello"),
    ],
)
async def test_what_an_instance_knows(path: str, text: str) -> None:
    """The paths that programs ask for answer as on EC2."""
    assert (await ask(path)) == Response(200, text)


async def test_the_labs_way_to_the_vpcs_block() -> None:
    """The MAC address from the listing leads to the VPC's CIDR block."""
    mac = (await ask("/latest/meta-data/network/interfaces/macs/")).body.rstrip("/")
    path = f"/latest/meta-data/network/interfaces/macs/{mac}/vpc-ipv4-cidr-block"
    assert (await ask(path)).body == "172.31.0.0/16"


@pytest.mark.parametrize(("seconds", "asked"), [(3600, 1), (200, 3)])
async def test_credentials_are_kept_until_they_are_nearly_over(seconds: float, asked: int) -> None:
    """Three requests fetch once while five minutes are left, and each time after that."""
    source = Source(seconds)
    answer = await ask("/latest/meta-data/iam/security-credentials/web", source=source, times=3)
    assert source.asked == asked
    document = json.loads(answer.body)
    assert (document["Code"], document["AccessKeyId"]) == ("Success", f"ASIA{asked}")


async def test_no_role_no_credentials() -> None:
    """A machine without an instance profile has no such path, and nobody is asked."""
    bare = replace(MACHINE, role=None, public_address=None)
    source = Source(3600)
    assert (await ask("/latest/meta-data/iam/security-credentials/", machine=bare, source=source)).status == 404
    assert (await ask("/latest/meta-data/iam/security-credentials/web", machine=bare, source=source)).status == 404
    assert (await ask("/latest/meta-data/public-ipv4", machine=bare)).status == 404
    assert source.asked == 0


def test_the_identity_document_says_where_it_is() -> None:
    """Account, Region and zone are those of the machine."""
    document = json.loads(documents(MACHINE)["/latest/dynamic/instance-identity/document"])
    assert (document["accountId"], document["region"], document["availabilityZone"]) == (
        "123456789012",
        "us-east-1",
        "us-east-1b",
    )
