"""`kv` and `local logs` as a script uses them: odd keys and values, one JSON document, exit codes."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from srekv.commands.kv import KV_VALUE

pytestmark = pytest.mark.local


@pytest.mark.parametrize("key", ["..", "a/../ключ ☃?x=1&y#z%20[bold]"])
def test_a_value_comes_back_and_goes(cli: Any, key: str) -> None:
    """What was put is got, to the byte; after delete the key is absent: a document that says so, and exit code 1."""
    value = "wärt\n🚀"
    cli.run("kv", "put", key, value)
    found = cli.run("kv", "get", key)
    assert (found["key"], found["value"], base64.b64decode(found["value_b64"])) == (key, value, value.encode())

    cli.run("kv", "delete", key)
    absent = cli.run("kv", "get", key, code=1)
    assert (absent["key"], absent["status"], absent["value"], absent["value_b64"]) == (key, 404, None, None)
    assert "is absent" in absent["messages"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("put", "", "v"), "the key is empty"),
        (("put", "k", ""), "the value is empty"),
        (("put", "k" * 3000, "v"), "at most 2048"),
        (("get", ""), "the key is empty"),
    ],
)
def test_what_the_service_can_never_take_is_a_usage_error(cli: Any, words: tuple[str, ...], says: str) -> None:
    """Exit code 2 and the service's own reason, without the whole key and without advice that cannot help."""
    refused = cli.run("kv", *words, code=2)
    assert says in " ".join(refused["messages"].split())
    assert "next:" not in refused["messages"]
    assert "k" * 100 not in refused["messages"]


def test_the_largest_value(cli: Any) -> None:
    """What kv put sends at most comes back whole."""
    value = "v" * KV_VALUE
    cli.run("kv", "put", "large", value)
    assert cli.run("kv", "get", "large")["value"] == value


def test_a_value_is_bytes_for_a_pipe_and_text_for_a_terminal(
    cli: Any, on_a_terminal: Callable[[Callable[[], object]], str]
) -> None:
    """A file gets the value to the byte; a terminal must not obey what somebody stored."""
    cli.run("kv", "put", "k", "\x1b]0;t\x07é")
    get = [sys.executable, "-m", "srekv.cli", "--quiet", "kv", "get", "k"]
    piped = subprocess.run(get, env=cli.environment, stdout=subprocess.PIPE, timeout=60, check=True)
    assert piped.stdout == "\x1b]0;t\x07é\n".encode()

    def show() -> None:
        subprocess.run(get, env=cli.environment, stdout=sys.stdout, timeout=60, check=True)

    assert r"\x1b]0;t\x07é" in on_a_terminal(show)


def test_logs_are_one_document(cli: Any) -> None:
    """With --output json the logs are one document like everything else."""
    lines = cli.run("local", "logs")["lines"]
    assert any("supervisor" in line for line in lines)
