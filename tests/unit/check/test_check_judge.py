"""`srekv.check.judge`, the entrance for other programs: what it finds, what it refuses, what it loads."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from srekv.check import Operation, judge
from srekv.check.model import impossible

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "python.md"

WRITE = Operation(client="a", op="write", key="k", value="1", invoke=1, complete=2, outcome="ok")
READ = Operation(client="b", op="read", key="k", value="1", invoke=3, complete=4, outcome="ok")
CAS = Operation(client="b", op="cas", key="k", value="2", expect="1", invoke=3, complete=4, outcome="conflict")
UNKNOWN = Operation(client="c", op="delete", key="k", invoke=0, complete=None, outcome="unknown")


def test_a_verdict_of_operations() -> None:
    """In any order, from any iterable; a violation has its proof."""
    stale = replace(READ, value=None)
    assert judge(iter([READ, WRITE, UNKNOWN])).verdict == "held"
    verdict = judge([stale, WRITE])
    (linear,) = [one for one in verdict.findings if one.verdict == "violated"]
    assert (verdict.verdict, verdict.linearizable, linear.checker) == ("violated", False, "linear")
    assert linear.proof == (WRITE, stale)


def test_nothing_proves_nothing() -> None:
    """No operation, or none that was answered, is inconclusive."""
    assert judge([]).verdict == judge([UNKNOWN]).verdict == "unknown"


@pytest.mark.parametrize("possible", [WRITE, READ, CAS, UNKNOWN, replace(WRITE, outcome="fail", complete=None)])
def test_what_a_client_can_have_done(possible: Operation) -> None:
    """Nothing of it is refused."""
    assert impossible(possible) == ""


@pytest.mark.parametrize(
    ("base", "change", "why"),
    [
        (WRITE, {"value": None}, "a write needs a value"),
        (WRITE, {"value": 1}, "value is 1, not a string"),
        (WRITE, {"key": 7}, "key is 7, not a string"),
        (WRITE, {"op": "append"}, "there is no append with outcome ok"),
        (WRITE, {"outcome": "maybe"}, "there is no write with outcome maybe"),
        (WRITE, {"outcome": "conflict"}, "a write cannot conflict"),
        (WRITE, {"complete": None}, "ok needs complete"),
        (WRITE, {"complete": 0.5}, "complete is 0.5, invoke 1"),
        (WRITE, {"complete": float("inf")}, "complete is inf, invoke 1"),
        (WRITE, {"invoke": float("nan")}, "invoke is nan, not a number of seconds"),
        (WRITE, {"invoke": -1}, "invoke is -1, not a number of seconds"),
        (UNKNOWN, {"complete": 3}, "an unknown outcome has no complete"),
    ],
)
def test_what_cannot_be_is_refused(base: Operation, change: dict[str, Any], why: str) -> None:
    """With its place, before anything is judged."""
    with pytest.raises(ValueError, match=rf"^operation 1: {re.escape(why)}$"):
        judge([READ, replace(base, **change)])


def run_python(arguments: Sequence[str], program: str) -> str:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, *arguments], input=program, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_loads_neither_click_nor_boto3_nor_rich() -> None:
    """A program that judges loads no command line, no cloud and no report."""
    program = "import sys\nfrom srekv.check import judge\njudge([])\nprint(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run_python(["-c", program], "").split()}
    assert "srekv" in loaded
    assert not loaded & {"click", "rich", "boto3", "botocore", "moto", "flask", "jinja2"}


def test_the_manual_has_an_example_that_runs() -> None:
    """It prints what the page shows."""
    page = PAGE.read_text()
    (program,) = re.findall(r"<<'END'\n(.*?)\nEND\n", page, re.DOTALL)
    (shown,) = re.findall(r"\$ python3 \S+\n(.*?)```", page, re.DOTALL)
    assert run_python(["-"], program) == shown
