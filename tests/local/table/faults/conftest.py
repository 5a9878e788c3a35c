"""The service as a process, a database behind a proxy that has bad days, and clients whose history is judged."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import secrets
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from srekv.check.model import History, Operation
from srekv.probe.exchange import Target
from srekv.probe.service import Outcome, Service

HERE = Path(__file__).parent
KEYS = 4
"""That clients share at a time."""

KEYS_LAST = 400
"""Operations: then all go on to other keys, since what an unknown outcome may explain grows with every one of them."""

PATIENCE_S = 30.0
"""A client's: far beyond what the service promises, so that it is the service that ends a request."""

GIVE_UP_S = 10.0
"""After a fault's end, waiting for the first success."""

_OPERATIONS = ("write", "read", "cas", "delete")
_WEIGHTS = (35, 35, 25, 5)


class Direct(Service):
    """The service at a loopback port: no name to ask for; the connection is kept."""

    def __init__(self, port: int) -> None:
        super().__init__(Target("127.0.0.1", port, ("127.0.0.1", 0)), "keep-alive", timeout_s=PATIENCE_S)

    def _address(self) -> str:
        if self._pinned is not None and not self._pinned.usable:
            self.close()
        return "127.0.0.1"


@dataclass
class Round:
    """What clients saw while one fault came and went."""

    operations: list[Operation] = field(default_factory=list)
    longest_s: float = 0.0
    healed_at: float = 0.0
    recovery_s: float = 0.0
    met: int = 0

    def since_heal(self) -> float:
        """Seconds from the fault's end until nothing failed any more; infinite when nothing succeeded since."""
        begun = [one for one in self.operations if one.invoke > self.healed_at]
        if not any(one.good for one in begun):
            return math.inf
        return max((one.invoke for one in begun if not one.good), default=self.healed_at) - self.healed_at

    @property
    def history(self) -> History:
        """For the checkers."""
        return History(operations=tuple(sorted(self.operations, key=lambda one: one.invoke)), events=(), damaged=())


class Crowd:
    """Closed-loop clients of the service at `port`; each waits `pause_s` between its operations."""

    def __init__(self, port: int, clients: int, pause_s: float) -> None:
        self._port, self._clients, self._pause_s = port, clients, pause_s
        self._values = itertools.count()
        self._round = Round()
        self._prefix = ""

    @contextmanager
    def at_work(self, name: str) -> Iterator[Round]:
        """Until the end of the block they work on keys of that name; then every key is read once more."""
        self._round, self._prefix = Round(), f"{name}-{secrets.token_hex(4)}"
        stop = threading.Event()
        broken: list[BaseException] = []
        threads = [
            threading.Thread(target=self._work, args=(f"client-{number}", stop, broken))
            for number in range(self._clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self._round
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not broken, broken
        self._read_all()

    def _work(self, name: str, stop: threading.Event, broken: list[BaseException]) -> None:
        service, dice = Direct(self._port), random.Random(name)
        try:
            while not stop.wait(self._pause_s):
                generation = len(self._round.operations) // KEYS_LAST
                key = f"{self._prefix}-{generation}-{dice.randrange(KEYS)}"
                getattr(self, "_" + dice.choices(_OPERATIONS, _WEIGHTS)[0])(service, name, key)
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            broken.append(error)
        finally:
            service.close()

    def _read_all(self) -> None:
        with closing(Direct(self._port)) as service:
            for key in sorted({one.key for one in self._round.operations}):
                self._read(service, "final", key, final=True)

    def _read(self, service: Service, name: str, key: str, *, final: bool = False) -> Outcome:
        return self._record(name, "read", key, lambda: service.read(key), final=final)

    def _write(self, service: Service, name: str, key: str) -> None:
        value = self._value(name)
        self._record(name, "write", key, lambda: service.write(key, value), value=value)

    def _cas(self, service: Service, name: str, key: str) -> None:
        seen = self._read(service, name, key)
        if seen.outcome == "ok":
            value = self._value(name)
            etag = seen.etag if seen.value is not None else None
            self._record(name, "cas", key, lambda: service.cas(key, value, etag=etag), value=value, expect=seen.value)

    def _delete(self, service: Service, name: str, key: str) -> None:
        self._record(name, "delete", key, lambda: service.delete(key))

    def _value(self, name: str) -> str:
        return f"{name}.{next(self._values)}"

    def _record(self, name: str, op: Any, key: str, act: Callable[[], Outcome], **members: Any) -> Outcome:
        invoke = time.monotonic()
        outcome = act()
        complete = time.monotonic()
        if op == "read":
            members["value"] = outcome.value
        what: Any = outcome.outcome
        at = None if what == "unknown" else complete
        told = Operation(
            client=name, op=op, key=key, invoke=invoke, complete=at, outcome=what, error=outcome.error or "", **members
        )
        self._round.operations.append(told)
        self._round.longest_s = max(self._round.longest_s, complete - invoke)
        return outcome


class Proxy:
    """The proxy's process, in front of the database at `url`."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "proxy.py"), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            ports = self._answer()
        except BaseException:
            self.close()
            raise
        self.table, self.metadata = (f"http://127.0.0.1:{ports[name]}" for name in ("table", "metadata"))

    def turn(self, fault: str, share: float = 1.0) -> int:
        """From now on that share of the requests meets the fault, "" none; how many met the one before."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"fault": fault, "share": share}) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["met"])

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        try:
            self._process.communicate(timeout=10)
        finally:
            self._process.kill()


@pytest.fixture
def proxy(database: Any) -> Iterator[Proxy]:
    """In front of that database."""
    started = Proxy(database.url)
    yield started
    started.close()


@dataclass(frozen=True)
class Node:
    """A running service; `complaints` is what it wrote to its standard error."""

    port: int
    process: subprocess.Popen[bytes]
    complaints: Path


@pytest.fixture
def serve(
    proxy: Proxy, database: Any, tmp_path: Path, reserve_port: Callable[[], int]
) -> Iterator[Callable[[str], Node]]:
    """Starts the service with that store, in front of the proxy, with keys from its metadata service."""
    started: list[subprocess.Popen[bytes]] = []

    def run(store: str) -> Node:
        port = reserve_port()
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": proxy.metadata,
            "AWS_ENDPOINT_URL": proxy.table,
            "AWS_REGION": "us-east-1",
            "SREKV_TABLE": database.table(),
            "SREKV_NODE": "az1",
            "SREKV_HOST": "127.0.0.1",
            "SREKV_PORT": str(port),
            "SREKV_STORE": store,
        }
        complaints = tmp_path / f"{store}.log"
        with complaints.open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "srekv.app"], env=environ, stderr=log)
        started.append(process)
        await_answer(f"http://127.0.0.1:{port}/v1/keys/none")
        return Node(port, process, complaints)

    yield run
    for process in started:
        process.kill()
        process.wait(10)


class Trial:
    """A service under load, and the proxy that lets it down."""

    def __init__(self, proxy: Proxy, node: Node, clients: int, pause_s: float) -> None:
        self.proxy, self.node = proxy, node
        self._crowd = Crowd(node.port, clients, pause_s)

    def undergo(self, fault: str, share: float, *, lasts_s: float, rest_s: float, operations: int = 0) -> Round:
        """The fault comes, lasts and goes, as often as it takes to meet somebody and to reach so many operations."""
        pause, longest_recovery, give_up = threading.Event(), 0.0, time.monotonic() + GIVE_UP_S
        with self._crowd.at_work(fault) as seen:
            while len(seen.operations) < operations or (not seen.met and time.monotonic() < give_up):
                self.proxy.turn(fault, share)
                pause.wait(lasts_s)
                seen.met += self.proxy.turn("")
                seen.healed_at = time.monotonic()
                while seen.since_heal() == math.inf and time.monotonic() < seen.healed_at + GIVE_UP_S:
                    pause.wait(0.02)
                pause.wait(rest_s)
                longest_recovery = max(longest_recovery, seen.since_heal())
        seen.recovery_s = longest_recovery
        return seen


@pytest.fixture
def trial(proxy: Proxy, serve: Callable[[str], Node]) -> Callable[..., Trial]:
    """Makes a Trial of a service with that store, and so many clients that pause so long."""

    def make(store: str, clients: int, pause_s: float) -> Trial:
        return Trial(proxy, serve(store), clients, pause_s)

    return make


def await_answer(url: str) -> None:
    """Until the service there answers 404 from its table."""
    pause, end = threading.Event(), time.monotonic() + 20
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return
        except OSError:
            pass
        pause.wait(0.02)
    pytest.fail(f"{url} never answered")
