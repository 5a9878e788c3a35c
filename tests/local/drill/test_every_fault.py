"""Every fault of the catalogue against real processes, health checkers and DNS: it ends with the expected verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from srekv.drill.faults import CATALOGUE, Entry

pytestmark = pytest.mark.local


@pytest.mark.parametrize(
    "entry", [one for one in CATALOGUE if one.name != "manual-failover"], ids=lambda entry: entry.name
)
def test_the_expected_verdict(cli: Any, tmp_path: Path, entry: Entry) -> None:
    """The drill holds: the name does as catalogued, nothing acknowledged is lost, compare-and-set included."""
    found = cli.drill(tmp_path, "--fault", entry.name)

    assert (found["verdict"], found["fault"], found["lost"], found["linearizable"]) == ("held", entry.name, 0, True)
    assert swaps(Path(found["history"])) > 0
    if entry.expectation.switch is not None:
        assert (found["switch_s"] is not None) == entry.expectation.switch
    ttl = next(client for client in found["clients"] if client["name"] == "honor-ttl")
    assert (ttl["outage_s"] > 0) == entry.expectation.outage
    if entry.name in {"stop", "power-loss"}:
        assert 30 <= found["detection_s"] <= 50
    assert cli.run("status")["fault"] is None


def swaps(history: Path) -> int:
    """How many compare-and-sets of a history succeeded."""
    lines = map(json.loads, history.read_text().splitlines())
    return sum(line.get("op") == "cas" and line["outcome"] == "ok" for line in lines)


def test_a_wrong_service_is_caught(cli: Any, tmp_path: Path) -> None:
    """Writes that are acknowledged and forgotten are violated, exit code 1, no other round; then all is right again."""
    found = cli.drill(tmp_path, "--fault", "manual-failover", "--break", "lost-writes", "--rounds", "2", code=1)

    assert found["verdict"] == "violated"
    assert found["rounds"]["drilled"] == 1
    cli.run("kv", "put", "after", "all")
    assert cli.run("kv", "get", "after")["value"] == "all"


def test_planned_rounds_that_keep_their_promises(cli: Any, tmp_path: Path) -> None:
    """A planned switch is seen by nobody: rounds that keep their promises give a distribution, and a report each."""
    words = ("--rounds", "2", "--report", str(tmp_path / "r"), "--min-availability", "1", "--max-outage", "0")
    found = cli.drill(tmp_path / "d", "--fault", "manual-failover", *words)

    assert [one["verdict"] for one in found["rounds"]["runs"]] == ["held"] * 2
    assert all(one["switch_s"] is not None for one in found["rounds"]["runs"])
    assert found["rounds"]["outage_s"] == {"min": 0.0, "median": 0.0, "p95": 0.0, "max": 0.0}
    assert len(list((tmp_path / "r").glob("*/report.html"))) == 2
    history = Path(found["history"]).read_text().splitlines()
    assert [json.loads(history[-1])[name] for name in ("event", "lines")] == ["eof", len(history)]
    drill = next(line for line in map(json.loads, history) if line.get("event") == "drill")
    assert drill["promises"] == {"max_outage_s": 0.0, "max_lost": 0, "min_availability": 1.0}
