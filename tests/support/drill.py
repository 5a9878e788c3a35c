"""A deployment that exists only in memory, with a clock that moves when somebody waits."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from srekv.drill.payload import ABSENT
from srekv.errors import SrekvError
from srekv.provision.model import Check, CommandResult, Deployment, Node, Observation
from tests.support.deployment import make_deployment

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


def _at(changes: list[tuple[float, bool]], when: float) -> bool:
    """What held then: True, until a change said otherwise."""
    return next((up for since, up in reversed(changes) if since <= when), True)


@dataclass
class World:
    """A simulated deployment, as a fault target; all times are the fake clock's, speed 1.

    `interrupt` is called before every act with the act's name, so that a test can raise anything anywhere.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    interrupt: Callable[[str], None] = lambda _: None
    states: dict[str, str] = field(default_factory=lambda: {"az1": "running", "az2": "running"})
    health: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: {"az1": [], "az2": []})
    data: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: {"az1": [], "az2": []})
    words: dict[str, str] = field(default_factory=dict)
    services: set[str] = field(default_factory=lambda: {"az1", "az2"})
    inversions: list[tuple[float, bool]] = field(default_factory=list)
    note: str = ""
    admitted: set[str] = field(default_factory=set)
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
        """Two nodes, two checks, as they are now."""
        stack = make_deployment(PRIMARY, SECONDARY, port=8080)
        nodes = tuple(replace(node, state=self.states[node.name]) for node in stack.nodes)
        checks = (replace(stack.checks[0], inverted=self.inverted), stack.checks[1])
        return replace(stack, nodes=nodes, checks=checks, fault=self.note)

    @property
    def running(self) -> bool:
        """Whether the primary runs or has been told to."""
        return self.states["az1"] == "running"

    @property
    def inverted(self) -> bool:
        """Whether the primary's check is inverted now."""
        return bool(self.inversions) and self.inversions[-1][1]

    @property
    def whole(self) -> bool:
        """Whether nothing of any fault is left, and no note of one."""
        nodes = set(self.states.values()) == {"running"} and self.services == {"az1", "az2"}
        return nodes and not self.words and not self.inverted and not self.note and not self.admitted

    def mark(self, node: str, *, up: bool, at: float | None = None) -> None:
        """From then on the node's health and data are both there, or both gone."""
        when = self.clock.now if at is None else at
        self.health[node].append((when, up))
        self.data[node].append((when, up))

    def stop(self, node: Node, *, skip_os_shutdown: bool = False) -> None:
        """Stop the primary."""
        self._act(f"{'cut' if skip_os_shutdown else 'stop'} {node.name}")
        self.states[node.name] = "stopped"
        self.mark(node.name, up=False)

    def start(self, node: Node) -> None:
        """Start the primary."""
        self._act(f"start {node.name}")
        if self.states[node.name] != "running":
            self.states[node.name] = "running"
            self.words.pop(node.name, None)
            self.services.add(node.name)
            self.mark(node.name, up=True, at=self.clock.now + BOOT_S)

    def invert(self, check: Check, *, inverted: bool) -> None:
        """Set the flag of the primary's check."""
        self._act(f"invert {check.name}")
        self.inversions.append((self.clock.now, inverted))

    def remember(self, node: Node, text: str) -> None:
        """Write the note."""
        self._act(f"remember {node.name}")
        self.note = text

    def forget(self, node: Node) -> None:
        """Remove the note."""
        self._act(f"forget {node.name}")
        self.note = ""

    def admit(self, instance_id: str) -> str:
        """Let an address in."""
        self._act(f"admit {instance_id}")
        self.admitted.add("192.0.2.7")
        return "192.0.2.7"

    def dismiss(self, address: str) -> None:
        """Keep it out again."""
        self._act(f"dismiss {address}")
        self.admitted.discard(address)

    def await_commands(self, nodes: Sequence[Node]) -> None:
        """Running nodes take commands at once."""
        self._act(f"await {','.join(node.name for node in nodes)}")

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
            healthy=_at(self.health["az1" if check.address == PRIMARY else "az2"], probed),
            status="",
            at=datetime.fromtimestamp(probed, UTC),
        )

    def run(self, node: Node, script: str, *, timeout_s: float) -> CommandResult:
        """Understand the script's probe command as the probe would."""
        assert timeout_s > 0
        if '"$python"' not in script:
            return self._shell(node.name, script)
        line = next(line for line in reversed(script.splitlines()) if '"$python" "$probe"' in line)
        words = shlex.split(line.partition('"$probe"')[2].partition(" </dev/null")[0])
        self._act(f"{words[0]} on {node.name}")
        if "base64 -d" in script:
            self.probes.add(node.name)
        if node.name not in self.probes:
            return CommandResult(status="Failed", code=ABSENT, stdout="", stderr="")
        handlers = {"resolve": self._resolve, "watch": self._watch, "request": self._request}
        handlers |= {"load": self._load, "status": self._status, "fetch": self._fetch}
        handlers |= {"store": lambda _: {}, "remove": lambda _: {}, "runs": self._runs}
        return CommandResult(status="Success", code=0, stdout=json.dumps(handlers[words[0]](words)), stderr="")

    def _shell(self, node: str, script: str) -> CommandResult:
        """What the scripts of faults do to a node that runs."""
        if self.states[node] != "running":
            raise SrekvError(f"{node} does not take commands")
        for line in script.splitlines():
            words = shlex.split(line.partition(" >")[0])
            self._act(f"{words[0]} on {node}")
            if words[0] == "printf":
                self.words[node] = words[2]
            elif words[0] == "rm":
                self.words.pop(node, None)
            elif words[0] == "sleep":
                self.clock.sleep(float(words[1]))
            elif words[:2] == ["systemctl", "stop"]:
                self.services.discard(node)
                self.words.pop(node, None)
            elif words[:2] == ["systemctl", "start"]:
                self.services.add(node)
            self._notice(node)
        if script.startswith("trap"):
            self.services.add(node)
            self._notice(node)
        return CommandResult(status="Success", code=0, stdout="", stderr="")

    def _notice(self, node: str) -> None:
        """The service's state has consequences for health and data, from now on."""
        words = set(self.words.get(node, "").split())
        there = node in self.services and "hang" not in words
        self.health[node].append((self.clock.now, there and "unhealthy" not in words))
        self.data[node].append((self.clock.now, there and not words & {"lying", "no-table"}))

    def healthy(self, node: str, at: float) -> bool:
        """Route 53's verdict on a node: DETECTION_S after it went, RECOVERY_S after it came back."""
        verdict = True
        changes = self.health[node]
        for number, (when, up) in enumerate(changes):
            until = next((later for later, other in changes[number + 1 :] if other != up), float("inf"))
            due = when + (RECOVERY_S if up else DETECTION_S)
            if due <= min(at, until):
                verdict = up
        return verdict != (node == "az1" and not _at([(when, not yes) for when, yes in self.inversions], at))

    def answer(self) -> list[str]:
        """What the name answers now: SWITCH_S after the verdicts."""
        then = self.clock.now - SWITCH_S
        over = not self.healthy("az1", then) and self.healthy("az2", then)
        return [SECONDARY] if over and self.switches else [PRIMARY]

    def _act(self, name: str) -> None:
        self.interrupt(name)
        self.acts.append(name)
        self.clock.sleep(0.1)

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
        track = self.health if path == "/health" else self.data
        if not _at(track["az1" if address == PRIMARY else "az2"], self.clock.now):
            return {"address": address, "status": None, "error": "connect: timed out", "elapsed_s": 2.0}
        body = base64.b64decode(words[words.index("--body-b64") + 1]).decode() if "--body-b64" in words else ""
        node = self.liar or ("az1" if address == PRIMARY else "az2")
        status, said = self._serve(method, path, body)
        data = base64.b64encode(said.encode()).decode()
        return {"address": address, "status": status, "node": node, "headers": {}, "body_b64": data, "elapsed_s": 0.01}

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

    def _runs(self, words: list[str]) -> dict[str, Any]:
        status = self._status(words)
        return {"runs": [{"run": "r1", "written": self.clock.now, **status}] if status["exists"] else []}

    def _fetch(self, words: list[str]) -> dict[str, Any]:
        if words[1].endswith(".json"):
            return {"exists": False}
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
