"""What a watcher is told of: what has changed between two looks, once, and with the time at which it was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from srekv.watch.events import diff, extend
from srekv.watch.model import KEPT, Sample, Snapshot, Timeline

Make = Callable[..., Snapshot]


def _texts(before: Snapshot | None, after: Snapshot) -> list[str]:
    return [one.text for one in diff(before, after)]


def test_the_first_look_tells_how_things_stand(look: Make) -> None:
    """Nodes, health, answer and requests, none of them as news that is good or bad."""
    first = diff(None, look())
    assert [one.text for one in first] == [
        "az1 (primary, us-east-1a) is running",
        "az2 (secondary, us-east-1b) is running",
        "az1 healthy, by 16 of 16 checkers",
        "az2 healthy, by 16 of 16 checkers",
        "the name answers az1 (192.0.2.1)",
        "health works, from az1",
    ]
    assert {one.tone for one in first} == {"plain"}


def test_what_is_wrong_from_the_beginning_is_told_as_such(look: Make) -> None:
    """A first look at a stack that is not well is no plain one."""
    first = diff(None, look(state="stopped", failing=16, error="timed out"))
    assert [one.text for one in first if one.tone == "bad"] == [
        "az1 (primary, us-east-1a) is stopped",
        "az1 unhealthy, by 16 of 16 checkers",
        "health fails: timed out",
    ]


@pytest.mark.parametrize(
    ("was", "now", "texts", "tone"),
    [
        ({}, {}, [], None),
        ({}, {"failed": 1}, ["az1: 1 of 16 checkers failed: Connection timed out"], "bad"),
        ({"failed": 1}, {"failed": 9}, [], None),
        ({"failed": 9}, {}, ["az1: every checker succeeds again"], "good"),
        ({"failed": 16}, {"failed": 16, "failing": 14}, ["az1 unhealthy, by 14 of 16 checkers"], "bad"),
        ({"failed": 16, "failing": 16}, {"failing": 16}, [], None),
        ({"failing": 16}, {"failing": 13}, ["az1 healthy, by 3 of 16 checkers"], "good"),
        ({}, {"state": "stopping"}, ["az1 is stopping"], "bad"),
        ({"state": "pending"}, {}, ["az1 is running"], "good"),
        ({}, {"answer": "az2"}, ["the name answers az2 (192.0.2.2)", "health works, from az2"], "good"),
        (
            {},
            {"answer": "", "error": "NXDOMAIN"},
            ["the name answers nothing: NXDOMAIN", "health fails: NXDOMAIN"],
            "bad",
        ),
        ({}, {"error": "timed out"}, ["health fails: timed out"], "bad"),
        ({"error": "timed out"}, {"error": "reset"}, [], None),
        ({"error": "timed out"}, {}, ["health works, from az1"], "good"),
        ({}, {"problem": "no answer"}, ["cannot see the stack: no answer"], "bad"),
        ({"problem": "no answer"}, {"problem": "no answer"}, [], None),
        ({"problem": "no answer"}, {}, ["the stack can be seen again"], "good"),
        (
            {},
            {"fault": "fault=stop run=r1 at=1 until=2 by=here/1"},
            ["a drill has noted its fault: stop (run r1)"],
            "plain",
        ),
        (
            {"fault": "fault=stop run=r1 at=1 until=2 by=here/1"},
            {},
            ["the drill's note is gone: its fault is healed"],
            "plain",
        ),
    ],
)
def test_a_change_is_told_once(
    look: Make, was: dict[str, Any], now: dict[str, Any], texts: list[str], tone: str | None
) -> None:
    """Each kind of change has its words, and what stays as it is has none."""
    found = diff(look(0, **was), look(1, **now))
    assert [one.text for one in found] == texts
    assert {one.tone for one in found} == ({tone} if tone else set())
    assert _texts(look(1, **now), look(2, **now)) == []


def test_another_instance_is_told(look: Make) -> None:
    """A node that was made anew is another one, though it runs as the one before it did."""
    before, after = look(0), look(1)
    assert after.stack.value is not None
    nodes = (replace(after.stack.value.nodes[0], instance_id="i-new"), after.stack.value.nodes[1])
    stack: Sample[Any] = replace(after.stack, value=replace(after.stack.value, nodes=nodes))
    assert _texts(before, replace(after, stack=stack)) == ["az1 is another instance, i-new: running"]


def test_events_come_in_the_order_of_their_times(look: Make) -> None:
    """Each bears the time of the look that saw it, not the time at which all of them were put together."""
    before, after = look(0), look(9, state="stopped", answer="az2")
    seen_earlier = after.at - timedelta(seconds=5)
    assert after.service.value is not None
    service = replace(after.service, value=replace(after.service.value, at=seen_earlier), at=seen_earlier)
    found = diff(before, replace(after, service=service))
    assert [one.text for one in found] == [
        "the name answers az2 (192.0.2.2)",
        "health works, from az2",
        "az1 is stopped",
    ]
    assert [one.at for one in found] == [seen_earlier, seen_earlier, after.at]


def test_a_story_remembers(look: Make) -> None:
    """Answers in their order, a line for each look at the service and none for one that brought nothing new."""
    story = Timeline()
    for one in (look(0), look(0), look(1, answer="az2"), look(2, answer="az1")):
        story = extend(story, one)
    assert [one.text for one in story.answers] == [
        "the name answers az1 (192.0.2.1)",
        "the name answers az2 (192.0.2.2)",
        "the name answers az1 (192.0.2.1)",
    ]
    assert len(story.seen) == 3
    assert {one.at for one in story.news} == {look(2).at}


def test_a_story_does_not_grow_for_ever(look: Make) -> None:
    """Whoever watches for days keeps the latest."""
    story = Timeline()
    for second in range(2 * KEPT):
        story = extend(story, look(second, answer="az1" if second % 2 else "az2"))
    assert (len(story.seen), len(story.events)) == (KEPT, KEPT)
    assert story.seen[-1].at == look(2 * KEPT - 1).at
