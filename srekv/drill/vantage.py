"""A place inside the VPC from which a drill watches the service: the probe's subcommands as typed functions.

What the probe measures it measures there, by that node's resolver, network and clock; here is only the asking.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any, Self

from srekv.drill.model import FaultTarget, Settings
from srekv.drill.payload import ABSENT, Payload, payload
from srekv.errors import CommandLine, SrekvError
from srekv.provision.model import CommandResult, Deployment, Place

MARGIN_S = 60.0
"""Wall-clock seconds that a command may need on top of its own work: Run Command's way there and back."""

CONCLUDE_S = 60.0
"""How long a load's final reads and its tidying up may take, wall-clock seconds."""

RUN_ID = re.compile("[a-z0-9-]+")
"""What a run's name consists of; it becomes part of a word of the shell."""

_PIECE = 12_000  # bytes, 16,000 characters in base64: with the probe itself well below a parameter's 64 KB
_UNPACKED = 1 << 20  # bytes of a file that the probe packs into one answer at most


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """The resolver's answer for a name. `ttl` is as on the wire; `system` is getaddrinfo's answer, None: it failed."""

    rcode: str
    addresses: tuple[str, ...]
    ttl: int
    system: tuple[str, ...] | None
    system_error: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the probe's document."""
        asked = document.get("system")
        return cls(
            rcode=document["rcode"],
            addresses=tuple(answer["address"] for answer in document["answers"]),
            ttl=min((answer["ttl"] for answer in document["answers"]), default=0),
            system=tuple(asked) if isinstance(asked, list) else None,
            system_error=asked["error"] if isinstance(asked, dict) else "",
        )


@dataclass(frozen=True, kw_only=True)
class Transition:
    """The name's answer changed to this."""

    addresses: tuple[str, ...]
    rcode: str


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A wait for an answer: whether it came, and every change seen on the way."""

    matched: bool
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, kw_only=True)
class Response:
    """One HTTP exchange. `status` None: no whole answer, `error` is the reason. `elapsed_s` is wall-clock."""

    status: int | None
    node: str | None
    address: str | None
    body: bytes
    error: str
    elapsed_s: float

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the probe's document."""
        return cls(
            status=document["status"],
            node=document.get("node"),
            address=document["address"],
            body=base64.b64decode(document.get("body_b64", "")),
            error=document.get("error", ""),
            elapsed_s=document["elapsed_s"],
        )


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What the name answers, and the responses to GET requests that were sent there, in the order of their paths."""

    resolution: Resolution
    responses: tuple[Response, ...]


@dataclass(frozen=True, kw_only=True)
class LoadStatus:
    """How far a load has come: bytes of history, whether it runs, whether its final reads are made.

    `now` is the node's wall clock, seconds since the epoch; `run` names the load where several are listed.
    """

    size: int
    running: bool
    done: bool
    now: float
    run: str = ""

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the probe's document."""
        return cls(**{name: document[name] for name in ("size", "running", "done", "now", "run") if name in document})


@dataclass
class Vantage:
    """A node, or another instance of the VPC; the name as it is seen from there, and the resolver it asks.

    Durations are AWS-equivalent seconds unless they say otherwise; `speed` turns them into wall-clock seconds.

    Every function raises SrekvError when the node does not take commands or the probe does not run there.
    """

    fault_target: FaultTarget
    node: Place
    name: str
    resolver: tuple[str, int]
    port: int
    speed: float = 1.0
    payload: Payload = field(default_factory=payload)
    _shipped: bool = field(default=False, init=False)

    def resolve(self, *, system: bool = True) -> Resolution:
        """Ask the resolver for the name once, and getaddrinfo if `system`."""
        option = ["--system"] if system else []
        return Resolution.of(self._probe("resolve", self.name, "--resolver", self._resolver, *option))

    def watch(self, addresses: tuple[str, ...], *, timeout_s: float, interval_s: float = 1.0) -> Watched:
        """Wait until the name answers exactly these addresses, asking each interval_s."""
        wall_s = timeout_s / self.speed
        document = self._probe(
            *("watch", self.name, "--resolver", self._resolver, "--until", ",".join(addresses)),
            *("--timeout", f"{wall_s:.3f}", "--interval", f"{interval_s / self.speed:.3f}"),
            work_s=wall_s,
        )
        seen = [Transition(addresses=tuple(one["answer"]), rcode=one["rcode"]) for one in document["transitions"]]
        return Watched(matched=document["matched"], transitions=tuple(seen))

    def request(
        self, method: str, path: str, *, address: str | None = None, body: bytes = b"", timeout_s: float = 5.0
    ) -> Response:
        """Send one HTTP request through the name, or to `address`; timeout_s is wall-clock."""
        arguments = ["request", method, path, *self._target(), "--timeout", str(timeout_s)]
        arguments += ["--body-b64", base64.b64encode(body).decode()] if body else []
        arguments += ["--address", address] if address else []
        return Response.of(self._probe(*arguments, work_s=timeout_s))

    def look(self, paths: tuple[str, ...], *, timeout_s: float = 2.0) -> Glance:
        """Ask for the name and GET these paths at its first address, in one command.

        `timeout_s` is wall-clock, for the question and for each request.
        """
        arguments = ["look", *paths, *self._target(), "--timeout", f"{timeout_s:.3f}"]
        document = self._probe(*arguments, work_s=timeout_s * (1 + len(paths)))
        responses = tuple(Response.of(one) for one in document["responses"])
        return Glance(resolution=Resolution.of(document), responses=responses)

    def start_load(self, settings: Settings, *, seconds: float) -> None:
        """Start the load in the background; it stops by itself after `seconds`."""
        choices = {
            "--run": settings.run_id,
            "--keys": settings.keys,
            "--clients": ",".join(settings.policies),
            "--each": settings.clients,
            "--rate": settings.rate,
            "--seconds": seconds,
            "--timeout": settings.op_timeout_s,
            "--seed": settings.seed,
            "--speed": settings.speed,
        }
        words = [str(word) for option in choices.items() for word in option]
        self._run("load", *self._target(), *words, "--out", _history(settings.run_id), background=True)

    def load_status(self, run_id: str) -> LoadStatus:
        """How far the load has come."""
        return LoadStatus.of(self._probe("status", _history(run_id)))

    def stop_load(self, run_id: str, *, wait_s: float) -> LoadStatus:
        """Tell the load to stop and wait for its final reads, at most wait_s wall-clock seconds."""
        return LoadStatus.of(self._probe("status", _history(run_id), "--stop", "--wait", str(wait_s), work_s=wait_s))

    def conclude(self, run_id: str) -> None:
        """Final reads and tidying up for a load that is neither running nor done: it was killed."""
        self._probe("conclude", _history(run_id), work_s=CONCLUDE_S)

    def fetch_history(self, run_id: str) -> bytes:
        """The whole history, piece by piece; raises SrekvError when there is none, or a piece arrived damaged."""
        history = self._fetch(_history(run_id))
        if history is None:
            raise SrekvError(
                f"{self.node.name} has no history of the run {run_id}",
                why="the load never started there, or its files have been removed",
                next_step="run the drill again",
            )
        return history

    def runs(self) -> tuple[LoadStatus, ...]:
        """The loads whose histories are still there, the latest first."""
        found = self._probe("runs", '"$d/"')["runs"]
        return tuple(LoadStatus.of(one) for one in found if RUN_ID.fullmatch(one["run"]))

    def save_events(self, run_id: str, events: bytes) -> None:
        """Leave what a later resume needs to know beside the history, in place of what was there before."""
        packed = zlib.compress(events, 9)
        for offset in range(0, len(packed), _PIECE):
            piece = packed[offset : offset + _PIECE]
            last = offset + _PIECE >= len(packed)
            self._probe(
                *("store", _events(run_id), "--offset", str(offset), "--data-b64", base64.b64encode(piece).decode()),
                *(("--sha256", hashlib.sha256(packed).hexdigest()) if last else ()),
            )

    def fetch_events(self, run_id: str) -> bytes | None:
        """What was left beside the history; None: nothing was."""
        return self._fetch(_events(run_id))

    def remove(self, run_id: str) -> None:
        """Remove a run's files, once its history is at home; fine when there are none."""
        self._probe("remove", _history(run_id))

    def _fetch(self, file: str) -> bytes | None:
        pieces: list[bytes] = []
        offset, document = 0, {"eof": False, "size": 1}
        while document["size"] and not document["eof"]:
            document = self._probe("fetch", file, "--offset", str(offset))
            if not document["exists"]:
                return None
            pieces.append(_piece(document))
            offset += document["size"]
        return b"".join(pieces)

    @property
    def _resolver(self) -> str:
        return "{}:{}".format(*self.resolver)

    def _target(self) -> tuple[str, ...]:
        return ("--name", self.name, "--port", str(self.port), "--resolver", self._resolver)

    def _probe(self, *arguments: str, work_s: float = 5.0) -> dict[str, Any]:
        result = self._run(*arguments, work_s=work_s)
        with contextlib.suppress(ValueError):
            document = json.loads(result.stdout)
            if isinstance(document, dict):
                return document
        raise self._failed(arguments[0], result)

    def _run(self, *arguments: str, work_s: float = 5.0, background: bool = False) -> CommandResult:
        """Run the probe, bringing it along the first time, and again where it has vanished (hosts clear away)."""
        for ship in (not self._shipped, True):
            script = self.payload.script(*arguments, ship=ship, background=background)
            result = self.fault_target.run(self.node, script, timeout_s=work_s + MARGIN_S)
            if result.code != ABSENT:
                break
        if result.code != 0:
            raise self._failed(arguments[0], result)
        self._shipped = True
        return result

    def _failed(self, subcommand: str, result: CommandResult) -> SrekvError:
        said = (result.stderr.strip() or result.stdout.strip())[-400:]
        return SrekvError(
            f"the probe could not {subcommand} on {self.node.name} ({self.node.instance_id})",
            why=f"{result.status}, exit code {result.code}: {said or 'no output'}",
            next_step=CommandLine("srekv status") + " shows whether the node is up",
        )


def vantage(target: FaultTarget, settings: Settings, deployment: Deployment, place: Place) -> Vantage:
    """That instance as a vantage point."""
    return Vantage(target, place, deployment.name, settings.resolver, settings.port, settings.speed)


def _history(run_id: str) -> str:
    """The history's place on the node, as a word of the shell (see Payload.script)."""
    return f'"$d/{run_id}.jsonl"'


def _events(run_id: str) -> str:
    return f'"$d/{run_id}.json"'


def _piece(document: dict[str, Any]) -> bytes:
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(document["data_b64"]), _UNPACKED)
    except (ValueError, zlib.error):
        data = None
    if data is None or hashlib.sha256(data).hexdigest() != document["sha256"]:
        raise SrekvError(
            "a piece of the history arrived damaged", why="its checksum differs", next_step="run the drill again"
        )
    return data
