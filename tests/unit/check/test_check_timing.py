"""Timing: the waterfall, every kind of client, expectations and promises."""

from __future__ import annotations

import json
from typing import Any

import pytest

from srekv.check.history import parse
from srekv.check.model import Timing, Verdict
from srekv.check.timing import measure
from srekv.check.verdict import judge_file
from srekv.drill.model import Objectives

PRIMARY = {"node": "az1", "address": "192.0.2.1", "check": "hc-az1"}
SECONDARY = {"node": "az2", "address": "192.0.2.2", "check": "hc-az2"}
SETTINGS = {"interval": 10, "threshold": 3, "ttl": 10, "fault": "stop", "bound_s": 54.5, "rate": 10, "clients": 5}


def event(kind: str, at: float, **members: Any) -> str:
    """An event as a line of a history."""
    return json.dumps({"event": kind, "at": at, **members}) + "\n"


def client(zoo: str, *, out: tuple[float, float] | None, error: str = "timed out", name: str = "") -> list[str]:
    """A client that reads once a second from 0 to 100 and gets no answer in between."""
    lines = []
    for second in range(100):
        good = out is None or not out[0] <= second < out[1]
        base = {"client": name or zoo, "zoo": zoo, "op": "read", "key": "k", "value": None, "invoke": second}
        end = {"complete": second + 0.5, "outcome": "ok"} if good else {"complete": second + 0.9, "outcome": "fail"}
        lines.append(json.dumps({**base, **end, **({} if good else {"error": error})}) + "\n")
    return lines


def events(*, switch: bool = True, **settings: Any) -> list[str]:
    """Fault at 10, first failed probe at 15, unhealthy at 50, name switched at 55, heal at 70, back at 95."""
    lines = [
        event("drill", 10, primary=PRIMARY, secondary=SECONDARY, **{**SETTINGS, **settings}),
        event("fault", 10, what="stop az1"),
        event("observation", 12, check="hc-az2", healthy=False),
        event("observation", 15, check="hc-az1", checker="192.0.2.9", healthy=False),
        event("health", 14, check="hc-az1", healthy=True, failing=1, checkers=16),
        event("health", 50, check="hc-az1", healthy=False, failing=14, checkers=16),
        event("dns", 9, answer=["192.0.2.1"], ttl=4),
        event("dns", 54, answer=["192.0.2.1"], ttl=1),
        event("heal", 70),
    ]
    if switch:
        lines += [event("dns", 55, answer=["192.0.2.2"], ttl=10), event("dns", 95, answer=["192.0.2.1"], ttl=10)]
    return lines


def timing(lines: list[str]) -> Timing:
    """What is measured in these lines."""
    found = measure(parse(lines))
    assert found is not None
    return found


def ruling(verdict: Verdict, checker: str) -> str:
    """What one checker says."""
    return next(one.verdict for one in verdict.findings if one.checker == checker)


def test_the_waterfall_has_no_holes() -> None:
    """Each step begins where the one before ended, the first at the fault, the last at the first good answer."""
    steps = timing([*events(), *client("honor-ttl", out=(10, 57))]).steps

    assert [(one.name, one.begin, one.end) for one in steps] == [
        ("first failed probe", 0, 5),
        ("checkers agree", 5, 40),
        ("name switches, last cached answer gone", 40, 45),
        ("first good request", 45, 47.5),
        ("failback", 60, 85),
    ]


def test_the_switch_is_bounded_by_the_ttls() -> None:
    """The resolver counted 10 s down to 1 at 54: fetched at 45 or later; its new answer was fetched at 55."""
    steps = timing([*events(), *client("honor-ttl", out=(10, 57))]).steps
    assert steps[2].note == "the name itself changed 35.0 to 45.0 s after the fault"


def test_a_fast_clock_blurs_the_ttls() -> None:
    """Whole seconds on the wire are ten AWS-equivalent ones: nothing can be said but the TTL itself."""
    steps = timing([*events(speed=10), *client("honor-ttl", out=(10, 57))]).steps
    assert steps[2].note == "asked through a cache: the name itself may have changed up to 10 s earlier"


def test_an_authoritative_answer_splits_switch_and_cache() -> None:
    """Where the name server itself can be asked, the cache is a step of its own."""
    lines = [*events(), event("dns", 51, answer=["192.0.2.2"], authoritative=True), *client("honor-ttl", out=(10, 57))]
    names = [one.name for one in timing(lines).steps]
    assert names[2:4] == ["name switches", "last cached answer gone"]


def test_the_headline_is_the_client_that_honours_the_ttl() -> None:
    """Every kind has its own outage; the headline's is not the worst one's; operations without a kind count as ttl."""
    lines = [
        *events(),
        *client("cache-forever", out=(10, 90)),
        *client("honor-ttl", out=(10, 57)),
        *client("retry", out=None),
    ]
    found = timing(lines)

    assert [(one.name, one.outage_s) for one in found.clients] == [
        ("honor-ttl", 48),
        ("cache-forever", 81),
        ("retry", 0),
    ]
    assert found.outage_s == 48
    assert "java.security" in found.clients[1].advice


def test_a_history_with_the_former_names_reads_as_today() -> None:
    """Kinds of clients had other names once; such a history has the figures, and the names, of one of today."""
    former = {"ttl": "honor-ttl", "for-ever": "cache-forever", "ten-seconds": "cache-10s", "every-time": "no-cache"}
    then, today = (
        timing([*events(), *(line for kind in kinds for line in client(kind, out=(10, 57)))]).clients
        for kinds in (former, former.values())
    )
    assert then == today
    assert {one.name for one in then} == set(former.values())


def test_several_clients_of_a_kind_count_as_the_worst() -> None:
    """The longest outage, all errors, the mean availability."""
    lines = [*events(), *client("honor-ttl", out=(10, 57), name="a"), *client("honor-ttl", out=None, name="b")]
    one = timing(lines).clients[0]

    assert (one.outage_s, one.errors, one.operations) == (48, 47, 200)
    assert one.availability == pytest.approx(1 - 48 / (2 * 99.5), abs=1e-5)


def test_errors_are_told_apart() -> None:
    """What went wrong is counted in few words."""
    lines = [
        *events(),
        *client("honor-ttl", out=(10, 20), error="connect: timed out", name="a"),
        *client("honor-ttl", out=(10, 13), error="connect: [Errno 111] Connection refused", name="b"),
        *client("honor-ttl", out=(10, 11), error="HTTP 503", name="c"),
    ]
    counts = timing(lines).clients[0].errors_by_kind
    assert list(counts.items()) == [("time-out", 10), ("connection refused", 3), ("HTTP 503", 1)]


def test_luck_is_a_percentile() -> None:
    """The measured outage has a place among the simulated ones; the curve rises from best to worst."""
    expected = timing([*events(), *client("honor-ttl", out=(10, 57))]).expected
    assert expected is not None
    assert expected.best_s < 48 < expected.worst_s
    assert 10 < expected.percentile < 95
    assert list(expected.curve) == sorted(expected.curve)


def test_without_settings_nothing_is_expected() -> None:
    """A history that does not say the interval has no distribution."""
    assert timing([*events(interval=None), *client("honor-ttl", out=(10, 57))]).expected is None


@pytest.mark.parametrize(
    ("expect", "switch", "out", "held"),
    [
        ({"switch": True, "outage": True}, True, (10, 57), True),
        ({"switch": True, "outage": True}, False, (10, 80), False),
        ({"switch": False, "outage": True}, False, (10, 90), True),
        ({"switch": False, "outage": True}, True, (10, 57), False),
        ({"switch": None, "outage": True}, True, (10, 57), True),
        ({"switch": None, "outage": True}, False, (10, 57), True),
        ({"switch": True, "outage": False}, True, None, True),
        ({"switch": True, "outage": False}, True, (50, 51), False),
        ({"switch": False, "outage": True}, False, (10, 200), False),
    ],
)
def test_a_fault_is_judged_by_what_it_must_do(
    expect: dict[str, bool | None], switch: bool, out: tuple[float, float] | None, held: bool
) -> None:
    """A switch where none may be, none where one must be, or a failure where none may be, is a violation."""
    verdict = judge_file([*events(switch=switch, expect=expect), *client("honor-ttl", out=out)])
    assert ruling(verdict, "timing") == ("held" if held else "violated")


def test_a_fault_that_must_not_move_the_name_just_lasts() -> None:
    """No bound, no luck, no advice about names: the fault's own time, and what came after the heal."""
    expect = {"switch": False, "outage": True}
    found = timing(
        [*events(switch=False, expect=expect), *client("honor-ttl", out=(10, 75)), *client("cache-forever", out=None)]
    )

    assert [(one.name, one.begin, one.end) for one in found.steps] == [
        ("the fault lasts", 0, 60),
        ("first good request", 60, 65.5),
    ]
    assert (found.bound_s, found.expected) == (None, None)
    assert [one.advice for one in found.clients] == [
        "nothing: the name does not move away from such a fault",
        "nothing: it did not notice",
    ]


@pytest.mark.parametrize(
    ("promises", "held"),
    [
        (Objectives(max_outage_s=60, min_availability=0.4), True),
        (Objectives(max_outage_s=47), False),
        (Objectives(min_availability=0.99), False),
        (Objectives(), True),
    ],
)
def test_promises_are_kept_or_not(promises: Objectives, held: bool) -> None:
    """A run is held to what was promised, by the clients that honour the TTL."""
    verdict = judge_file(
        [*events(), *client("honor-ttl", out=(10, 57)), *client("cache-forever", out=(10, 90))], objectives=promises
    )
    assert verdict.verdict == ("held" if held else "violated")


def test_promises_travel_with_the_history() -> None:
    """Without others, those of the drill itself count."""
    lines = [
        *events(promises={"max_outage_s": 5, "max_lost": 0, "min_availability": None}),
        *client("honor-ttl", out=(10, 57)),
    ]

    assert ruling(judge_file(lines), "max-outage") == "violated"
    assert judge_file(lines, objectives=Objectives()).verdict == "held"


def test_a_promise_without_a_measurement_is_unknown() -> None:
    """Nobody can say whether an outage stayed short when no fault was recorded."""
    assert judge_file(client("honor-ttl", out=None), objectives=Objectives(max_outage_s=5)).verdict == "unknown"
