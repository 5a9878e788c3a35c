"""Damaged drills: whatever a history's members and bytes are, each stage from reader to report has an answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from srekv.check.compare import Measures, compare, conclusion
from srekv.check.history import parse
from srekv.check.verdict import judge_history
from srekv.report.data import history_document
from srekv.report.html import html
from srekv.report.junit import junit
from srekv.report.page import distribution, timeline
from srekv.report.terminal import strip, verdict_view

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, "\ud800", 5e-324, 0])
)
ANYTHING = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)
GOOD = Measures(verdict="held", outage_s=50.0, lost=0, availability=0.5)


@pytest.fixture(scope="session")
def drill_lines(drill_text: str) -> list[Any]:
    """The drill as one kind of client saw it: small enough to be judged a hundred times."""
    lines = [json.loads(line) for line in drill_text.splitlines()]
    return [line for line in lines if line.get("zoo", "honor-ttl") == "honor-ttl"]


def members(line: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Where each member of a line stands, those of its objects too."""
    found = [(line, name) for name in line]
    return found + [one for value in line.values() if isinstance(value, dict) for one in members(value)]


@st.composite
def damages(draw: Callable[[Any], Any], lines: list[Any]) -> list[bytes]:
    """Lines of which some have a wrong member, lack one, or are other bytes."""
    lines = json.loads(json.dumps(lines))
    events = [line for line in lines if line.get("event") not in {None, "dns", "health", "observation"}]
    for _ in range(draw(st.integers(0, 3))):
        line = draw(st.sampled_from(draw(st.sampled_from([events, lines]))))
        place, name = draw(st.sampled_from(members(line)))
        if draw(st.booleans()):
            place[name] = draw(ANYTHING)
        else:
            place.pop(name, None)
    texts = [json.dumps(line).encode() + b"\n" for line in lines]
    for _ in range(draw(st.integers(0, 2))):
        index = draw(st.integers(0, len(texts) - 1))
        begin = draw(st.integers(0, len(texts[index])))
        texts[index] = (
            texts[index][:begin] + draw(st.binary(max_size=4)) + texts[index][begin + draw(st.integers(0, 4)) :]
        )
    return b"".join(texts)[: draw(st.none() | st.integers(0, sum(map(len, texts))))].splitlines(keepends=True)


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_every_stage_has_an_answer(drill_lines: list[Any], data: st.DataObject) -> None:
    """No checker fails, nothing crashes, each figure is a number in JSON, and what is unknown compares to nothing."""
    history = parse(data.draw(damages(drill_lines)))
    verdict = judge_history(history)
    document = json.loads(json.dumps(history_document(history, verdict), allow_nan=False))
    drawn = timeline(history, verdict.timing) if verdict.timing else None
    shown = [verdict_view(verdict), *([strip(drawn)] if drawn else [])]
    Console(file=io.StringIO()).print(*shown)

    assert not [one for one in verdict.findings if "the checker failed" in one.summary]
    assert json.dumps([drawn, distribution(verdict.timing) if verdict.timing else None], allow_nan=False)
    assert junit(verdict, name="x")
    assert html({**document, "history": "h", "history_sha256": "0", "report": "r"}, history, verdict)
    for measures in (Measures.of(verdict), Measures.from_json(document)):
        for sides in (([GOOD], [measures]), ([measures], [GOOD])):
            assert verdict.verdict != "unknown" or conclusion(compare(*sides, tolerance=0.1)) is None
