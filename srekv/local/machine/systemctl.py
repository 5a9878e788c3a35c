"""systemctl, as far as user data and drills use it: exit codes and texts are as systemctl(1) documents them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from srekv.local.machine.host import Host
from srekv.local.machine.unitfile import Unit, UnitError, parse
from srekv.local.machine.units import Service

_IMAGE = "amazon-ssm-agent chronyd crond rsyslog sshd systemd-journald systemd-networkd systemd-resolved"
BUILT_IN = frozenset(f"{name}.service" for name in _IMAGE.split())
"""Services of the image that a machine takes for running; every verb on them succeeds."""

UNIT_DIRECTORIES = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
"""Where units lie below the root, first match wins."""

_QUERIES = ("is-active", "status", "show")


class Answer(NamedTuple):
    """What the command prints, and its exit code."""

    code: int = 0
    out: str = ""
    err: str = ""


class _FailedError(Exception):
    """A verb fails, with an exit code and a line."""


class _Call(NamedTuple):
    """A command line, taken apart; `options` maps an option to its value ("" without one)."""

    verb: str
    names: tuple[str, ...]
    options: dict[str, str]


class Systemctl:
    """The units of one machine, which `power_off` ends in order."""

    def __init__(self, host: Host, power_off: Callable[[], None]) -> None:
        self._host = host
        self._power_off = power_off
        self._lock = threading.Lock()
        self._services: dict[str, Service] = {}
        self._verbs: dict[str, Callable[[str, _Call], Answer | None]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "try-restart": self._restart,
            "enable": self._enable,
            "disable": self._disable,
            **dict.fromkeys(_QUERIES, self._query),
        }

    def handle(self, words: list[str]) -> Answer:
        """Run one command line (without the word systemctl)."""
        call = _take_apart(words)
        if call.verb == "daemon-reload":
            return Answer()
        if call.verb == "poweroff":
            self._host.log("systemd", "Powering off.")
            threading.Thread(target=self._power_off, daemon=True).start()  # the command gets its answer
            return Answer()
        if call.verb not in self._verbs:
            return Answer(1, err=f"Unknown command verb {call.verb}.\n")
        if not call.names:
            return Answer(1, err="Too few arguments.\n")
        if "--no-block" in call.options:
            threading.Thread(target=self._run, args=(call,), daemon=True).start()
            return Answer()
        return self._run(call)

    def start_enabled(self) -> None:
        """What happens at boot: every enabled unit starts; none waits for another."""
        for wants in sorted(self._host.root.glob("etc/systemd/system/*.wants/*.service")):
            self.handle(["start", "--no-block", wants.name])

    def stop_all(self) -> None:
        """What happens at shutdown: every service stops, all at the same time."""
        with self._lock:
            services = list(self._services.values())
        with ThreadPoolExecutor(len(services) or 1) as threads:
            for service in services:
                threads.submit(service.stop)

    def _run(self, call: _Call) -> Answer:
        answers = []
        for name in call.names:
            answer = None
            try:
                if name not in BUILT_IN or call.verb in _QUERIES:
                    answer = self._verbs[call.verb](name, call)
            except _FailedError as failed:
                code, line = failed.args
                answer = Answer(code, err=f"{line}\n")
            answers.append(answer or Answer())
        codes, outputs, errors = zip(*answers, strict=True)
        return Answer(max(codes), "".join(outputs), "".join(errors))

    def _service(self, name: str) -> Service:
        with self._lock:
            return self._services.setdefault(name, Service(name, self._host))

    def _file(self, name: str) -> Path | None:
        paths = (self._host.root / directory / name for directory in UNIT_DIRECTORIES)
        return next((path for path in paths if path.is_file()), None)

    def _parse(self, path: Path) -> Unit:
        """The unit with its drop-ins after it. Raises UnitError and ValueError."""
        parts = [path]
        for directory in UNIT_DIRECTORIES:
            parts += sorted(self._host.root.joinpath(directory, f"{path.name}.d").glob("*.conf"))
        return parse(path.name, "\n".join(part.read_text() for part in parts))

    def _load(self, name: str) -> Unit:
        path = self._file(name)
        if path is None:
            raise _FailedError(5, f"Failed to start {name}: Unit {name} not found.")
        try:
            return self._parse(path)
        except (UnitError, ValueError) as error:
            self._host.log("systemd", f"{name}: {error}")
            line = f"Failed to start {name}: Unit {name} has a bad unit file setting.\n{error}"
            raise _FailedError(1, line) from None

    def _start(self, name: str, _call: _Call) -> None:
        if reason := self._service(name).start(self._load(name)):
            line = f'Job for {name} failed with result "{reason}".\nSee "systemctl status {name}" for details.'
            raise _FailedError(1, line)

    def _stop(self, name: str, _call: _Call) -> None:
        if self._file(name) is None and name not in self._services:
            raise _FailedError(5, f"Failed to stop {name}: Unit {name} not loaded.")
        self._service(name).stop()

    def _restart(self, name: str, call: _Call) -> None:
        service = self._service(name)
        if service.pid or call.verb == "restart":
            self._load(name)  # one that cannot start keeps running
            service.stop()
            self._start(name, call)

    def _enable(self, name: str, call: _Call) -> None:
        path = self._file(name)
        if path is None:
            raise _FailedError(1, f"Failed to enable unit: Unit file {name} does not exist.")
        targets: tuple[str, ...] = ()
        with contextlib.suppress(UnitError, ValueError):  # enabling does not judge the [Service] section
            targets = self._parse(path).wanted_by
        for target in targets or ("multi-user.target",):
            link = self._host.root / "etc/systemd/system" / f"{target}.wants" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(path)
        if "--now" in call.options:
            self._start(name, call)

    def _disable(self, name: str, call: _Call) -> None:
        if self._file(name) is None:
            raise _FailedError(1, f"Failed to disable unit: Unit file {name} does not exist.")
        for link in self._wants(name):
            link.unlink()
        if "--now" in call.options:
            self._stop(name, call)

    def _wants(self, name: str) -> list[Path]:
        return list(self._host.root.glob(f"etc/systemd/system/*.wants/{name}"))

    def _query(self, name: str, call: _Call) -> Answer:
        service, built_in, path = self._service(name), name in BUILT_IN, self._file(name)
        state = "active" if built_in else service.state
        code = 0 if state == "active" else 3
        if call.verb == "is-active":
            return Answer(code, "" if call.options.keys() & {"-q", "--quiet"} else f"{state}\n")
        if call.verb == "status":
            if path is None and not built_in:
                raise _FailedError(4, f"Unit {name} could not be found.")
            why = f" (Result: {service.result})" if service.result else ""
            lines = [f"● {name}", f"     Loaded: loaded ({path or 'built in'})", f"     Active: {state}{why}"]
            lines += [f"   Main PID: {service.pid}"] if service.pid else []
            return Answer(code, "\n".join(lines) + "\n")
        known = {
            "Id": name,
            "LoadState": "loaded" if built_in or path else "not-found",
            "ActiveState": state,
            "MainPID": str(service.pid),
            "Result": service.result or "success",
            "UnitFileState": "enabled" if built_in or self._wants(name) else "disabled",
        }
        asked = call.options.get("-p") or call.options.get("--property") or ",".join(known)
        keys = [key for key in asked.split(",") if key in known]
        bare = "--value" in call.options
        return Answer(0, "".join(f"{known[key]}\n" if bare else f"{key}={known[key]}\n" for key in keys))


def _take_apart(words: list[str]) -> _Call:
    options: dict[str, str] = {}
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word in ("-p", "--property", "-n", "--lines", "-o", "--output", "-t"):
            options[word] = next(remaining, "")
        elif word.startswith("-"):
            key, _, value = word.partition("=")
            options[key] = value
        else:
            rest.append(word)
    verb, *names = rest or [""]
    return _Call(verb, tuple(name if "." in name else f"{name}.service" for name in names), options)
