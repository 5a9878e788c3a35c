"""What `failover-test` refuses before the first call, and how several drills are summed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.commands.failover_test import Options, place_report, spread, warn_of_lease
from srekv.config import Config
from srekv.drill.catalogue import CATALOGUE, NAMES, Entry, entry
from srekv.drill.model import DrillResult
from srekv.errors import UsageError


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"fault": "stopp"}, "did you mean --fault stop"),
        ({"wrong": "slow"}, "stale-reads"),
        ({"clients": ("honor-ttl", "browser")}, "browser"),
        ({"rounds": 0}, "rounds"),
        ({"rate": 0.0}, "rate"),
        ({"min_availability": 99.0}, "0 to 1"),
        ({"max_outage": -1.0}, "--max-outage"),
        ({"max_outage": float("nan")}, "--max-outage"),
        ({"max_lost": -1}, "--max-lost"),
    ],
)
def test_refuses_what_can_never_work(more: dict[str, Any], says: str) -> None:
    """An impossible request is a usage error that names the nearest possible one."""
    with pytest.raises(UsageError) as caught:
        Options(directory=Path("d"), **more).check()

    assert says in str(caught.value)


@pytest.mark.parametrize("one", [one for one in CATALOGUE if one.former], ids=lambda one: one.former)
def test_a_former_name_of_a_fault_is_taken(one: Entry) -> None:
    """A script that was written for an earlier srekv drills the same fault."""
    assert Options(directory=Path("d"), fault=one.former).check() is one


@pytest.mark.parametrize("option", ["--dir", "--report"])
def test_refuses_a_place_that_cannot_hold_the_evidence(tmp_path: Path, option: str) -> None:
    """Nothing is harmed for a history that cannot be written; the refusal names the option that helps."""
    (tmp_path / "file").write_text("")
    places = {"--dir": tmp_path, "--report": None} | {option: tmp_path / "file" / "drills"}

    with pytest.raises(UsageError) as caught:
        Options(directory=places["--dir"] or tmp_path, report=places["--report"]).check()

    assert str(tmp_path / "file") in caught.value.why
    assert option in caught.value.next_step


def test_a_drills_report_overwrites_no_other_run(tmp_path: Path) -> None:
    """Where another run's report is, it goes into a folder of the run's own, as with several rounds."""
    report, history = tmp_path / "report", tmp_path / "history.jsonl"
    history.write_text("mine")
    result = DrillResult(run_id="1f2e", fault="stop", history=history, speed=1, wall_s=1, bound_s=1)
    assert place_report(report, result, rounds=1) == report
    assert place_report(report, result, rounds=2) == report / "1f2e"
    report.mkdir()
    (report / "history.jsonl").write_text("mine")
    assert place_report(report, result, rounds=1) == report
    (report / "history.jsonl").write_text("another's")
    assert place_report(report, result, rounds=1) == report / "1f2e"


def test_makes_no_directory_before_the_drill(tmp_path: Path) -> None:
    """A place that can be made is good enough, and is not made yet."""
    Options(directory=tmp_path / "a" / "b").check()

    assert list(tmp_path.iterdir()) == []


def test_accepts_every_fault() -> None:
    """Every name of the catalogue is one, once, and each says what is expected of it."""
    assert len(set(NAMES)) == len(CATALOGUE)
    for name in NAMES:
        found = Options(directory=Path("d"), fault=name).check()
        assert found is entry(name)
        assert all((found.title, found.hypothesis, found.rule, found.needs))


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_a_spread_is_in_order(values: list[float]) -> None:
    """Least, median, 95th percentile and largest never contradict each other; the last two are values that occurred."""
    found = spread(values)

    assert found is not None
    assert found["min"] <= found["median"] + 1e-4
    assert found["median"] <= found["max"] + 1e-4
    assert found["p95"] in values
    assert found["max"] == max(values)
    assert sum(value <= found["p95"] for value in values) >= 0.95 * len(values)


def test_a_spread_of_nothing() -> None:
    """Figures that no drill has are left out; without any there is no spread."""
    assert spread([None, None]) is None
    assert spread([None, 2.0]) == {"min": 2.0, "median": 2.0, "p95": 2.0, "max": 2.0}


class Listener:
    """A Watcher that remembers its warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        """Something that a user should know."""
        self.warnings.append(message)

    def changed(self, change: object) -> None:
        """Not of interest here, as what follows."""

    def started(self, section: str) -> None:
        """A section began."""

    def waiting(self, section: str, what: str) -> None:
        """A section waits."""

    def waited(self, section: str, what: str) -> None:
        """It waits no more."""

    def finished(self, section: str) -> None:
        """A section is done."""


@pytest.mark.parametrize(
    ("left_s", "speed", "rounds", "warned"),
    [(None, 1, 1, False), (300, 1, 1, True), (3600, 1, 1, False), (3600, 1, 10, True), (300, 10, 1, False)],
)
def test_a_drill_that_outlasts_the_lease_warns(left_s: int | None, speed: float, rounds: int, warned: bool) -> None:
    """By the drill's usual length times its rounds, on the target's clock; the warning says how to renew the lease."""
    now, listener = datetime(2026, 11, 23, tzinfo=UTC), Listener()
    end = None if left_s is None else now + timedelta(seconds=left_s)
    warn_of_lease(Config(lease=end, speed=speed), listener, rounds=rounds, now=now)
    assert ["srekv up --lease" in message for message in listener.warnings] == [True] * warned
