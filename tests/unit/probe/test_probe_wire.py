"""The probe's parts that need no network: DNS messages, transfer, the journal, imports."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.probe import transfer, wire
from srekv.probe.exchange import Reply
from srekv.probe.journal import Journal
from srekv.probe.service import _judge


@given(st.binary(max_size=80))
def test_no_message_crashes_the_parser(message: bytes) -> None:
    """Any bytes are an answer or malformed, never another error."""
    try:
        rcode, addresses = wire.parse(message, 0)
    except wire.MalformedError:
        return
    assert rcode
    assert isinstance(addresses, tuple)


@given(st.binary(max_size=40))
def test_no_tail_crashes_the_parser(tail: bytes) -> None:
    """Nor do any bytes after a header that promises records."""
    header = bytes.fromhex("0007 8180 0001 0002 0000 0000")
    with contextlib.suppress(wire.MalformedError):
        wire.parse(header + tail, 7)


def test_an_answer_to_another_question() -> None:
    """An answer with another id, and a question, are malformed."""
    with pytest.raises(wire.MalformedError):
        wire.parse(bytes.fromhex("0008 8180 0000 0000 0000 0000"), 7)
    with pytest.raises(wire.MalformedError):
        wire.parse(bytes.fromhex("0007 0100 0000 0000 0000 0000"), 7)


def test_addresses_behind_a_cname() -> None:
    """Other records are skipped, A records are kept in order with their TTLs."""
    cname = bytes.fromhex("c00c 0005 0001 0000003c 0002 c00c")
    first = bytes.fromhex("c00c 0001 0001 0000000a 0004 7f350080")
    second = bytes.fromhex("c00c 0001 0001 00000005 0004 7f350081")
    header = bytes.fromhex("0007 8180 0001 0003 0000 0000") + b"\1a\0" + bytes.fromhex("0001 0001")
    rcode, addresses = wire.parse(header + cname + first + second, 7)

    assert rcode == "NOERROR"
    assert addresses == (("127.53.0.128", 10), ("127.53.0.129", 5))
    assert wire.Answer(rcode, addresses, 0).ttl == 5


@pytest.mark.parametrize("data", [b"", b"line\n" * 100_000, os.urandom(200_000)], ids=["empty", "dense", "random"])
def test_pieces_fit_and_join(tmp_path: Path, data: bytes) -> None:
    """Every piece stays below SSM's 24,000 characters, and together they are the file."""
    path = tmp_path / "history"
    path.write_bytes(data)
    found, document = b"", {"eof": False}
    while not document["eof"]:
        document = transfer.fetch(str(path), offset=len(found), limit=1 << 20)
        assert len(json.dumps(document)) < 24_000
        found += zlib.decompress(base64.b64decode(document["data_b64"]))

    assert found == data


def test_status_of_a_load_that_never_was(tmp_path: Path) -> None:
    """No file, no process: nothing runs, nothing is done, and the clock is told all the same."""
    status = transfer.status(str(tmp_path / "none"))
    assert (status["exists"], status["running"], status["done"]) == (False, False, False)
    assert status["now"] > 0


def test_each_line_is_complete_at_once(tmp_path: Path) -> None:
    """What was written is in the file before anything is closed."""
    path = tmp_path / "history"
    journal = Journal(str(path))
    journal.line(event="start", at=0.0)
    seen = path.read_text()
    journal.close()
    assert json.loads(seen) == {"event": "start", "at": 0.0}


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"v", "ok"),
        (204, b"", "ok"),
        (400, b"", "fail"),
        (500, b"", "unknown"),
        (503, b'{"outcome": "failed"}', "fail"),
        (503, b'{"outcome": "unknown"}', "unknown"),
        (503, b"not json", "unknown"),
        (503, b"[]", "unknown"),
        (302, b"", "fail"),
    ],
)
def test_what_an_answer_says_about_a_write(status: int, body: bytes, outcome: str) -> None:
    """Only a refusal, or the service's own word, makes a write certain not to have happened."""
    assert _judge(Reply(status, {}, body), "127.0.0.1").outcome == outcome
