"""`srekv status --watch`: a live screen, a line for each event where there is no terminal, or JSON lines."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.live import Live

from srekv.commands.session import require_runtime, session_of, target_config, vantage
from srekv.errors import CommandLine, UsageError
from srekv.local import control
from srekv.ui.console import Screen
from srekv.ui.context import Invocation
from srekv.watch.draw import document, frame, plain
from srekv.watch.events import extend
from srekv.watch.model import Event, Snapshot, Timeline
from srekv.watch.poller import Poller

PULSE_S = 0.25  # how often the poller is asked for news and the screen is drawn, wall-clock seconds
FIRST_S = 10.0  # how long a first document waits for every source, wall-clock seconds

Show = Callable[[Timeline], None]


def watch(invocation: Invocation, *, every_s: float) -> None:
    """Show a stack every so many AWS-equivalent seconds, until Ctrl-C or until the local cloud that it is in stops.

    A stack that is removed is reported and waited for: it may come back.

    Raises:
        SrekvError: there is no stack at the start, or a part of it is missing.
        UsageError: the calls that --verbose reports would be written over the live screen.
    """
    screen = invocation.screen
    if invocation.verbose and screen.shares_terminal and not screen.as_json:
        raise UsageError(
            "--verbose would write over the live screen of --watch",
            next_step=CommandLine("srekv -v status --watch") + " 2> calls.log",
        )
    from srekv.provision.drift import Plan
    from srekv.provision.engine.run import Run
    from srekv.provision.stack import connect

    runtime = require_runtime(invocation)
    target = target_config(invocation, runtime)
    stack = connect(target, {}, Plan(), session=session_of(invocation, target))
    # by clients that give up soon: a poll that hangs is worth less than the next one
    stack = replace(stack, run=Run(stack.run.config, stack.run.clients.brisk(), stack.run.watcher))
    config, fault_target = stack.run.config, stack.fault_target
    # At least a wall-clock second: each poll starts a process on a node, which would disturb what it watches.
    pause_s = max(1.0, config.wall(every_s))
    facts = {"stack": config.stack, "target": config.target, "region": config.region, "speed": config.speed}
    poller = Poller(
        fault_target,
        lambda deployment, node: vantage(stack, deployment, node),
        fault_target.deployment(),
        speed=config.speed,
        pause_s=pause_s,
    )

    def has_stopped() -> bool:
        """Whether the local cloud is gone; another one in its place has another id."""
        found = control.find(invocation.home)
        return runtime is not None and (found is None or found.cloud_id != runtime.cloud_id)

    with poller, _shown(screen, facts) as show:
        if screen.as_json:
            poller.await_first(FIRST_S)
        follow(poller.snapshot, show, pause_s=pause_s if screen.as_json else PULSE_S, has_stopped=has_stopped)


def follow(snapshot: Callable[[], Snapshot], show: Show, *, pause_s: float, has_stopped: Callable[[], bool]) -> None:
    """Show the timeline with each snapshot, `pause_s` wall-clock seconds between two, until the cloud `has_stopped`.

    That is asked when something cannot be seen.
    """
    timeline, ended = Timeline(), False
    while not ended:
        seen = snapshot()
        ended = bool(seen.problems) and has_stopped()
        end = Event(at=seen.at, subject="stack", text="the local cloud has stopped: the watch ends", tone="bad")
        timeline = extend(timeline, seen, *([end] if ended else []))
        show(timeline)
        if not ended:
            time.sleep(pause_s)


@contextmanager
def _shown(screen: Screen, facts: Mapping[str, Any]) -> Iterator[Show]:
    """How polls are shown, as long as the watch lasts: documents, a live screen, or events as lines."""

    def print_events(timeline: Timeline) -> None:
        for event in timeline.news:
            screen.line(plain(event))

    if screen.as_json:
        yield lambda timeline: screen.document({**facts, **document(timeline)}, indent=None)
    elif screen.moves:
        with _live(screen, facts) as show:
            yield show
    else:
        yield print_events


@contextmanager
def _live(screen: Screen, facts: Mapping[str, Any]) -> Iterator[Show]:
    """The whole screen, drawn anew all the time; the last picture stays when the watch has ended."""
    last = Timeline()

    def show(timeline: Timeline) -> None:
        nonlocal last
        last = timeline

    def drawn() -> RenderableType:
        stack = "{stack} on {target}, {region}".format_map(facts)
        return frame(last, now=datetime.now(UTC), stack=stack, speed=facts["speed"], lines=screen.console.height)

    def end(number: int, _: object) -> None:
        """Give the terminal back when the process is terminated (`timeout`, `kill`), with the exit code of that."""
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        with Live(get_renderable=drawn, console=screen.console, screen=True, refresh_per_second=1 / PULSE_S):
            yield show
    finally:
        signal.signal(signal.SIGTERM, before)
        screen.show(drawn())
