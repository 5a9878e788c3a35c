"""The control plane as a process: its inherited sockets, its end, many clients at once."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from srekv.local.link import ThreadLink

pytestmark = pytest.mark.local

KEY, SECRET = "AKIALOCALLOCALLOCAL1", "the operator's secret"


@dataclass
class Process:
    """A running control plane and its data plane, which accepts everything."""

    child: subprocess.Popen[bytes]
    link: ThreadLink
    url: str
    snapshots: list[dict[str, Any]]

    @contextlib.contextmanager
    def client(self, service: str) -> Iterator[Any]:
        """The operator's client."""
        client = boto3.session.Session().client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=16),
        )
        try:
            yield client
        finally:
            client.close()


@pytest.fixture
def process() -> Iterator[Process]:
    """`python -m srekv.local.cloud` on a free port, ready."""
    ready = threading.Event()
    snapshots: list[dict[str, Any]] = []
    ours, theirs = socket.socketpair()
    link = ThreadLink(ours, {"ready": ready.set, "apply": lambda **params: snapshots.append(params["snapshot"])})
    link.start()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener, theirs:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        inherited = {"SREKV_LINK_FD": str(theirs.fileno()), "SREKV_API_FD": str(listener.fileno())}
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "srekv.local.cloud", "--region-default", "us-east-1"),
                *("--account", "123456789012", "--subnet", "127.53.250"),
            ],
            env={**os.environ, **inherited, "SREKV_ROOT_KEY": KEY, "SREKV_ROOT_SECRET": SECRET, "SREKV_CLOUD_ID": "c1"},
            pass_fds=(theirs.fileno(), listener.fileno()),
            stdout=subprocess.PIPE,
        )
    try:
        assert ready.wait(30)
        yield Process(child=child, link=link, url=url, snapshots=snapshots)
    finally:
        link.close()
        try:
            child.communicate(timeout=30)
        finally:
            child.kill()


def test_it_serves_on_its_inherited_socket_and_prints_nothing(process: Process) -> None:
    """Pinged without a key, called with one, silent on stdout, gone as soon as the supervisor is."""
    with urllib.request.urlopen(process.url + "/_srekv/ping", timeout=20) as answer:
        assert json.load(answer) == {"cloud": "c1"}
    with process.client("sts") as sts:
        assert sts.get_caller_identity()["Account"] == "123456789012"
    process.link.close()
    stdout, _ = process.child.communicate(timeout=30)
    assert (process.child.returncode, stdout) == (0, b"")


def test_a_machine_comes_up_over_the_link(process: Process) -> None:
    """EC2 is asked while it is still being loaded; the snapshot goes one way and the machine's state the other."""
    with process.client("ec2") as ec2, process.client("ssm") as ssm:
        name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
        image = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        launched = ec2.run_instances(ImageId=image, InstanceType="t2.micro", MinCount=1, MaxCount=1)
        instance = launched["Instances"][0]["InstanceId"]
        (machine,) = process.snapshots[-1]["machines"]
        assert (machine["id"], machine["state"]) == (instance, "running")
        assert machine["public_address"].startswith("127.53.250.")
        process.link.notify("machine_state", machine=instance, state="running")
        waiter = ec2.get_waiter("instance_running")
        waiter.wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        assert process.link.call("credentials", machine=instance) is None


def test_conditional_writes_are_atomic(process: Process) -> None:
    """Of many clients that create the same item at once, exactly one succeeds."""
    with process.client("dynamodb") as dynamodb:
        dynamodb.create_table(
            TableName="T",
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

        def create(number: int) -> str:
            item = {"key": {"S": f"k{number % 10}"}, "value": {"N": str(number)}}
            try:
                dynamodb.put_item(
                    TableName="T",
                    Item=item,
                    ConditionExpression="attribute_not_exists(#k)",
                    ExpressionAttributeNames={"#k": "key"},
                )
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "ok"

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(create, range(80)))
    assert (answers.count("ok"), answers.count("ConditionalCheckFailedException")) == (10, 70)
