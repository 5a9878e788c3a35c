"""A unit file, read by the rules of systemd.service(5) and systemd.exec(5): pure, from text to values."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

FAILURES = frozenset({"exit-code", "signal", "resources"})
RESTARTS = {
    "no": frozenset[str](),
    "always": FAILURES | {"success"},
    "on-failure": FAILURES,
    "on-success": {"success"},
    "on-abnormal": {"signal"},
}
"""The table of Restart= in systemd.service(5): after which results a service is started again."""

TYPES = ("simple", "exec", "oneshot", "notify", "idle")

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


class UnitError(ValueError):
    """The unit cannot be used; the text says why, as systemd's journal does."""


class Unit(NamedTuple):
    """One service. Command lines are whole strings, split when they run."""

    description: str
    type: str
    start: tuple[str, ...]
    before: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    environment_files: tuple[str, ...]
    directory: str
    restart: str
    restart_s: float
    runtime_directories: tuple[str, ...]
    preserve_runtime: bool
    stop_s: float
    kill_signal: signal.Signals
    burst: int
    burst_s: float
    remain: bool
    wanted_by: tuple[str, ...]


def parse(name: str, text: str) -> Unit:
    """The unit in a file's text. Raises UnitError when systemd would refuse to load it."""
    values: dict[str, list[str]] = {}  # sections do not share keys that matter here
    for key, value in _assignments(re.sub(r"\\\n\s*", " ", text)):
        values[key] = [*values.get(key, ()), value] if value else []

    def last(key: str, default: str) -> str:
        given = values.get(key)
        return given[-1] if given else default

    kind, restart = last("Type", "simple"), last("Restart", "no")
    if kind not in TYPES:
        raise UnitError(f"Type={kind} is not supported here; use one of {', '.join(TYPES)}")
    if restart not in RESTARTS:
        raise UnitError(f"Restart={restart} is not supported here; use one of {', '.join(RESTARTS)}")
    start = tuple(values.get("ExecStart", ()))
    if not start:
        raise UnitError("Service has no ExecStart=. Refusing.")
    if len(start) > 1 and kind != "oneshot":
        more = "Service has more than one ExecStart= setting, which is only allowed for Type=oneshot. Refusing."
        raise UnitError(more)
    kill_signal = f"SIG{last('KillSignal', 'SIGTERM').removeprefix('SIG')}"
    if kill_signal not in signal.Signals.__members__:
        raise UnitError(f"KillSignal={kill_signal} is not a signal")
    return Unit(
        description=last("Description", name),
        type=kind,
        start=start,
        before=tuple(values.get("ExecStartPre", ())),
        environment=tuple(
            (key, value)
            for line in values.get("Environment", ())
            for key, mark, value in (word.partition("=") for word in _words(line, f"Environment={line}"))
            if mark
        ),
        environment_files=tuple(values.get("EnvironmentFile", ())),
        directory=last("WorkingDirectory", ""),
        restart=restart,
        restart_s=_duration(last("RestartSec", "100ms")),
        runtime_directories=tuple(word for line in values.get("RuntimeDirectory", ()) for word in line.split()),
        preserve_runtime=last("RuntimeDirectoryPreserve", "no") in ("yes", "restart"),
        stop_s=_duration(last("TimeoutStopSec", "90s")),
        kill_signal=signal.Signals[kill_signal],
        burst=int(last("StartLimitBurst", "5")),
        burst_s=_duration(last("StartLimitIntervalSec", last("StartLimitInterval", "10s"))),
        remain=last("RemainAfterExit", "no").lower() in ("yes", "true", "on", "1"),
        wanted_by=tuple(word for line in values.get("WantedBy", ()) for word in line.split()),
    )


def command(line: str, variables: Mapping[str, str], rewrite: Callable[[str], str]) -> tuple[list[str], bool]:
    """A command line as words, its paths rewritten, and whether its failure is to be ignored ("-" before it).

    A word that is a bare $VARIABLE becomes as many words as its value has; ${VARIABLE} inside a word is replaced in
    place. Raises UnitError.
    """
    text = line.strip()
    bare = text.lstrip("-@:+!|")  # a path right after a hyphen would look like a part of a word
    result: list[str] = []
    for word in _words(rewrite(bare), line):
        if variable := re.fullmatch(r"\$(\w+)", word):
            result += variables.get(variable[1], "").split()
        else:
            result.append(_VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), word))
    if not result:
        raise UnitError("empty command line")
    return result, "-" in text.removesuffix(bare)


def environment_file(text: str) -> dict[str, str]:
    """The assignments in a file for EnvironmentFile=; comments and lines without "=" are skipped, as systemd does."""
    pairs: dict[str, str] = {}
    for key, value in _assignments(text.replace("\\\n", "")):
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
        pairs[key] = value[1:-1] if quoted else value
    return pairs


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in map(str.strip, text.splitlines()):
        if line and line[0] not in "#;[" and "=" in line:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def _words(text: str, line: str) -> list[str]:
    try:
        return shlex.split(text.replace("%%", "%"))
    except ValueError as error:
        raise UnitError(f"cannot be split into words: {line.strip()!r}: {error}") from None


def _duration(text: str) -> float:
    """A time span of systemd.time(7) in seconds; "infinity" is infinite."""
    if text == "infinity":
        return float("inf")
    if not text or _DURATION.sub("", text).strip():
        raise UnitError(f"{text!r} is not a time span")
    try:
        return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
    except KeyError:
        raise UnitError(f"{text!r} has an unknown unit of time") from None
