"""systemctl, as far as user data and drills use it.

Verbs in, exit code and text out, as systemctl(1) documents them.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from srekv.local.machine.host import Host
from srekv.local.machine.unitfile import Unit, UnitError, parse
from srekv.local.machine.units import Service

BUILT_IN = frozenset(
    f"{name}.service"
    for name in (
        "amazon-ssm-agent",
        "chronyd",
        "crond",
        "rsyslog",
        "sshd",
        "systemd-journald",
        "systemd-networkd",
        "systemd-resolved",
    )
)
"""Services of the image that a machine takes for running; every verb on them succeeds."""

UNIT_DIRECTORIES = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
"""Where units lie below the root, first match wins."""

DEFAULT_TARGET = "multi-user.target"

_VALUED = ("-p", "--property", "-s", "--signal", "-n", "--lines", "-o", "--output", "--kill-who", "--kill-whom", "-t")


class Answer(NamedTuple):
    """What the command says."""

    code: int = 0
    out: str = ""
    err: str = ""


class _Call(NamedTuple):
    """A command line, taken apart; `options` maps an option to its value ("" without one)."""

    verb: str
    names: tuple[str, ...]
    options: dict[str, str]

    def has(self, *options: str) -> bool:
        return any(option in self.options for option in options)


class Systemctl:
    """The units of one machine.

    Args:
        host: the machine.
        power_off: ends it, orderly; called in a thread of its own, so that the command that asked gets its answer.
    """

    def __init__(self, host: Host, power_off: Callable[[], None]) -> None:
        self._host = host
        self._power_off = power_off
        self._lock = threading.Lock()
        self._services: dict[str, Service] = {}
        self._unit_verbs: dict[str, Callable[[str, _Call], Answer]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reload-or-restart": self._restart,
            "try-restart": self._try_restart,
            "kill": self._kill,
            "enable": self._enable,
            "disable": self._disable,
            "is-active": self._is_active,
            "is-enabled": self._is_enabled,
            "is-failed": self._is_failed,
            "status": self._status,
            "show": self._show,
            "cat": self._cat,
            "reset-failed": self._reset_failed,
        }

    def handle(self, words: list[str]) -> Answer:
        """Run one command line (without the word systemctl)."""
        call = _take_apart(words)
        if call.verb in ("daemon-reload", "daemon-reexec"):
            return Answer()
        if call.verb == "poweroff":
            self._host.log("systemd", "Powering off.")
            threading.Thread(target=self._power_off, daemon=True).start()
            return Answer()
        action = self._unit_verbs.get(call.verb)
        if action is None:
            return Answer(1, err=f"Unknown command verb {call.verb}.\n")
        if not call.names:
            return Answer(1, err="Too few arguments.\n")
        if call.has("--no-block"):
            threading.Thread(target=self._each, args=(action, call), daemon=True).start()
            return Answer()
        return self._each(action, call)

    def start_enabled(self) -> None:
        """What happens at boot: every enabled unit starts; none waits for another."""
        for wants in sorted(self._host.root.glob("etc/systemd/system/*.wants/*.service")):
            threading.Thread(target=self.handle, args=(["start", wants.name],), daemon=True).start()

    def stop_all(self) -> None:
        """What happens at shutdown: every service stops, all at the same time."""
        with self._lock:
            services = list(self._services.values())
        threads = [threading.Thread(target=service.stop, daemon=True) for service in services]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _each(self, action: Callable[[str, _Call], Answer], call: _Call) -> Answer:
        answers = [Answer() if _is_silent(name, call.verb) else action(name, call) for name in call.names]
        quiet = call.has("-q", "--quiet") and call.verb.startswith("is-")
        return Answer(
            max(answer.code for answer in answers),
            "" if quiet else "".join(answer.out for answer in answers),
            "".join(answer.err for answer in answers),
        )

    def _service(self, name: str) -> Service:
        with self._lock:
            return self._services.setdefault(name, Service(name, self._host))

    def _file(self, name: str) -> Path | None:
        paths = (self._host.root / directory / name for directory in UNIT_DIRECTORIES)
        return next((path for path in paths if path.is_file()), None)

    def _text(self, path: Path) -> str:
        """The unit with its drop-ins after it."""
        drop_ins = [
            part
            for directory in UNIT_DIRECTORIES
            for part in sorted(self._host.root.joinpath(directory, f"{path.name}.d").glob("*.conf"))
        ]
        return "\n".join(part.read_text() for part in (path, *drop_ins))

    def _load(self, name: str) -> Unit | Answer:
        path = self._file(name)
        if path is None:
            return Answer(5, err=f"Failed to start {name}: Unit {name} not found.\n")
        try:
            return parse(name, self._text(path))
        except (UnitError, ValueError) as error:
            self._host.log("systemd", f"{name}: {error}")
            return Answer(1, err=f"Failed to start {name}: Unit {name} has a bad unit file setting.\n{error}\n")

    def _start(self, name: str, _call: _Call) -> Answer:
        unit = self._load(name)
        if isinstance(unit, Answer):
            return unit
        reason = self._service(name).start(unit)
        if not reason:
            return Answer()
        return Answer(
            1, err=f'Job for {name} failed with result "{reason}".\nSee "systemctl status {name}" for details.\n'
        )

    def _stop(self, name: str, _call: _Call) -> Answer:
        if self._file(name) is None and name not in self._services:
            return Answer(5, err=f"Failed to stop {name}: Unit {name} not loaded.\n")
        self._service(name).stop()
        return Answer()

    def _restart(self, name: str, call: _Call) -> Answer:
        unit = self._load(name)
        if isinstance(unit, Answer):
            return unit
        self._service(name).stop()
        return self._start(name, call)

    def _try_restart(self, name: str, call: _Call) -> Answer:
        return self._restart(name, call) if self._service(name).pid else Answer()

    def _kill(self, name: str, call: _Call) -> Answer:
        word = call.options.get("-s") or call.options.get("--signal") or "SIGTERM"
        with contextlib.suppress(KeyError, ValueError):
            number = int(word) if word.isdigit() else signal.Signals[f"SIG{word.removeprefix('SIG')}"]
            if self._service(name).kill(number):
                return Answer()
            return Answer(1, err=f"Failed to kill unit {name}: No main process to kill\n")
        return Answer(1, err=f"Failed to parse signal string {word}.\n")

    def _enable(self, name: str, call: _Call) -> Answer:
        path = self._file(name)
        if path is None:
            return Answer(1, err=f"Failed to enable unit: Unit file {name} does not exist.\n")
        for link in self._links(name, path):
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(path)
        return self._start(name, call) if call.has("--now") else Answer()

    def _disable(self, name: str, call: _Call) -> Answer:
        if self._file(name) is None:
            return Answer(1, err=f"Failed to disable unit: Unit file {name} does not exist.\n")
        for link in self._wants(name):
            link.unlink()
        return self._stop(name, call) if call.has("--now") else Answer()

    def _links(self, name: str, path: Path) -> list[Path]:
        try:
            targets = parse(name, self._text(path)).wanted_by or (DEFAULT_TARGET,)
        except (UnitError, ValueError):
            targets = (DEFAULT_TARGET,)  # enabling does not judge the [Service] section
        return [self._host.root / "etc/systemd/system" / f"{target}.wants" / name for target in targets]

    def _wants(self, name: str) -> list[Path]:
        return list(self._host.root.glob(f"etc/systemd/system/*.wants/{name}"))

    def _is_active(self, name: str, _call: _Call) -> Answer:
        state = "active" if name in BUILT_IN else self._service(name).state
        return Answer(0 if state == "active" else 3, f"{state}\n")

    def _is_enabled(self, name: str, _call: _Call) -> Answer:
        if name in BUILT_IN or self._wants(name):
            return Answer(0, "enabled\n")
        if self._file(name) is None:
            return Answer(1, err=f"Failed to get unit file state for {name}: No such file or directory\n")
        return Answer(1, "disabled\n")

    def _is_failed(self, name: str, _call: _Call) -> Answer:
        state = "active" if name in BUILT_IN else self._service(name).state
        return Answer(0 if state == "failed" else 1, f"{state}\n")

    def _status(self, name: str, _call: _Call) -> Answer:
        if name in BUILT_IN:
            return Answer(0, f"● {name}\n     Loaded: loaded\n     Active: active (running)\n")
        path = self._file(name)
        if path is None:
            return Answer(4, err=f"Unit {name} could not be found.\n")
        service = self._service(name)
        why = f" (Result: {service.result})" if service.result else ""
        lines = [f"● {name}", f"     Loaded: loaded ({path})", f"     Active: {service.state}{why}"]
        if service.pid:
            lines.append(f"   Main PID: {service.pid}")
        return Answer(0 if service.state == "active" else 3, "\n".join(lines) + "\n")

    def _show(self, name: str, call: _Call) -> Answer:
        service = self._service(name)
        known = {
            "Id": name,
            "LoadState": "loaded" if name in BUILT_IN or self._file(name) else "not-found",
            "ActiveState": "active" if name in BUILT_IN else service.state,
            "MainPID": str(service.pid),
            "Result": service.result or "success",
            "UnitFileState": "enabled" if name in BUILT_IN or self._wants(name) else "disabled",
        }
        asked = call.options.get("-p") or call.options.get("--property") or ",".join(known)
        keys = [key for key in asked.split(",") if key in known]
        bare = call.has("--value")
        return Answer(0, "".join(f"{known[key]}\n" if bare else f"{key}={known[key]}\n" for key in keys))

    def _cat(self, name: str, _call: _Call) -> Answer:
        path = self._file(name)
        if path is None:
            return Answer(1, err=f"No files found for {name}.\n")
        return Answer(0, f"# {path}\n{path.read_text()}")

    def _reset_failed(self, name: str, _call: _Call) -> Answer:
        self._service(name).reset_failed()
        return Answer()


def _is_silent(name: str, verb: str) -> bool:
    """Whether a verb on a built-in service just succeeds."""
    return name in BUILT_IN and not verb.startswith("is-") and verb not in ("status", "show")


def _take_apart(words: list[str]) -> _Call:
    options: dict[str, str] = {}
    rest: list[str] = []
    pending = ""
    for word in words:
        if pending:
            options[pending], pending = word, ""
        elif word in _VALUED:
            pending = word
        elif word.startswith("-"):
            key, _, value = word.partition("=")
            options[key] = value
        else:
            rest.append(word)
    names = tuple(name if "." in name else f"{name}.service" for name in rest[1:])
    return _Call(rest[0] if rest else "", names, options)
