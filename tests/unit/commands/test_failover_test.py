"""What `failover-test` refuses before the first call, and how several drills are summed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.cli import run
from srekv.commands.failover_test import command, place_report, spread, warn_of_lease
from srekv.config import Config
from srekv.drill.faults import CATALOGUE, NAMES, Entry
from srekv.drill.model import DrillResult
from srekv.provision.drift import Plan


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("--fault stopp", "did you mean --fault stop"),
        ("--break slow", "stale-reads"),
        ("--clients honor-ttl,browser", "browser"),
        ("--rounds 0", "rounds"),
        ("--rate 0", "rate"),
        ("--min-availability 99", "0<=x<=1"),
        ("--max-outage -1", "--max-outage"),
        ("--max-outage nan", "--max-outage"),
        ("--max-lost -1", "--max-lost"),
    ],
)
def test_refuses_what_can_never_work(words: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error that names the nearest possible value."""
    assert run(["failover-test", *words.split()]) == 2
    assert printed in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("option", ["--dir", "--report"])
def test_refuses_a_place_that_cannot_hold_the_evidence(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is harmed for a history that cannot be written; the refusal names the option that helps."""
    (tmp_path / "file").write_text("")
    places = {"--dir": tmp_path / "a" / "b", option: tmp_path / "file" / "drills"}
    words = [str(word) for pair in places.items() for word in pair]
    assert run(["failover-test", *words]) == 2
    err = capsys.readouterr().err
    assert f"why: {tmp_path / 'file'} is not a directory" in err
    assert f"next: {option} DIRECTORY" in err
    assert list(tmp_path.iterdir()) == [tmp_path / "file"], "a place that can be made is not made yet"


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: one.name)
def test_every_fault_is_accepted_and_explained(one: Entry) -> None:
    """By its name, and by the one that an earlier srekv had for it; each states what is expected of it."""
    assert all((one.title, one.hypothesis, one.rule, one.needs))
    for name in {one.name, one.former or one.name}:
        assert command.make_context("failover-test", ["--fault", name]).params["fault"] == one.name
    assert NAMES.count(one.name) == 1


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


@pytest.mark.parametrize(
    ("left_s", "speed", "rounds", "warned"),
    [(None, 1, 1, False), (300, 1, 1, True), (3600, 1, 1, False), (3600, 1, 10, True), (300, 10, 1, False)],
)
def test_a_drill_that_outlasts_the_lease_warns(left_s: int | None, speed: float, rounds: int, warned: bool) -> None:
    """By the drill's usual length times its rounds, on the target's clock; the warning says how to renew the lease."""
    now, listener = datetime(2026, 11, 23, tzinfo=UTC), Plan()
    end = None if left_s is None else now + timedelta(seconds=left_s)
    warn_of_lease(Config(lease=end, speed=speed), listener, rounds=rounds, now=now)
    assert ["srekv up --lease" in str(message) for message in listener.warnings] == [True] * warned
