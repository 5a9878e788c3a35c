"""Reading a history: damage has a line number and is never held; lines of one id are one operation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srekv.check.history import parse
from srekv.check.model import Operation
from srekv.check.verdict import judge_file


def line(op: str = "write", value: Any = "a", begin: Any = 1.0, end: Any = 2.0, **members: Any) -> bytes:
    """An operation on key k."""
    outcome = "unknown" if end is None else "ok"
    base = {"client": 0, "op": op, "key": "k", "value": value, "invoke": begin, "complete": end, "outcome": outcome}
    return json.dumps({**base, **members}).encode() + b"\n"


def event(kind: str, **members: Any) -> bytes:
    """An event at 1."""
    return json.dumps({"event": kind, "at": 1, **members}).encode() + b"\n"


SOUND = [line(), line("read", "a", 3, 4)]
DEEP = b"[" * 100_000 + b"]" * 100_000
NESTED = b"[" * 40 + b"]" * 40

DAMAGED = {
    "no JSON": b"no json\n",
    "no object": b"[]\n",
    "two objects": line().strip() + line(),
    "neither op nor event": b'{"foo": 1}\n',
    "op and event": line(event="read"),
    "zero bytes": b"\0" * 100 + b"\n",
    "deep": DEEP + b"\n",
    "a deep member": b'{"event": "x", "y": ' + NESTED + b"}\n",
    "a deep value": line(value=json.loads(NESTED)),
    "an integer of 400 digits": line(begin=10**400),
    "an integer of 5000 digits": b'{"op": "read", "invoke": ' + b"9" * 5000 + b"}\n",
    "NaN": line(begin=float("nan")),
    "NaN in a member of no interest": line(shoe_size=float("nan")),
    "infinity": line(end=float("inf")),
    "a number that becomes infinite": line(value=0).replace(b'"value": 0', b'"value": 1e999'),
    "a time that becomes infinite": line(end=99).replace(b"99", b"1e999"),
    "a time before the start": line(begin=-5),
    "a time in milliseconds": line(begin=1_796_007_177_345, end=1_796_007_177_346),
    "true as a number": line(begin=True),
    "a text as a number": line(begin="1.0"),
    "it ends before it begins": line(begin=3),
    "an op as a list": line(["write"]),  # type: ignore[arg-type]
    "an unknown op": line("scan"),
    "an outcome as an object": line(outcome={}),
    "ok without an end": line(end=None, outcome="ok"),
    "a conflict that is none": line(outcome="conflict"),
    "a key as a number": line(key=5),
    "no key": line(key=None),
    "no value": line(value=None),
    "an id as a list": line(id=[1]),
    "an id as true": line(id=True),
    "a client as an object": line(client={}),
    "a node as a number": line(node=1),
    "final as a text": line(final="false"),
    "half a surrogate pair": line(key="\ud800"),
    "half a surrogate pair in a value": line(value={"a": ["\udfff"]}),
    "half a surrogate pair in an event": event("drill", title="\udc80"),
    "bytes that are not UTF-8": line(value="@").replace(b"@", b"\xff"),
    "an encoded surrogate": line(value="@").replace(b"@", b"\xed\xa0\x80"),
    "an event that is no text": event(1),  # type: ignore[arg-type]
    "an event without a time": event("fault", at=None),
    "a time as a text": event("heal", at="x"),
    "an event at NaN": event("dns", at=float("nan"), answer=[]),
    "a dns without an answer": event("dns"),
    "an answer as an object": event("dns", answer={"a": 1}),
    "an answer as a text": event("dns", answer="192.0.2.1"),
    "an answer of numbers": event("dns", answer=[1]),
    "an infinite TTL": event("dns", answer=[]).replace(b"}", b', "ttl": 1e999}'),
    "health as a text": event("health", healthy="false"),
    "health without its word": event("health"),
    "a check as a list": event("health", healthy=True, check=[1]),
    "a count as a fraction": event("health", healthy=True, failing=0.5),
    "a checker as an object": event("observation", healthy=True, checker={}),
    "a node as a list": event("fault", node=[1]),
    "a fault as an object": event("fault", what={"a": 1}),
    "a primary as a list": event("drill", primary=[1]),
    "an address as an object": event("drill", primary={"address": {"a": 1}}),
    "an interval of 400 digits": event("drill", interval=10**400),
    "an interval of half a second": event("drill", interval=0.5),
    "a threshold of none": event("drill", threshold=0),
    "a TTL as a text": event("drill", ttl="ten"),
    "a TTL as true": event("drill", ttl=True),
    "a bound as a text": event("drill", bound_s="x"),
    "a time-out as a list": event("drill", op_timeout_s=[1]),
    "a rate as a text": event("drill", rate="x"),
    "a rate of none": event("drill", rate=0),
    "a speed of none": event("drill", speed=0),
    "an expectation as a list": event("drill", expect=[1]),
    "an expectation of texts": event("drill", expect={"switch": "false", "outage": "no"}),
    "an objective of NaN": event("drill", promises={"max_outage_s": float("nan")}),
    "an objective as a text": event("drill", promises={"max_outage_s": "5"}),
    "an infinite objective": event("drill", promises={"max_lost": 0}).replace(b"0}}", b"1e999}}"),
    "a share above one": event("drill", promises={"min_availability": 99}),
    "a negative objective": event("drill", promises={"max_lost": -1}),
    "a start with a tiny speed": event("start", speed=5e-324),
    "a run as a list": event("start", run=[1]),
    "an epoch as an object": event("start", epoch={}),
    "a format as a text": event("start", format="2"),
    "a count of lines that are not there": event("eof", lines=1000),
    "an eof without a count": event("eof"),
}
"""A line -> what is wrong with it."""


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_damage_has_its_line_and_is_never_held(text: bytes) -> None:
    """The line's number is the one in the file, where empty lines count; whatever else is there, it proves nothing."""
    lines = [SOUND[0], b"\n", text, SOUND[1]]
    history, verdict = parse(lines), judge_file(lines)

    assert [one.partition(":")[0] for one in history.damaged] == ["line 3"]
    assert len(history.operations) == 2
    assert verdict.verdict == "unknown"
    assert "line 3: " in next(one.summary for one in verdict.findings if one.checker == "history")


def test_a_violation_in_a_damaged_history_is_not_proven() -> None:
    """The write that a read saw may be on the line that nobody can read."""
    lines = [line(), line("read", "b", 3, 4)]
    assert judge_file(lines).verdict == "violated"
    verdict = judge_file([*lines, b'{"op": "write", "value": "b", ...\n'])

    assert verdict.verdict == "unknown"
    assert verdict.linearizable is None
    assert [one.proof[-1].value for one in verdict.findings if one.proof] == ["b", "b"]


@pytest.mark.parametrize(
    "members",
    [{"clients": ["a", "b"], "seed": 10**30, "shoe": [1, {"size": 43}], "epoch": None}, {"format": 1, "speed": 10}],
)
def test_what_a_start_may_hold(members: dict[str, Any]) -> None:
    """Null is as if it were not there; other tools' members are kept as they are."""
    assert parse([*SOUND, event("start", **members)]).damaged == ()


def test_an_event_of_another_tool_needs_nothing() -> None:
    """Neither a time nor members of a kind."""
    assert parse([*SOUND, b'{"event": "coffee", "healthy": "very", "node": 1}\n']).damaged == ()


UNKNOWN = line(end=None, id=7)
OUTCOMES = {
    "ok": line(id=7),
    "fail": line(id=7, outcome="fail"),
    "conflict": line("cas", end=2, expect="x", id=7, outcome="conflict"),
    "unknown": line(end=None, id=7, error="timed out"),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_wins_over_unknown_in_any_order(outcome: str) -> None:
    """An operation is announced as unknown; once its outcome is known, no line takes that back."""
    announced = line("cas", end=None, expect="x", id=7) if outcome == "conflict" else UNKNOWN
    pair = [announced, OUTCOMES[outcome]]
    for lines in (pair, pair[::-1], [*pair, announced], pair * 2):
        history = parse(lines)

        assert history.damaged == ()
        (one,) = history.operations
        assert one.outcome == outcome
        assert (one.error == "timed out") == (outcome == "unknown")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (line(id=1), line(id=1, outcome="fail")),
        (line(id=1), line(id=1, end=2.5)),
        (line(id=1), line(id=1, value="b")),
        (line(id=1, end=None), line(id=1, key="other")),
        (line(id=1, end=None), line(id=1, begin=1.5)),
        (line(id=1, end=None), line(id=1, client=2)),
        (line(id=1, end=None), line("delete", None, id=1)),
        (line("cas", expect="x", id=1), line("cas", expect="y", id=1)),
        (line("read", "a", id=1, end=None), line("read", "a", id=1, final=True)),
        (line("read", "a", id=1), line("read", "b", id=1)),
    ],
)
def test_lines_of_one_id_that_disagree_are_damage(first: bytes, second: bytes) -> None:
    """One operation is invoked once, with one key and value, and has one outcome: anything else is two histories."""
    for pair in ((first, second), (second, first)):
        history = parse(pair)

        assert len(history.operations) == 1
        assert ["line 2: it shares its id with line 1" in one for one in history.damaged] == [True]


def test_a_read_learns_its_value() -> None:
    """It is announced without one."""
    history = parse([line("read", None, end=None, id=1), line("read", "a", id=1)])

    assert history.damaged == ()
    assert [one.value for one in history.operations] == ["a"]


def test_null_is_no_id() -> None:
    """Operations without an id are operations of their own; the number 1 is not the text 1."""
    history = parse([line(id=None), line(id=None, value="b"), line(), line(id=1), line(id="1")])
    assert len(history.operations) == 5


def test_two_histories_in_one_file_are_no_history() -> None:
    """A second start, drill or eof, even an equal one."""
    for kind in ("start", "drill"):
        history = parse([event(kind), *SOUND, event(kind)])
        assert history.damaged == (f"line 4: a second {kind}, the first is line 1: two histories in one file",)


def test_a_text_is_not_another_value() -> None:
    """A register that got the number 1 and answers with the text 1 is not told from one that is right: no verdict."""
    assert judge_file([line(value=1), line("read", 1, 3, 4)]).verdict == "held"
    assert judge_file([line(value=1), line("read", "1", 3, 4)]).verdict == "unknown"
    proof = judge_file([line(value={"n": 1}), line("read", {"n": 2}, 3, 4)]).findings[0].proof
    assert [one.to_json()["value"] for one in proof] == [{"n": 2}]


@pytest.mark.parametrize(
    ("written", "found", "verdict"),
    [
        (1, 1.0, "held"),
        (-0.0, 0, "held"),
        ([{"n": 2}], [{"n": 2.0}], "held"),
        (1, True, "violated"),
        (2**53, 2**53 + 1, "violated"),
        (0.1, 0.2, "violated"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(written: Any, found: Any, verdict: str) -> None:
    """JSON has one kind of number: a service that stores 1 as a float answers 1.0, and loses nothing."""
    assert judge_file([line(value=written), line("read", found, 3, 4)]).verdict == verdict


HALF = '{"id": 7, "client": 0, "op": "wri'


@pytest.mark.parametrize(
    ("lines", "noted"),
    [
        ([*SOUND, UNKNOWN, HALF.encode()], True),
        ([*SOUND, line(end=None, id="a.1"), HALF.replace("7", '"a.1"').encode()], True),
        ([*SOUND, HALF.encode()], False),
        ([*SOUND, line(id=7), HALF.encode()], False),
        ([*SOUND, UNKNOWN, HALF.encode() + b"\n"], False),
        ([*SOUND, UNKNOWN, b'{"id": 7'], False),
        ([*SOUND, line(end=None, id="a.1"), HALF.replace("7", '"a.').encode()], False),
    ],
)
def test_half_a_line_at_the_end_is_noted(lines: list[bytes], noted: bool) -> None:
    """The outcome of an announced operation was being written: it is unknown. Else it is not known what is missing."""
    history, verdict = parse(lines), judge_file(lines)

    assert (bool(history.notes), bool(history.damaged)) == (noted, not noted)
    assert verdict.verdict == ("held" if noted else "unknown")
    assert any(f"line {len(lines)}: " in one.summary for one in verdict.findings if one.checker == "history")


def test_a_last_line_without_its_end_is_whole() -> None:
    """Other tools leave the last newline out."""
    assert parse([*SOUND, line(value="b")[:-1]]).damaged == ()


@pytest.mark.parametrize(
    ("text", "is_history"), [(b"", False), (b"{}\n", False), (b"no\n", False), (HALF.encode(), True)]
)
def test_a_file_of_something_else(text: bytes, is_history: bool) -> None:
    """Without any op or event, readable or not, a file is no history."""
    assert parse([text]).is_history == is_history


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40)))
def test_no_bytes_crash_the_reader(lines: list[bytes]) -> None:
    """Whatever a file holds, there is a verdict, and noise is never held."""
    assert judge_file(lines).verdict == "unknown"


@settings(deadline=None)
@given(st.permutations([UNKNOWN, OUTCOMES["ok"], line("read", "a", 3, 4, id=8), line("read", None, 3, None, id=8)]))
def test_the_order_of_an_operations_lines_does_not_matter(lines: list[bytes]) -> None:
    """A history is a set of lines."""
    found: tuple[Operation, ...] = parse(lines).operations
    assert [(one.op, one.outcome, one.value) for one in found] == [("write", "ok", "a"), ("read", "ok", "a")]


USUAL = {
    "op": ['"read"', '"write"', '"cas"', '"delete"'],
    "key": ['"k"', '"\\u006b"', '"\u00e9"'],
    "invoke": ["0", "1", "1.5", "-0", "1e0"],
    "complete": ["2", "0.5", "2.0", "1.5", "null", "1e10"],
    "outcome": ['"ok"', '"conflict"', '"fail"', '"unknown"'],
    "client": ["0", "-0", "1.0", "1e5", '"c"', "null", "123456789012345678901234567890"],
    "value": ['"a"', "null", "1", "1.0", "-0.0", "0.1e1", '"1"', '"\\ud83d\\ude00"', "18446744073709551616", "[1]"],
    "expect": ['"a"', "null", "1", "true", '{"b": [null, 2], "a": 1}'],
    "id": ["7", "7.0", '"7"', "null"],
    "node": ['"az1"', "null", '""'],
    "final": ["true", "false", "null"],
    "zoo": ['"ttl"', '"retry"', "null", '""'],
    "error": ['"timed out"', "null"],
}
UNUSUAL = [
    "NaN",
    "-Infinity",
    "1e999",
    "-1",
    "01",
    "1.",
    "1e11",
    "[]",
    "{}",
    "true",
    '"\\ud800"',
    '"\t"',
    '"\\x"',
    "",
    "5",
]
NEEDED = ("op", "key", "invoke", "outcome")


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """A line as a tool may write it: most are operations, some hold what they may not, some are damaged bytes."""
    names = draw(st.lists(st.sampled_from(sorted(USUAL)), max_size=12, unique=True))
    names = draw(st.permutations(sorted({*names, *NEEDED, "value", "complete"}))) + names[: draw(st.integers(-9, 1))]
    members = [f'"{name}": {draw(st.sampled_from(USUAL[name]))}' for name in names]
    if draw(st.integers(0, 3)) == 0:
        members.append(f'"{draw(st.sampled_from(sorted(USUAL)))}": {draw(st.sampled_from(UNUSUAL))}')
    text = ("{" + ", ".join(members) + "}\n").encode()
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(1, len(text) - 2))
        text = text[:place] + draw(st.binary(max_size=2)) + text[place + draw(st.integers(0, 2)) :]
    return text


@settings(deadline=None, max_examples=400)
@given(st.lists(written(), min_size=1, max_size=4))
def test_a_member_of_no_interest_changes_nothing(lines: list[bytes]) -> None:
    """An ordinary operation is read in one step, one with other members in many: with the same result."""
    longer = [b'{"shoe_size": 43, ' + text[1:] for text in lines]
    one, other = parse(lines), parse(longer)

    assert repr(one.operations) == repr(other.operations)
    assert [why.partition(":")[0] for why in one.damaged] == [why.partition(":")[0] for why in other.damaged]
    assert one.is_history == other.is_history
