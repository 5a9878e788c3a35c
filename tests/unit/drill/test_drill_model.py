"""The drill's own rules: health, bounds, clocks, the payload."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.drill.model import Settings, detection_bound_s, is_healthy, outage_bound_s
from srekv.drill.observer import HealthWatch
from srekv.drill.payload import payload
from srekv.drill.timeline import AWS, ClockOffset, Timeline
from srekv.errors import SrekvError
from srekv.provision.model import Check, Observation
from tests.support.drill import World


def _check(**fields: Any) -> Check:
    base = {"name": "hc", "id": "x", "address": "127.0.0.1", "port": 80, "path": "/health", "interval": 10}
    return Check(**{**base, "threshold": 3, **fields})


def _reports(healthy: int, unhealthy: int) -> tuple[Observation, ...]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    one = Observation(checker="127.0.0.1", region="us-east-1", healthy=True, status="", at=at)
    return (one,) * healthy + (replace(one, healthy=False),) * unhealthy


@pytest.mark.parametrize(
    ("healthy", "unhealthy", "verdict"), [(16, 0, True), (3, 13, True), (2, 14, False), (0, 16, False), (0, 0, True)]
)
def test_more_than_18_percent(healthy: int, unhealthy: int, *, verdict: bool) -> None:
    """Three healthy checkers of sixteen keep a check healthy, two do not; a new check is healthy."""
    assert is_healthy(_check(), _reports(healthy, unhealthy)) is verdict


def _seen(watch: HealthWatch, second: float, *, healthy: int, unhealthy: int) -> bool:
    """Feed sixteen reports made at that second."""
    at = datetime.fromtimestamp(1_000_000 + second, UTC)
    reports = _reports(healthy, unhealthy)
    return watch.feed(replace(one, checker=str(number), at=at) for number, one in enumerate(reports))


def test_the_verdict_waits_for_the_threshold() -> None:
    """One failure of every checker changes nothing, three in a row do; two looks at one report count once."""
    watch = HealthWatch(_check(), speed=1)
    seen = [_seen(watch, second, healthy=0 if second else 16, unhealthy=16 if second else 0) for second in (0, 10, 10)]
    seen += [_seen(watch, 24, healthy=0, unhealthy=16), _seen(watch, 38, healthy=0, unhealthy=16)]

    assert seen == [True, True, True, True, False]


def test_a_success_in_between_starts_the_count_again() -> None:
    """Only failures in a row count."""
    watch = HealthWatch(_check(), speed=1)
    up = {"healthy": 16, "unhealthy": 0}
    down = {"healthy": 0, "unhealthy": 16}
    steps = [up, down, down, up, down, down]
    assert all(_seen(watch, 10 * number, **step) for number, step in enumerate(steps))
    assert not _seen(watch, 60, **down)


def test_recovery_needs_three_checkers() -> None:
    """Down, the verdict comes back when more than 18 % of the checkers passed three times."""
    watch = HealthWatch(_check(threshold=1), speed=1)
    assert not _seen(watch, 0, healthy=0, unhealthy=16)
    assert not _seen(watch, 10, healthy=2, unhealthy=14)
    assert _seen(watch, 20, healthy=3, unhealthy=13)


def test_reports_missed_between_two_looks_are_made_up_for() -> None:
    """Failing at two looks far apart is failing at every probe between, as far as anybody can tell."""
    watch = HealthWatch(_check(), speed=10)
    _seen(watch, 0, healthy=16, unhealthy=0)
    assert _seen(watch, 1, healthy=0, unhealthy=16)
    assert not _seen(watch, 1 + 3.3, healthy=0, unhealthy=16)


def test_a_watched_check_that_is_inverted_or_disabled() -> None:
    """The flags count for the verdict as they do for Route 53."""
    assert not _seen(HealthWatch(_check(inverted=True), speed=1), 0, healthy=16, unhealthy=0)
    assert _seen(HealthWatch(_check(disabled=True), speed=1), 0, healthy=0, unhealthy=16)


def test_inverted_and_disabled() -> None:
    """An inverted check says the opposite, also when it is new; a disabled one is always healthy."""
    assert not is_healthy(_check(inverted=True), _reports(16, 0))
    assert not is_healthy(_check(inverted=True), ())
    assert is_healthy(_check(disabled=True), _reports(0, 16))


@pytest.mark.parametrize(
    ("interval", "threshold", "worst"), [(30, 3, 102), (30, 1, 34), (10, 3, 42), (10, 2, 28), (10, 1, 14)]
)
def test_detection_bound(interval: int, threshold: int, worst: float) -> None:
    """The arithmetic gives the worst cases of the simulated table for a black hole."""
    assert detection_bound_s(_check(interval=interval, threshold=threshold)) == worst


def test_outage_bound_has_every_part() -> None:
    """Detection, one TTL, one operation's time-out and one pause."""
    settings = Settings(resolver=("127.0.0.1", 53), port=80, run_id="r", rate=6, clients=2, op_timeout_s=3)
    assert outage_bound_s(_check(), ttl=60, settings=settings) == 42 + 60 + 3 + 2


@given(offset=st.floats(-100, 100), trips=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=5))
def test_offset_is_within_the_round_trips(offset: float, trips: list[tuple[float, float]]) -> None:
    """The offset is never further off than the shortest round trip was long."""
    measured = ClockOffset()
    for number, (there, back) in enumerate(trips):
        sent = 1000.0 * number
        measured.measured(sent=sent, theirs=sent + there + offset, received=sent + there + back)

    assert abs(measured.seconds - offset) <= min(there + back for there, back in trips) + 1e-3


def test_clocks_that_agree_are_believed() -> None:
    """While the round trip does not contradict it, both clocks are taken to agree."""
    measured = ClockOffset()
    measured.measured(sent=10.0, theirs=10.9, received=12.0)
    assert measured.seconds == 0


def test_times_of_aws_need_no_offset(world: World) -> None:
    """The tool's clock may be off; AWS's is the vantage point's."""
    timeline = Timeline(world.clock)
    timeline.offset.measured(sent=100, theirs=107, received=100)
    timeline.record("fault", at=110)
    timeline.record("health", at=110, clock=AWS)
    history = timeline.merged(b'{"event": "start", "at": 0, "epoch": 105, "speed": 10}\n')

    assert [json.loads(line)["at"] for line in history.splitlines()[:-1]] == [0, 120, 50]


def test_a_history_without_a_start(world: World) -> None:
    """A load that never wrote its start cannot be aligned with anything."""
    with pytest.raises(SrekvError, match="no beginning"):
        Timeline(world.clock).merged(b'{"event":"dns","at":1}\n{half')


def test_payload_is_deterministic_and_complete() -> None:
    """Built twice it has the same name, and it holds everything that the probe imports."""
    build = payload.__wrapped__
    assert build().name == build().name
    names = zipfile.ZipFile(io.BytesIO(payload().data)).namelist()
    assert {"__main__.py", "srekv/__init__.py", "srekv/probe/command.py", "srekv/probe/wire.py"} <= set(names)


def test_script_quotes_what_it_is_given() -> None:
    """No argument can become shell syntax."""
    script = payload().script("request", "GET", "/read?key=$(reboot)&v='; rm", ship=False)
    assert "'/read?key=$(reboot)&v='\"'\"'; rm'" in script


def test_script_fits_into_a_command() -> None:
    """With the probe in it a script stays far below what Run Command takes (64 KiB)."""
    assert len(payload().script("status", "x", ship=True)) < 32_000
