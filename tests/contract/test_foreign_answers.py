"""Something answers that is no service of AWS's: a network's login page, a proxy's refusal, a web server.

Each command meets it over a real socket, in place of every service or of one of them, and ends with an error that names
the endpoint, or goes on without what it did not get: never as a defect of srekv's.
"""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from srekv.cli import run

LOGIN = b"<!DOCTYPE html><html><head><title>Hotel</title><meta charset=utf-8></head><body>Log in<br></body></html>"
PAGES = {
    "a login page": (200, LOGIN),
    "a login page that is XML": (200, b'<?xml version="1.0"?><html><body>Log in</body></html>'),
    "a redirection to one": (302, b"<html>moved</html>"),
    "a proxy's refusal": (403, b"<html><body>Blocked by policy</body></html>"),
    "text": (200, b"It works"),
    "nothing": (200, b""),
}

COMMANDS = (
    ("up", "--no-wait", "--dry-run"),
    ("up", "--no-wait"),
    ("status",),
    ("test",),
    ("kv", "get", "key"),
    ("failover",),
    ("failover-test",),
    ("failover-test", "--resume"),
    ("sweep", "--yes", "--older-than", "0s"),
    ("doctor",),
    ("doctor", "--zone-id", "Z0123456789ABCDEFGHIJ"),
)

"""Every command that calls AWS, but for `down` and `sweep --all-regions`, which take longer beside a stack; conformance
judges whatever it is answered."""

SERVICES = ("iam", "ec2", "dynamodb", "route53", "monitoring", "ssm")
"""As signatures name them."""


class Stranger(ThreadingHTTPServer):
    """Answers for some services with a page; the calls of others it hands on.

    Attributes:
        page: status and body.
        services: the services that it answers for; None: all.
        behind: the URL of what answers for the others.
    """

    daemon_threads = True
    page = PAGES["a login page"]
    services: frozenset[str] | None = None
    behind = ""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Stranger

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
        services = self.server.services
        page = self.server.page if services is None or (scope and scope[1] in services) else self._relay(body)
        self.send_response(page[0])
        self.send_header("Content-Length", str(len(page[1])))
        self.end_headers()
        self.wfile.write(page[1])

    def _relay(self, body: bytes) -> tuple[int, bytes]:
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        request = urllib.request.Request(f"{self.server.behind}{self.path}", body or None, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - as http.server calls them

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Shell:
    """Runs srekv against the stranger."""

    stranger: Stranger
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str]:
        """The exit code and what was told."""
        code = run(["--target", "aws", *words])
        out, err = self.capsys.readouterr()
        return code, out + err


@pytest.fixture
def shell(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A stranger that listens, and the environment of a user who calls AWS by it."""
    stranger = Stranger(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=stranger.serve_forever, kwargs={"poll_interval": 0.02}, name="stranger")
    thread.start()
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AWS_ENDPOINT_URL": stranger.url,
        "AWS_ACCESS_KEY_ID": "AKIAOPERATOR",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "SREKV_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    yield Shell(stranger, capsys)
    stranger.shutdown()
    thread.join(timeout=10)
    stranger.server_close()


@pytest.mark.parametrize("page", PAGES)
def test_no_service_of_awss_answers(shell: Shell, page: str) -> None:
    """Exit code 3 with the operation, the endpoint, what it said and what to do, from every command."""
    shell.stranger.page = PAGES[page]
    for command in (*COMMANDS, ("down", "--yes"), ("sweep", "--all-regions")):
        code, told = shell.run(*command)
        assert code == 3, (command, told)
        assert "no proper answer from AWS" in told
        assert f": {shell.stranger.url} answered: " in told
        assert "HTTPS_PROXY" in told
        assert "<" not in told


@pytest.mark.parametrize("service", SERVICES)
def test_one_service_is_not_awss(world: Any, shell: Shell, service: str) -> None:
    """Beside a whole stack: what fails says whose answer it was; no command takes a page for an answer."""
    world.up()
    shell.stranger.page, shell.stranger.services = PAGES["a login page that is XML"], frozenset({service})
    shell.stranger.behind = world.endpoint
    told = {command: shell.run(*command)[1] for command in (*COMMANDS, ("down", "--yes"))}
    assert any(f"{shell.stranger.url} answered: Log in" in words for words in told.values())
    for defect in ("itself failed", "a call to AWS failed"):
        assert {command: words for command, words in told.items() if defect in words} == {}
