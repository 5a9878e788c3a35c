"""The payload on every interpreter found: the user data's own files, its own pins, a real DynamoDB API behind them."""

from __future__ import annotations

import base64
import fcntl
import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from importlib import resources
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from srekv.provision.payload import userdata
from tests.support.interpreters import interpreters

pytestmark = [pytest.mark.local, pytest.mark.timeout(400)]

PINS = resources.files("srekv.provision.payload").joinpath("requirements.txt").read_bytes()


def cached_venv(version: str, interpreter: Path) -> Path:
    """The python of a virtual environment with the pinned requirements, made once for each set of pins.

    Skips the test when pip reaches no index.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "srekv-tests"
    home = cache / f"py{version}-{hashlib.sha256(PINS).hexdigest()[:16]}"
    home.parent.mkdir(parents=True, exist_ok=True)
    python = home / "bin" / "python"
    with Path(f"{home}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([interpreter, "-m", "venv", home], check=True, capture_output=True, timeout=120)
            requirements = home / "requirements.txt"
            requirements.write_bytes(PINS)
            install(python, requirements)
            (home / "complete").touch()
    return python


def install(python: Path, requirements: Path) -> None:
    """As a node does it; a pin that does not exist fails the test, an unreachable index skips it."""
    command = [python, "-m", "pip", "install", "-q", "--no-input", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "-r", requirements]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if run.returncode:
        # pip lists the versions it knows as "(from versions: ...)"; none at all means that it asked nobody.
        unreachable = "Retrying (" in run.stderr or "from versions: none" in run.stderr
        if unreachable:
            pytest.skip(f"pip reaches no package index: {run.stderr.strip().splitlines()[-1]}")
        pytest.fail(run.stderr)


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_request(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A DynamoDB API on loopback with the lab's table."""
    application = DomainDispatcherApplication(create_backend_app)
    with ExitStack() as stack:
        server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
        stack.callback(server.server_close)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stack.callback(thread.join, 20)
        stack.callback(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}"
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        with closing(boto3.client("dynamodb", region_name="us-east-1", endpoint_url=url, **keys)) as client:
            client.create_table(
                TableName="SREKeyValue",
                KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield url


def unpack(packed: bytes, root: Path, python: Path) -> Path:
    """Write the user data's files below root, as cloud-init and the unit would; the folder the service runs in."""
    for entry in yaml.safe_load(gzip.decompress(packed))["write_files"]:
        file = root / entry["path"].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        content = entry["content"].encode()
        file.write_bytes(base64.b64decode(content) if entry.get("encoding") == "b64" else content)
    commands = root / "commands"
    commands.mkdir()
    (commands / "python3").symlink_to(python)
    path = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    first = yaml.safe_load(gzip.decompress(packed))["runcmd"][0].replace("/opt", f"{root}/opt")
    (root / "etc/systemd/system").mkdir(parents=True)
    subprocess.run(["/bin/sh", "-c", first], env={**os.environ, **path}, check=True, timeout=60)
    return root / "opt/srekv"


def environment(root: Path, port: int, endpoint: str) -> dict[str, str]:
    """What the unit says, with what differs here: the address, the fault file's place, the API and its keys."""
    unit = (root / "etc/systemd/system/srekv.service").read_text()
    return {
        **dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE)),
        "HOME": str(root),
        "PYTHONWARNINGS": "error::SyntaxWarning",
        "SREKV_HOST": "127.0.0.1",
        "SREKV_PORT": str(port),
        "SREKV_FAULT_FILE": str(root / "fault"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }


class Client:
    """Asks one service, again until it listens; a GET also while the table is slow."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, str]:
        """Status, body, ETag."""
        pause, end = threading.Event(), time.monotonic() + 60
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
                answer = connection.getresponse()
                if answer.status != 503 or method != "GET":
                    return answer.status, answer.read(), answer.headers.get("ETag", "")
            except ConnectionRefusedError:
                pass
            finally:
                connection.close()
            assert time.monotonic() < end, "the service never served"
            pause.wait(0.02)


@pytest.mark.parametrize("version", sorted(interpreters(), key=lambda name: int(name[2:])))
def test_the_payload_works(version: str, endpoint: str, tmp_path: Path, reserve_port: Callable[[], int]) -> None:
    """The lab's routes, one key's life at /v1, and a clean stop, with the pins of that Python."""
    python = cached_venv(version, interpreters()[version])
    payload = userdata.UserData(
        table="SREKeyValue", region="us-east-1", port=80, node="az1", zone="sre-test.local", os="al2023"
    )
    folder = unpack(payload.packed(None), tmp_path, python)
    port = reserve_port()
    service = subprocess.Popen(
        [python, "-m", "srekv.app"],
        cwd=folder,
        env=environment(tmp_path, port, endpoint),
        stderr=subprocess.PIPE,
    )
    try:
        exercise(Client(port), version)
        service.terminate()
        _, errors = service.communicate(timeout=20)
    finally:
        service.kill()
        service.communicate(timeout=20)
    assert service.returncode == 0
    # A busy machine is slow, and the service says so.
    assert {json.loads(line)["level"] for line in errors.splitlines()} <= {"WARNING"}


def exercise(ask: Client, version: str) -> None:
    """The lab's session, then a compare-and-set life."""
    key = f"k{version}"
    assert ask("GET", "/health")[:2] == (200, b"OK")
    assert ask("GET", f"/write?key={key}&value=bar")[:2] == (200, b'{"status": "written"}')
    assert ask("GET", f"/read?key={key}")[:2] == (200, f'{{"key": "{key}", "value": "bar"}}'.encode())
    assert ask("GET", "/read?key=absent")[:2] == (200, b"{}")
    assert ask("GET", "/write?key=")[0] == 400
    path = f"/v1/keys/a//b/{version}"
    status, _, tag = ask("PUT", path, b"\xff1", If_None_Match="*")
    assert status == 200
    assert ask("GET", path) == (200, b"\xff1", tag)
    assert ask("PUT", path, b"2", If_None_Match="*")[0] == 412
    assert ask("DELETE", path, If_Match='"1"')[0] == 412
    assert ask("DELETE", path, If_Match=tag)[0] == 204
    assert ask("GET", path)[0] == 404
    status, _, later = ask("PUT", path, b"3", If_None_Match="*")
    assert status == 200
    assert int(later.strip('"')) > int(tag.strip('"'))
    page = json.loads(ask("GET", "/v1/keys?prefix=a//b/")[1])
    assert {"key": f"a//b/{version}", "etag": later} in page["keys"]
    assert ask("GET", "/v1/keys?cursor=none")[0] == 400
    assert ask("GET", "/ready")[:2] == (200, b"OK")
    assert b'route="put_key",status="412"} 1.0' in ask("GET", "/metrics")[1]
    assert "/v1/keys/{key}" in json.loads(ask("GET", "/openapi.json")[1])["paths"]
