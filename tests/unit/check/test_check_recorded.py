"""A drill as it was recorded (stop, one client, speed 1, 2026-11-30), and what is left of it after an accident."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srekv.check.verdict import judge_file

RECORDED = gzip.decompress((Path(__file__).parent / "recorded.jsonl.gz").read_bytes())
LINES = RECORDED.splitlines(keepends=True)


def older(lines: Iterable[bytes]) -> list[bytes]:
    """The same as a version wrote it that knew no `format` and no `eof`."""
    return [line.replace(b'"format":2,', b"") for line in lines if b'"eof"' not in line]


HEALED = next(number for number, line in enumerate(LINES, start=1) if b'"event":"heal"' in line)


def cut(length: int) -> list[bytes]:
    """The file up to that byte."""
    return RECORDED[:length].splitlines(keepends=True)


@pytest.mark.parametrize("lines", [LINES, older(LINES), older(LINES)[:HEALED]])
def test_it_held(lines: list[bytes]) -> None:
    """Whole, of either format, and without what an older one has behind the heal, which decides nothing."""
    assert judge_file(lines).verdict == "held"


@pytest.mark.parametrize("number", range(0, len(LINES), 8))
def test_no_part_of_it_is_held(number: int) -> None:
    """Cut off behind any line: inconclusive. Of an older one the part up to the heal is needed."""
    assert judge_file(LINES[:number]).verdict == "unknown"
    assert judge_file(LINES[:number]).reason.startswith("history: it has ")
    assert number >= HEALED or judge_file(older(LINES[:number])).verdict == "unknown"


@settings(deadline=None, max_examples=50)
@given(st.one_of(st.integers(0, len(RECORDED) - 1), st.integers(len(RECORDED) - 500, len(RECORDED) - 1)))
def test_no_beginning_of_it_is_held(length: int) -> None:
    """Cut off at any byte, the last newline included."""
    assert judge_file(cut(length)).verdict == "unknown"


@settings(deadline=None, max_examples=50)
@given(st.randoms(use_true_random=False))
def test_it_lacks_no_line_unnoticed(chance: random.Random) -> None:
    """Lines that are lost, doubled or added anywhere: inconclusive, whatever they hold. Their order is free."""
    lines = list(LINES)
    chance.shuffle(lines)
    index = chance.randrange(len(lines))
    assert judge_file(lines).verdict == "held"
    assert judge_file(lines[:index] + lines[index + 1 :]).verdict == "unknown"
    assert judge_file([*lines, lines[index]]).verdict == "unknown"
    assert judge_file([*lines, b'{"event": "coffee"}\n']).verdict == "unknown"


@pytest.mark.parametrize("part", [LINES, older(LINES)])
def test_twice_in_one_file_is_nothing(part: list[bytes]) -> None:
    """Two drills, or one twice, are not one."""
    other = [line.replace(b"b1e1979b", b"c2f2080c") for line in part]
    assert judge_file(part * 2).verdict == judge_file(part + other).verdict == "unknown"


def test_a_broken_line_has_its_number() -> None:
    """A line whose JSON is broken is damage."""
    for number in range(0, len(LINES), 64):
        broken = LINES[number].replace(b":", b";", 1)
        findings = judge_file([*LINES[:number], broken, *LINES[number + 1 :]]).findings
        assert f"line {number + 1}: not JSON" in next(one.summary for one in findings if one.checker == "history")
