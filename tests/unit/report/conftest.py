"""A drill's history as the tool writes it, made up: six kinds of client, a stop of the primary, the failback."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PRIMARY = {"node": "az1", "address": "127.53.0.128", "check": "hc-az1"}
SECONDARY = {"node": "az2", "address": "127.53.0.129", "check": "hc-az2"}
ZOO = {"honor-ttl": 58.0, "no-cache": 57.5, "keep-alive": 62.0, "cache-forever": 91.0, "cache-10s": 66.0, "retry": 58.5}
"""Kinds of client and when each has an answer again."""


def lines() -> Iterator[dict[str, Any]]:
    """Fault at 10, unhealthy at 49, switch at 56, heal at 80, failback at 104, end at 115."""
    yield {"event": "start", "at": 0, "epoch": 1.0, "speed": 10.0, "run": "r-20261123", "seed": 1, "keys": 4}
    yield {
        "event": "drill",
        "at": 9.9,
        "primary": PRIMARY,
        "secondary": SECONDARY,
        "interval": 10,
        "threshold": 3,
        "ttl": 10,
        "bound_s": 54.5,
        "fault": "stop",
        "rate": 20,
        "clients": 6,
        "op_timeout_s": 2.0,
        "expect": {"switch": True, "outage": True, "lost": 0},
    }
    yield {"event": "fault", "at": 10, "node": "az1", "what": "stop az1"}
    for poll in range(46):
        at = 2.5 * poll
        failing = 0 if not 14 < at < 100 else min(16, int((at - 14) / 2.3))
        yield {"event": "health", "at": at, "check": "hc-az2", "healthy": True, "failing": 0, "checkers": 16}
        yield {
            "event": "health",
            "at": at,
            "check": "hc-az1",
            "node": "az1",
            "healthy": failing < 14,
            "failing": failing,
            "checkers": 16,
        }
    for number in range(16):
        checker = {"check": "hc-az1", "checker": f"127.0.0.{number + 1}"}
        yield {"event": "observation", "at": 14.2 + 0.62 * number, "healthy": False, **checker}
        yield {"event": "observation", "at": 83.0 + 0.62 * number, "healthy": True, **checker}
    for second in range(115):
        answer = SECONDARY["address"] if 56 <= second < 104 else PRIMARY["address"]
        yield {"event": "dns", "at": float(second), "answer": [answer], "ttl": 10 - second % 10, "rcode": "NOERROR"}
    yield {"event": "heal", "at": 80, "node": "az1", "what": "start az1"}
    yield from operations()
    yield {"event": "end", "at": 116, "removed": 4}


def operations() -> Iterator[dict[str, Any]]:
    """Each kind has a key of its own, writes it and reads it back."""
    rng = random.Random(3)
    for zoo, back in ZOO.items():
        at, count, value = rng.random(), 0, None
        base = {"client": zoo, "zoo": zoo, "key": f"k-{zoo}"}
        while at < 114:
            count += 1
            dark = 10 <= at < back
            node = "az2" if back <= at < 104 else "az1"
            op = {"op": "write", "value": f"{zoo}.{count}"} if count % 2 else {"op": "read", "value": value}
            if dark:
                end = {"complete": round(at + 2, 3), "outcome": "fail", "error": "connect: timed out"}
            else:
                end = {"complete": round(at + 0.05, 3), "outcome": "ok", "node": node}
                value = op["value"]
            yield {**base, **op, "invoke": round(at, 3), **end}
            at += 2.02 if dark else 0.28 + 0.06 * rng.random()
        yield {**base, "op": "read", "value": value, "invoke": 115, "complete": 115.1, "outcome": "ok", "final": True}


@pytest.fixture(scope="session")
def drill_text() -> str:
    """The whole file."""
    return "".join(json.dumps(line) + "\n" for line in lines())


@pytest.fixture
def drill_file(tmp_path: Path, drill_text: str) -> Path:
    """The history in a folder of its own."""
    path = tmp_path / "run" / "history.jsonl"
    path.parent.mkdir()
    path.write_text(drill_text)
    return path
