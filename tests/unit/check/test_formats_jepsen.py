"""Jepsen's histories, in the forms that its tools write: what each map means, and what is refused.

The forms: `{...}` a line and one vector, knossos.cli/read-history; records and fields, github.com/jepsen-io/history;
`[k v]`, jepsen.independent/tuple; `[[:read :x nil]]` over several lines, data/multi-register in jepsen-io/knossos;
`[["w","x",2]]` in JSON, histories/elle in ligurio/elle-cli. The histories are made for these tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from srekv.check.formats import FormatError, edn, recognise
from srekv.check.formats.jepsen import REGISTER, parse_edn, parse_json
from srekv.check.formats.lines import numbered
from srekv.check.model import History, Json, Operation
from srekv.check.verdict import judge_history

STALE = """\
{:type :invoke, :f :write, :value 3, :process 0, :time 1000000, :index 0}
{:type :ok, :f :write, :value 3, :process 0, :time 2000000, :index 1}
{:type :info, :f :start, :value [:isolated {:n1 #{:n2}}], :process :nemesis, :time 2500000, :index 2}
{:type :invoke, :f :read, :value nil, :process 1, :time 3000000, :index 3}
{:type :ok, :f :read, :value nil, :process 1, :time 4000000, :index 4}
"""
"""A read that misses an acknowledged write; the nemesis has a line in it."""

FORMS = {
    "a map a line": STALE,
    "one vector": "[" + STALE.strip().replace("\n", "\n ") + "]\n",
    "one list": "; exported\n(" + STALE + ")",
    "records": STALE.replace("{:type", "#jepsen.history.Op{:type"),
    "a member a line": STALE.replace(", :", ",\n :"),
    "without commas": STALE.replace(",", ""),
    "without times": "".join(line.split(" :time")[0] + "}\n" for line in STALE.splitlines()),
    "with a time of -1": "".join(line.split(" :time")[0] + " :time -1}\n" for line in STALE.splitlines()),
}


def parsed(text: str) -> History:
    """The history in a text of EDN."""
    return parse_edn(text.encode().splitlines(keepends=True))


def operations(*maps: str) -> tuple[Operation, ...]:
    """The operations of maps without braces; there is no damage."""
    history = parsed("".join(f"{{{one}}}\n" for one in maps))
    assert history.damaged == ()
    return history.operations


def as_json(text: str) -> Iterator[str]:
    """EDN as JSON, a line for each map."""
    for _, one in edn.read(numbered(text.encode().splitlines())):
        yield json.dumps(one) + "\n"


@pytest.mark.parametrize("form", sorted(FORMS))
def test_reads_each_form(form: str) -> None:
    """The same operations, whatever they are written in; the format is recognised."""
    history = parsed(FORMS[form])
    assert recognise(FORMS[form].encode()) == "jepsen"
    assert [(one.client, one.op, one.key, one.value, one.outcome) for one in history.operations] == [
        ("0", "write", REGISTER, "3", "ok"),
        ("1", "read", REGISTER, None, "ok"),
    ]
    assert history.damaged == ()
    assert judge_history(history).linearizable is False


@pytest.mark.parametrize("wrap", ["{}", "[{}]"])
def test_reads_json(wrap: str) -> None:
    """Objects a line, and one array of them, have the operations of the EDN."""
    lines = list(as_json(STALE))
    text = wrap.format("".join(lines) if wrap == "{}" else ",".join(lines)).encode()
    assert recognise(text) == "jepsen-json"
    assert parse_json([text]) == parsed(STALE)


def test_time_is_nanoseconds() -> None:
    """Times in seconds, as everywhere in srekv."""
    write, read = parsed(STALE).operations
    assert (write.invoke, write.complete, read.invoke, read.complete) == (0.001, 0.002, 0.003, 0.004)


@pytest.mark.parametrize("times", [(5, 5, 5, 5), (9, 8, 7, 6), (None, None, None, None), (3, None, 2, 2)])
def test_the_order_of_lines_is_the_clock(times: tuple[int | None, ...]) -> None:
    """With equal, absent or disordered times the second line still precedes the third."""
    rows = [
        ":type :invoke :f :write :value 1 :process 0",
        ":type :ok :f :write :value 1 :process 0",
        ":type :invoke :f :read :process 1",
        ":type :ok :f :read :value nil :process 1",
    ]
    write, read = operations(*(f"{row} :time {at or 'nil'}" for row, at in zip(rows, times, strict=True)))
    assert write.complete is not None
    assert write.invoke < write.complete < read.invoke


def test_an_info_is_unknown_for_ever() -> None:
    """It may take effect after everything else, and so may an invocation without a completion."""
    history = operations(
        ":type :invoke :f :write :value 1 :process 0",
        ":type :info :f :write :value 1 :process 0 :error :timed-out",
        ":type :invoke :f :cas :value [1 2] :process 5",
        ":type :invoke :f :read :value nil :process 1",
        ":type :ok :f :read :value 2 :process 1",
    )
    write, cas, read = history
    assert (write.outcome, write.complete, write.error) == ("unknown", None, "timed-out")
    assert (cas.outcome, cas.complete, cas.expect, cas.value) == ("unknown", None, "1", "2")
    assert read.value == "2"


def test_a_failed_cas_shows_nothing_of_its_expectation() -> None:
    """It may have failed for another reason: that the value was there all the time is no contradiction."""
    history = parsed(
        "{:type :invoke :f :write :value 1 :process 0}\n{:type :ok :f :write :value 1 :process 0}\n"
        "{:type :invoke :f :cas :value [1 2] :process 0}\n"
        "{:type :fail :f :cas :value [1 2] :process 0 :error [:no-leader 3]}\n"
    )
    cas = history.operations[1]
    assert (cas.outcome, cas.error) == ("fail", '["no-leader", 3]')
    assert judge_history(history).verdict == "held"


def test_independent_keys() -> None:
    """`[k v]` in every operation is a key with a value; numbers and words are keys, too."""
    history = operations(
        ":type :invoke :f :write :value [7 1] :process 0",
        ":type :ok :f :write :value [7 1] :process 0",
        ":type :invoke :f :read :value [:x nil] :process 1",
        ":type :ok :f :read :value [:x nil] :process 1",
        ":type :invoke :f :cas :value [7 [1 2]] :process 9",
    )
    assert [(one.key, one.op, one.expect, one.value) for one in history] == [
        ("7", "write", None, "1"),
        ("x", "read", None, None),
        ("7", "cas", "1", "2"),
    ]


def test_a_register_may_hold_vectors() -> None:
    """One operation that is no pair, and no value is a key."""
    write, read = operations(
        ":type :invoke :f :write :value [1 2] :process 0",
        ":type :ok :f :write :value [1 2] :process 0",
        ":type :invoke :f :read :value nil :process 0",
        ":type :ok :f :read :value [1 2] :process 0",
    )
    assert (write.key, write.value) == (REGISTER, Json("[1, 2]")) == (read.key, read.value)


@pytest.mark.parametrize(
    ("write", "read", "answer"),
    [
        ("[[:w :x 1]]", "[[:r :x nil]]", "[[:r :x 1]]"),
        ("[[:write :x 1]]", "[[:read :x nil]]", "[[:read :x 1]]"),
    ],
)
def test_a_transaction_of_one_operation_is_that_operation(write: str, read: str, answer: str) -> None:
    """As elle's and Knossos's multi-registers have them."""
    found = operations(
        f":type :invoke :f :txn :value {write} :process 0",
        f":type :ok :f :txn :value {write} :process 0",
        f":type :invoke :f :txn :value {read} :process 1",
        f":type :ok :f :txn :value {answer} :process 1",
    )
    assert [(one.op, one.key, one.value) for one in found] == [("write", "x", "1"), ("read", "x", "1")]


def test_a_map_of_one_register_is_a_key_with_a_value() -> None:
    """`{k v}`, in every operation."""
    found = operations(
        ":type :invoke :f :write :value {:x 1} :process 0",
        ":type :ok :f :write :value {:x 1} :process 0",
        ":type :invoke :f :read :value {:y nil} :process 1",
        ":type :ok :f :read :value {:y nil} :process 1",
    )
    assert [(one.op, one.key, one.value) for one in found] == [("write", "x", "1"), ("read", "y", None)]


@pytest.mark.parametrize(
    ("f", "value", "why"),
    [
        (":append", "3", "operation append is none of read, write, cas, delete, txn"),
        (":enqueue", "3", "operation enqueue is none of"),
        ("nil", "3", "operation None is none of"),
        (":txn", "[[:w :x 1] [:r :y nil]]", "a transaction of 2 operations"),
        (":txn", "[[:append :x 1]]", "neither a read nor a write"),
        (":write", "{:x 1, :y 2}", "write of 2 registers at once"),
    ],
)
def test_an_operation_that_cannot_be_judged_is_an_error(f: str, value: str, why: str) -> None:
    """It names its line; leaving it out would be another history."""
    with pytest.raises(FormatError, match=rf"^line 2: .*{why}"):
        parsed(f"; comment\n{{:type :invoke, :f {f}, :value {value}, :process 0}}\n")


WRITE = "{:type :invoke, :f :write, :value 1, :process 0}\n"
DAMAGED = {
    "a cut line": WRITE[:30] + "\n",
    "no EDN": "{:type :invoke, :f}\n",
    "half a string": '{:type :invoke, :f :write, :value "a, :process 0}\n',
    "a second brace": WRITE[:-1] + "}\n",
    "no map": "[1 2]\n",
    "nested too deep": f"{{:type :invoke, :f :write, :value {'[' * 40}{']' * 40}, :process 0}}\n",
    "an integer of 5000 digits": WRITE.replace("1", "9" * 5000),
    "a number that becomes infinite": WRITE.replace("1", "1e999"),
    "an unknown type": WRITE.replace(":invoke", ":began"),
    "a type as a vector": WRITE.replace(":invoke", "[:invoke]"),
    "no process": WRITE.replace(" :process 0", ""),
    "a process of neither kind": WRITE.replace("0", '"a"'),
    "a time in words": WRITE.replace("}", ', :time "noon"}'),
    "a time before the start": WRITE.replace("}", ", :time -2}"),
    "a completion of nothing": WRITE.replace(":invoke", ":ok"),
    "a second invocation": WRITE + WRITE,
    "another operation completes": WRITE + WRITE.replace(":invoke", ":ok").replace(":write", ":read"),
    "another value completes": WRITE + WRITE.replace(":invoke", ":ok").replace("1", "2"),
    "a cas of one value": WRITE.replace(":write", ":cas"),
    "a cas to nothing": WRITE.replace(":write", ":cas").replace("1", "[1 nil]"),
    "1 and the string 1": WRITE + WRITE.replace(":process 0", ":process 1").replace("1", '"1"', 1),
    "bytes that are not UTF-8": WRITE.replace("1", '"\xff"'),
}


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_damage_has_its_line_and_is_never_held(name: str) -> None:
    """What comes before and behind it is read."""
    sound = WRITE.replace("process 0", "process 8") + WRITE.replace("process 0", "process 8").replace(":invoke", ":ok")
    history = parse_edn((sound + DAMAGED[name] + sound).encode("latin-1").splitlines(keepends=True))
    assert history.damaged
    assert history.damaged[0].startswith(("line 3: ", "line 4: "))
    assert sum(one.client == "8" and one.outcome == "ok" for one in history.operations) == 2
    assert judge_history(history).verdict == "unknown"


@pytest.mark.parametrize("form", ["a map a line", "one vector", "a member a line"])
def test_a_file_without_its_end_is_damaged(form: str) -> None:
    """Wherever inside a map it was cut, and a vector also between two."""
    text = FORMS[form].rstrip().removesuffix("]")
    assert parsed(text[:-1]).damaged
    if form == "one vector":
        assert parsed(text).damaged


@pytest.mark.parametrize(
    "line",
    ["[1]\n", '{"type": "invoke",\n', '{"type": "invoke", "f": "write", "value": NaN, "process": 0}\n', "[[[\n"],
)
def test_damaged_json_has_its_line(line: str) -> None:
    """The lines behind it are read."""
    text = "".join(as_json(STALE)) + line + '{"type": "invoke", "f": "read", "process": 4}\n'
    history = parse_json([text.encode()])
    assert history.damaged[0].startswith("line 6: ") or line == "[[[\n"
    assert history.damaged
    assert history.operations[-1].client == "4"


def test_members_of_srekv_survive() -> None:
    """The node that answered, and whether a read was a final one."""
    (read,) = operations(
        ":type :invoke :f :read :process 0 :final? true",
        ':type :ok :f :read :value nil :process 0 :final? true :node "n1"',
    )
    assert (read.final, read.node) == (True, "n1")
