"""The command `doctor`: will a stack or a hosted zone fail over? Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table

from srekv.commands.session import open_stack, pass_invocation
from srekv.doctor.model import Diagnosis, Finding, Objectives, Severity
from srekv.errors import FindingError, UnknownError
from srekv.ui.console import grid
from srekv.ui.context import Invocation
from srekv.ui.options import Number, as_parts, click_command, drop_unset, option
from srekv.ui.text import Text

if TYPE_CHECKING:
    from srekv.provision.stack import Stack

SIGNS: Mapping[Severity, tuple[str, str]] = {
    "prevents": ("✗ prevents", "bold red"),
    "delays": ("! delays", "bold yellow"),
    "risk": ("! risk", "bold yellow"),
    "unchecked": ("? unknown", "bold"),
}
STYLES = {"will fail over": "bold green", "will not fail over": "bold red", "unknown": "bold yellow"}
PERMISSIONS = "the credentials' permissions"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `doctor`: what to examine, and what it is held to."""

    zone_id: str | None = option("--zone-id", metavar="ID", help="Any hosted zone, instead of the stack's own.")
    record: str | None = option("--record", metavar="NAME", help="One name of the zone.  [default: every name]")
    target_s: float | None = option(
        "--target-outage", type=Number(0, min_open=True), metavar="S", help="The longest outage you want, seconds."
    )
    client_timeout_s: float | None = option(
        "--client-timeout", type=Number(0, min_open=True), metavar="S", help="How long your clients wait."
    )
    vpc_id: str | None = option("--vpc-id", help="Before the first up: the VPC.  [default: the default VPC]")
    azs: tuple[str, ...] = option("--azs", callback=as_parts, help="Before the first up: two Availability Zones.")
    instance_type: str | None = option(
        "--instance-type", help="Before the first up: EC2 instance type.  [default: t2.micro]"
    )


@click_command("doctor", Options)
@pass_invocation
def command(invocation: Invocation, options: Options) -> None:
    """Report whether each name will fail over, and why not.

    Each finding has its cause, its proof and its fix. Examines the stack, any hosted zone, or, where there is no
    stack yet, what the first up would meet. Changes nothing. Exits 1 if something prevents a failover, and 4 if
    nothing does and something that decides was not examined.

    $ srekv doctor
    $ srekv --target aws doctor --zone-id Z0123456789ABCDEFGHIJ --target-outage 60
    """
    chosen = {"vpc_id": options.vpc_id, "azs": options.azs, "instance_type": options.instance_type}
    with open_stack(invocation, drop_unset(chosen)) as (stack, narration):
        before_up = stack.is_new and options.zone_id is None
        with narration.busy("examining what the first up would meet" if before_up else "examining zone and nodes"):
            diagnosis = _preflight(stack) if before_up else _zone(stack, options)
    show(invocation, diagnosis, before_up=before_up)
    judge(diagnosis)


def judge(diagnosis: Diagnosis) -> None:
    """Raise FindingError (exit code 1) if something prevents a failover, UnknownError (4) if the verdict is open."""
    if diagnosis.prevents:
        count = f"{len(diagnosis.prevents)} finding{'s' if len(diagnosis.prevents) > 1 else ''}"
        raise FindingError(f"{diagnosis.subject}: {count} in the way")
    if diagnosis.verdict == "unknown":
        names = ", ".join(f"{one.name} {one.kind}" for one in diagnosis.names if one.verdict == "unknown")
        raise UnknownError(
            f"{diagnosis.subject}: not everything that decides was examined",
            why=f"the verdict is unknown for {names}" if names else "",
            next_step="each finding has a fix; --record NAME judges one name" if names else "each finding has a fix",
        )


def _zone(stack: Stack, options: Options) -> Diagnosis:
    from srekv.check.simulation import Scenario
    from srekv.doctor.gather import gather
    from srekv.doctor.rules import diagnose

    objectives = Objectives(
        bound=lambda interval, threshold, ttl: Scenario(interval=interval, threshold=threshold, ttl=ttl).bound_s,
        target_s=options.target_s,
        client_timeout_s=options.client_timeout_s,
    )
    own = options.zone_id is None
    facts = gather(stack.run, zone_id=options.zone_id, record=options.record, role=stack.role if own else None)
    found = diagnose(facts, objectives, more=_permissions(stack, severity="risk") if own else ())
    return replace(found, checked=(*found.checked, PERMISSIONS)) if own else found


def _preflight(stack: Stack) -> Diagnosis:
    from srekv.doctor.preflight import CHECKED, findings
    from srekv.provision.steps.collection import Steps

    steps = Steps(stack.run, stack.role, waits_for_health=True)
    found = [*findings(steps), *_permissions(stack, severity="prevents")]
    return Diagnosis.of(f"the first up of {stack.run.config.stack}", found, (*CHECKED, PERMISSIONS))


def _permissions(stack: Stack, *, severity: Severity) -> list[Finding]:
    """What the credentials lack, or that this could not be asked."""
    from srekv.doctor.permissions import permission_findings, read_permissions
    from srekv.doctor.reader import Reader
    from srekv.doctor.rules import not_examined

    reader = Reader()
    permissions = read_permissions(reader, stack.run)
    return [*permission_findings(permissions, severity=severity), *(not_examined(one) for one in reader.unread)]


def show(invocation: Invocation, diagnosis: Diagnosis, *, before_up: bool) -> None:
    """The verdict, over all and for each name, then the findings, the worst first, then what was examined."""
    screen, verdict = invocation.screen, diagnosis.verdict
    findings = [(finding, invocation.render(finding.fix)) for finding in diagnosis.findings]
    of_first_up = {"will fail over": "nothing is in its way", "will not fail over": "would fail", "unknown": "unknown"}
    words = of_first_up[verdict] if before_up else verdict
    screen.show(Text.assemble(f"{diagnosis.subject}: ", (words, STYLES[verdict])))
    if diagnosis.names:
        names = Table.grid(padding=(0, 2))
        for one in diagnosis.names:
            names.add_row(one.name, one.kind, one.policy, Text(one.verdict, STYLES[one.verdict]))
        screen.show(Padding(names, (0, 0, 0, 2), expand=False))
    for finding, fix in findings:
        head = Text.assemble(SIGNS[finding.severity], "  ", (finding.title, "bold"), (f"  [{finding.id}]", "dim"))
        rows = grid(("about", finding.subject), ("cause", finding.cause), ("proof", finding.proof))
        screen.show(Text(), head, Padding(rows, (0, 0, 0, 2)))
        screen.line(f"  fix    {fix}")
    if invocation.is_local and any("aws " in fix for _, fix in findings):
        screen.show(Text('\naws asks the local cloud after: eval "$(srekv local env)"', "dim"))
    screen.show(Text("\n".join(_examined(diagnosis)), "dim"))
    screen.document(
        {
            "subject": diagnosis.subject,
            "verdict": verdict,
            "before_up": before_up,
            "findings": [vars(finding) | {"fix": fix} for finding, fix in findings],
            "checked": list(diagnosis.checked),
            "names": [one.to_json() for one in diagnosis.names],
            "fixed": diagnosis.fixed,
        }
    )


def _examined(diagnosis: Diagnosis) -> Iterator[str]:
    """Lines on what was examined, and of each record set what was not."""
    if not diagnosis.names:
        yield f"\nexamined: {', '.join(diagnosis.checked)}"
        return
    yield "\nexamined:"
    for name in diagnosis.names:
        if name.not_examined:
            yield f"  {name.name} {name.kind}: not examined: {', '.join(name.not_examined)}"
        for one in name.records:
            gaps = f"; not examined: {', '.join(one.not_examined)}" if one.not_examined else ""
            yield f"  {one.record} {name.kind}: {', '.join(one.examined) or 'nothing'}{gaps}"
    if diagnosis.fixed:
        yield f"  {diagnosis.fixed} other record sets: one answer each, no failover"
