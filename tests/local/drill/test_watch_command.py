"""`status --watch` as a person sees it on a terminal and as a script reads it, against a stack that is up."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import Any

import pytest

pytestmark = pytest.mark.local

DEADLINE_S = 90
ANOTHER_SCREEN, BACK_AGAIN, CURSOR_SHOWN = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


def test_documents_follow_each_other_until_ctrl_c(cli: Any) -> None:
    """One JSON document a line; Ctrl-C ends with 130 and without a traceback."""
    with cli.start("status", "--watch", "--every", "2") as process:
        giving_up = threading.Timer(DEADLINE_S, process.kill)
        giving_up.start()
        documents = [json.loads(process.stdout.readline())]
        while not _is_well(documents[-1]):
            documents.append(json.loads(process.stdout.readline()))
        documents.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=DEADLINE_S)
        giving_up.cancel()
    assert (process.returncode, errors) == (130, "\ninterrupted\n"), errors
    assert all(json.loads(line)["stack"] == "srekv" for line in rest.splitlines())
    times = [one["at"] for one in documents]
    assert times == sorted(set(times))
    texts = [event["text"] for one in documents for event in one["events"]]
    assert "read works, from az1" in texts


def _is_well(found: dict[str, Any]) -> bool:
    """Both nodes run and are healthy, by all their checkers; the name answers the primary, which works."""
    nodes = [(one["name"], one["state"], one["healthy"]) for one in found["nodes"]]
    requests = [(one["name"], one["ok"], one["node"]) for one in found["requests"]]
    return (
        nodes == [("az1", "running", True), ("az2", "running", True)]
        and [one["checkers"] for one in found["checks"]] == [16, 16]
        and found["answer"] == [found["nodes"][0]["address"]]
        and requests == [("health", True, "az1"), ("read", True, "az1")]
        and found["problems"] == []
    )


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "kill"])
def test_a_terminal_is_given_back_as_it_was(cli: Any, told: signal.Signals, code: int) -> None:
    """The live screen is another one; at the end the old one and its cursor are back, with the last picture."""
    ours, theirs = pty.openpty()
    environment = cli.environment | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    command = [sys.executable, "-m", "srekv.cli", "status", "--watch", "--every", "2"]
    with ExitStack() as stack:
        stack.callback(os.close, ours)
        with os.fdopen(theirs, "wb"):
            process = stack.enter_context(
                subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
            )
        stack.callback(process.kill)
        giving_up = threading.Timer(DEADLINE_S, process.kill)
        stack.callback(giving_up.cancel)
        giving_up.start()
        shown = _read(ours, until=b"read works, from az1")
        process.send_signal(told)
        after = _read(ours)
        process.wait(DEADLINE_S)
    assert process.returncode == code
    assert ANOTHER_SCREEN in shown
    before, back, rest = after.partition(BACK_AGAIN)
    assert back
    assert CURSOR_SHOWN in before + rest
    assert b"the name answers az1" in rest
    assert b"Traceback" not in shown + after


def _read(terminal: int, *, until: bytes | None = None) -> bytes:
    """What a terminal is told, up to these words or until nobody holds it any more."""
    told = b""
    while until is None or until not in told:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # Linux's word for the end
            break
        if not piece:
            break
        told += piece
    return told
