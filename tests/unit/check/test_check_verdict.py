"""Histories as files: reading them, losses, timing, and the verdict over all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srekv.check.history import parse
from srekv.check.lost import losses
from srekv.check.model import by_key
from srekv.check.timing import measure
from srekv.check.verdict import judge_file, worst
from srekv.drill.model import Objectives

PRIMARY, SECONDARY = "192.0.2.1", "192.0.2.2"


def line(op: str, value: Any, begin: float, end: float | None, **members: Any) -> str:
    """An operation on key k as a line of a history."""
    outcome = "unknown" if end is None else "ok"
    base = {"client": 0, "op": op, "key": "k", "value": value, "invoke": begin, "complete": end, "outcome": outcome}
    return json.dumps({**base, **members}) + "\n"


def event(kind: str, at: float, **members: Any) -> str:
    """An event as a line of a history."""
    return json.dumps({"event": kind, "at": at, **members}) + "\n"


def drill(*, switches: bool = True, back: bool = True, recovers: bool = True) -> list[str]:
    """A drill as it is written: fault at 10, unhealthy at 50, switch at 55, good at 60, heal at 70, back at 95."""
    lines = [
        event("start", 0, epoch=1, speed=10),
        event("drill", 10, primary={"address": PRIMARY}, secondary={"address": SECONDARY}, bound_s=54.5),
        event("dns", 9, answer=[PRIMARY]),
        event("fault", 10, what="stop az1"),
        event("health", 50, check="hc-az1", healthy=False),
        event("heal", 70),
    ]
    lines += [event("dns", 55, answer=[SECONDARY])] if switches else []
    lines += [event("dns", 95, answer=[PRIMARY])] if back else []
    lines += [line("write", f"v{second}", second, second + 0.5) for second in range(10)]
    lines += [line("write", f"w{second}", second, None) for second in range(11, 59, 2)]
    if recovers:
        lines += [line("write", f"x{second}", second, second + 0.5) for second in range(60, 100)]
        lines.append(line("read", "x99", 101, 102, final=True, client=5))
    return lines


def test_phases_of_an_outage() -> None:
    """Every phase is measured from the end of the one before, and they end where the outage ends."""
    timing = measure(parse(drill()))

    assert timing is not None
    assert (timing.detection_s, timing.switch_s, timing.recovery_s) == (40, 5, 5.5)
    assert timing.failback_s == 25
    assert timing.outage_s == pytest.approx(60.5 - 9.5)
    assert [(one.name, one.errors, one.recovered) for one in timing.clients] == [("honor-ttl", 24, True)]


def test_a_drill_that_held() -> None:
    """Nothing lost, one order, within the bound: held."""
    verdict = judge_file(drill())

    assert (verdict.verdict, verdict.lost, verdict.linearizable) == ("held", 0, True)
    assert verdict.operations == 10 + 24 + 40 + 1
    assert verdict.acknowledged == 50


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"switches": False}, "never switched"),
        ({"back": False}, "never came back"),
        ({"recovers": False}, "never recovered: honor-ttl"),
    ],
)
def test_a_failover_that_does_not_end_is_violated(broken: dict[str, bool], words: str) -> None:
    """A name that stays, or a client that stays out, is a violation that says so."""
    verdict = judge_file(drill(**broken))
    timing = next(one for one in verdict.findings if one.checker == "timing")

    assert verdict.verdict == "violated"
    assert words in timing.summary


CAUGHT = {
    "lost": [*drill(), line("read", None, 110, 111, final=True)],
    "linear": [*drill(), line("read", "v0", 110, 111)],
    "timing": drill(recovers=False),
    "max-outage": drill(),
    "min-availability": drill(),
}
"""Checker -> a history that it must not let pass, judged by the promises of STRICT."""
STRICT = Objectives(max_outage_s=1, min_availability=1)


def test_every_checker_catches_something() -> None:
    """No checker says held to everything: each is shown a history that it calls violated.

    `steady` accuses nobody: what it does not let pass is inconclusive (test_check_steady.py).
    """
    checkers = {one.checker for one in judge_file(drill(), objectives=STRICT).findings}
    assert checkers == set(CAUGHT) | {"steady"}
    for checker, lines in CAUGHT.items():
        verdicts = {one.checker: one.verdict for one in judge_file(lines, objectives=STRICT).findings}
        assert verdicts[checker] == "violated", checker


def test_no_errors_is_no_outage() -> None:
    """Idle time between good answers is no outage."""
    lines = [line("write", "a", 0, 1), event("fault", 5), line("write", "b", 90, 91)]
    timing = measure(parse(lines))
    assert timing is not None
    assert timing.outage_s == 0


def test_a_name_that_switched_before_the_poll_saw_it() -> None:
    """The health verdict was there at the latest when the name switched: no negative phase."""
    lines = [text for text in drill() if '"health"' not in text] + [event("health", 57, healthy=False)]
    timing = measure(parse(lines))
    assert timing is not None
    assert (timing.detection_s, timing.switch_s) == (45, 0)


@settings(deadline=None)
@given(st.permutations(drill()))
def test_the_order_of_lines_does_not_matter(lines: list[str]) -> None:
    """A history is a set of lines."""
    assert judge_file(lines) == judge_file(drill())


@pytest.mark.parametrize(
    ("lines", "lost"),
    [
        ([line("write", "a", 0, 1), line("read", "a", 2, 3, final=True)], 0),
        ([line("write", "a", 0, 1), line("read", None, 2, 3, final=True)], 1),
        ([line("write", "a", 0, 1), line("write", "b", 2, 3), line("read", "a", 4, 5, final=True)], 1),
        ([line("write", "a", 0, 1), line("write", "b", 0, 2), line("read", "a", 4, 5, final=True)], 0),
        ([line("write", "a", 0, None), line("write", "b", 2, 3), line("read", "a", 4, 5, final=True)], 0),
        ([line("delete", None, 2, None), line("write", "a", 0, 1), line("read", None, 4, 5, final=True)], 0),
        ([line("write", "a", 0, 1), line("delete", None, 2, 3), line("read", "a", 4, 5, final=True)], 1),
        ([line("write", "a", 0, 9), line("read", None, 4, 5, final=True)], 0),
    ],
)
def test_lost_only_if_no_order_explains_it(lines: list[str], lost: int) -> None:
    """An acknowledged change counts as lost when the final read contradicts it, and only then."""
    assert losses(by_key(parse(lines).operations)).lost == lost


def test_a_value_that_nobody_wrote() -> None:
    """A phantom is a violation of its own."""
    verdict = judge_file([line("write", "a", 0, 1), line("read", "z", 2, 3)])
    assert verdict.verdict == "violated"
    assert verdict.findings[0].proof[0].value == "z"


def test_changes_that_were_never_read_back() -> None:
    """A load that ends without final reads leaves its acknowledged changes unknown."""
    verdict = judge_file([event("start", 0), line("write", "a", 0, 1)])
    assert verdict.verdict == "unknown"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [event("start", 0)],
        drill()[:8],
        ["noise"],
        [line("write", "a", 0, None), line("write", "b", 0, 1, outcome="fail")],
    ],
)
def test_nothing_to_judge(lines: list[str]) -> None:
    """A history without an answered operation proves nothing: no checker that judges answers says held."""
    verdict = judge_file(lines, objectives=STRICT)
    rulings = {one.checker: one.verdict for one in verdict.findings}

    assert verdict.verdict == "unknown"
    assert verdict.linearizable is None
    assert {rulings[one] for one in ("lost", "linear", "max-outage", "min-availability")} == {"unknown"}


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (lambda one: one.get("event") == "drill", "no drill"),
        (lambda one: one.get("event") == "fault", "no fault"),
        (lambda one: one.get("event") == "heal", "no heal"),
        (lambda one: one.get("event") == "dns", "nothing shows whether it switched"),
        (lambda one: "op" in one and one["invoke"] < 10, "no operation before the fault"),
        (lambda one: "op" in one and one["invoke"] >= 10, "no client operated after the fault"),
    ],
)
def test_what_a_drill_did_not_record_is_not_held(missing: Callable[[dict[str, Any]], bool], words: str) -> None:
    """The tool's events and the load's operations are each needed: without one of them there is no verdict."""
    kept = [one for one in map(json.loads, drill()) if not missing(one) and not one.get("final")]
    latest = max((one for one in kept if one.get("outcome") == "ok"), key=lambda one: float(one["invoke"]))
    verdict = judge_file([*map(json.dumps, kept), line("read", latest["value"], 101, 102, final=True)])

    assert verdict.verdict == "unknown"
    assert words in " ".join(one.summary for one in verdict.findings if one.verdict == "unknown")


def test_worst_wins() -> None:
    """The order is violated, unknown, held."""
    assert worst(["held", "unknown", "violated"]) == "violated"
    assert worst(["held", "unknown"]) == "unknown"
    assert worst([]) == "held"


def test_judged_from_a_file(tmp_path: Path) -> None:
    """A file can be judged by its path, again and again."""
    path = tmp_path / "history.jsonl"
    path.write_text("".join(drill()))
    assert judge_file(path) == judge_file(str(path)) == judge_file(drill())


def test_as_json() -> None:
    """The document of check has the members that the design names, and survives JSON."""
    document = json.loads(json.dumps(judge_file([line("read", "z", 2, 3)]).to_json()))
    assert {"verdict", "operations", "findings"} <= set(document)
    assert set(document["findings"][0]) == {"checker", "verdict", "summary", "proof", "fix"}
    assert document["findings"][0]["proof"][0]["value"] == "z"
