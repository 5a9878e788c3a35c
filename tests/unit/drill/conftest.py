"""A deployment that exists only in memory, with a clock that moves when somebody waits."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from srekv.drill.model import Settings
from srekv.drill.parcel import ABSENT
from srekv.errors import SrekvError
from srekv.provision.model import Check, CommandResult, Deployment, Node, Observation

PRIMARY, SECONDARY = "127.53.0.128", "127.53.0.129"
DETECTION_S, SWITCH_S, BOOT_S, RECOVERY_S = 40.0, 5.0, 12.0, 22.0
PROBE_S = 13.0


@dataclass
class FakeClock:
    """Time that passes only by sleeping."""

    now: float = 1_000_000.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        assert seconds >= 0
        self.now += seconds


@dataclass
class Log:
    """A Narrator that remembers."""

    lines: list[str] = field(default_factory=list)

    def started(self, phase: str) -> None:
        """Remember a phase."""
        self.lines.append(f"> {phase}")

    def finished(self, phase: str, detail: str) -> None:
        """Remember its end."""
        self.lines.append(f"< {phase}: {detail}")

    def note(self, message: str) -> None:
        """Remember a note."""
        self.lines.append(f"note: {message}")

    def warn(self, message: str) -> None:
        """Remember a warning."""
        self.lines.append(f"warning: {message}")

    @property
    def warnings(self) -> list[str]:
        """The warnings alone."""
        return [line for line in self.lines if line.startswith("warning: ")]


def _node(name: str, role: Any, address: str) -> Node:
    ident = f"i-{name}"
    return Node(
        name=name, role=role, zone=name, instance_id=ident, address=address, private_address=address, state="running"
    )


def _check(name: str, address: str) -> Check:
    return Check(name=name, id=f"id-{name}", address=address, port=8080, path="/health", interval=10, threshold=3)


@dataclass
class World:
    """A simulated deployment and its Hands; all times are the fake clock's, speed 1.

    `interrupt` is called before every act with the act's name, so that a test can raise anything anywhere.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    interrupt: Callable[[str], None] = lambda _: None
    stopped_at: float | None = None
    started_at: float | None = None
    switches: bool = True
    observed: bool = True
    damage: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    load_since: float | None = None
    load_done: bool = False
    probes: set[str] = field(default_factory=set)
    acts: list[str] = field(default_factory=list)
    liar: str | None = None

    def deployment(self) -> Deployment:
        """Two nodes, two checks."""
        return Deployment(
            stack="srekv",
            region="us-east-1",
            zone_name="sre-test.local",
            name="svc.sre-test.local",
            port=8080,
            ttl=10,
            table="SREKeyValue",
            nodes=(_node("az1", "primary", PRIMARY), _node("az2", "secondary", SECONDARY)),
            checks=(_check("hc-az1", PRIMARY), _check("hc-az2", SECONDARY)),
        )

    @property
    def running(self) -> bool:
        """Whether the primary runs or has been told to."""
        return self.stopped_at is None or self.started_at is not None

    def stop(self, node: Node, *, skip_os_shutdown: bool = False) -> None:
        """Stop the primary."""
        del skip_os_shutdown
        self._act(f"stop {node.name}")
        self.stopped_at, self.started_at = self.clock.now, None

    def start(self, node: Node) -> None:
        """Start the primary."""
        self._act(f"start {node.name}")
        self.started_at = self.clock.now

    def invert(self, check: Check, *, inverted: bool) -> None:
        """Nothing here inverts a check."""
        raise NotImplementedError(check, inverted)

    def observations(self, check: Check) -> tuple[Observation, ...]:
        """Sixteen checkers' last reports, each every PROBE_S, uncoordinated."""
        self._act(f"observations {check.name}")
        return tuple(self._report(check, number) for number in range(16)) if self.observed else ()

    def _report(self, check: Check, number: int) -> Observation:
        phase = number * PROBE_S / 16
        probed = (self.clock.now - phase) // PROBE_S * PROBE_S + phase
        return Observation(
            checker=f"127.0.1.{number}",
            region="us-east-1",
            healthy=check.address != PRIMARY or self._primary_up(probed),
            status="",
            at=datetime.fromtimestamp(probed, UTC),
        )

    def run(self, node: Node, script: str, *, timeout_s: float) -> CommandResult:
        """Understand the script's probe command as the probe would."""
        assert timeout_s > 0
        line = next(line for line in reversed(script.splitlines()) if '"$python" "$probe"' in line)
        words = shlex.split(line.partition('"$probe"')[2].partition(" </dev/null")[0])
        self._act(f"{words[0]} on {node.name}")
        if "base64 -d" in script:
            self.probes.add(node.name)
        if node.name not in self.probes:
            return CommandResult(status="Failed", code=ABSENT, stdout="", stderr="")
        handlers = {"resolve": self._resolve, "watch": self._watch, "request": self._request}
        handlers |= {"load": self._load, "status": self._status, "fetch": self._fetch}
        return CommandResult(status="Success", code=0, stdout=json.dumps(handlers[words[0]](words)), stderr="")

    def answer(self) -> list[str]:
        """What the name answers now."""
        if self.stopped_at is None or not self.switches:
            return [PRIMARY]
        gone = self.clock.now >= self.stopped_at + DETECTION_S + SWITCH_S
        back = self.started_at is not None and self.clock.now >= self.started_at + BOOT_S + RECOVERY_S + SWITCH_S
        return [PRIMARY] if back or not gone else [SECONDARY]

    def _act(self, name: str) -> None:
        self.interrupt(name)
        self.acts.append(name)
        self.clock.sleep(0.1)

    def _primary_up(self, at: float | None = None) -> bool:
        at = self.clock.now if at is None else at
        if self.stopped_at is None or at < self.stopped_at:
            return True
        return self.started_at is not None and at >= self.started_at + BOOT_S

    def _resolve(self, words: list[str]) -> dict[str, Any]:
        answers = [{"address": address, "ttl": 10} for address in self.answer()]
        system = {"system": self.answer()} if "--system" in words else {}
        return {"answers": answers, "rcode": "NOERROR", "elapsed_s": 0.01, **system}

    def _watch(self, words: list[str]) -> dict[str, Any]:
        wanted = words[words.index("--until") + 1].split(",")
        end = self.clock.now + float(words[words.index("--timeout") + 1])
        while self.answer() != wanted and self.clock.now < end:
            self.clock.sleep(1)
        transition = {"epoch": self.clock.now, "answer": self.answer(), "ttl": 10, "rcode": "NOERROR"}
        return {"matched": self.answer() == wanted, "transitions": [transition], "elapsed_s": 1.0}

    def _request(self, words: list[str]) -> dict[str, Any]:
        method, path = words[1], words[2]
        address = words[words.index("--address") + 1] if "--address" in words else self.answer()[0]
        if address == PRIMARY and not self._primary_up():
            return {"address": address, "status": None, "error": "connect: timed out", "elapsed_s": 2.0}
        body = base64.b64decode(words[words.index("--body-b64") + 1]).decode() if "--body-b64" in words else ""
        node = self.liar or ("az1" if address == PRIMARY else "az2")
        status, said = self._serve(method, path, body)
        data = base64.b64encode(said.encode()).decode()
        return {
            "address": address,
            "status": status,
            "node": node,
            "headers": {},
            "body_b64": data,
            "elapsed_s": 0.01,
        }

    def _serve(self, method: str, path: str, body: str) -> tuple[int, str]:
        route, _, query = path.partition("?")
        fields = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
        key = route.removeprefix("/v1/keys/")
        if route == "/health":
            return 200, "OK"
        if route == "/write":
            self.keys[fields["key"]] = fields["value"]
            return 200, '{"status": "written"}'
        if route == "/read":
            value = self.keys.get(fields["key"])
            return 200, json.dumps({"key": fields["key"], "value": value} if value else {})
        if method == "PUT":
            self.keys[key] = body
        elif method == "DELETE":
            self.keys.pop(key, None)
            return 204, ""
        return 200, self.keys.get(key, "")

    def _load(self, words: list[str]) -> dict[str, Any]:
        assert words[words.index("--out") + 1].startswith("$d/")
        self.load_since = self.clock.now
        return {}

    def _status(self, words: list[str]) -> dict[str, Any]:
        self.load_done = self.load_done or "--stop" in words
        size = 0 if self.load_since is None else 100
        return {
            "exists": size > 0,
            "size": size,
            "running": not self.load_done,
            "done": self.load_done,
            "now": self.clock.now,
        }

    def _fetch(self, words: list[str]) -> dict[str, Any]:
        offset = int(words[words.index("--offset") + 1])
        start = {"event": "start", "at": 0.0, "epoch": self.load_since, "speed": 1.0}
        read = {"client": 0, "op": "read", "key": "k", "value": None, "invoke": 1, "complete": 2, "outcome": "ok"}
        whole = "".join(json.dumps(line) + "\n" for line in (start, read)).encode()
        piece = whole[offset : offset + 60]
        digest = "damaged" if self.damage else hashlib.sha256(piece).hexdigest()
        return {
            "exists": True,
            "size": len(piece),
            "sha256": digest,
            "offset": offset,
            "data_b64": base64.b64encode(zlib.compress(piece)).decode(),
            "eof": offset + len(piece) >= len(whole),
        }


@pytest.fixture
def world() -> World:
    """A healthy deployment."""
    return World()


@pytest.fixture
def log() -> Log:
    """A narrator that remembers."""
    return Log()


@pytest.fixture
def settings() -> Settings:
    """Settings of a drill in real time."""
    return Settings(resolver=("127.53.0.2", 5300), port=8080, run_id="r1")


@pytest.fixture
def refuse() -> Callable[[str, BaseException], Callable[[str], None]]:
    """Makes an interrupt that raises once, at the first act whose name begins like this."""

    def make(act: str, error: BaseException) -> Callable[[str], None]:
        left = [error]

        def interrupt(name: str) -> None:
            if name.startswith(act) and left:
                raise left.pop()

        return interrupt

    return make


@pytest.fixture
def broken() -> SrekvError:
    """An error of the cloud."""
    return SrekvError("the cloud is gone")
