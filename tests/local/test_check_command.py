"""`srekv check` on a history that takes seconds: it shows how far it is, and Ctrl-C ends it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.local


@pytest.fixture
def long_history(tmp_path: Path) -> Path:
    """Values that repeat beside a thousand writes of unknown outcome: more states than the budget pays for."""
    chance = random.Random(1)
    path = tmp_path / "history.jsonl"
    with path.open("w") as file:
        for at in range(1000):
            for op, outcome in (("write", "unknown"), ("read", "ok"), ("cas", "conflict")):
                members = {"op": op, "key": "k", "value": chance.randrange(5), "expect": chance.randrange(5)}
                times = {"invoke": at, "complete": None if outcome == "unknown" else at + 12, "outcome": outcome}
                file.write(json.dumps(members | times) + "\n")
    return path


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_long_verdict_shows_progress_and_can_be_interrupted(long_history: Path, output: str) -> None:
    """A line that says what is judged, then exit code 130 and one word: no verdict, no traceback."""
    command = [sys.executable, "-m", "srekv", "--output", output, "check", str(long_history)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        progress = next(line for line in (process.stdout if output == "text" else process.stderr) if "judging" in line)
        process.send_signal(signal.SIGINT)
        out, messages = process.communicate(timeout=60)
    assert "still: judging 3,000 operations: 0 of 1 keys (" in progress
    assert process.returncode == 130
    assert out == ""
    assert messages.strip() == "interrupted"
