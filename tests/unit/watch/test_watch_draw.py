"""What a watcher sees: everything at a glance on a terminal of any size, with or without colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from srekv.watch.draw import clock, document, frame, plain
from srekv.watch.events import extend
from srekv.watch.model import Snapshot, Timeline

Make = Callable[..., Snapshot]
ROOT = Path(__file__).parents[3]


def _told(*looks: Snapshot) -> Timeline:
    story = Timeline()
    for one in looks:
        story = extend(story, one)
    return story


def _drawn(story: Timeline, *, columns: int = 80, lines: int = 24, **console: Any) -> list[str]:
    look = story.last
    assert look is not None
    out = io.StringIO()
    paper = Console(file=out, width=columns, height=lines, **console)
    paper.print(frame(story, now=look.at, stack="srekv on aws, us-east-1", speed=1, lines=lines))
    return out.getvalue().splitlines()


@pytest.fixture
def failed_over(look: Make) -> Timeline:
    """A primary that has stopped; the name has switched."""
    return _told(
        look(0),
        look(10, state="stopping", failed=3, error="connect: timed out"),
        look(40, state="stopped", failing=16, failed=16, error="connect: timed out"),
        look(45, state="stopped", failing=16, failed=16, answer="az2"),
    )


def test_everything_is_there_at_a_glance(failed_over: Timeline, look: Make) -> None:
    """Answer with its history, nodes, checkers, requests and events, in 80 columns and 24 lines."""
    drawn = _drawn(failed_over)
    text = "\n".join(drawn)
    assert f"svc.sre-test.local answers az2 (192.0.2.2) since {clock(look(45).at)}, TTL left 7 s" in text
    assert f"before: {clock(look(0).at)} az1 (192.0.2.1)" in text
    assert "az1   primary    stopped  unhealthy  192.0.2.1  us-east-1a" in text
    assert "az2   secondary  running  healthy    192.0.2.2  us-east-1b" in text
    assert f"hc-az1  {'0 of 16':18}{'16 of 16':19}{clock(look(45).at)} Connection timed out." in text
    assert f"hc-az2  {'16 of 16':18}{'0 of 16':19}none" in text
    assert f"{clock(look(40).at)}  health connect: timed out 4 ms" in text
    assert f"{clock(look(45).at)}  health 200 az2 4 ms" in text
    assert drawn[-1] == "seen: name 0 s ago, stack 0 s ago, checks 0 s ago; Ctrl-C ends"


def test_a_drill_that_is_at_work_is_named(look: Make) -> None:
    """As long as its note is there."""
    note = "a drill has noted its fault: hang (run r1)"
    assert note in _drawn(_told(look(0, fault="fault=hang run=r1 at=1 until=2 by=here/1")))
    assert note not in _drawn(_told(look(0)))


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("lines", [18, 24, 60])
def test_it_fits(failed_over: Timeline, look: Make, columns: int, lines: int) -> None:
    """Nothing wraps and nothing is pushed off the screen: the latest event and the last line are always there."""
    story = extend(failed_over, look(60, state="stopped", failing=16, failed=16, answer="az2", problem="no answer"))
    drawn = _drawn(story, columns=columns, lines=lines)
    assert len(drawn) <= lines
    assert max(map(len, drawn)) <= columns
    assert drawn[-1].startswith("seen: name 0 s ago")
    assert drawn[-2].startswith(f"{clock(look(60).at)}  cannot see the stack")
    assert any(line.startswith("cannot see the stack: no answer"[:columns]) for line in drawn)


def test_a_screen_that_is_too_low_for_all_does_not_fail(failed_over: Timeline) -> None:
    """The live screen cuts what is too much."""
    assert _drawn(failed_over, lines=5)[0].endswith("srekv on aws, us-east-1")


def test_colours_only_repeat_what_words_say(failed_over: Timeline) -> None:
    """With and without colours the same words; without a terminal, or with NO_COLOR, no escape for a colour."""
    coloured = "\n".join(_drawn(failed_over, force_terminal=True, color_system="truecolor"))
    assert "\x1b[" in coloured
    assert "\x1b[" not in "\n".join(_drawn(failed_over))
    bare = "\n".join(_drawn(failed_over, force_terminal=True, color_system="truecolor", no_color=True))
    assert "\x1b[32m" in coloured
    assert "\x1b[32m" not in bare
    assert "unhealthy" in bare


def test_before_anything_was_seen(look: Make) -> None:
    """The first picture says so."""
    empty = Timeline(last=Snapshot(at=look(0).at))
    drawn = _drawn(empty)
    assert drawn[1] == "the name: not asked yet"
    assert drawn[-1] == "seen: name not yet, stack not yet, checks not yet; Ctrl-C ends"


def test_a_line_of_a_log(failed_over: Timeline, look: Make) -> None:
    """Time and text."""
    assert plain(failed_over.answers[-1]) == f"{clock(look(45).at)}  the name answers az2 (192.0.2.2)"


def test_the_document_has_the_members_of_status(failed_over: Timeline, look: Make) -> None:
    """As `status` names them, with what is known of each check, and the news of this look alone."""
    found = document(failed_over)
    assert found["answer"] == ["192.0.2.2"]
    assert [(one["name"], one["state"], one["healthy"]) for one in found["nodes"]] == [
        ("az1", "stopped", False),
        ("az2", "running", True),
    ]
    assert [(one["name"], one["passing"], one["failed_reports"]) for one in found["checks"]] == [
        ("hc-az1", 0, 16),
        ("hc-az2", 16, 0),
    ]
    assert found["checks"][0]["reason"].startswith("Connection timed out.")
    assert [(one["name"], one["ok"], one["node"]) for one in found["requests"]] == [("health", True, "az2")]
    assert {one["at"] for one in found["events"]} == {look(45).at.isoformat()}
    assert found["answer_since"] == look(45).at.isoformat()
    assert found["problems"] == []


def test_the_manual_names_every_member(failed_over: Timeline) -> None:
    """The reference's section has the members of a document, and no others but those that say which stack it is."""
    page = (ROOT / "docs" / "reference" / "documents.md").read_text()
    section = page.partition("\n## srekv status --watch\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    assert named - {"stack", "target", "region", "speed"} == set(_members(document(failed_over)))


def _members(found: dict[str, Any], within: str = "") -> Iterator[str]:
    for name, value in found.items():
        one = value[0] if isinstance(value, list) and value else value
        path = f"{within}{name}" + ("[]" if isinstance(value, list) else "")
        yield path
        if isinstance(one, dict) and name != "nodes":
            yield from _members(one, f"{path}.")


def test_a_document_of_nothing_yet(look: Make) -> None:
    """What is not known is null or empty."""
    found = document(Timeline(last=Snapshot(at=look(0).at)))
    assert (found["name"], found["answer"], found["nodes"], found["checks"]) == (None, [], [], [])
    assert document(Timeline()) == {}
