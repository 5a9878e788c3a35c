"""A control plane in this process, called by boto3 clients without a socket, and a data plane the test controls."""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from srekv.local.link import LinkError
from srekv.local.model import Snapshot
from srekv.local.overlay.application import ControlPlane
from srekv.local.overlay.world import Settings

KEY, SECRET = "AKIALOCALLOCALLOCAL1", "the operator's secret"
IMAGE = "ami-0d27e0fb3bac4d724"
"""One that moto knows in us-east-1."""

ACCOUNTS = itertools.count(100_000_000_000 + os.getpid())
"""moto keeps its backends by account: every test has its own."""


@dataclass
class FakeDataPlane:
    """The other end of the link. Machines change their state when the test says so; commands end when it lets them."""

    snapshots: list[Snapshot] = field(default_factory=list)
    observations: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(
        default_factory=lambda: {"code": 0, "stdout": "out", "stderr": "", "status": "Success"}
    )
    is_broken: bool = False
    began: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def call(self, method: str, /, **params: Any) -> Any:
        """Answer as the supervisor does, with data that went through JSON's types."""
        answers: dict[str, Callable[..., Any]] = {
            "apply": self._apply,
            "observations": lambda **_: self.observations,
            "console": lambda machine: f"console of {machine}",
            "run": self._run,
        }
        return answers[method](**params)

    def _apply(self, snapshot: dict[str, Any]) -> None:
        if self.is_broken:
            raise LinkError("out of order")
        self.snapshots.append(msgspec.convert(json.loads(json.dumps(snapshot)), Snapshot))

    def _run(self, **params: Any) -> dict[str, Any]:
        self.commands.append(params)
        self.began.set()
        assert self.may_end.wait(20)
        return self.result

    @property
    def last(self) -> Snapshot:
        """The newest snapshot."""
        return self.snapshots[-1]


@dataclass
class Cloud:
    """A control plane and clients for it."""

    plane: ControlPlane
    data: FakeDataPlane
    session: boto3.session.Session
    clients: dict[str, Any] = field(default_factory=dict)

    def client(
        self,
        service: str,
        *,
        region: str = "us-east-1",
        credentials: Mapping[str, str] | None = None,
        endpoint: str = "http://127.53.0.1:8000",
    ) -> Any:
        """A boto3 client that calls this control plane; the operator's unless other credentials are given."""
        given = credentials or {"AccessKeyId": KEY, "SecretAccessKey": SECRET}
        place = f"{service} {region} {sorted(given.items())} {endpoint}"
        if place not in self.clients:
            self.clients[place] = self._client(service, region, given, endpoint)
        return self.clients[place]

    def _client(self, service: str, region: str, given: Mapping[str, str], endpoint: str) -> Any:
        client = self.session.client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("Token"),
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        status, headers, body = self.request(request.method, request.url, dict(request.headers), request.body or b"")
        return AWSResponse(request.url, status, headers, _Raw(body))

    def request(
        self, method: str, url: str, headers: Mapping[str, Any], body: bytes | str = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP exchange as the WSGI server would hold it."""
        body = body.encode() if isinstance(body, str) else bytes(body)
        environ = _environ(method, url, headers, body)
        started: list[tuple[int, dict[str, str]]] = []
        answer = self.plane(environ, lambda status, headers: started.append((int(status[:3]), dict(headers))))
        status, answered = started[0]
        return status, answered, b"".join(answer)

    def signed(
        self,
        service: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        keys: Credentials = Credentials(KEY, SECRET),  # noqa: B008 - nobody changes it
    ) -> tuple[int, bytes]:
        """A signed request that no client of boto3 makes, with a body or without: status and answer."""
        method = "POST" if body else "GET"
        request = AWSRequest(method, url, headers, body)
        SigV4Auth(keys, service, "us-east-1").add_auth(request)
        status, _, answer = self.request(method, request.url, dict(request.headers), body)
        return status, answer

    def zone(self, reference: str = "z1", name: str = "sre-test.local", region: str = "us-east-1") -> dict[str, Any]:
        """What CreateHostedZone answers for a private zone on a Region's default VPC."""
        vpc = self.client("ec2", region=region).describe_vpcs()["Vpcs"][0]["VpcId"]
        made: dict[str, Any] = self.client("route53").create_hosted_zone(
            Name=name, CallerReference=reference, VPC={"VPCRegion": region, "VPCId": vpc}
        )
        return made

    def change(self, zone: str, *changes: tuple[str, dict[str, Any]]) -> Any:
        """One batch of changes of record sets."""
        batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
        return self.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": batch})

    def finish_commands(self) -> None:
        """Let every command end and wait until each has."""
        self.data.may_end.set()
        for thread in threading.enumerate():
            if thread.name.startswith("command-"):
                thread.join(20)

    def report(self, state: str) -> None:
        """Every machine of the last snapshot reports this state."""
        for machine in self.data.last.machines:
            self.plane.machine_state(machine=machine.id, state=state)

    def launch(self, **changes: Any) -> str:
        """The id of a new instance in the default VPC."""
        ec2 = self.client("ec2")
        subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}])["Subnets"][0]
        request = {"ImageId": IMAGE, "InstanceType": "t2.micro", "SubnetId": subnet["SubnetId"]}
        answer = ec2.run_instances(MinCount=1, MaxCount=1, **{**request, **changes})
        return str(answer["Instances"][0]["InstanceId"])

    def instance(self, instance_id: str) -> dict[str, Any]:
        """What DescribeInstances says about one."""
        answer: dict[str, Any] = self.client("ec2").describe_instances(InstanceIds=[instance_id])
        found: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
        return found

    def role(self, policy: str = "") -> str:
        """An instance profile and role of that name, with an inline policy."""
        iam = self.client("iam")
        trust = '{"Version": "2012-10-17", "Statement": []}'
        iam.create_role(RoleName="node", AssumeRolePolicyDocument=trust)
        if policy:
            iam.put_role_policy(RoleName="node", PolicyName="inline", PolicyDocument=policy)
        iam.create_instance_profile(InstanceProfileName="node")
        iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
        return "node"


class _Raw(io.BytesIO):
    """What botocore reads an answer from."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        """The whole body at once."""
        yield self.read()


def _environ(method: str, url: str, headers: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    parts = urlsplit(url)
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote(parts.path) or "/",
        "QUERY_STRING": parts.query,
        "REQUEST_URI": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        "SERVER_NAME": "127.53.0.1",
        "SERVER_PORT": "8000",
        "HTTP_HOST": parts.netloc,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode() if isinstance(value, bytes) else str(value)
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = text
    return environ


@pytest.fixture(scope="session")
def session() -> boto3.session.Session:
    """One for all tests of a process: it reads each API model once."""
    return boto3.session.Session()


@pytest.fixture
def cloud(session: boto3.session.Session) -> Iterator[Cloud]:
    """A fresh, empty account."""
    data = FakeDataPlane()
    settings = Settings(account=str(next(ACCOUNTS)), region="us-east-1", subnet="127.53.0", speed=10, cloud_id="c1")
    made = Cloud(plane=ControlPlane(settings, data, key=KEY, secret=SECRET), data=data, session=session)
    yield made
    made.finish_commands()


Refusal = Callable[..., tuple[int, str, str]]


@pytest.fixture
def refusal() -> Refusal:
    """Call something that must fail: HTTP status, Error.Code and message of the refusal."""

    def call(function: Callable[..., Any], **params: Any) -> tuple[int, str, str]:
        with pytest.raises(ClientError) as caught:
            function(**params)
        response: Any = caught.value.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]

    return call
