"""EDN as far as histories need it, and what every format does with bytes that are none of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srekv.check.formats import FORMATS, FormatError, edn, read, recognise
from srekv.check.formats.jepsen import parse_edn
from srekv.check.formats.lines import Damage, numbered
from srekv.check.linear import judge_linear
from srekv.check.model import Operation, by_key
from srekv.check.verdict import judge_history

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def forms(text: str) -> list[tuple[int, object]]:
    """What is read from a text."""
    return list(edn.read(numbered(text.encode().splitlines(keepends=True))))


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_reads_what_it_writes(value: Any) -> None:
    """Any value of JSON, inside a vector, on one line."""
    text = edn.written([value])
    assert "\n" not in text
    assert edn.value(text) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nil", None),
        ("true", True),
        ("-12", -12),
        ("+3N", 3),
        ("1.5e3", 1500.0),
        ("2.50M", 2.5),
        (":timed-out", "timed-out"),
        (":a.b/c?", "a.b/c?"),
        ('"a\\tb\\u00e9\\""', 'a\tb\u00e9"'),
        ("#{1 2}", [1, 2]),
        ("(1, 2,)", [1, 2]),
        ("{:a{:b[]}}", {"a": {"b": []}}),
        ("{[1 2] 3}", {"[1, 2]": 3}),
        ('#inst "2026-11-30"', "2026-11-30"),
        ("#object[java.lang.Thread 0x1f]", ["java.lang.Thread", "0x1f"]),
        ("[1;2\n]", [1]),
        ("[\\a \\( \\newline]", ["\\a", "\\(", "\\newline"]),
    ],
)
def test_reads(text: str, value: object) -> None:
    """What printed histories hold."""
    assert edn.value(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not enough"),
        ("[1", "not enough"),
        ("1 2", "too many"),
        ("1]", "] closes nothing"),
        ("{:a]", "] closes nothing"),
        ("{:a}", "a key and no value"),
        ("{:a 1 :a 2}", "one key twice"),
        ('"a', "is no string"),
        ('"\\ud800"', "is no string"),
        ("#_ 1", "not supported"),
        ("[" * 40, "nested too deep"),
    ],
)
def test_one_value_is_one_value(text: str, why: str) -> None:
    """Neither none nor two, and nothing that is open."""
    with pytest.raises(ValueError, match=why):
        edn.value(text)


def test_a_keyword_is_no_string() -> None:
    """They print alike and differ in type."""
    found = edn.value('[:a "a"]')
    assert isinstance(found, list)
    assert [type(one) for one in found] == [edn.Name, str]


def test_counts_lines_inside_and_outside() -> None:
    """A form has the number of the line on which it begins; one wrapper around all of them does not count."""
    assert forms("; a\n[{:a\n 1}\n\n{:a 2} {:a 3}]\n") == [(2, {"a": 1}), (5, {"a": 2}), (5, {"a": 3})]


def test_continues_behind_damage() -> None:
    """With the next line that begins a map."""
    found = forms('{:a 1}\n{:a "x}\n:b 2}\n{:a 3}\n{:type :ok :f\n{:type :ok :process 1}\n')
    assert [(number, isinstance(one, Damage)) for number, one in found] == [
        (1, False),
        (2, True),
        (4, False),
        (5, True),
        (6, False),
    ]


PIECES = st.sampled_from(
    [
        b"{:type :invoke, :f :read, :value nil, :process 0}\n",
        b'{"type": "ok", "f": "read", "value": 1, "process": 0}\n',
        b"INFO  jepsen.util - 0\t:invoke\t:write\t3\n",
        b'{"op": "read", "key": "k", "value": 1, "invoke": 0, "complete": 1, "outcome": "ok"}\n',
        *(bytes([one]) for one in b'{}[]()"\\:;#_,\n\t 0n-\xff'),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=4), max_size=12), st.sampled_from([None, *FORMATS]))
def test_no_bytes_are_too_strange(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], name: Any) -> None:
    """Whatever a file holds, it is a history, damage with a line, or an error with a line; never a crash."""
    file = tmp_path_factory.getbasetemp() / "strange"
    file.write_bytes(b"".join(pieces))
    try:
        history = read(file, name)
    except FormatError:
        return
    json.dumps(judge_history(history).to_json()).encode()
    assert all(one.startswith("line ") for one in history.damaged)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'{"op": "read", "type": "ok"}', "srekv"),
        (b'{"event": "start"}', "srekv"),
        (b'{"client": 0, "op": "write"}\n{"type": "ok"}', "srekv"),
        (b'{"verdict": "held"}', "srekv"),
        (b"", "srekv"),
        (b'{"process": 0, "type": "invoke", "f": "read"}', "jepsen-json"),
        (b'\n[\n{"index": 0}]', "jepsen-json"),
        (b"; history\n\n[{:index 0}]", "jepsen"),
        (b"#jepsen.history.Op{:index 0}", "jepsen"),
        (b"{ :process 0}", "jepsen"),
        (b"INFO  jepsen.core - x\nINFO  jepsen.util - 0\t:ok", "porcupine"),
    ],
)
def test_recognises(head: bytes, name: str) -> None:
    """By what a file begins with; what nothing recognises is left to srekv's reader, which says why."""
    assert recognise(head) == name


@pytest.mark.parametrize("seed", range(40))
def test_judges_as_the_order_of_lines_demands(seed: int, tmp_path: Path) -> None:
    """A history on random times is judged as the same one whose times are the numbers of its lines."""
    rng = random.Random(seed)
    rows, expected = overlapping(rng)
    file = tmp_path / "history.edn"
    file.write_text(
        "".join(f"{{{row} :time {rng.choice(['nil', '-1', '7', str(rng.randrange(99))])}}}\n" for row in rows)
    )
    found = parse_edn(file.read_bytes().splitlines(keepends=True))
    assert found.damaged == ()
    assert judge_linear(by_key(found.operations)).verdict == judge_linear(by_key(expected)).verdict


def overlapping(rng: random.Random) -> tuple[list[str], list[Operation]]:
    """The lines of a history of a few overlapping operations, and these operations."""
    rows: list[str] = []
    operations = []
    running: list[tuple[int, float, str, str]] = []
    for process in range(9):
        kind = rng.choice(["write", "read"])
        value = str(rng.randrange(3))
        running.append((process, float(len(rows)), kind, value))
        rows.append(f":type :invoke :f :{kind} :value {value if kind == 'write' else 'nil'} :process {process}")
        while running and rng.random() < 0.7:
            done, begun, kind, value = running.pop(rng.randrange(len(running)))
            operations.append(
                Operation(
                    client=str(done),
                    op=kind,  # type: ignore[arg-type] - a write or a read
                    key="k",
                    value=value,
                    invoke=begun,
                    complete=float(len(rows)),
                    outcome="ok",
                )
            )
            rows.append(f":type :ok :f :{kind} :value {value} :process {done}")
    operations += [
        Operation(client="", op="write", key="k", value=value, invoke=begun, complete=None, outcome="unknown")
        for _, begun, kind, value in running
        if kind == "write"
    ]
    return rows, sorted(operations, key=lambda one: one.invoke)
