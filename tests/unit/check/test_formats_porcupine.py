"""Porcupine's etcd logs, in the form that parseJepsenLog of anishathalye/porcupine reads; made for these tests."""

from __future__ import annotations

import pytest

from srekv.check.formats import FormatError, recognise
from srekv.check.formats.porcupine import parse
from srekv.check.model import History
from srekv.check.verdict import judge_history


def log(*rows: str) -> bytes:
    """A log with a line for each of `process type f value`."""
    lines = ("\t".join(row.split(" ", 3)) for row in rows)
    return "".join(f"INFO  jepsen.util - {line}\n" for line in lines).encode()


def parsed(data: bytes) -> History:
    """The history in a log."""
    assert recognise(data) == "porcupine"
    return parse(data.splitlines(keepends=True))


WRITTEN = ("0 :invoke :write 1", "0 :ok :write 1")


def test_reads_a_log() -> None:
    """Answers, refusals, reads that timed out, changes of which nothing is known."""
    history = parsed(
        log(
            *WRITTEN,
            "1 :invoke :cas [3 4]",
            "1 :fail :cas [3 4]",
            "2 :invoke :read nil",
            "2 :fail :read :timed-out",
            "3 :invoke :write 5",
            "3 :info :write :timed-out",
            ':nemesis :info :start "Cut off {:n1 #{:n2}}"',
            "4 :invoke :read nil",
            "4 :ok :read 1",
            "9 :invoke :cas [1 2]",
        )
    )
    assert history.damaged == ()
    assert [(one.client, one.op, one.expect, one.value, one.outcome, one.error) for one in history.operations] == [
        ("0", "write", None, "1", "ok", ""),
        ("1", "cas", "3", "4", "conflict", ""),
        ("2", "read", None, None, "fail", ""),
        ("3", "write", None, "5", "unknown", "timed-out"),
        ("4", "read", None, "1", "ok", ""),
        ("9", "cas", "1", "2", "unknown", ""),
    ]
    assert judge_history(history).verdict == "held"


def test_the_order_of_lines_is_the_clock() -> None:
    """A read behind an acknowledged write has to see it."""
    stale = log(*WRITTEN, "1 :invoke :read nil", "1 :ok :read nil")
    overlap = log(WRITTEN[0], "1 :invoke :read nil", WRITTEN[1], "1 :ok :read nil")
    assert judge_history(parsed(stale)).linearizable is False
    assert judge_history(parsed(overlap)).linearizable is True


def test_a_refusal_is_judged_as_etcd_means_it() -> None:
    """The value that it expected was there all the time: Porcupine's model refuses that, too."""
    history = parsed(log(*WRITTEN, "1 :invoke :cas [1 2]", "1 :fail :cas [1 2]"))
    assert judge_history(history).linearizable is False


def test_where_writes_fail_a_failed_cas_shows_nothing() -> None:
    """Other tests report so what never reached the service; a note tells what was not judged."""
    more = ("2 :invoke :write 7", "2 :fail :write 7")
    history = parsed(log(*WRITTEN, "1 :invoke :cas [1 2]", "1 :fail :cas [1 2]", *more))
    assert judge_history(history).verdict == "held"
    assert "a write fails" in history.notes[0]


def test_other_loggers_do_not_count() -> None:
    """Jepsen logs more than operations."""
    data = b"INFO  jepsen.core - Running test\n" + log(*WRITTEN) + b"java.lang.Exception: oops\n\tat foo\n"
    assert parsed(data).damaged == ()
    assert len(parsed(data).operations) == 1


def test_an_unknown_operation_is_an_error_with_its_line() -> None:
    """Never left out."""
    with pytest.raises(FormatError, match=r"^line 3: operation enqueue"):
        parsed(log(*WRITTEN, "0 :invoke :enqueue 1"))


@pytest.mark.parametrize("end", [b"INFO  jepsen.util - 0\t:inv", b"INFO  jepsen.util - 0\t:invoke\t:read\tni\xff\n"])
def test_a_damaged_line_is_never_held(end: bytes) -> None:
    """Half a number is a number: a line without its end is damage."""
    history = parsed(log(*WRITTEN) + end)
    assert history.damaged[0].startswith("line 3: ")
    assert judge_history(history).verdict == "unknown"
    assert parsed(log("0 :invoke :write 12", "0 :ok :write 12")[:-2]).damaged
