"""Real databases in processes of their own: moto's DynamoDB, AWS's DynamoDB Local, and dynalite."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

HERE = Path(__file__).parent
FETCHED = HERE.parents[2] / ".venv"
"""Where `make test-dynamodb-local` puts what npm has."""

START_S = 30


@dataclass(frozen=True)
class Database:
    """A database at a URL; `admin` is botocore's plain client of it."""

    name: str
    url: str
    admin: Any

    def table(self) -> str:
        """The name of a new, empty table."""
        name = "SREKeyValue-" + uuid.uuid4().hex[:8]
        self.admin.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.admin.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
        return name


@contextmanager
def moto() -> Iterator[str]:
    """The URL of moto's DynamoDB."""
    arguments = [sys.executable, str(HERE / "moto_table.py")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.communicate(timeout=10)


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """The URL of DynamoDB Local, in memory; its own main class would listen on every address."""
    folder = FETCHED / "dynamodb-local" / "emulator"
    if shutil.which("java") is None or not (folder / "DynamoDBLocal.jar").exists():
        pytest.skip("DynamoDB Local needs java and its jar: make test-dynamodb-local")
    port = free_port()
    classes = f"{folder}/DynamoDBLocal.jar:{folder}/DynamoDBLocal_lib/*"
    command = ["java", f"-Djava.library.path={folder}/DynamoDBLocal_lib", "-cp", classes]
    command += ["org.eclipse.jetty.xml.XmlConfiguration", f"port={port}", str(HERE / "dynamodb_local.xml")]
    with listening(command, port) as url:
        yield url


@contextmanager
def dynalite() -> Iterator[str]:
    """The URL of dynalite, in memory."""
    program = FETCHED / "dynalite" / "node_modules" / "dynalite" / "cli.js"
    if shutil.which("node") is None or not program.exists():
        pytest.skip("dynalite needs node and its package: make test-dynamodb-local")
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--createTableMs", "0"]
    with listening(["node", str(program), *options], port) as url:
        yield url


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def listening(command: Sequence[str], port: int) -> Iterator[str]:
    """The URL of a process that listens on that port; it is ended afterwards."""
    environ = {"PATH": os.environ["PATH"]}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        pause, end = threading.Event(), time.monotonic() + START_S
        while not _listens(port):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < end, f"{command[0]} does not listen"
            pause.wait(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


STARTERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "moto": moto,
    "dynamodb-local": dynamodb_local,
    "dynalite": dynalite,
}


@pytest.fixture(
    scope="session",
    params=[
        "moto",
        pytest.param("dynamodb-local", marks=pytest.mark.dynamodb_local),
        pytest.param("dynalite", marks=pytest.mark.dynamodb_local),
    ],
)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Each database in turn, one process for all tests."""
    with STARTERS[request.param]() as url:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        admin = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=url, **keys)
        yield Database(request.param, url, admin)
        admin.close()
