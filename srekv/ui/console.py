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
from dataclasses import asdict, replace
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text as RichText

from srekv.errors import Advice, SrekvError
from srekv.provision.model import Change, Deployment, Node, Resource, Watcher
from srekv.ui.text import Text
from srekv.ui.visible import visible

ACTIONS = {
    "create": ("+", "green", "created", "would be created"),
    "change": ("~", "yellow", "changed", "would change"),
    "leave": ("=", "dim", "left alone", "as it is"),
    "delete": ("-", "red", "deleted", "would be deleted"),
    "cannot change": ("!", "bold red", "cannot change", "cannot change"),
}
"""Each with its sign and style, and how it reads once it is done and in a plan."""

SECTIONS = ("IAM", "Network", "EC2", "DynamoDB", "Route 53", "CloudWatch")  # as a person reads a plan

BEAT_S = 30.0  # without a terminal: how long a command at work may be silent, seconds


class _Console(Console):
    """As rich's, but control characters become escapes (in styled text by srekv.ui.text), a closed output an error."""

    def render_str(self, text: str, **settings: Any) -> RichText:
        return super().render_str(visible(text), **settings)

    def on_broken_pipe(self) -> None:
        # a closed output is no finding, which rich's own exit code 1 would mean here
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def fall_silent(self) -> None:
        """Write to nowhere from now on, also what waits in a buffer and what others write to the same file."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)

    def report(self, text: RenderableType, *, soft_wrap: bool) -> None:
        """Print what is not the result: a closed output is no reason to stop."""
        try:
            self.print(text, soft_wrap=soft_wrap)
        except OSError:
            self.fall_silent()

    def report_labelled(self, label: str, text: str, *, style: str) -> None:
        """The same with a label: on a terminal the text stays right of it, in a log it is one line."""
        if not self.file.isatty():
            self.report(Text.assemble((label, style), text), soft_wrap=True)
            return
        row = Table.grid(Column(no_wrap=True), Column(overflow="fold"))
        row.add_row(Text(label, style), Text(text))
        self.report(row, soft_wrap=False)


class Screen:
    """Where a command prints.

    Args:
        as_json: one JSON document on stdout, everything else on stderr.
        quiet: no progress, only results and warnings.
        render: makes text of advice, with each of its commands as it is to be typed.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False, render: Callable[[Advice], str] = str) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.render = render
        # What is shown may be any resource's name: no square bracket is a style, no ":name:" a picture.
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
        self.console = _Console(stderr=as_json, **plain)
        self.errors = _Console(stderr=True, **plain)

    @property
    def moves(self) -> bool:
        """Whether text may move: on a terminal that can, and not where only colours were asked for (CI)."""
        return self.console.is_interactive and self.console.file.isatty()

    @property
    def shares_terminal(self) -> bool:
        """Whether stderr is a terminal too on which text may move."""
        return self.moves and self.errors.file.isatty()

    def show(self, *parts: RenderableType) -> None:
        """Results for a person; nothing with JSON, whose document has it all. Sentences stay whole in a log."""
        if not self.as_json:
            self.console.print(*parts, soft_wrap=not self.console.file.isatty())

    def line(self, text: str) -> None:
        """A result that is to be copied or read by `grep`: never broken, however narrow the terminal is."""
        if not self.as_json:
            self.console.print(Text(text), soft_wrap=True)

    def aside(self, text: str) -> None:
        """A line on stderr, whole, also while something moves on the terminal."""
        self._for_stderr.report(Text(text, "dim"), soft_wrap=True)

    def warn(self, message: str) -> None:
        """Something that needs attention: on stderr, also when quiet."""
        self._for_stderr.report_labelled("warning: ", message, style="bold yellow")

    @property
    def _for_stderr(self) -> _Console:
        """While something may move on stdout: on one and the same terminal one console draws both."""
        return self.console if self.shares_terminal else self.errors

    def document(self, document: Mapping[str, Any], *, indent: int | None = 2) -> None:
        """Results for a script; nothing without JSON. Without indentation it takes one line: one of many."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, default=str, indent=indent) + "\n")
            sys.stdout.flush()

    def failed(self, error: SrekvError) -> None:
        """An error in its three parts, on stderr."""
        for label, text in (("error", error.what), ("why", error.why), ("next", str(error.next_step))):
            if text:
                self.errors.report_labelled(f"{label:>5}: ", text, style="bold red" if label == "error" else "dim")

    def progress(self, *, dry: bool = False, beat_s: float = BEAT_S) -> Narration:
        """A narration for as long as the work takes; the settings as it has them."""
        return Narration(self, dry=dry, beat_s=beat_s)


class Narration(Watcher):
    """Reports what provisioning and drills do: it is both their Watcher and their Narrator. Safe between threads.

    On a terminal, what is under way moves at the bottom, each with its time. Elsewhere there are lines only: what was
    done, what is waited for, and, when nothing else was printed for a while, what is still under way.

    Its reader may go away, with a terminal or with a `tee` that ended first: the work, and the healing of a fault above
    all, must not fail of that. It continues, and a warning reports it.

    With `dry` a plan is reported. Without a terminal it may be silent for `beat_s`, then twice as long, up to BEAT_S.
    """

    def __init__(self, screen: Screen, *, dry: bool, beat_s: float = BEAT_S) -> None:
        self.screen = screen
        self.dry = dry
        self._lock = threading.RLock()
        self._start = self._last_line = time.monotonic()
        self._under_way: dict[str, TaskID] = {}
        self._reported_waits: dict[str, float] = {}
        self._moves = not screen.quiet and screen.moves
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            TimeElapsedColumn(),
            console=screen.console,
            transient=True,
            disable=not self._moves,
        )
        self._beat_s = beat_s
        self._is_over = threading.Event()
        self._changes: list[Change] = []
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        with self._readable():
            self._live.start()
        if not self._moves and not self.screen.quiet:
            threading.Thread(target=self._break_silence, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        with self._readable():
            self._live.stop()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Everything done so far."""
        return tuple(self._changes)

    @property
    def elapsed_s(self) -> float:
        """Wall-clock seconds since the narration started."""
        return time.monotonic() - self._start

    @contextmanager
    def busy(self, what: str) -> Iterator[Callable[[str], None]]:
        """Something is under way inside that has no result of its own; what it yields takes how far that is."""

        def advance(state: str) -> None:
            with self._lock, self._readable():
                self._live.update(self._under_way[what], description=visible(f"{what}: {state}"))

        self.started(what)
        try:
            yield advance
        finally:
            self.finished(what)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing moves inside: the user is asked something."""
        with self._readable():
            self._live.stop()
        try:
            yield
        finally:
            with self._readable():
                self._live.start()

    def started(self, what: str) -> None:
        """A section or phase started."""
        with self._lock, self._readable():
            if what not in self._under_way:
                self._under_way[what] = self._live.add_task(visible(what), total=None)

    def changed(self, change: Change) -> None:
        """A resource was created, changed, left alone or deleted."""
        change = replace(change, next_step=self.screen.render(change.next_step))
        sign, style, done, _ = ACTIONS[change.action]
        line = Text.assemble(
            (f"{sign} ", style), (f"{change.section:<10} ", "dim"), (f"{done} ", style), f"{change.kind} {change.name}"
        )
        resource_id = change.id.rpartition("/")[2]
        more = [change.detail, resource_id if resource_id != change.name else ""]
        line.append("".join(f"  {text}" for text in more if text), "dim")
        with self._lock:
            self._changes.append(change)
            if not self.dry:  # a plan is a table at the end
                self._line(line)

    def waiting(self, section: str, what: str) -> None:
        """A section waits for something with a name. In a log, the same wait soon again is no news."""
        text = f"{section}: waiting for {what}"
        with self._lock:
            self.started(text)
            now = time.monotonic()
            if not self._moves and now - self._reported_waits.get(text, -self._beat_s) >= self._beat_s:
                self._reported_waits[text] = now
                self._line_with_time(text)

    def waited(self, section: str, what: str) -> None:
        """That wait is over."""
        self.finished(f"{section}: waiting for {what}")

    def finished(self, what: str, detail: str = "") -> None:
        """The section or phase is done."""
        with self._lock:
            if (task := self._under_way.pop(what, None)) is not None:
                with self._readable():
                    self._live.remove_task(task)
            if detail:
                self._line_with_time(f"{what}: ", (detail, "bold"))

    def note(self, message: Advice) -> None:
        """Something worth knowing happened."""
        with self._lock:
            self._line_with_time(self.screen.render(message))

    def warn(self, message: Advice) -> None:
        """Something optional could not be had, or needs attention; shown on stderr also when quiet, each once."""
        text = self.screen.render(message)
        with self._lock:
            if text not in self.warnings:
                self.warnings.append(text)
                self.screen.warn(text)

    def _line_with_time(self, *words: str | tuple[str, str]) -> None:
        self._line(Text.assemble((f"{self.elapsed_s:6.1f} s  ", "dim"), *words))

    def _line(self, line: Text) -> None:
        """One line: cut at the terminal's edge, whole in a log."""
        self._last_line = time.monotonic()
        if self.screen.quiet:
            return
        how: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"} if self._moves else {"soft_wrap": True}
        with self._readable():
            self._live.console.print(line, **how)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What is printed inside may have no reader any more."""
        try:
            yield
        except OSError as error:
            self.screen.console.fall_silent()
            self.warn(f"output closed ({error.strerror}); continuing, Ctrl-C ends it")

    def _break_silence(self) -> None:
        """Report what is still under way whenever there was nothing to report for a while."""
        silent_s = 0.0
        while not self._is_over.wait(self._beat_s - silent_s):
            with self._lock:
                silent_s = time.monotonic() - self._last_line
                if silent_s < self._beat_s:
                    continue
                silent_s = 0.0
                self._beat_s = min(2 * self._beat_s, max(self._beat_s, BEAT_S))
                tasks = [f"{one.description} ({one.elapsed or 0:.0f} s)" for one in self._live.tasks]
                if tasks:
                    self._line_with_time("still: ", "; ".join(tasks))


def grid(*rows: tuple[str, RenderableType]) -> Table:
    """Labels and values, two columns."""
    table = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    return table


def plain_table(
    *headings: str, title: str | None = None, right: Sequence[str] = (), whole: Sequence[str] = ()
) -> Table:
    """Headings and columns, no lines; `right`: headings of columns of numbers, `whole`: of what is never wrapped."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for one in headings:
        table.add_column(one, overflow="fold", justify="right" if one in right else "left", no_wrap=one in whole)
    return table


def node_table(nodes: Sequence[Node], healthy: Mapping[str, bool | None]) -> Table:
    """The nodes, one row each; `healthy` by node name, None where it is not known."""
    table = plain_table("node", "role", "zone", "instance", "address", "state", "health")
    words = {True: Text("healthy", "green"), False: Text("unhealthy", "bold red"), None: Text("unknown", "dim")}
    for node in nodes:
        health = words[healthy.get(node.name)]
        table.add_row(node.name, node.role, node.zone, node.instance_id, node.address, node.state, health)
    return table


def resource_table(resources: Sequence[Resource]) -> Table:
    """Resources, one row each."""
    table = plain_table("kind", "name", "id", "state")
    for one in resources:
        table.add_row(one.kind, one.name, one.id.rpartition("/")[2], one.state)
    return table


def plan_table(changes: Sequence[Change]) -> Table:
    """What a command would do, one row each, in the order of the lab's sections."""
    table = plain_table("plan", "section", "resource", "fields", whole=("plan", "section"))
    places = {section: place for place, section in enumerate(SECTIONS)}
    ordered = sorted(changes, key=lambda one: (places.get(one.section, len(places)), one.kind, one.name, one.detail))
    for change in ordered:
        sign, style, _, _ = ACTIONS[change.action]
        resource_id = change.id.rpartition("/")[2]
        name = f"{change.kind} {change.name}" + (f" ({resource_id})" if resource_id not in {"", change.name} else "")
        details = "\n".join(text for text in (change.detail, str(change.next_step)) if text)
        table.add_row(Text(f"{sign} {change.action}", style), change.section, Text(name), Text(details))
    return table


def counted(kinds: Sequence[str]) -> str:
    """How many of each kind, for a person: "2 addresses, 1 table"."""
    counts = {kind: kinds.count(kind) for kind in kinds}
    plurals = {kind: "" if count == 1 else "es" if kind.endswith("s") else "s" for kind, count in counts.items()}
    return ", ".join(f"{count} {kind}{plurals[kind]}" for kind, count in counts.items())


def tally(changes: Sequence[Change], *, dry: bool) -> str:
    """How many changes of each kind, for a person."""
    taken: list[str] = [change.action for change in changes]
    counts = [(taken.count(action), planned if dry else done) for action, (_, _, done, planned) in ACTIONS.items()]
    return ", ".join(f"{count} {words}" for count, words in counts if count) or "nothing to do"


def changes_json(changes: Sequence[Change]) -> list[dict[str, str]]:
    """Changes as the JSON documents show them."""
    return [asdict(change) | {"next_step": str(change.next_step)} for change in changes]


def nodes_json(deployment: Deployment, healthy: Mapping[str, bool | None]) -> list[dict[str, Any]]:
    """The nodes as the JSON documents show them; `healthy` by node name, None where it is not known."""
    nodes = [asdict(node) | {"port": deployment.port, "healthy": healthy.get(node.name)} for node in deployment.nodes]
    return [{name: value for name, value in node.items() if name != "private_address"} for node in nodes]


def reach(deployment: Deployment, *, resolver: tuple[str, int]) -> Table:
    """How to reach the service."""
    address, port = resolver
    server = f"@{address}" if port == 53 else f"@{address} -p {port}"
    place = deployment.node("primary").address + ("" if deployment.port == 80 else f":{deployment.port}")
    health, ask = f"curl http://{place}/health", f"dig {server} {deployment.name}"
    return grid(("url", deployment.url), ("health", health), ("name", ask))
