"""Reads the etcd logs that Porcupine is tested with: Jepsen's log of its operations, one a line.

    INFO  jepsen.util - 0	:invoke	:cas	[1 2]
    INFO  jepsen.util - 0	:fail	:cas	[1 2]
    INFO  jepsen.util - 2	:info	:write	:timed-out

A log has no times: the order of its lines is the clock. A failed compare-and-set counts as one whose expectation did
not hold, as in Porcupine's model of etcd: the client of that test reports `:fail` for nothing else, every error of a
change is `:info` (jepsen-io/jepsen, etcd/src/jepsen/system/etcd.clj). Other tests write logs of the same form and
report `:fail` for what never reached the service, so a log in which a write fails is none of etcd's: its failures show
nothing of an expectation. Lines of other loggers are no operations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from srekv.check.formats import edn
from srekv.check.formats.jepsen import history
from srekv.check.formats.lines import Damage, numbered, short
from srekv.check.model import History

_LOGGER = re.compile(r"INFO\s+jepsen\.util\s+-\s")
_LINE = re.compile(r"INFO\s+jepsen\.util\s+-\s+(\S+)\s+:(\S+)\s+:(\S+)\s+(.*?)\s*\n")
_NOT_ETCD = "a write fails, which etcd's test never reports: a failed cas shows nothing of its expectation"


def parse(lines: Iterable[bytes]) -> History:
    """The history in a log.

    Raises:
        FormatError: an operation that srekv does not judge.
    """
    rows = list(_rows(lines))
    refusals = not any(isinstance(row, dict) and (row["type"], row["f"]) == ("fail", "write") for _, row in rows)
    found = history(rows, refusals=refusals)
    return found if refusals else replace(found, notes=(_NOT_ETCD,))


def _rows(lines: Iterable[bytes]) -> Iterator[tuple[int, object]]:
    """Each operation's line as Jepsen's map, with its number."""
    for number, line in numbered(lines):
        if isinstance(line, Damage):
            yield number, line
        elif _LOGGER.match(line):
            match = _LINE.fullmatch(line)
            yield number, _row(*match.groups()) if match else Damage("cut off, or no operation")


def _row(process: str, kind: str, f: str, value: str) -> object:
    if process == ":nemesis":
        return {"process": "nemesis", "type": kind, "f": f}
    try:
        number, found = int(process), int(value) if value.isdecimal() else edn.value(value)
    except ValueError:
        return Damage(f"process {short(process)} with {short(value)} is no operation")
    return {"process": number, "type": kind, "f": f, "value": found}
