"""The timeline in a terminal: a character for each piece of time, failures never hidden."""

from __future__ import annotations

import io

from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from srekv.check.history import parse
from srekv.check.timing import measure
from srekv.report.page import timeline
from srekv.report.terminal import NAME_WIDTH, WIDTH, strip


def printed(drawn: dict[str, object]) -> list[str]:
    """The lines at 80 columns, without colour."""
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(strip(drawn))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def drawn(**changes: object) -> dict[str, object]:
    """A timeline of a hundred seconds with one lane."""
    return {"span": [0, 100], "lanes": ["honor-ttl"], "nodes": ["az1", "az2"], "bars": [], "requests": [], **changes}


def test_a_drill_reads_from_left_to_right(drill_text: str) -> None:
    """The headline client is served by az1, fails, is served by az2, and comes home; every line fits."""
    history = parse(drill_text.splitlines())
    timing = measure(history)
    assert timing is not None
    lines = printed(timeline(history, timing))
    line = next(one for one in lines if one.startswith("honor-ttl"))[NAME_WIDTH:]
    order = [sign for before, sign in zip(" " + line, line, strict=False) if sign != before and sign in "12x"]
    assert order == ["1", "x", "2", "1"]
    assert all(len(one) <= 80 for one in lines)


def test_one_failure_among_many_is_shown() -> None:
    """A column in which most requests succeeded still shows the one that failed."""
    good = [[0, 10.0, 10.1, "az1", ""]] * 50
    lines = printed(drawn(requests=[*good, [0, 10.0, 10.1, "error", ""]]))
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
    line = printed(drawn(bars=bars, span=list(span)))[0]
    assert len(line) <= NAME_WIDTH + WIDTH
