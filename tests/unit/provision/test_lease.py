"""Leases as values: durations, ends, what is said of them, and which one a new instance begins with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.cli import run
from srekv.config import Config, duration
from srekv.errors import SrekvError, UsageError
from srekv.provision import lease

NOW = datetime(2026, 11, 23, 15, 48, 0, tzinfo=UTC)
MOMENTS = st.floats(min_value=0, max_value=4e9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("2h", 7200), ("3d", 259_200), ("1h30m", 5400), ("1.5h", 5400), ("600s", 600), (" 2 H ", 7200)],
)
def test_durations_have_units(text: str, seconds: float) -> None:
    """Minutes, hours and days, also together; blanks and capitals do not matter."""
    assert duration(text, "--lease") == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2w", "-2h", "2h-", "two hours", "2h30", "1e3s", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The error shows what would be one."""
    with pytest.raises(UsageError, match="is no duration") as caught:
        duration(text, "--lease")
    assert "--lease 90m" in str(caught.value.next_step)


@pytest.mark.parametrize(("seconds", "nearest"), [(599, "10m"), (0, "10m"), (30 * 86_400 + 1, "30d")])
def test_a_lease_lasts_ten_minutes_to_thirty_days(seconds: float, nearest: str) -> None:
    """Anything else is refused before the first call, with the nearest that would do."""
    with pytest.raises(UsageError, match="invalid value") as caught:
        Config(lease_s=seconds)
    assert str(caught.value.next_step) == f"nearest: --lease {nearest}"


def test_a_lease_of_either_limit_is_fine() -> None:
    """The limits themselves are possible."""
    assert [Config(lease_s=seconds).lease_s for seconds in (600, 30 * 86_400)] == [600, 30 * 86_400]


@given(MOMENTS)
def test_an_end_survives_its_tag(moment: datetime) -> None:
    """What is written is read back, to the second, and holds only characters that IAM takes."""
    end = lease.end_of(0, now=moment)
    text = lease.as_text(end)
    assert lease.from_text(text) == end
    assert timedelta(0) <= moment - end < timedelta(seconds=1)
    assert all(character.isalnum() or character in "_.:/=+-@ " for character in text)


def test_no_lease_is_no_text() -> None:
    """None and the empty text belong together."""
    assert (lease.as_text(None), lease.from_text("")) == ("", None)


def test_a_tag_that_somebody_changed_is_an_error() -> None:
    """Guessing would end nodes too early, or never."""
    with pytest.raises(SrekvError, match="srekv:lease=tomorrow is no time"):
        lease.from_text("tomorrow")


@pytest.mark.parametrize(
    ("left", "text"),
    [
        ({"hours": 1, "minutes": 12}, "until 2026-11-23 17:00 UTC (in 1 h 12 min)"),
        ({"seconds": 45}, "until 2026-11-23 15:48 UTC (in 45 s)"),
        ({"days": 2, "minutes": 5}, "until 2026-11-25 15:53 UTC (in 2 d)"),
        ({"hours": -3}, "it ended 3 h ago, at 2026-11-23 12:48 UTC"),
        ({}, "it ended 0 s ago, at 2026-11-23 15:48 UTC"),
    ],
)
def test_a_person_reads_when_and_how_long(left: dict[str, Any], text: str) -> None:
    """The moment, and how far away it is in its largest units."""
    assert lease.describe(NOW + timedelta(**left), now=NOW) == text


def test_a_lease_that_is_over_is_not_gone_on_with() -> None:
    """Neither a live lease nor none is refused; one that has ended is, with both ways out."""
    lease.refuse_over(None, now=NOW)
    lease.refuse_over(NOW + timedelta(seconds=1), now=NOW)
    with pytest.raises(UsageError, match="it ended 3 h ago") as caught:
        lease.refuse_over(NOW - timedelta(hours=3), now=NOW)
    assert "--lease 2h" in str(caught.value.next_step)
    assert "--no-lease" in str(caught.value.next_step)


def test_missing_nodes_are_explained_by_their_lease_only_if_it_is_over() -> None:
    """Otherwise something else is wrong."""
    assert lease.explain_end(None, now=NOW) is None
    assert lease.explain_end(NOW + timedelta(seconds=1), now=NOW) is None
    over = lease.explain_end(NOW, now=NOW)
    assert over is not None
    assert "srekv down" in str(over.next_step)


@pytest.mark.parametrize(
    ("kept_s", "wanted_s", "begins_with"),
    [
        (None, None, None),
        (None, 7200, 7200),
        (3600, None, None),
        (3600, 7200, 3600),
        (3600, 3600, 3600),
        (600, 7200, 7200),
        (-10, 7200, 7200),
    ],
)
def test_a_repeated_launch_has_the_same_parameters(
    kept_s: int | None, wanted_s: int | None, begins_with: int | None
) -> None:
    """A new instance begins with the lease that the stack had, while that lasts; else with the one that is wanted."""

    def moment(seconds: int | None) -> datetime | None:
        return None if seconds is None else NOW + timedelta(seconds=seconds)

    assert lease.at_launch(moment(kept_s), moment(wanted_s), now=NOW, spent_s=600) == moment(begins_with)


def test_a_document_tells_the_end_and_whether_it_has_come() -> None:
    """The member `lease` of `status` and `up`."""
    assert lease.document(None, now=NOW) is None
    assert lease.document(NOW, now=NOW) == {"until": "2026-11-23T15:48:00Z", "expired": True}
    later = lease.document(NOW + timedelta(seconds=1), now=NOW)
    assert later == {"until": "2026-11-23T15:48:01Z", "expired": False}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--lease", "5m"), "a lease lasts 10 minutes to 30 days"),
        (("--lease", "31d"), "a lease lasts 10 minutes to 30 days"),
        (("--lease", "soon"), "is no duration"),
        (("--lease", "2h", "--no-lease"), "exclude each other"),
    ],
)
def test_an_impossible_lease_is_refused_before_anything_starts(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, and no local cloud was started for it."""
    monkeypatch.setenv("SREKV_HOME", str(tmp_path / "home"))
    assert run(["up", *words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "home").exists()
