"""Real databases on loopback: moto's DynamoDB, AWS's DynamoDB Local, dynalite, and the local cloud's own."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from srekv.app.clients import KINDS, connect
from srekv.local.overlay.application import ControlPlane
from srekv.local.overlay.world import Settings
from tests.support.moto import serve

HERE = Path(__file__).parent
FETCHED = HERE.parents[2] / ".venv"
"""Where `make test-dynamodb-local` puts what npm has."""

START_S = 30

ACCOUNT = "123456789012"
KEY, SECRET = "AKIALOCALLOCALLOCAL1", "the operator's secret"
ACCOUNTS = itertools.count(200_000_000_000 + os.getpid())
"""moto keeps its tables by account: a local cloud with tables of its own has an account of its own."""


@dataclass(frozen=True)
class Database:
    """A database at a URL; `admin` is botocore's plain client of it."""

    name: str
    url: str
    admin: Any

    def table(self, keys: Sequence[tuple[str, str]] = (("key", "S"),)) -> str:
        """The name of a new, empty table with these attributes as its key, each with its type."""
        name = "SREKeyValue-" + uuid.uuid4().hex[:8]
        roles = zip(keys, ("HASH", "RANGE"), strict=False)
        self.admin.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": attribute, "KeyType": role} for (attribute, _), role in roles],
            AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": kind} for attribute, kind in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        self.admin.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
        return name


@contextmanager
def moto() -> Iterator[str]:
    """The URL of moto's DynamoDB."""
    arguments = [sys.executable, str(HERE / "moto_table.py")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
            process.communicate(timeout=10)
        finally:
            process.kill()


@contextmanager
def dynamodb_local(port: int) -> Iterator[str]:
    """The URL of DynamoDB Local, in memory; its own main class would listen on every address."""
    folder = FETCHED / "dynamodb-local" / "emulator"
    if shutil.which("java") is None or not (folder / "DynamoDBLocal.jar").exists():
        pytest.skip("DynamoDB Local needs java and its jar: make test-dynamodb-local")
    classes = f"{folder}/DynamoDBLocal.jar:{folder}/DynamoDBLocal_lib/*"
    command = ["java", f"-Djava.library.path={folder}/DynamoDBLocal_lib", "-cp", classes]
    command += ["org.eclipse.jetty.xml.XmlConfiguration", f"port={port}", str(HERE / "dynamodb_local.xml")]
    with listening(command, port) as url:
        yield url


@contextmanager
def dynalite(port: int) -> Iterator[str]:
    """The URL of dynalite, in memory."""
    program = FETCHED / "dynalite" / "node_modules" / "dynalite" / "cli.js"
    if shutil.which("node") is None or not program.exists():
        pytest.skip("dynalite needs node and its package: make test-dynamodb-local")
    options = ["--host", "127.0.0.1", "--port", str(port), "--createTableMs", "0"]
    with listening(["node", str(program), *options], port) as url:
        yield url


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


class Silence:
    """A data plane that nothing here needs."""

    def call(self, method: str, /, **_: Any) -> Any:
        """Nothing to say."""
        raise AssertionError(method)


@contextmanager
def serving(settings: Settings, key: str = KEY, secret: str = SECRET) -> Iterator[tuple[ControlPlane, str]]:
    """A control plane on loopback, and its URL."""
    plane = ControlPlane(settings, Silence(), key=key, secret=secret)
    with serve(plane) as url:
        yield plane, url


@contextmanager
def local_cloud(speed: float = 1.0) -> Iterator[str]:
    """The URL of a local cloud whose tables are its own."""
    settings = Settings(account=str(next(ACCOUNTS)), region="us-east-1", subnet="127.53.0", speed=speed)
    with serving(settings, "testing", "testing") as (_, url):
        yield url


@contextmanager
def forwarding(database: str) -> Iterator[Callable[..., Any]]:
    """A control plane whose tables live in that database; makes clients, the operator's or with a role's keys."""
    settings = Settings(account=ACCOUNT, region="us-east-1", subnet="127.53.0", database=database)
    with ExitStack() as opened:
        plane, url = opened.enter_context(serving(settings))
        opened.callback(plane.world.database.close)

        def client(role: str | None = None) -> Any:
            given = plane.keyring.mint(role, "i-1") if role else {"AccessKeyId": KEY, "SecretAccessKey": SECRET}
            made = boto3.client(
                "dynamodb",
                region_name="us-east-1",
                endpoint_url=url,
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given.get("Token"),
                config=Config(retries={"total_max_attempts": 1}),
            )
            opened.callback(made.close)
            return made

        yield client


@pytest.fixture
def control_plane() -> Callable[[str], AbstractContextManager[Callable[..., Any]]]:
    """Makes control planes in front of a database."""
    return forwarding


@pytest.fixture(
    scope="session",
    params=[
        "moto",
        pytest.param("dynamodb-local", marks=pytest.mark.dynamodb_local),
        pytest.param("dynalite", marks=pytest.mark.dynamodb_local),
    ],
)
def database(request: pytest.FixtureRequest, reserve_port: Callable[[], int]) -> Iterator[Database]:
    """Each database in turn, one process for all tests."""
    starters: dict[str, Callable[[], AbstractContextManager[str]]] = {
        "moto": moto,
        "local-cloud": local_cloud,
        "dynamodb-local": partial(dynamodb_local, reserve_port()),
        "dynalite": partial(dynalite, reserve_port()),
    }
    with starters[request.param]() as url, closing(admin_of(url)) as admin:
        yield Database(request.param, url, admin)


@pytest.fixture(scope="module", params=KINDS)
def client(request: pytest.FixtureRequest, database: Any) -> Iterator[Any]:
    """A client of each kind; making one costs more than a test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_DYNAMODB", database.url)
        patched.setenv("AWS_ACCESS_KEY_ID", "testing")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        made = connect("us-east-1", request.param)
    yield made
    made.close()


def admin_of(url: str) -> Any:
    """Botocore's plain client of a database."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client("dynamodb", region_name="us-east-1", endpoint_url=url, **keys)


@pytest.fixture
def hasty_cloud() -> Iterator[Database]:
    """A local cloud in which a second is over before anybody has said so."""
    with local_cloud(speed=1e9) as url, closing(admin_of(url)) as admin:
        yield Database("local-cloud", url, admin)
