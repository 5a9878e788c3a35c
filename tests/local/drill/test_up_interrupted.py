"""Ctrl-C during a real `up`: it says what exists, the next `up` goes on, `down` leaves nothing."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytestmark = pytest.mark.local

HALTED = ("--stack", "halted")


def test_up_goes_on_after_ctrl_c(cli: Any) -> None:
    """Exit code 130 and the list of what was made; then one of everything, and nothing left to do; then nothing."""
    with cli.start(*HALTED, "up") as process:
        told = next(line for line in process.stderr if "security group" in line)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=60)
    assert process.returncode == 130, told + messages
    assert "interrupted" in messages
    assert "role" in messages

    cli.run(*HALTED, "up")
    again = cli.run(*HALTED, "up", "--no-wait")
    assert {change["action"] for change in again["changes"]} == {"leave"}

    assert cli.run(*HALTED, "down", "--yes")["left"] == []
