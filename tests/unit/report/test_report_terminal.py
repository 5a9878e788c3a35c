"""Drills and verdicts on a terminal: 80 columns, no colour, verdict first."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from srekv.check.history import parse
from srekv.check.model import ClientOutage, Judgement, Operation, Step, Timing, Verdict
from srekv.check.timing import measure
from srekv.drill.model import DrillResult, Finding
from srekv.report.data import failover_document
from srekv.report.page import timeline
from srekv.report.terminal import BAR_WIDTH, NAME_WIDTH, WIDTH, acceptance_table, bar, strip, verdict_view

TIMING = Timing(
    fault="stop az1",
    fault_at=10,
    heal_at=70,
    detection_s=40,
    switch_s=2.5,
    recovery_s=6.5,
    failback_s=25,
    bound_s=54.5,
    clients=(
        ClientOutage(name="honor-ttl", outage_s=49.5, errors=24, begin=9.5, end=59, recovered=True, operations=700),
    ),
    steps=(
        Step(name="detection", begin=0, end=40),
        Step(name="name switches", begin=40, end=42.5, note="the name itself changed 40 to 42 s after the fault"),
        Step(name="first good request", begin=42.5, end=49),
        Step(name="failback", begin=60, end=85),
    ),
)
READ = Operation(client="3", op="read", key="k", value="a", invoke=1.25, complete=1.5, outcome="ok", node="az2")
HELD = Verdict(
    verdict="held",
    operations=700,
    acknowledged=400,
    lost=0,
    linearizable=True,
    findings=(Judgement(checker="linear", verdict="held", summary="one order explains every answer on 20 keys"),),
    timing=TIMING,
)
RESULT = DrillResult(
    run_id="r1", fault="stop az1", history=Path("/tmp/history.jsonl"), speed=10, wall_s=12.5, bound_s=54.5
)


def shown(renderable: RenderableType) -> list[str]:
    """The lines that an 80-column terminal without colour shows."""
    out = io.StringIO()
    Console(file=out, width=80, color_system=None, force_terminal=False).print(renderable)
    return out.getvalue().splitlines()


def test_a_drill_reads_verdict_first() -> None:
    """The first line is the verdict, the second the outage; every phase has its seconds; nothing is wider than 80."""
    lines = shown(verdict_view(HELD, RESULT))

    assert lines[0].startswith("HELD")
    assert "49.5 s" in lines[1]
    assert all(len(line) <= 80 for line in lines)
    text = "\n".join(lines)
    assert all(word in text for word in ("detection", "40.0", "name switches", "2.5", "first good request", "failback"))
    assert text.isascii()


def test_bars_follow_each_other() -> None:
    """A phase begins where the one before ended."""
    scale = BAR_WIDTH / 80
    rows = TIMING.steps
    assert bar(rows[0], scale) == "=" * 15
    assert bar(rows[3], scale).count(" ") == 22


def test_a_switch_that_never_came_is_an_arrow() -> None:
    """A phase without an end says never, and nothing follows it."""
    stuck_at = (Step(name="detection", begin=0, end=40), Step(name="name switches", begin=40, end=None))
    stuck = replace(
        HELD, verdict="violated", timing=replace(TIMING, switch_s=None, recovery_s=None, heal_at=None, steps=stuck_at)
    )
    lines = shown(verdict_view(stuck, RESULT))

    assert lines[0].startswith("VIOLATED")
    assert any("never" in line and line.rstrip().endswith(">") for line in lines)
    assert not any("first good request" in line for line in lines)


def test_an_instant_phase_is_still_seen() -> None:
    """A phase of no length is one mark, not nothing."""
    assert bar(Step(name="x", begin=0, end=0), 1.0) == "="


def test_a_proof_is_shown_below_its_finding() -> None:
    """The operations that contradict each other are listed in words."""
    bad = Judgement(checker="linear", verdict="violated", summary="no order explains it", proof=(READ,))
    lines = shown(verdict_view(replace(HELD, verdict="violated", findings=(bad,), timing=None)))

    assert any("client 3: read -> 'a' (ok) at az2" in line for line in lines)


@pytest.mark.parametrize("passed", [True, False])
def test_acceptance_counts(*, passed: bool) -> None:
    """Every finding has a line and its detail; the last line counts."""
    finding = Finding(name="az1: the resolver answers", passed=passed, detail="127.53.0.128 [TTL 1]", elapsed_s=0.3)
    lines = shown(acceptance_table([finding]))

    assert any("127.53.0.128 [TTL 1]" in line for line in lines)
    assert lines[-1] == ("all 1 passed" if passed else "1 of 1 failed")


def test_document_has_the_agreed_members() -> None:
    """The JSON document of failover-test carries every member of the design, and survives JSON."""
    document = json.loads(json.dumps(failover_document(RESULT, HELD)))
    agreed = "verdict fault outage_s detection_s switch_s recovery_s failback_s operations acknowledged lost"
    agreed += " linearizable speed wall_s clients bound_s report"

    assert set(agreed.split()) <= set(document)
    assert document["clients"][0].items() >= {"name": "honor-ttl", "outage_s": 49.5, "errors": 24}.items()


def shown_strip(drawn: dict[str, object]) -> list[str]:
    """The lines of a timeline."""
    return shown(strip(drawn))


def drawn(**changes: object) -> dict[str, object]:
    """A timeline of a hundred seconds with one lane."""
    return {"span": [0, 100], "lanes": ["honor-ttl"], "nodes": ["az1", "az2"], "bars": [], "requests": [], **changes}


def test_a_drill_reads_from_left_to_right(drill_text: str) -> None:
    """The headline client is served by az1, fails, is served by az2, and comes home; every line fits."""
    history = parse(drill_text.splitlines())
    timing = measure(history)
    assert timing is not None
    lines = shown_strip(timeline(history, timing))
    line = next(one for one in lines if one.startswith("honor-ttl"))[NAME_WIDTH:]
    order = [sign for before, sign in zip(" " + line, line, strict=False) if sign != before and sign in "12x"]
    assert order == ["1", "x", "2", "1"]
    assert all(len(one) <= 80 for one in lines)


def test_one_failure_among_many_is_shown() -> None:
    """A column in which most requests succeeded still shows the one that failed."""
    good = [[0, 10.0, 10.1, "az1", ""]] * 50
    lines = shown_strip(drawn(requests=[*good, [0, 10.0, 10.1, "error", ""]]))
    assert lines[0].count("x") == 1


@example(bars=[(0, 1.0, 2.0, "az1", "")], span=(0.0, 5e-324))
@given(
    bars=st.lists(
        st.tuples(
            st.just(0),
            st.floats(-1e6, 1e6),
            st.floats(-1e6, 1e6),
            st.sampled_from(["az1", "az2", "az9", "error", "healthy", "other"]),
            st.just(""),
        )
    ),
    span=st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)),
)
def test_any_times_give_whole_lines(bars: list[tuple[object, ...]], span: tuple[float, float]) -> None:
    """Bars outside the span, backwards or of no length: a lane is always as wide as the others."""
    line = shown_strip(drawn(bars=bars, span=list(span)))[0]
    assert len(line) <= NAME_WIDTH + WIDTH
