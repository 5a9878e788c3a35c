"""Keeps one service of a machine running, by the rules of systemd.service(5).

A unit has AWS-equivalent seconds; who runs it divides them by the clock's speed.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from srekv.local.machine.host import Host
from srekv.local.machine.unitfile import RESTARTS, Unit, UnitError, command, environment_file

SHORTEST_PAUSE_S = 0.1  # wall-clock floor of RestartSec: on a fast clock a broken unit must not eat the laptop
SHORTEST_STOP_S = 2.0  # wall-clock floor of TimeoutStopSec: programs do not end faster because the clock does


class Service:
    """A unit: its state (inactive, activating, active, deactivating, failed) and why it failed, in systemd's words."""

    def __init__(self, name: str, host: Host) -> None:
        self.name = name
        self.state = "inactive"
        self.result = ""
        self._host = host
        self._verbs = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starts: list[float] = []
        self._unit: Unit | None = None

    @property
    def pid(self) -> int:
        """The main process, 0 when there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    def start(self, unit: Unit) -> str:
        """Start it unless it runs; returns "" or the reason why the job failed."""
        with self._verbs:
            if self._thread is not None and self._thread.is_alive():
                return ""
            self._unit = unit
            self._stopping.clear()
            first: queue.SimpleQueue[str] = queue.SimpleQueue()
            self._thread = threading.Thread(target=self._keep, args=(unit, first), name=self.name, daemon=True)
            self._thread.start()
        return first.get()

    def stop(self) -> None:
        """Stop it and wait: KillSignal first, SIGKILL after TimeoutStopSec."""
        with self._verbs:
            self._stopping.set()
            if self._thread is None or self._unit is None:
                return
            if self._thread.is_alive():
                self.state = "deactivating"
                self._kill(self._unit.kill_signal)
                self._thread.join(max(self._unit.stop_s / self._host.speed, SHORTEST_STOP_S))
            if self._thread.is_alive():
                self._log("State 'stop-sigterm' timed out. Killing.")
                self._kill(signal.SIGKILL)
                self._thread.join()
            self.state = "inactive"
            self._starts.clear()

    def _kill(self, number: int) -> None:
        if pid := self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def _keep(self, unit: Unit, first: queue.SimpleQueue[str]) -> None:
        while True:
            if self._is_limited(unit):
                outcome = "start-limit-hit"
                self._log("Start request repeated too quickly.")
                first.put(outcome)
                break
            self.state = "activating"
            outcome = self._run_once(unit, first)
            first.put("" if outcome == "success" else outcome)
            if self._stopping.is_set() or not unit.preserve_runtime:
                for name in unit.runtime_directories:
                    shutil.rmtree(self._host.root / "run" / name, ignore_errors=True)
            if self._stopping.is_set() or outcome not in RESTARTS[unit.restart]:
                break
            self.state = "activating"
            if self._stopping.wait(max(unit.restart_s / self._host.speed, SHORTEST_PAUSE_S)):
                break
            self._log("Scheduled restart job.")
        if self._stopping.is_set() or outcome == "success":
            self.state = "inactive"
        else:
            self.state, self.result = "failed", outcome
            self._log(f"Failed with result '{outcome}'.")

    def _is_limited(self, unit: Unit) -> bool:
        """Whether StartLimitBurst starts happened within StartLimitIntervalSec."""
        now = time.monotonic()
        self._starts = [one for one in self._starts if now - one <= unit.burst_s / self._host.speed]
        if unit.burst_s and len(self._starts) >= unit.burst > 0:
            return True
        self._starts.append(now)
        return False

    def _run_once(self, unit: Unit, first: queue.SimpleQueue[str]) -> str:
        """Run it until it ends; the result in systemd's words."""

        def report_start() -> None:
            self.state = "active"
            first.put("")
            self._log(f"Started {unit.description}.")

        try:
            environment = self._environment(unit)
            directory = self._directory(unit)
            is_oneshot = unit.type == "oneshot"
            for line in (*unit.before, *(unit.start if is_oneshot else ())):
                if (outcome := self._run(line, environment, directory)) != "success":
                    self._log(f"Control process exited: {line}")
                    return outcome
            if not is_oneshot:
                outcome = self._run(unit.start[0], environment, directory, report_start)
                if unit.type != "exec":
                    first.put("")  # a simple service counts as started before its program is executed
                return outcome
        except (UnitError, OSError) as error:
            self._log(str(error))
            return "resources"
        self._log(f"Finished {unit.description}.")
        if unit.remain:
            self.state = "active"
            first.put("")
            self._stopping.wait()
        return "success"

    def _run(
        self, line: str, environment: dict[str, str], directory: Path, on_start: Callable[[], None] = lambda: None
    ) -> str:
        """Run a command to its end; the result in systemd's words. A "-" forgives a missing program too."""
        words, forgiving = command(line, environment, self._host.rewriter.text)
        program = words[0] if "/" in words[0] else shutil.which(words[0], path=self._host.environment["PATH"])
        try:
            if program is None:
                raise FileNotFoundError(2, "No such file or directory")
            argv = [program, *words[1:]]
            with self._host.open_console() as console:
                process = self._host.spawn(argv, environment=environment, directory=directory, output=console)
        except OSError as error:
            ignoring = ", ignoring" if forgiving else ""
            self._log(f"Failed at step EXEC spawning {words[0]}{ignoring}: {error.strerror or error}")
            return "success" if forgiving else "exit-code"
        self._process = process
        if self._stopping.is_set():
            self._kill(signal.SIGKILL)  # asked to stop while it was being started
        on_start()
        code = process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what the main process left behind, as KillMode=control-group does
        if code == 0 or forgiving or -code in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            return "success"  # as systemd counts these deaths
        return "signal" if code < 0 else "exit-code"

    def _environment(self, unit: Unit) -> dict[str, str]:
        rewrite = self._host.rewriter.text
        environment = dict(self._host.environment)
        environment.update((key, rewrite(value)) for key, value in unit.environment)
        for entry in unit.environment_files:
            path = Path(rewrite(entry.removeprefix("-")))
            try:
                pairs = environment_file(path.read_text())
            except OSError as error:
                if entry.startswith("-"):
                    continue
                raise UnitError(f"Failed to load environment files: {path}: {error.strerror}") from None
            environment.update((key, rewrite(value)) for key, value in pairs.items())
        if unit.runtime_directories:
            paths = [self._host.root / "run" / name for name in unit.runtime_directories]
            for path in paths:
                path.mkdir(parents=True, exist_ok=True)
            environment["RUNTIME_DIRECTORY"] = ":".join(str(path) for path in paths)
        return environment

    def _directory(self, unit: Unit) -> Path:
        given = unit.directory
        if given == "~":
            return Path(self._host.environment["HOME"])
        path = Path(self._host.rewriter.text(given.removeprefix("-")))
        if given in ("", "/") or (given.startswith("-") and not path.is_dir()):
            return self._host.root
        if not path.is_dir():
            raise UnitError(f"Changing to the requested working directory failed: {path}: No such file or directory")
        return path

    def _log(self, text: str) -> None:
        self._host.log("systemd", f"{self.name}: {text}")
