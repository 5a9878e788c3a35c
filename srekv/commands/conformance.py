"""The command `conformance`: compare a target's answers with those that AWS gave when they were recorded."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import boto3
from rich.padding import Padding

from srekv.commands.completion import proposing
from srekv.commands.session import pass_invocation, session_of, target_config
from srekv.config import Config
from srekv.conformance.cases.catalogue import CASES, Case
from srekv.conformance.cases.context import PREFIX, CaseContext, RetryPolicy
from srekv.conformance.cases.questions import Outcome, put_all
from srekv.conformance.layer import Account, enforced_rules
from srekv.conformance.model import RULES, Rule
from srekv.errors import CommandLine, FindingError, SrekvError, UsageError
from srekv.local import control
from srekv.provision.engine.answers import explained
from srekv.ui.console import Narration, Screen, plain_table
from srekv.ui.context import Invocation
from srekv.ui.options import click_command, option
from srekv.ui.text import Text

_STYLES = {"ok": "green", "differs": "bold red", "not asked": "dim"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `conformance`."""

    explain: bool = option("--list", is_flag=True, help="Show every rule and its source; make no call.")
    only: tuple[str, ...] = option(
        "--only",
        multiple=True,
        metavar="ID",
        help="Run this case only; repeatable.",
        shell_complete=proposing(lambda: [(case.id, case.rule.says) for case in CASES]),
    )
    plain: bool = option(
        "--plain", is_flag=True, help="Local target: leave AWS's behaviour out, show the emulator's own."
    )
    expensive: bool = option("--expensive", is_flag=True, help="Also run cases that launch an instance.")
    in_my_account: bool = option("--in-my-account", is_flag=True, help="Target aws: yes, make and remove things there.")


@click_command("conformance", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Compare the target's API errors with recorded AWS responses.

    On the local target the emulator answers behind the layer that lets it behave like AWS in the tests. On the target
    aws your account answers; everything made for a question is removed again. Exits 1 if an answer differs.

    $ srekv conformance
    $ srekv conformance --only zone-not-empty
    $ srekv --target aws conformance --in-my-account
    """
    if options.explain:
        listing(invocation.screen)
    else:
        conformance(invocation, options)


def listing(screen: Screen) -> None:
    """Show the rules; make no call."""
    enforced, asked = enforced_rules(), _known()
    for rule in RULES.values():
        head = Text.assemble((rule.id, "bold"), (f"  {' '.join(rule.rows)}", "dim"))
        screen.show(head, Padding(rule.says, (0, 0, 0, 2)), Padding(Text(rule.source, "dim"), (0, 0, 0, 2)))
    shown = [{**_rule_json(one), "layer": one.id in enforced, "asked": one.id in asked} for one in RULES.values()]
    screen.document({"rules": shown})


def conformance(invocation: Invocation, options: Options) -> None:
    """Ask the target, show the table.

    Raises:
        UsageError: a rule that there is not; AWS without the user's word.
        FindingError: an answer differs from the recorded one.
        SrekvError: something could not be asked, or could not be removed.
    """
    cases = _chosen(options)
    _refuse_surprises(invocation, options, cases)
    with invocation.screen.progress() as narration, _target(invocation, narration) as config:
        layered = invocation.is_local and not options.plain
        context = _context(config, session_of(invocation, config), layered=layered)
        if not invocation.is_local:
            with explained("asking whose account this is"):
                owner = context.call("sts.get_caller_identity")["Account"]
            narration.note(f"asking in account {owner}, {config.region}: names start with {PREFIX}-{context.nonce}")
        outcomes, left = put_all(
            _counted(cases, narration),
            context,
            expensive=options.expensive,
            report=lambda outcome: _report(narration, outcome),
        )
    _show(invocation.screen, config, outcomes, left, layered=layered)
    _judge(outcomes, left)


def _counted(cases: Sequence[Case], narration: Narration) -> Iterator[Case]:
    """The cases one by one, with a line about the one that is being put."""
    for number, case in enumerate(cases, 1):
        with narration.busy(f"case {number} of {len(cases)}: {case.id}"):
            yield case


def _known() -> set[str]:
    """What names a case: its own id, or its rule's."""
    return {case.id for case in CASES} | {case.law for case in CASES}


def _chosen(options: Options) -> tuple[Case, ...]:
    known = _known()
    for name in options.only:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise UsageError(
                f"there is no case {name}",
                why=f"the nearest is {nearest}",
                next_step="srekv conformance --list shows the rules; not every one can be asked for",
            )
    named = set(options.only)
    return tuple(case for case in CASES if not named or named & {case.id, case.law})


def _refuse_surprises(invocation: Invocation, options: Options, cases: Sequence[Case]) -> None:
    """Nothing is made in a user's account without a word of the user's."""
    if invocation.is_local or options.in_my_account:
        return
    put = [case for case in cases if options.expensive or not case.expensive]
    needs = sorted({case.needs for case in put if case.needs})
    raise UsageError(
        "this would make and remove things in your AWS account",
        why=f"{len(put)} cases need: {'; '.join(needs) or 'nothing'}. All of it is named {PREFIX}-..., and in the "
        "default VPC. Expect less than 0.10 USD: checks and alarms by the minute, zones nothing if they go within 12 "
        "hours; with --expensive five t2.micro for some minutes",
        next_step=CommandLine("srekv conformance --in-my-account") + ", or leave --target out",
    )


@contextmanager
def _target(invocation: Invocation, narration: Narration) -> Iterator[Config]:
    """The Config of the target. A local cloud that was not there before is gone afterwards."""
    if not invocation.is_local:
        yield target_config(invocation, None)
        return
    was_there = control.find(invocation.home) is not None
    with narration.busy("starting the local cloud"):
        runtime = control.ensure(invocation.home)
    try:
        yield target_config(invocation, runtime)
    finally:
        if not was_there:
            with narration.busy("stopping the local cloud"):
                control.stop(invocation.home)


def _context(config: Config, session: boto3.Session, *, layered: bool) -> CaseContext:
    """Where the cases ask from; over an emulator, with AWS's behaviour in front of it."""
    if layered:
        Account().attach(session)

    def make(service: str, settings: Any, keys: dict[str, str] | None = None) -> Any:
        given: dict[str, Any] = {"endpoint_url": config.endpoint, "config": settings, **(keys or {})}
        return session.client(service, **given)  # type: ignore[call-overload]

    # AWS takes its time; on this machine everything is quick.
    retries = RetryPolicy(tries=100, pause_s=0.02) if config.endpoint else RetryPolicy()
    return CaseContext(make=make, region=config.region, retries=retries)


def _report(narration: Narration, outcome: Outcome) -> None:
    if outcome.verdict == "differs":
        recorded = " or ".join(str(answer) for answer in outcome.case.answers)
        narration.note(f"{outcome.case.id} differs: {outcome.seen}; recorded: {recorded}")


def _show(screen: Screen, config: Config, outcomes: Sequence[Outcome], left: Sequence[str], *, layered: bool) -> None:
    table = plain_table("", "rule", "rows", "seen", whole=("rule",))
    for outcome in outcomes:
        rule = outcome.case.rule
        verdict = Text(outcome.verdict, _STYLES[outcome.verdict])
        table.add_row(verdict, rule.id, " ".join(rule.rows), Text(_short(outcome)))
    counts = ((verdict, sum(one.verdict == verdict for one in outcomes)) for verdict in _STYLES)
    tally = ", ".join(f"{count} {verdict}" for verdict, count in counts if count) or "nothing asked"
    screen.show(table, "", f"{tally}; {len(left)} left (srekv conformance --list explains each rule)")
    for one in left:
        screen.show(f"left: {one}")
    cases = [
        {
            **_rule_json(one.case.rule),
            "law": one.case.law,
            "needs": one.case.needs,
            "recorded": [asdict(answer) for answer in one.case.answers],
            "seen": asdict(one.seen) if one.seen else None,
            "verdict": one.verdict,
            "reason": one.reason,
        }
        for one in outcomes
    ]
    target = {"target": config.target, "region": config.region, "layer": layered}
    screen.document({**target, "cases": cases, "left": list(left)})


def _short(outcome: Outcome) -> str:
    """An answer without its text, which the JSON document has; whole where it differs."""
    seen = outcome.seen
    if seen is None:
        return outcome.reason
    return str(seen) if outcome.verdict == "differs" or not seen.code else f"{seen.status} {seen.code}"


def _rule_json(rule: Rule) -> dict[str, Any]:
    return {"id": rule.id, "says": rule.says, "rows": list(rule.rows), "source": rule.source}


def _judge(outcomes: Sequence[Outcome], left: Sequence[str]) -> None:
    """Turn what was seen into an exit code."""
    differing = [outcome.case.id for outcome in outcomes if outcome.verdict == "differs"]
    failed = [outcome.case.id for outcome in outcomes if outcome.failed]
    if left:
        raise SrekvError(
            f"{len(left)} things could not be removed",
            why="; ".join(left),
            next_step=f"remove them by hand: their names start with {PREFIX}",
        )
    if differing:
        raise FindingError(
            f"{len(differing)} answers differ from the recorded ones: {', '.join(differing)}",
            next_step="the emulator is too kind, or AWS has changed: the table shows both",
        )
    if failed:
        raise SrekvError(
            f"{len(failed)} cases could not be put: {', '.join(failed)}",
            next_step="the table has the reasons; the rest agrees",
        )
