"""What a person or a script sees: changes and phases as they happen, tables at the end, or one JSON document.

With `--output json` everything but the document goes to stderr. Without a terminal there is no moving text, only lines.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text as RichText

from srekv.errors import SrekvError
from srekv.provision.model import Change, Deployment, Node, Resource
from srekv.ui.text import Text
from srekv.ui.visible import visible

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


BEAT_S = 30.0
"""Without a terminal: how long a command at work may be silent, seconds."""


class _Console(Console):
    """As rich's, but for two things.

    Control characters in what it prints are escapes (in styled text srekv.ui.text escapes them). A closed output is no
    finding, which rich's own exit code 1 would mean here.
    """

    def render_str(self, text: str, **settings: Any) -> RichText:
        """Text that can be laid out, of a string."""
        return super().render_str(visible(text), **settings)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def fall_silent(self) -> None:
        """Write to nowhere from now on, also what waits in a buffer and what others write to the same file."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


class Screen:
    """Where a command's words go.

    Args:
        as_json: one JSON document on stdout, everything else on stderr.
        quiet: no progress, only results and warnings.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        # Whatever is shown may be anybody's name: no square bracket is a style, no ":name:" a picture.
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
        self.console = _Console(stderr=as_json, **plain)
        self.errors = _Console(stderr=True, **plain)

    @property
    def moves(self) -> bool:
        """Whether text may move: on a terminal that can, and not where somebody only asked for colours (CI)."""
        return self.console.is_interactive and self.console.file.isatty()

    @property
    def shares_terminal(self) -> bool:
        """Whether stderr is a terminal too on which text may move."""
        return self.moves and self.errors.file.isatty()

    def show(self, *parts: RenderableType) -> None:
        """Results for a person; nothing with JSON, whose document says it all. Sentences stay whole in a log."""
        if not self.as_json:
            self.console.print(*parts, soft_wrap=not self.console.file.isatty())

    def line(self, text: str) -> None:
        """A result that is to be copied or read by `grep`: never broken, however narrow the terminal is."""
        if not self.as_json:
            self.console.print(Text(text), soft_wrap=True)

    def aside(self, text: str) -> None:
        """A line for whoever looks on: on stderr, whole, also while something moves on the terminal."""
        with _told_if_heard(self._beside) as console:
            console.print(Text(text, "dim"), soft_wrap=True)

    def warn(self, message: str) -> None:
        """Something that needs attention: on stderr, also when quiet."""
        with _told_if_heard(self._beside) as console:
            _labelled(console, "warning: ", message, style="bold yellow")

    @property
    def _beside(self) -> _Console:
        """For stderr while something may move on stdout: on one and the same terminal one console draws both."""
        return self.console if self.shares_terminal else self.errors

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
        with _told_if_heard(self.errors) as console:
            for label, text in (("error", error.what), ("why", error.why), ("next", str(error.next_step))):
                if text:
                    _labelled(console, f"{label:>5}: ", text, style="bold red" if label == "error" else "dim")

    @contextmanager
    def progress(self, *, dry: bool = False, beat_s: float = BEAT_S) -> Iterator[Narration]:
        """A narration for as long as the work takes; `beat_s` as it has."""
        narration = Narration(self, dry=dry, beat_s=beat_s)
        with narration:
            yield narration


class Narration:
    """Tells what provisioning and drills do: it is both their Watcher and their Narrator. Safe between threads.

    On a terminal, what goes on moves at the bottom, each with its time. Elsewhere there are lines only: what was done,
    what is waited for, and, when nothing else was said for a while, what still goes on.

    Whoever reads it may go away, with a terminal or with a `tee` that ended first: the work, and the healing of a fault
    above all, must not fail of that. It goes on, and a warning says so.

    Args:
        screen: where it goes.
        dry: what is told of is a plan.
        beat_s: without a terminal: how long it may be silent, seconds; twice as long each time, up to BEAT_S.
    """

    def __init__(self, screen: Screen, *, dry: bool, beat_s: float = BEAT_S) -> None:
        self._screen = screen
        self.dry = dry
        self._lock = threading.RLock()
        self._begin = time.monotonic()
        self._going: dict[str, _Going] = {}
        self._said: dict[str, float] = {}
        self._moves = not screen.quiet and screen.moves
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            TimeElapsedColumn(),
            console=screen.console,
            transient=True,
            disable=not self._moves,
        )
        self._beat_s = beat_s
        self._spoken = self._begin
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._keep_telling, daemon=True)
        self._changes: list[Change] = []
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        with self._heard():
            self._live.start()
        if not self._moves and not self._screen.quiet:
            self._pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._heard():
            self._live.stop()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Everything done so far."""
        return tuple(self._changes)

    @property
    def elapsed_s(self) -> float:
        """Wall-clock seconds since the narration began."""
        return time.monotonic() - self._begin

    @contextmanager
    def busy(self, what: str) -> Iterator[Callable[[str], None]]:
        """Something goes on inside that has no result of its own to tell; what it yields takes how far that is."""
        self.started(what)
        try:
            yield lambda state: self._advance(what, state)
        finally:
            self.finished(what)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing moves inside: somebody is asked something."""
        with self._heard():
            self._live.stop()
        try:
            yield
        finally:
            with self._heard():
                self._live.start()

    def started(self, what: str) -> None:
        """A section or phase began."""
        with self._lock, self._heard():
            if what not in self._going:
                self._going[what] = _Going(self._live.add_task(escape(visible(what)), total=None), time.monotonic())

    def _advance(self, what: str, state: str) -> None:
        with self._lock, self._heard():
            going = self._going[what] = replace(self._going[what], state=f": {state}")
            self._live.update(going.task, description=escape(visible(f"{what}{going.state}")))

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
        text = _waiting(section, what)
        with self._lock:
            self.started(text)
            if not self._moves and self._is_news(text):
                self._at(text)

    def waited(self, section: str, what: str) -> None:
        """That wait is over."""
        self.finished(_waiting(section, what))

    def finished(self, what: str, detail: str = "") -> None:
        """The section or phase is done."""
        with self._lock:
            going = self._going.pop(what, None)
            if going is not None:
                with self._heard():
                    self._live.remove_task(going.task)
            if detail:
                self._at(f"{what}: ", (detail, "bold"))

    def note(self, message: str) -> None:
        """Something worth knowing happened."""
        with self._lock:
            self._at(message)

    def warn(self, message: str) -> None:
        """Something optional could not be had, or needs attention; shown on stderr also when quiet."""
        with self._lock:
            if message not in self.warnings:
                self.warnings.append(message)
                self._screen.warn(message)

    def _is_news(self, text: str) -> bool:
        """Whether it was not said for a while: a drill waits for a command on the same node again and again."""
        now = time.monotonic()
        last = self._said.get(text)
        if last is not None and now - last < self._beat_s:
            return False
        self._said[text] = now
        return True

    def _at(self, *words: str | tuple[str, str]) -> None:
        """A line that begins with the time since the narration did."""
        self._line(Text.assemble((f"{self.elapsed_s:6.1f} s  ", "dim"), *words))

    def _line(self, line: Text) -> None:
        """One line: cut at the terminal's edge, whole in a log."""
        self._spoken = time.monotonic()
        if self._screen.quiet:
            return
        with self._heard():
            if self._moves:
                self._live.console.print(line, no_wrap=True, overflow="ellipsis")
            else:
                self._live.console.print(line, soft_wrap=True)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """What is told inside may reach nobody any more."""
        try:
            yield
        except OSError as error:
            self._screen.console.fall_silent()
            self.warn(f"output closed ({error.strerror}); continuing, Ctrl-C ends it")

    def _keep_telling(self) -> None:
        """Say what still goes on whenever there was nothing to say for a while."""
        silent_s = 0.0
        while not self._over.wait(self._beat_s - silent_s):
            with self._lock:
                now = time.monotonic()
                silent_s = now - self._spoken
                if silent_s < self._beat_s:
                    continue
                silent_s = 0.0
                self._beat_s = min(2 * self._beat_s, max(self._beat_s, BEAT_S))
                if self._going:
                    self._at("still: ", "; ".join(one.describe(what, now) for what, one in self._going.items()))


@dataclass(frozen=True)
class _Going:
    """Something that goes on: its line at the bottom of the terminal, when it began, and how far it is."""

    task: TaskID
    begin: float
    state: str = ""

    def describe(self, what: str, now: float) -> str:
        """For a log."""
        return f"{what}{self.state} ({now - self.begin:.0f} s)"


@contextmanager
def _told_if_heard(console: _Console) -> Iterator[_Console]:
    """For what is told beside the result: that nobody can read it is no reason to stop."""
    try:
        yield console
    except OSError:
        console.fall_silent()


def _waiting(section: str, what: str) -> str:
    return f"{section}: waiting for {what}"


def _labelled(console: Console, label: str, text: str, *, style: str) -> None:
    """A label and a text that stays beside it on a terminal, and whole in a log."""
    if not console.file.isatty():
        console.print(Text.assemble((label, style), text), soft_wrap=True)
        return
    row = Table.grid()
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(Text(label, style), Text(text))
    console.print(row)


def grid(*rows: tuple[str, RenderableType]) -> Table:
    """Labels and values, two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, value)
    return table


def plain_table(title: str | None = None) -> Table:
    """A table as every command shows them: headings and columns, no lines; its columns are yet to come."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", title=title, title_justify="left")


def node_table(nodes: Sequence[Node], healthy: Mapping[str, bool | None]) -> Table:
    """The nodes, one row each; `healthy` by node name, None where it is not known."""
    table = plain_table()
    for heading in ("node", "role", "zone", "instance", "address", "state", "health"):
        table.add_column(heading, overflow="fold")
    words = {True: Text("healthy", "green"), False: Text("unhealthy", "bold red"), None: Text("unknown", "dim")}
    for node in nodes:
        health = words[healthy.get(node.name)]
        table.add_row(node.name, node.role, node.zone, node.instance_id, node.address, node.state, health)
    return table


def resource_table(resources: Sequence[Resource]) -> Table:
    """Resources, one row each."""
    table = plain_table()
    for heading in ("kind", "name", "id", "state"):
        table.add_column(heading, overflow="fold")
    for one in resources:
        table.add_row(one.kind, one.name, one.id.rpartition("/")[2], one.state)
    return table


def plan_table(changes: Sequence[Change]) -> Table:
    """What a command would do, one row each, in the order of the lab's sections."""
    table = plain_table()
    for heading in ("plan", "section", "resource", "fields"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"plan", "section"})
    for change in sorted(changes, key=_place):
        sign, style = SIGNS[change.action]
        resource_id = change.id.rpartition("/")[2]
        name = f"{change.kind} {change.name}" + (f" ({resource_id})" if resource_id not in {"", change.name} else "")
        fields = "\n".join(text for text in (change.detail, str(change.next_step)) if text)
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
            "next_step": str(change.next_step),
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
