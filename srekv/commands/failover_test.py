"""The command `failover-test`: drill a fault and judge what clients saw."""

from __future__ import annotations

import os
import secrets
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from srekv.commands.completion import proposing
from srekv.commands.history import conclude
from srekv.commands.session import drill_settings, open_stack, pass_invocation
from srekv.config import Config
from srekv.drill.events import RATES
from srekv.drill.faults import BREAKS, CATALOGUE, entry
from srekv.drill.model import FORMER_KINDS, POLICIES, DrillResult, Objectives
from srekv.errors import CommandLine, UsageError, none_of
from srekv.provision.model import Watcher
from srekv.ui.console import Narration, Screen, grid, plain_table
from srekv.ui.context import Invocation
from srekv.ui.options import Number, OneOf, as_parts, click_command, option
from srekv.ui.text import Text

if TYPE_CHECKING:
    from srekv.check.model import Verdict
    from srekv.provision.stack import Stack

DRILL_S = 600.0  # as long as a drill takes on a slow day, its boot included, AWS-equivalent seconds
MEASURED = ("outage_s", "detection_s", "switch_s", "recovery_s", "failback_s")  # what rounds give a distribution of


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `failover-test`."""

    directory: Path = option(
        "--dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("srekv-drills"),
        help="Where the run's history goes, in a folder of its own.",
    )
    fault: str = option(
        "--fault",
        callback=lambda _context, _parameter, value: entry(value).name,
        default="stop",
        metavar="NAME",
        help="What to do to the stack; see --list.",
        shell_complete=proposing(lambda: [(one.name, one.title) for one in CATALOGUE]),
    )
    explain: bool = option("--list", is_flag=True, help="Explain every fault: its hypothesis and its pass rule.")
    rate: float = option(
        "--rate", type=Number(*RATES), default=20.0, help="Operations a second over all clients, by the target's clock."
    )
    clients: tuple[str, ...] = option(
        "--clients",
        callback=as_parts,
        metavar="KIND,...",
        help="The kinds of clients.  [default: all six]",
        shell_complete=proposing(lambda: [(kind, "") for kind in POLICIES]),
    )
    vantage: str | None = option(
        "--vantage",
        metavar="INSTANCE",
        help="Run the load on this instance of the VPC instead of on the secondary node.",
    )
    rounds: int = option(
        "--rounds", type=click.IntRange(1), default=1, help="How many drills; stops at a violated one."
    )
    keep_going: bool = option("--keep-going", is_flag=True, help="Do not stop at a violated round.")
    resume: bool = option("--resume", is_flag=True, help="Fetch and judge the latest drill whose srekv was killed.")
    max_outage: float | None = option(
        "--max-outage", type=Number(0), metavar="S", help="Objective: longest outage, AWS-equivalent seconds."
    )
    max_lost: int = option("--max-lost", type=click.IntRange(0), default=0, help="Objective: acknowledged writes lost.")
    min_availability: float | None = option(
        "--min-availability", type=Number(0, 1), metavar="SHARE", help="Objective: minimum availability, 0-1."
    )
    report: Path | None = option(
        "--report", type=click.Path(file_okay=False, path_type=Path), help="Write a report into this directory."
    )
    seed: int | None = option("--seed", type=int, help="Decides the clients' choices.  [default: random, and recorded]")
    wrong: str | None = option(
        "--break", type=OneOf(BREAKS), metavar="HOW", help="Make the service wrong: stale-reads or lost-writes."
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of clients by their names of today; UsageError if there is no such kind."""
        kinds = tuple(FORMER_KINDS.get(one, one) for one in self.clients)
        for one in kinds:
            if one not in POLICIES:
                raise none_of("--clients", one, POLICIES)
        return kinds or POLICIES

    def refuse_places(self) -> None:
        """Refuse a directory that cannot be made or written: after the drill would be too late."""
        for name, directory in (("--dir", self.directory), ("--report", self.report)):
            if directory is None:
                continue
            place = next(one for one in (directory.absolute(), *directory.absolute().parents) if one.exists())
            if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
                raise UsageError(
                    f"nothing can be written to {directory}",
                    why=f"{place} is not a directory in which you may make files",
                    next_step=f"{name} DIRECTORY names another place",
                )


@click_command("failover-test", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Drill a fault and judge what the clients saw.

    Load, fault, switch, heal, failback, and a verdict from the clients' side. The fault is always healed, also after
    Ctrl-C or an error; after kill -9 the next srekv up heals it. Exits 1 if the verdict is violated, 4 if inconclusive.

    $ srekv failover-test --list
    $ srekv failover-test --fault gray-failure --report report
    $ srekv failover-test --rounds 20 --max-outage 60
    """
    screen = invocation.screen
    if options.explain:
        for one in CATALOGUE:
            screen.show(Text.assemble((one.name, "bold"), f"  {one.title}"))
            screen.show(grid(("expect", one.hypothesis), ("held if", one.rule), ("needs", ", ".join(one.needs))), "")
        screen.document({"faults": [one.to_json() for one in CATALOGUE]})
        return
    from srekv.drill.signals import interruptible

    options.refuse_places()
    settings = {"policies": options.kinds, "rate": options.rate}
    with open_stack(invocation) as (stack, narration), interruptible():
        judged = _resume(stack, options, narration) if options.resume else _drill(stack, options, settings, narration)
    _show(screen, judged, rounds=1 if options.resume else options.rounds)


@dataclass(frozen=True, kw_only=True)
class JudgedDrill:
    """One drill and what its history shows; `report` is the page, if one was written."""

    result: DrillResult
    verdict: Verdict
    report: Path | None

    def figures(self) -> dict[str, float | None]:
        """Those that rounds give a distribution of."""
        return {name: getattr(self.verdict.timing, name, None) for name in MEASURED}


def _drill(stack: Stack, options: Options, more: dict[str, Any], narration: Narration) -> list[JudgedDrill]:
    """Drill as often as asked, up to the first round that is violated, and judge each."""
    from srekv.drill import runner
    from srekv.drill.context import Order
    from srekv.drill.faults import fault
    from srekv.drill.repair import heal_left_behind

    found = entry(options.fault)
    judged: list[JudgedDrill] = []
    warn_of_lease(stack.run.config, narration, rounds=options.rounds, now=datetime.now(UTC))
    first_seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    heal_left_behind(stack.fault_target, drill_settings(stack), narration)
    objectives = Objectives(
        max_outage_s=options.max_outage, max_lost=options.max_lost, min_availability=options.min_availability
    )
    order = Order(fault=fault(found, wrong=options.wrong or ""), objectives=objectives, vantage=options.vantage)
    # A client's time-out, wall-clock: 2 s of a fast clock are over before a process runs. Where no operation may fail
    # it is longer: there the machine's own hiccups must not count as an outage.
    shortest_s = 0.2 if found.expectation.outage else 1.0
    for number in range(options.rounds):
        if options.rounds > 1:
            narration.note(f"round {number + 1} of {options.rounds}")
        usual = drill_settings(stack)
        timeout_s = max(usual.op_timeout_s, shortest_s * usual.speed)
        settings = replace(usual, **more, seed=first_seed + number, op_timeout_s=timeout_s)
        workdir = options.directory / settings.run_id
        workdir.mkdir(parents=True, exist_ok=True)
        result = runner.failover_test(stack.fault_target, settings, narration, order=order, workdir=workdir)
        judged.append(_judge(result, options, narration))
        if judged[-1].verdict.verdict == "violated" and not options.keep_going:
            break
    return judged


def _resume(stack: Stack, options: Options, narration: Narration) -> list[JudgedDrill]:
    """Fetch and judge the history of the latest drill whose srekv process died."""
    from srekv.drill.repair import heal_left_behind, resume

    settings = drill_settings(stack)
    healed = heal_left_behind(stack.fault_target, settings, narration)
    result = resume(
        stack.fault_target, settings, narration, directory=options.directory, vantage_id=options.vantage, healed=healed
    )
    return [_judge(result, options, narration)]


def warn_of_lease(config: Config, watcher: Watcher, *, rounds: int, now: datetime) -> None:
    """Warn if the nodes may terminate before the drill is over."""
    from srekv.provision import lease

    needed = timedelta(seconds=config.wall(DRILL_S * rounds))
    if config.lease and lease.is_over(config.lease, now=now + needed):
        words = f"the nodes' lease may end before the drill does: {lease.describe(config.lease, now=now)}; "
        watcher.warn(words + CommandLine("srekv up --lease 2h") + " renews it")


def _judge(result: DrillResult, options: Options, narration: Narration) -> JudgedDrill:
    from srekv.check.verdict import judge_file
    from srekv.commands.report import write_report

    with narration.busy("judging the history"):
        verdict = judge_file(result.history)
        page = None
        if options.report is not None:
            page = write_report(place_report(options.report, result, rounds=options.rounds), result.history).page
        return JudgedDrill(result=result, verdict=verdict, report=page)


def place_report(directory: Path, result: DrillResult, *, rounds: int) -> Path:
    """The directory itself; a run's own folder in it where there are several, or another run's report is there."""
    from srekv.report.folder import holds_other

    return directory / result.run_id if rounds > 1 or holds_other(directory, result.history) else directory


def _show(screen: Screen, judged: Sequence[JudgedDrill], *, rounds: int) -> None:
    from srekv.check.history import read
    from srekv.check.verdict import worst
    from srekv.report.data import failover_document
    from srekv.report.page import timeline
    from srekv.report.terminal import strip, verdict_view

    last = judged[-1]
    verdict = worst(one.verdict.verdict for one in judged)
    document = failover_document(last.result, last.verdict, report=str(last.report) if last.report else None)
    document |= {"fault": last.result.fault, "verdict": verdict}
    screen.show("", verdict_view(last.verdict, last.result))
    if last.verdict.timing is not None:  # otherwise there was no fault to draw a timeline around
        screen.show("", strip(timeline(read(last.result.history), last.verdict.timing)))
    if last.report:
        screen.show(f"report: {last.report}")
    if rounds > 1:
        document["rounds"] = _distribution(judged, rounds)
        screen.show("", _rounds_table(document["rounds"]))
    screen.document(document)
    conclude(next(one.verdict for one in judged if one.verdict.verdict == verdict))


def _distribution(judged: Sequence[JudgedDrill], rounds: int) -> dict[str, Any]:
    """What several drills measured, AWS-equivalent seconds."""
    return {
        "asked": rounds,
        "drilled": len(judged),
        "held": sum(one.verdict.verdict == "held" for one in judged),
        **{name: spread([one.figures()[name] for one in judged]) for name in MEASURED},
        "runs": [
            {
                "run": one.result.run_id,
                "verdict": one.verdict.verdict,
                "lost": one.verdict.lost,
                "linearizable": one.verdict.linearizable,
                **one.figures(),
                "history": str(one.result.history),
                "report": str(one.report) if one.report else None,
            }
            for one in judged
        ],
    }


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Least, median, 95th percentile (the value that 95 % do not exceed) and largest; None without a value."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    p95 = known[-(-95 * len(known) // 100) - 1]
    return {"min": known[0], "median": round(statistics.median(known), 4), "p95": p95, "max": known[-1]}


def _rounds_table(rounds: dict[str, Any]) -> Table:
    columns = ("min", "median", "p95", "max")
    title = f"{rounds['held']} of {rounds['drilled']} rounds held"
    table = plain_table("seconds", *columns, title=title, right=columns)
    for name in MEASURED:
        if found := rounds[name]:
            table.add_row(name.removesuffix("_s"), *(f"{found[one]:.1f}" for one in columns))
    return table
