"""What a person or a script sees: changes and phases as they happen, tables at the end, or one JSON document.

With `--output json` everything but the document goes to stderr. Without a terminal there is no moving text, only lines.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from srekv.errors import SrekvError
from srekv.provision.model import Change, Deployment, Node, Resource

SIGNS = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "leave": ("=", "dim"),
    "delete": ("-", "red"),
    "cannot change": ("!", "bold red"),
}
DONE = {
    "create": "created",
    "change": "changed",
    "leave": "left alone",
    "delete": "deleted",
    "cannot change": "cannot change",
}
PLANNED = {
    "create": "would be created",
    "change": "would change",
    "leave": "as it is",
    "delete": "would be deleted",
    "cannot change": "cannot change",
}

SECTIONS = ("IAM", "Network", "EC2", "DynamoDB", "Route 53", "CloudWatch")
"""In the order in which a person reads a plan."""


class _Console(Console):
    """As rich's, but for a reader that goes away: that is no finding, which rich's own exit code 1 would mean here."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Screen:
    """Where a command's words go.

    Args:
        as_json: one JSON document on stdout, everything else on stderr.
        quiet: no progress, only results and warnings.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.console = _Console(stderr=as_json, highlight=False, soft_wrap=False)
        self.errors = _Console(stderr=True, highlight=False)

    def show(self, *parts: RenderableType) -> None:
        """Results for a person; nothing with JSON, whose document says it all."""
        if not self.as_json:
            self.console.print(*parts)

    def line(self, text: str) -> None:
        """A result that is to be copied or read by `grep`: never broken, however narrow the terminal is."""
        if not self.as_json:
            self.console.print(Text(text), soft_wrap=True)

    def aside(self, text: str) -> None:
        """A line for whoever looks on: on stderr, whole, also while something moves on the terminal."""
        self.errors.print(Text(text, "dim"), soft_wrap=True)

    def document(self, document: Mapping[str, Any]) -> None:
        """Results for a script; nothing without JSON."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, default=str, indent=2) + "\n")
            sys.stdout.flush()

    def row(self, document: Mapping[str, Any]) -> None:
        """One of many documents, each on a line of its own (JSON lines); nothing without JSON."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, default=str) + "\n")
            sys.stdout.flush()

    def failed(self, error: SrekvError) -> None:
        """An error in its three parts, on stderr."""
        first, *more = error.lines()
        self.errors.print(Text.assemble(("error: ", "bold red"), first))
        for line in more:
            label, _, text = line.partition(": ")
            self.errors.print(Text.assemble((f"{label:>5}: ", "dim"), text))

    @contextmanager
    def progress(self, *, dry: bool = False) -> Iterator[Narration]:
        """A narration for as long as the work takes."""
        narration = Narration(self, dry=dry)
        with narration:
            yield narration


class Narration:
    """Tells what provisioning and drills do: it is both their Watcher and their Narrator. Safe between threads."""

    def __init__(self, screen: Screen, *, dry: bool) -> None:
        self._screen = screen
        self.dry = dry
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._tasks: dict[str, TaskID] = {}
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=screen.console,
            transient=True,
            disable=screen.quiet or not screen.console.is_terminal,
        )
        self._changes: list[Change] = []
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Everything done so far."""
        return tuple(self._changes)

    @property
    def elapsed_s(self) -> float:
        """Wall-clock seconds since the narration began."""
        return time.monotonic() - self._begin

    def started(self, what: str) -> None:
        """A section or phase began."""
        with self._lock:
            if what not in self._tasks:
                self._tasks[what] = self._live.add_task(what, total=None)

    def changed(self, change: Change) -> None:
        """A resource was created, changed, left alone or deleted."""
        sign, style = SIGNS[change.action]
        line = Text.assemble(
            (f"{sign} ", style),
            (f"{change.section:<10} ", "dim"),
            (f"{DONE[change.action]} ", style),
            f"{change.kind} {change.name}",
        )
        resource_id = change.id.rpartition("/")[2]
        more = [change.detail, resource_id if resource_id != change.name else ""]
        line.append("".join(f"  {text}" for text in more if text), "dim")
        with self._lock:
            self._changes.append(change)
            if not self.dry:  # a plan is a table at the end
                self._line(line)

    def waiting(self, section: str, what: str) -> None:
        """Somebody waits for something with a name."""
        with self._lock:
            if section in self._tasks:
                self._live.update(self._tasks[section], description=f"{section}: waiting for {what}")
            if self._live.disable:
                self._line(Text(f"  {section}: waiting for {what}", "dim"))

    def finished(self, what: str, detail: str = "") -> None:
        """The section or phase is done."""
        with self._lock:
            task = self._tasks.pop(what, None)
            if task is not None:
                self._live.remove_task(task)
            if detail:
                self._line(Text.assemble((f"{self.elapsed_s:6.1f} s  ", "dim"), f"{what}: ", (detail, "bold")))

    def note(self, message: str) -> None:
        """Something worth knowing happened."""
        with self._lock:
            self._line(Text.assemble((f"{self.elapsed_s:6.1f} s  ", "dim"), message))

    def warn(self, message: str) -> None:
        """Something optional could not be had, or needs attention; shown on stderr also when quiet."""
        with self._lock:
            if message not in self.warnings:
                self.warnings.append(message)
                self._screen.errors.print(Text.assemble(("warning: ", "bold yellow"), message))

    def _line(self, line: Text) -> None:
        """One line: cut at the terminal's edge, whole in a log."""
        if not self._screen.quiet:
            if self._live.console.is_terminal:
                self._live.console.print(line, no_wrap=True, overflow="ellipsis")
            else:
                self._live.console.print(line, soft_wrap=True)


def grid(*rows: tuple[str, RenderableType]) -> Table:
    """Labels and values, two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, value)
    return table


def node_table(nodes: Sequence[Node], healthy: Mapping[str, bool | None]) -> Table:
    """The nodes, one row each; `healthy` by node name, None where it is not known."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("node", "role", "zone", "instance", "address", "state", "health"):
        table.add_column(heading, overflow="fold")
    words = {True: Text("healthy", "green"), False: Text("unhealthy", "bold red"), None: Text("unknown", "dim")}
    for node in nodes:
        health = words[healthy.get(node.name)]
        table.add_row(node.name, node.role, node.zone, node.instance_id, node.address, node.state, health)
    return table


def resource_table(resources: Sequence[Resource]) -> Table:
    """Resources, one row each."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("kind", "name", "id", "state"):
        table.add_column(heading, overflow="fold")
    for one in resources:
        table.add_row(one.kind, one.name, one.id.rpartition("/")[2], one.state)
    return table


def plan_table(changes: Sequence[Change]) -> Table:
    """What a command would do, one row each, in the order of the lab's sections."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("plan", "section", "resource", "fields"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"plan", "section"})
    for change in sorted(changes, key=_place):
        sign, style = SIGNS[change.action]
        resource_id = change.id.rpartition("/")[2]
        name = f"{change.kind} {change.name}" + (f" ({resource_id})" if resource_id not in {"", change.name} else "")
        fields = "\n".join(text for text in (change.detail, change.next_step) if text)
        table.add_row(Text(f"{sign} {change.action}", style), change.section, Text(name), Text(fields))
    return table


def _place(change: Change) -> tuple[int, str, str, str]:
    section = SECTIONS.index(change.section) if change.section in SECTIONS else len(SECTIONS)
    return (section, change.kind, change.name, change.detail)


def counted(kinds: Sequence[str]) -> str:
    """How many of each kind, for a person: "2 addresses, 1 table"."""
    counts = [(kind, kinds.count(kind)) for kind in dict.fromkeys(kinds)]
    return ", ".join(f"{count} {kind}" + _plural(kind, count) for kind, count in counts)


def _plural(kind: str, count: int) -> str:
    if count == 1:
        return ""
    return "es" if kind.endswith("s") else "s"


def tally(changes: Sequence[Change], *, dry: bool) -> str:
    """How many changes of each kind, for a person."""
    words = PLANNED if dry else DONE
    counts = [(action, sum(change.action == action for change in changes)) for action in DONE]
    return ", ".join(f"{count} {words[action]}" for action, count in counts if count) or "nothing to do"


def changes_json(changes: Sequence[Change]) -> list[dict[str, str]]:
    """Changes as the JSON documents show them."""
    return [
        {
            "section": change.section,
            "kind": change.kind,
            "name": change.name,
            "id": change.id,
            "action": change.action,
            "detail": change.detail,
            "next_step": change.next_step,
        }
        for change in changes
    ]


def node_json(node: Node, *, port: int, healthy: bool | None) -> dict[str, Any]:
    """A node as the `status` document shows it."""
    return {
        "name": node.name,
        "role": node.role,
        "zone": node.zone,
        "instance_id": node.instance_id,
        "address": node.address,
        "port": port,
        "state": node.state,
        "healthy": healthy,
    }


def resource_json(resource: Resource) -> dict[str, str]:
    """A resource as the JSON documents show it."""
    return {"kind": resource.kind, "id": resource.id, "name": resource.name, "state": resource.state}


def reach(deployment: Deployment, *, resolver: tuple[str, int]) -> Table:
    """How to reach the service."""
    address, port = resolver
    ask = f"dig @{address} {deployment.name}" if port == 53 else f"dig @{address} -p {port} {deployment.name}"
    primary = deployment.node("primary").address
    return grid(
        ("url", deployment.url),
        ("health", f"curl http://{primary}{'' if deployment.port == 80 else f':{deployment.port}'}/health"),
        ("name", ask),
    )
