"""Commands that need no stack: check, report, compare, predict; their documents and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from srekv.cli import run

PRIMARY, SECONDARY = {"node": "az1", "address": "192.0.2.1"}, {"node": "az2", "address": "192.0.2.2"}


def drill(*, back: int = 50) -> bytes:
    """A drill with the fault at 5 and an answer again at `back`: six events, a hundred operations."""
    lines: list[dict[str, Any]] = [
        {"event": "drill", "at": 5, "primary": PRIMARY, "secondary": SECONDARY},
        {"event": "fault", "at": 5, "what": "stop az1"},
        {"event": "health", "at": 42, "healthy": False},
        {"event": "dns", "at": 47, "answer": ["192.0.2.2"]},
        {"event": "heal", "at": 70},
        {"event": "dns", "at": 90, "answer": ["192.0.2.1"]},
    ]
    for at in range(100):
        end = {"outcome": "fail"} if 5 <= at < back else {"outcome": "ok"}
        base = {"client": 0, "op": "read", "key": "k", "value": None, "invoke": at, "complete": at + 0.5}
        lines.append({**base, **end})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def history(path: Path, *, back: int = 50) -> Path:
    """That drill as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(drill(back=back))
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    """The exit code and the JSON document."""
    code = run(["--output", "json", *map(str, arguments)])
    text = capsys.readouterr().out
    return code, json.loads(text) if text else None


def test_check_holds_a_run_to_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without promises it held; a promise that was not kept is exit 1."""
    file = history(tmp_path / "history.jsonl")

    assert answer(capsys, "check", file)[0] == 0
    code, document = answer(capsys, "check", file, "--max-outage", 10)
    assert (code, document["verdict"]) == (1, "violated")
    assert answer(capsys, "check", file, "--max-outage", 60, "--min-availability", 0.3)[0] == 0


@pytest.mark.parametrize("promise", [("--max-lost", -1), ("--max-outage", -1), ("--min-availability", 99)])
def test_check_refuses_a_promise_that_means_nothing(
    tmp_path: Path, promise: tuple[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the request that is wrong, exit 2, not the run."""
    file = history(tmp_path / "history.jsonl")

    assert answer(capsys, "check", file, *promise) == (2, None)


def test_report_writes_beside_the_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By default beside it; a run's directory will do for its history."""
    file = history(tmp_path / "run" / "history.jsonl")
    code, document = answer(capsys, "report", tmp_path / "run")

    assert code == 0
    assert document["outage_s"] == json.loads((file.parent / "verdict.json").read_text())["outage_s"]
    assert (file.parent / "report.html").exists()


@pytest.mark.parametrize("kept", ["history.jsonl", "verdict.json"])
def test_a_report_overwrites_no_other_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str) -> None:
    """Not its history, nor the verdict of a run whose history was not kept; its own run's report is drawn again."""
    other, mine = history(tmp_path / "other" / "history.jsonl"), history(tmp_path / "mine" / "history.jsonl", back=60)
    answer(capsys, "report", other)
    for path in other.parent.iterdir():
        if path.name != kept:
            path.unlink()
    before = (other.parent / kept).read_bytes()

    assert run(["report", str(mine), "--dir", str(other.parent)]) == 2
    assert "holds the report of another run" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in other.parent.iterdir()} == {kept: before}

    for _ in range(2):
        assert answer(capsys, "report", mine, "--dir", tmp_path / "again")[0] == 0
    assert (tmp_path / "again" / "history.jsonl").read_bytes() == mine.read_bytes()


def test_a_report_beside_a_history_of_another_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would overwrite the history.jsonl beside it."""
    kept = history(tmp_path / "history.jsonl").read_bytes()
    assert answer(capsys, "report", history(tmp_path / "second.jsonl", back=60)) == (2, None)
    assert (tmp_path / "history.jsonl").read_bytes() == kept


def test_a_history_is_held_to_its_seal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A seal that held is reported, none is not; a history that was changed after it was judged fails every command."""
    file, other = history(tmp_path / "history.jsonl"), history(tmp_path / "other" / "history.jsonl")
    before = answer(capsys, "check", file)[1]
    assert answer(capsys, "report", file)[0] == 0
    after = answer(capsys, "check", file)[1]
    assert "seal" not in {one["checker"] for one in before["findings"]}
    assert [one["verdict"] for one in after["findings"] if one["checker"] == "seal"] == ["held"]
    assert answer(capsys, "compare", other, file)[0] == 0

    history(file, back=49)
    for words in (("check", file), ("report", file), ("compare", other, file)):
        assert answer(capsys, *words)[0] == 1


def test_compare_tells_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Histories, verdicts and directories of runs; worse is exit 1, and only in one direction."""
    a = history(tmp_path / "a" / "one" / "history.jsonl")
    history(tmp_path / "a" / "two" / "history.jsonl")
    b = history(tmp_path / "b" / "history.jsonl", back=80)
    answer(capsys, "report", b)

    code, document = answer(capsys, "compare", tmp_path / "a", b)
    assert (code, document["worse"], document["runs"]) == (1, True, {"a": 2, "b": 1})
    assert answer(capsys, "compare", b.parent / "verdict.json", a)[0] == 0
    assert answer(capsys, "compare", a, b, "--tolerance", 1)[0] == 0


def test_compare_takes_a_directory_of_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A baseline may keep the small files only: a run counts once, by its history, or else by its verdict."""
    for name, back in (("one", 50), ("two", 80)):
        answer(capsys, "report", history(tmp_path / "runs" / name / "history.jsonl", back=back))
    whole = answer(capsys, "compare", tmp_path / "runs", tmp_path / "runs")[1]
    (tmp_path / "runs" / "one" / "history.jsonl").unlink()

    assert answer(capsys, "compare", tmp_path / "runs", tmp_path / "runs") == (0, whole)
    assert whole["runs"] == {"a": 2, "b": 2}


GOOD = drill()
EVENTS, OPERATIONS = GOOD.splitlines(keepends=True)[:6], GOOD.splitlines(keepends=True)[6:]
START = b'{"event": "start", "at": 0, "speed": 1, "epoch": 1}\n'
DEEP = b"[" * 100_000 + b"]" * 100_000

DAMAGED = {
    "empty": (b"", 4),
    "noise": (bytes(range(256)) * 80, 2),
    "prose": (b"Not a history.\n\nAt all.\n", 2),
    "other JSON": (b'{"time": 1}\n{"time": 2}\n', 2),
    "deep JSON alone": (DEEP, 2),
    "cut at half": (START + b"".join(OPERATIONS[: len(OPERATIONS) // 2]), 4),
    "without the events": (START + b"".join(OPERATIONS), 4),
    "without the heal": (b"".join(line for line in (*EVENTS, *OPERATIONS) if b'"heal"' not in line), 4),
    "without the answers of the name": (b"".join(line for line in (*EVENTS, *OPERATIONS) if b'"dns"' not in line), 4),
    "without operations": (b"".join(EVENTS), 4),
    "without an answer": (GOOD.replace(b'"ok"', b'"fail"'), 4),
    "without final reads": (START + GOOD.replace(b'"read"', b'"write"').replace(b"null", b'"v"'), 4),
    "twice": (START + GOOD + START + GOOD, 4),
    "half a line": (GOOD + b'{"id": 3, "op": "re', 4),
    "bytes": (GOOD + OPERATIONS[0].replace(b'"k"', b'"\xff"'), 4),
    "half a surrogate pair": (GOOD + OPERATIONS[0].replace(b'"k"', b'"\\ud800"'), 4),
    "deep JSON": (GOOD + DEEP + b"\n", 4),
    "digits": (GOOD + OPERATIONS[0].replace(b'"invoke": 0', b'"invoke": ' + b"9" * 400), 4),
    "a drill of lists": (GOOD.replace(b'"node": "az1"', b'"node": ["az1"]'), 4),
    "a fault at a text": (GOOD.replace(b'"fault", "at": 5', b'"fault", "at": "5"'), 4),
}
"""Files that cannot be judged, and what `check` and `report` exit with."""


@pytest.mark.parametrize(("data", "code"), DAMAGED.values(), ids=DAMAGED)
def test_what_cannot_be_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, code: int) -> None:
    """It is no history, or inconclusive: never held, never "not worse", on either side, and never an internal error."""
    good = history(tmp_path / "good.jsonl")
    assert answer(capsys, "check", good)[0] == answer(capsys, "compare", good, good)[0] == 0
    file = tmp_path / "history.jsonl"
    file.write_bytes(data)

    assert [run([command, str(file)]) for command in ("check", "report")] == [code, code]
    said = capsys.readouterr()
    assert "failed" not in said.err
    assert "the checker failed" not in said.out
    assert "line 1: " in said.err or code == 4
    for pair in ((good, file), (file, good), (file, file)):
        code, document = answer(capsys, "compare", *pair)
        assert (code, document["worse"]) == (4, None)
        assert document["inconclusive"]


@pytest.mark.parametrize("tolerance", ["nan", "inf", "-inf", "-0.1", "1e999", "x"])
def test_compare_refuses_a_tolerance_that_lets_everything_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tolerance: str
) -> None:
    """Every outage is within infinity, and none is worse than one that is not a number."""
    file = history(tmp_path / "history.jsonl")
    assert answer(capsys, "compare", file, file, "--tolerance", tolerance) == (2, None)


@pytest.mark.parametrize("text", ["[]", "{}", "no json", "[" * 100_000])
def test_what_is_nothing_to_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """A usage error, not a guess: an empty directory for each command, and what is no verdict.json."""
    for words in (("check", tmp_path), ("report", tmp_path), ("compare", tmp_path, tmp_path)):
        assert answer(capsys, *words)[0] == 2
    file = tmp_path / "verdict.json"
    file.write_text(text)
    assert answer(capsys, "compare", file, file) == (2, None)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--target", "60"], 0),
        (["--target", "5"], 1),
        (["--interval", "20"], 2),
        (["--threshold", "11"], 2),
        (["--ttl", "-1"], 2),
    ],
)
def test_predict(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> None:
    """An answer, an answer that nothing meets the target, or a refusal of what Route 53 refuses."""
    found, document = answer(capsys, "predict", *arguments)
    assert found == code
    assert (document is None) == (code == 2)


def test_predict_names_cheap_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """The cheapest first; the text names them as options."""
    assert answer(capsys, "predict", "--target", "60")[1]["cheapest"]["interval"] == 30
    assert run(["predict", "--target", "60"]) == 0
    assert "--interval 10 --threshold 3 --ttl 10" in " ".join(capsys.readouterr().out.split())


EDN = b"""\
{:type :invoke, :f :write, :value 1, :process 0}
{:type :ok, :f :write, :value 1, :process 0}
{:type :invoke, :f :read, :value nil, :process 1}
{:type :ok, :f :read, :value %s, :process 1}
"""


def test_other_formats_are_judged_compared_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A history of Jepsen's, whatever it is called; what is exported reads back."""
    good, bad = tmp_path / "good.edn", tmp_path / "bad.json"
    good.write_bytes(EDN % b"1")
    rows = [{"type": "invoke", "f": "read", "process": 0}, {"type": "ok", "f": "read", "value": 3, "process": 0}]
    bad.write_text(json.dumps(rows))

    assert answer(capsys, "check", good)[0] == 0
    assert answer(capsys, "check", bad)[0] == 1
    assert answer(capsys, "compare", good, bad)[0] == 1
    assert answer(capsys, "report", good, "--dir", tmp_path / "report")[0] == 0
    assert answer(capsys, "check", tmp_path / "report")[0] == 0
    code, document = answer(capsys, "check", "--export", "jepsen", bad)
    assert (code, len(document["lines"])) == (0, 2)
    assert run(["check", "--export", "jepsen", str(good)]) == 0
    again = tmp_path / "again.edn"
    again.write_text(capsys.readouterr().out)
    assert answer(capsys, "check", again)[1] == answer(capsys, "check", good)[1]


def test_a_format_can_be_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not of that format is no history."""
    file = tmp_path / "history.edn"
    file.write_bytes(EDN % b"1")
    assert run(["check", "--format", "jepsen", str(file)]) == 0
    assert run(["check", "--format", "srekv", str(file)]) == 2
    assert "none of its lines is an operation" in capsys.readouterr().err


def test_an_operation_that_cannot_be_judged_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its line, whatever is done with the file."""
    file = tmp_path / "queue.edn"
    file.write_bytes(EDN % b"1" + b"{:type :invoke, :f :enqueue, :value 1, :process 2}\n")
    for arguments in (["check"], ["report"], ["compare", str(file)], ["check", "--export", "jepsen"]):
        assert run([*arguments, str(file)]) == 2
        assert "line 5: operation enqueue" in capsys.readouterr().err


def test_a_damaged_history_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The export would look whole; nor does it take promises, which nothing would hold it to."""
    file = tmp_path / "history.edn"
    file.write_bytes(EDN % b"1" + b"{:type\n")
    assert run(["check", "--export", "jepsen", str(file)]) == 3
    assert "line 5" in capsys.readouterr().err
    assert run(["check", "--export", "jepsen", "--max-lost", "1", str(file)]) == 2
