"""The command as a user runs it, against a local cloud that it starts and stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from srekv.local import control
from tests.support.command import srekv


def run(home: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON document and messages of a command."""
    done = srekv("--output", "json", *words, home=home)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


@pytest.mark.local
def test_the_local_cloud_behind_the_layer_answers_as_aws_did(tmp_path: Path) -> None:
    """Every case agrees, launches included; nothing is left, and the cloud that was started for it is gone."""
    code, document, messages = run(tmp_path, "conformance", "--expensive")
    assert [one for one in document["cases"] if one["verdict"] != "ok"] == []
    assert (code, document["left"], document["layer"]) == (0, [], True), messages
    assert len(document["cases"]) >= 90
    assert control.find(tmp_path) is None


@pytest.mark.local
def test_the_bare_cloud_shows_where_it_differs(tmp_path: Path) -> None:
    """With --plain the emulator itself answers: exit 1, both answers on view. A cloud that ran before goes on."""
    control.ensure(tmp_path)
    try:
        code, document, messages = run(
            tmp_path, "conformance", "--plain", "--only", "dashboard-name", "--only", "dry-run"
        )
        assert code == 1
        assert "dashboard-name" in messages
        assert {one["id"]: one["verdict"] for one in document["cases"]} == {
            "dry-run": "ok",
            "dashboard-name": "differs",
        }
        assert control.find(tmp_path) is not None
    finally:
        control.stop(tmp_path)
