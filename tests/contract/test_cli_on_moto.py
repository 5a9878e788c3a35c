"""The command line as a user runs it, in processes of its own, against an ordinary moto server."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import DEADLINE_S, environment, srekv

On = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def on_moto(world: Any, tmp_path: Path) -> On:
    """Runs `srekv --target aws ARGUMENTS` with a moto server in AWS's place."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIAOPERATOR", "AWS_SECRET_ACCESS_KEY": "secret"}
    return lambda *words: srekv("--target", "aws", *words, home=tmp_path, AWS_ENDPOINT_URL=world.endpoint, **keys)


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON document on stdout."""
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_up_twice_and_down(world: Any, on_moto: Any) -> None:
    """Each resource is created once, the second `up` changes nothing, `down` leaves the server as it was."""
    before = world.listing()

    told = on_moto("--verbose", "--output", "json", "up", "--no-wait")
    first = _document(told)
    assert re.search(r"^ +\d+ ms  us-east-1 ec2 RunInstances$", told.stderr, re.MULTILINE)
    assert "#cloud-config" not in told.stderr
    assert {"section", "kind", "name", "id", "action"} <= set(first["changes"][0])
    assert {change["action"] for change in first["changes"]} <= {"create", "change"}
    created = world.listing()

    second = _document(on_moto("--output", "json", "up", "--no-wait"))
    assert {change["action"] for change in second["changes"]} == {"leave"}
    assert world.listing() == created

    planned = _document(on_moto("--output", "json", "down", "--dry-run"))
    assert planned["dry_run"]
    assert world.listing() == created

    last = _document(on_moto("--output", "json", "down", "--yes"))
    assert last["left"] == []
    assert {change["action"] for change in last["changes"]} == {"delete"}
    assert sorted(one["kind"] for one in planned["changes"]) == sorted(one["kind"] for one in last["changes"])
    assert world.listing() == before


def test_text_for_a_person(on_moto: Any) -> None:
    """`up` tells each resource, the addresses, the URL and the next command; `down` says "0 left"."""
    up = on_moto("up", "--no-wait")
    assert up.returncode == 0
    shown = (
        "created instance srekv-az1",
        "us-east-1a",
        "http://svc.sre-test.local",
        "next",
        "srekv --target aws status",
    )
    for words in shown:
        assert words in up.stdout
    down = on_moto("down", "--yes")
    assert down.returncode == 0
    assert "0 left" in down.stdout


def test_down_asks_first(world: Any, on_moto: Any) -> None:
    """Without --yes and with nobody to answer nothing is removed, and the way to do without is named."""
    on_moto("up", "--no-wait")
    before = world.listing()
    down = on_moto("down")
    assert down.returncode == 2
    assert "Remove the stack srekv" in down.stderr
    assert "srekv --target aws down --yes removes without asking" in down.stderr
    assert world.listing() == before


def test_status_document(on_moto: Any) -> None:
    """`status` lists every resource and both nodes, whether or not the nodes take commands."""
    on_moto("up", "--no-wait")
    status = _document(on_moto("--output", "json", "status"))
    assert set(status) >= {
        *("stack", "target", "region", "name", "url", "resolver", "answer", "nodes", "checks", "resources", "speed")
    }
    assert [(node["name"], node["role"], node["zone"]) for node in status["nodes"]] == [
        ("az1", "primary", "us-east-1a"),
        ("az2", "secondary", "us-east-1b"),
    ]
    assert {"instance", "table", "hosted zone", "record"} <= {one["kind"] for one in status["resources"]}


def test_a_plan_and_the_drift(world: Any, on_moto: Any) -> None:
    """A plan that cannot be carried out is shown whole, then exit 3; `status` says what differs."""
    new = on_moto("up", "--dry-run", "--no-wait")
    assert new.returncode == 0
    for words in ("+ create", "table SREKeyValue", "would be created", "USD an hour", "list prices of us-east-1"):
        assert words in new.stdout
    assert world.census().get("instances", 0) == 0
    on_moto("up", "--no-wait")
    world.by_hand("iam").untag_role(RoleName="EC2_DynamoDB_Access", TagKeys=["Name"])

    refused = on_moto("--output", "json", "up", "--dry-run", "--no-wait", "--interval", "30")
    assert refused.returncode == 3
    plan = json.loads(refused.stdout)
    fields = {(one["action"], one["detail"]) for one in plan["changes"] if one["action"] != "leave"}
    assert fields == {
        ("cannot change", "RequestInterval 10 -> 30"),
        ("change", "tags: Name lost"),
        ("change", "srekv:interval 10 -> 30"),
    }
    assert plan["price"]["usd_month"] > 0
    assert "2 of the fields asked for cannot be changed" in refused.stderr

    status = on_moto("--output", "json", "status")
    assert [one["detail"] for one in _document(status)["drift"]] == ["tags: Name lost"]


def test_an_operating_system_without_support(world: Any, on_moto: Any) -> None:
    """Accepted once, it is remembered. A stack of an older srekv is shown and removed; `up` wants to be told."""
    assert on_moto("up", "--no-wait", "--os", "al2", "--unsupported").returncode == 0
    assert {one["action"] for one in _document(on_moto("--output", "json", "up", "--no-wait"))["changes"]} == {"leave"}

    world.by_hand("iam").untag_role(RoleName="EC2_DynamoDB_Access", TagKeys=["srekv:unsupported"])
    before = world.listing()
    refused = on_moto("up", "--no-wait")
    assert refused.returncode == 2
    assert "to accept that: srekv --target aws up --os al2 --unsupported" in " ".join(refused.stderr.split())
    assert world.listing() == before
    assert _document(on_moto("--output", "json", "status"))["drift"] == []
    assert on_moto("down", "--yes").returncode == 0


def test_a_refusal_has_three_parts(world: Any, on_moto: Any) -> None:
    """A taken name: exit 3; what, why and next on stderr; nothing on stdout with JSON."""
    world.by_hand("ec2").create_key_pair(KeyName="srekv-key")
    done = on_moto("--output", "json", "up", "--no-wait", "--key-name", "missing")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "there is no key pair missing" in done.stderr
    assert "next: aws ec2 describe-key-pairs" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (("--target", "aws", "status"), {}, 3, "no AWS credentials"),
        (("--target", "aws", "status"), {"AWS_ACCESS_KEY_ID": "half"}, 3, "no AWS credentials"),
        (("--target", "aws", "--profile", "nobody", "status"), {}, 2, "nobody"),
        (
            ("--target", "aws", "status"),
            {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            3,
            "no answer from AWS",
        ),
        (
            ("--target", "aws", "status"),
            {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "nonsense"},
            2,
            "correct AWS_ENDPOINT_URL",
        ),
        (("--target", "aws", "up", "--interval", "20"), {"AWS_ENDPOINT_URL": "http://127.0.0.1"}, 2, "--interval: 20"),
        (("--target", "aws", "up", "--speed", "5"), {}, 2, "local target"),
        (("status",), {}, 3, "there is no local cloud running"),
        (("local", "status"), {}, 1, "not running"),
        (("local", "env"), {}, 3, "not running"),
        (("--target", "aws", "--region", "eu-west-11", "up"), {}, 2, "did you mean eu-west-1?"),
        (("up",), {"SREKV_SPEED": "fast"}, 2, "SREKV_SPEED"),
        (("up",), {"SREKV_SPEED": "0"}, 2, "--speed: 0"),
        (("--target", "aws", "up", "--interval", "20"), {"SREKV_SPEED": "10"}, 2, "--interval: 20"),
        (("kv", "get", "\udcff"), {}, 2, "the key is not UTF-8"),
    ],
)
def test_exit_codes(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], code: int, said: str
) -> None:
    """Each failure has its exit code and its words; none has a traceback, none writes to stdout."""
    done = srekv(*arguments, home=tmp_path, **variables)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_down_without_a_cloud(tmp_path: Path) -> None:
    """There is nothing to remove where no local cloud runs: that is success, in both languages."""
    assert "0 left" in srekv("down", "--yes", home=tmp_path).stdout
    assert _document(srekv("--output", "json", "down", "--yes", home=tmp_path))["left"] == []


@contextmanager
def interrupted(home: Path, endpoint: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """An `up --no-wait` on that endpoint that is interrupted in the block: exit 130, no traceback.

    The list gets what it printed on standard output and on standard error.
    """
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": endpoint}
    printed: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "srekv.cli", "--target", "aws", "up", "--no-wait"],
        env=environment(home, **keys),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        yield child, printed
        printed += child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 130
    assert "Traceback" not in printed[1]


def test_ctrl_c(tmp_path: Path) -> None:
    """An interrupt while AWS is being asked, which accepts and never answers: one line."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE_S)
        with interrupted(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}") as (child, printed):
            connection, _ = silent.accept()
            child.send_signal(signal.SIGINT)
        connection.close()
    assert printed[0] == ""
    assert "interrupted" in printed[1]


def test_ctrl_c_in_the_middle(world: Any, gate: Any, tmp_path: Path, on_moto: Any) -> None:
    """An interrupt during `up`: the running call ends, what exists is named; then `up` continues, `down` removes it."""
    before = world.listing()
    gate.hold("RunInstances")
    with interrupted(tmp_path, world.endpoint) as (child, printed):
        try:
            assert gate.reached.wait(DEADLINE_S)
            child.send_signal(signal.SIGINT)
        finally:
            gate.let_go()
    assert "created so far:" in " ".join(printed[1].split())

    assert on_moto("up", "--no-wait").returncode == 0
    assert world.up().done == {}
    assert on_moto("down", "--yes").returncode == 0
    assert world.listing() == before
