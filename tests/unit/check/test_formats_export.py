"""A history written as Jepsen's and read back: the same operations, the same verdict, whatever the history."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from srekv.check.formats import edn
from srekv.check.formats.export import jepsen
from srekv.check.formats.jepsen import REGISTER, parse_edn, parse_json
from srekv.check.formats.lines import numbered
from srekv.check.model import History, Json, Operation
from srekv.check.verdict import judge_history

TIMES = st.integers(0, 12).map(float) | st.floats(0, 12, allow_subnormal=False)
CONTROLS = "\x1b]0;title\x07\x7f\x9b2J\u202e\u2066"
VALUES = st.sampled_from(["a", CONTROLS, 'b "c"\n\u00e9\\', "nil", Json("1"), Json("2.5"), Json("true")])
DEEP = VALUES | st.sampled_from([Json("[1, 2]"), Json('["a", [1, 2]]'), Json('{"a": [null, {"b": 1e+30}]}')])


@st.composite
def operation(draw: st.DrawFn, values: st.SearchStrategy[str]) -> Operation:
    """Any operation that a history may hold."""
    kind = draw(st.sampled_from(["read", "write", "cas", "delete"]))
    outcome = draw(st.sampled_from(["ok", "ok", "ok", "unknown", "fail", *(["conflict"] * (kind == "cas"))]))
    invoke = draw(TIMES)
    return Operation(
        client=draw(st.sampled_from("abc")),
        op=kind,  # type: ignore[arg-type] - drawn from the kinds
        key=draw(st.sampled_from(["k", "k", 'l "1"'])),
        value=None if kind == "delete" or (kind == "read" and outcome != "ok") else draw(values),
        expect=draw(values | st.none()) if kind == "cas" else None,
        invoke=invoke,
        complete=None if outcome == "unknown" else max(invoke, draw(TIMES)),
        outcome=outcome,
        node=draw(st.sampled_from(["", "az1"])) if outcome != "unknown" else "",
        final=kind == "read" and draw(st.booleans()),
        error="" if outcome in {"ok", "conflict"} else draw(st.sampled_from(["", "timed out"])),
    )


HISTORIES = st.lists(operation(VALUES), max_size=7) | st.lists(operation(DEEP), max_size=5)


def apart(operations: Sequence[Operation]) -> list[Operation]:
    """The same with a time of its own for each moment: lines have an order, equal times have none."""
    moments = [(one.invoke, 0, index) for index, one in enumerate(operations)]
    moments += [(one.complete, 1, index) for index, one in enumerate(operations) if one.complete is not None]
    times = {(side, index): rank / 3 for rank, (_, side, index) in enumerate(sorted(moments))}
    return [
        replace(one, invoke=times[0, index], complete=times.get((1, index))) for index, one in enumerate(operations)
    ]


def history(operations: Sequence[Operation]) -> History:
    """A history without events."""
    return History(operations=tuple(sorted(operations, key=lambda one: one.invoke)), events=(), damaged=())


def lines(operations: Sequence[Operation]) -> list[bytes]:
    """The export."""
    return [f"{line}\n".encode() for line in jepsen(operations)]


def essence(one: Operation) -> Operation:
    """What Jepsen's form keeps of an operation, times and the key of the only register apart."""
    return replace(one, client="", invoke=0, complete=None, key="")


def summary(operations: Sequence[Operation]) -> tuple[Any, ...]:
    """What a verdict says of them."""
    verdict = judge_history(history(operations))
    return verdict.verdict, verdict.linearizable, verdict.lost, verdict.acknowledged


@settings(max_examples=400, deadline=None)
@given(HISTORIES.map(apart))
def test_reads_back_as_it_was(operations: list[Operation]) -> None:
    """Operations and verdict; times up to a nanosecond; a single key becomes the register."""
    whole = history(operations)
    back = parse_edn(lines(operations))
    assert back.damaged == ()
    assert summary(back.operations) == summary(whole.operations)
    assert list(map(essence, back.operations)) == list(map(essence, whole.operations))
    for one, other in zip(back.operations, whole.operations, strict=True):
        assert one.key in {other.key, REGISTER}
        assert math.isclose(one.invoke, other.invoke, abs_tol=1e-8)
        assert one.complete is other.complete or math.isclose(one.complete or 0, other.complete or 0, abs_tol=1e-8)


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_is_what_jepsen_takes_for_a_history(operations: list[Operation]) -> None:
    """A process does one thing at a time and none after an info; indices count; times never fall."""
    rows: list[Any] = [row for _, row in edn.read(numbered(lines(operations)))]
    running: set[int] = set()
    crashed: set[int] = set()
    for row in rows:
        if row["type"] == "invoke":
            assert row["process"] not in running | crashed
            running.add(row["process"])
        else:
            running.remove(row["process"])
            crashed |= {row["process"]} if row["type"] == "info" else set()
    assert not running
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert all(one["time"] <= other["time"] for one, other in pairwise(rows))


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_json_holds_the_same(operations: list[Operation]) -> None:
    """Jepsen's JSON has the members of its EDN."""
    rows = [row for _, row in edn.read(numbered(lines(operations)))]
    assert parse_json([json.dumps(rows).encode()]).operations == parse_edn(lines(operations)).operations


def test_no_control_character_reaches_a_terminal() -> None:
    """They are EDN's escapes: other people's keys and values must not write a clipboard."""
    write = Operation(client=CONTROLS, op="write", key=CONTROLS, value=CONTROLS, invoke=1, complete=2, outcome="fail")
    written = "".join(jepsen([replace(write, node=CONTROLS, error=CONTROLS), replace(write, key="l")]))
    assert not set(written) & set(CONTROLS) - set("]0;title2J")
    assert r"\u001b]0;title\u0007\u007f\u009b2J\u202e\u2066" in written


def test_one_key_is_a_plain_register() -> None:
    """Which is what Knossos's own models take; several keys are jepsen.independent's."""
    write = Operation(client="a", op="write", key="k", value=Json("3"), invoke=1, complete=2, outcome="ok")
    other = replace(write, key="l", op="cas", expect=Json("3"), value=Json("4"), outcome="conflict")
    assert list(jepsen([write])) == [
        "{:type :invoke, :f :write, :value 3, :time 1000000000, :process 0, :index 0}",
        "{:type :ok, :f :write, :value 3, :time 2000000000, :process 0, :index 1}",
    ]
    assert list(jepsen([write, other]))[3] == (
        '{:type :fail, :f :cas, :value ["l" [3 4]], :time 2000000000, :process 1, :index 3, :error :srekv/conflict}'
    )
