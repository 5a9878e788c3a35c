"""The service's environment: what it accepts, what it refuses with one line, and what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import srekv.app
from srekv.app.__main__ import main, setting

APP = Path(str(srekv.app.__file__)).parent
GOOD = {"SREKV_TABLE": "SREKeyValue", "SREKV_NODE": "az1", "SREKV_HOST": "127.0.0.1", "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SREKV_TABLE", ""),
        ("SREKV_TABLE", "ab"),
        ("SREKV_STORE", "sqlite"),
        ("SREKV_TABLE", "no spaces"),
        ("SREKV_NODE", ""),
        ("SREKV_NODE", "two\nlines"),
        ("SREKV_NODE", "ö"),
        ("SREKV_PORT", "http"),
        ("SREKV_PORT", "65536"),
        ("SREKV_PORT", "-1"),
        ("AWS_REGION", ""),
        ("SREKV_HOST", "not a host"),
    ],
)
def test_impossible_settings(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line on stderr that names the variable."""
    assert main({**GOOD, name: value}) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert name in message


def test_an_address_that_is_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it cannot listen it says so and exits with 3."""
    assert main({**GOOD, "SREKV_HOST": "192.0.2.1", "SREKV_PORT": "0"}) == 3
    assert "cannot listen on 192.0.2.1:0" in capsys.readouterr().err


def test_defaults() -> None:
    """An empty variable is as good as none: the default holds."""
    assert setting({"SREKV_PORT": ""}, "SREKV_PORT", r"\d+", "80") == "80"


def test_imports() -> None:
    """The service pulls in nothing of srekv but itself, and no boto3: it starts fast and travels light."""
    modules = ", ".join(f"srekv.app.{name}" for name in ("__main__", "routes", "dynamodb", "clients"))
    script = f"import sys, {modules}; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    own = {name for name in loaded if name.split(".")[0] == "srekv"}
    assert own == {"srekv", "srekv.app"} | {f"srekv.app.{file.stem}" for file in APP.glob("[!_]*.py")} | {
        "srekv.app.__main__"
    }
    assert "boto3" not in loaded
