"""Something answers that is no service of AWS's: a network's login page, a proxy's refusal, a web server.

Each command meets it over a real socket, in place of every service or of one of them, and ends with an error that names
the endpoint, or goes on without what it did not get: never as a defect of srekv's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from srekv.cli import run
from tests.support.moto import Gate, serve
from tests.support.world import environment

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


class Stranger:
    """Answers for some services with a page; the calls of others it hands on.

    Attributes:
        page: status and body.
        services: the services that it answers for; None: all.
        behind: the application that answers for the others.
    """

    page = PAGES["a login page"]
    services: frozenset[str] | None = None
    behind: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer a request."""
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if self.services is not None and not (scope and scope[1] in self.services):
            relayed: list[bytes] = self.behind(environ, start_response)
            return relayed
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, body = self.page
        start_response(f"{status} It is so", [("Content-Length", str(len(body)))])
        return [body]


@dataclass(frozen=True)
class Shell:
    """Runs srekv against the stranger, which listens at `url`."""

    stranger: Stranger
    url: str
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str]:
        """The exit code and what was told."""
        code = run(["--target", "aws", *words])
        out, err = self.capsys.readouterr()
        return code, out + err


@pytest.fixture
def shell(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A stranger that listens, and the environment of a user who calls AWS by it."""
    stranger = Stranger()
    monkeypatch.chdir(tmp_path)
    with serve(stranger) as url:
        for name, value in environment(url, tmp_path).items():
            monkeypatch.setenv(name, value)
        yield Shell(stranger, url, capsys)


@pytest.mark.parametrize("page", PAGES)
def test_no_service_of_awss_answers(shell: Shell, page: str) -> None:
    """Exit code 3 with the operation, the endpoint, what it said and what to do, from every command."""
    shell.stranger.page = PAGES[page]
    for command in (*COMMANDS, ("down", "--yes"), ("sweep", "--all-regions")):
        code, told = shell.run(*command)
        assert code == 3, (command, told)
        assert "no proper answer from AWS" in told
        assert f": {shell.url} answered: " in told
        assert "HTTPS_PROXY" in told
        assert "<" not in told


@pytest.mark.parametrize("service", SERVICES)
def test_one_service_is_not_awss(world: Any, gate: Gate, shell: Shell, service: str) -> None:
    """Beside a whole stack: what fails says whose answer it was; no command takes a page for an answer."""
    world.up()
    shell.stranger.page, shell.stranger.services = PAGES["a login page that is XML"], frozenset({service})
    shell.stranger.behind = gate
    told = {command: shell.run(*command)[1] for command in (*COMMANDS, ("down", "--yes"))}
    assert any(f"{shell.url} answered: Log in" in words for words in told.values())
    for defect in ("itself failed", "a call to AWS failed"):
        assert {command: words for command, words in told.items() if defect in words} == {}
