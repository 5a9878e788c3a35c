"""A systemd unit file, read: the part of systemd.service(5) that a web service uses. Pure.

Durations are AWS-equivalent seconds; who runs the unit divides them by the clock's speed.
"""

from __future__ import annotations

import re
import shlex
import signal
from typing import NamedTuple

RESTARTS = ("no", "always", "on-failure", "on-success", "on-abnormal")
TYPES = ("simple", "exec", "oneshot", "notify", "idle")

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class UnitError(ValueError):
    """The unit cannot be used; the text says why, as systemd's journal does."""


class Unit(NamedTuple):
    """One service. Command lines are whole strings, split when they run."""

    name: str
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
    values = _values(text)

    def last(key: str, default: str) -> str:
        given = values.get(key)
        return given[-1] if given else default

    kind = last("Type", "simple")
    if kind not in TYPES:
        raise UnitError(f"Type={kind} is not supported here; use one of {', '.join(TYPES)}")
    start = tuple(values.get("ExecStart", ()))
    if not start:
        raise UnitError("Service has no ExecStart=. Refusing.")
    if len(start) > 1 and kind != "oneshot":
        raise UnitError(
            "Service has more than one ExecStart= setting, which is only allowed for Type=oneshot. Refusing."
        )
    restart = last("Restart", "no")
    if restart not in RESTARTS:
        raise UnitError(f"Restart={restart} is not supported here; use one of {', '.join(RESTARTS)}")
    return Unit(
        name=name,
        description=last("Description", name),
        type=kind,
        start=start,
        before=tuple(values.get("ExecStartPre", ())),
        environment=tuple(pair for line in values.get("Environment", ()) for pair in _assignments(line)),
        environment_files=tuple(values.get("EnvironmentFile", ())),
        directory=last("WorkingDirectory", ""),
        restart=restart,
        restart_s=_duration(last("RestartSec", "100ms")),
        runtime_directories=tuple(word for line in values.get("RuntimeDirectory", ()) for word in line.split()),
        preserve_runtime=last("RuntimeDirectoryPreserve", "no") in ("yes", "restart"),
        stop_s=_duration(last("TimeoutStopSec", "90s")),
        kill_signal=_signal(last("KillSignal", "SIGTERM")),
        burst=int(last("StartLimitBurst", "5")),
        burst_s=_duration(last("StartLimitIntervalSec", last("StartLimitInterval", "10s"))),
        remain=last("RemainAfterExit", "no").lower() in ("yes", "true", "on", "1"),
        wanted_by=tuple(word for line in values.get("WantedBy", ()) for word in line.split()),
    )


def command(line: str, variables: dict[str, str]) -> tuple[list[str], bool]:
    """A command line as words, and whether its failure is to be ignored ("-" before it). Raises UnitError.

    A word that is a bare $VARIABLE becomes as many words as its value has; ${VARIABLE} inside a word is replaced in
    place.
    """
    prefix = re.match(r"[-@:+!|]*", line.strip())
    marks = prefix[0] if prefix else ""
    try:
        words = shlex.split(line.strip()[len(marks) :].replace("%%", "%"))
    except ValueError as error:
        raise UnitError(f"cannot be split into words: {line.strip()!r}: {error}") from None
    result: list[str] = []
    for word in words:
        bare = re.fullmatch(r"\$(\w+)", word)
        if bare:
            result += variables.get(bare[1], "").split()
        else:
            result.append(_VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), word))
    if not result:
        raise UnitError("empty command line")
    return result, "-" in marks


def environment_file(text: str) -> dict[str, str]:
    """The assignments in a file for EnvironmentFile=; comments and lines without "=" are skipped, as systemd does."""
    pairs: dict[str, str] = {}
    for raw in text.replace("\\\n", "").splitlines():
        line = raw.strip()
        if not line or line[0] in "#;" or "=" not in line:
            continue
        key, value = line.split("=", 1)
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        pairs[key.strip()] = value
    return pairs


def _values(text: str) -> dict[str, list[str]]:
    """Every key with its values in order.

    An empty value clears the list before it. Sections do not share keys that matter here.
    """
    values: dict[str, list[str]] = {}
    for raw in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = raw.strip()
        if not line or line[0] in "#;[" or "=" not in line:
            continue
        key, value = (part.strip() for part in line.split("=", 1))
        if value:
            values.setdefault(key, []).append(value)
        else:
            values[key] = []
    return values


def _assignments(line: str) -> list[tuple[str, str]]:
    try:
        words = shlex.split(line.replace("%%", "%"))
    except ValueError as error:
        raise UnitError(f"Environment={line} cannot be split into words: {error}") from None
    return [(key, value) for key, mark, value in (word.partition("=") for word in words) if mark]


def _duration(text: str) -> float:
    """A time span of systemd.time(7) in seconds; "infinity" is infinite."""
    if text == "infinity":
        return float("inf")
    matches = list(_DURATION.finditer(text))
    if not matches or "".join(match[0] for match in matches).replace(" ", "") != text.replace(" ", ""):
        raise UnitError(f"{text!r} is not a time span")
    if any(match[2] not in ("", *_UNITS) for match in matches):
        raise UnitError(f"{text!r} has an unknown unit of time")
    return sum(float(match[1]) * _UNITS.get(match[2], 1) for match in matches)


def _signal(name: str) -> signal.Signals:
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise UnitError(f"KillSignal={name} is not a signal") from None
