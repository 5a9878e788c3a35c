"""The command line: options become a call, errors become exit codes. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from srekv import __version__
from srekv.commands import completion
from srekv.commands.completion import proposing, proposing_parts
from srekv.commands.options import (
    Number,
    OneOf,
    as_parts,
    as_seconds,
    as_speed,
    failover_options,
    placement_options,
    promise_options,
)
from srekv.config import DEFAULT_STACK
from srekv.errors import UsageError
from srekv.ui import exits as endings
from srekv.ui.help import Group
from srekv.ui.visible import visible

if TYPE_CHECKING:
    from srekv.check.formats import Format
    from srekv.commands.session import Invocation
    from srekv.drill.model import Promises
    from srekv.ui.console import Screen

CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SREKV", "max_content_width": 100}


@click.group(cls=Group, context_settings=CONTEXT, invoke_without_command=True)
@click.option(
    "--target", type=OneOf(["local", "aws"]), default="local", show_default=True, help="This machine, or AWS."
)
@click.option(
    "--stack",
    default=DEFAULT_STACK,
    show_default=True,
    help="The stack's name, in every resource's tags.",
    shell_complete=proposing(completion.stacks),
)
@click.option(
    "--region",
    help="AWS Region.  [default: the environment's or the profile's, else us-east-1]",
    shell_complete=proposing(completion.regions),
)
@click.option(
    "--profile",
    help="Profile of the AWS configuration files (target aws).",
    shell_complete=proposing(completion.profiles),
)
@click.option(
    "--output", type=OneOf(["text", "json"]), default="text", show_default=True, help="For people, or for programs."
)
@click.option("--quiet", "-q", is_flag=True, help="Show results and warnings only.")
@click.option("--verbose", "-v", is_flag=True, help="Show each call to AWS and how long it took, on standard error.")
@click.version_option(__version__, prog_name="srekv")
@click.pass_context
def main_group(context: click.Context, /, **options: Any) -> None:
    """A highly available key-value service, its failover, and the proof that it works.

    On the local target (the default) everything runs on this machine's loopback and costs nothing. Options before the
    command say which stack it is about.

    Exit codes: 0 done, or the drill held; 1 violated, absent, something is left, or a finding prevents the failover;
    2 an impossible request, refused before the first call; 3 could not; 4 inconclusive; 130 Ctrl-C.

    $ srekv up
    $ srekv test
    $ srekv failover-test
    $ srekv down --yes
    $ srekv --target aws --region eu-west-1 up --dry-run
    """
    context.obj = options
    if options["quiet"] and options["verbose"]:
        raise UsageError("--quiet and --verbose exclude each other", next_step="give one of the two")
    if context.invoked_subcommand is None:
        _show_the_start(context)


START = """\
srekv: a key-value service that fails over, and the proof that it does.

Start here, on this machine: no account, no cost.

  srekv up               create it
  srekv test             write and read through its name, from both nodes
  srekv failover-test    stop the primary and measure what clients see
  srekv down             remove everything

On AWS: srekv --target aws up --dry-run shows the plan and what it costs.
More:   srekv --help, srekv COMMAND --help, srekv completion --help
"""


def _show_the_start(context: click.Context) -> None:
    """What to do first, and whether a local cloud is at work."""
    from srekv.local import control

    given = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        raise UsageError("a command is missing", next_step="srekv --help lists them")
    runs = control.find(control.home(os.environ)) is not None
    click.echo(START)
    click.echo(f"Local cloud: {'it runs; srekv status shows what is in it' if runs else 'none runs'}.")


def _invocation(context: click.Context) -> Invocation:
    from srekv.commands.session import invocation_of

    return invocation_of(context.obj, os.environ)


def _screen(context: click.Context) -> Screen:
    """The screen of a command that needs no stack."""
    from srekv.commands.session import screen_of

    return screen_of(context.obj)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were really given: the others keep what the stack was made with."""
    return {name: value for name, value in options.items() if value is not None and value != ()}


@main_group.command()
@placement_options
@failover_options
@click.option(
    "--lease",
    "lease_s",
    callback=as_seconds,
    metavar="DURATION",
    help="The nodes end themselves so long from now, whoever is there: 90m, 2h, 3d; again renews it.",
)
@click.option("--no-lease", is_flag=True, help="Take the lease back: the nodes run until srekv down.")
@click.option(
    "--speed",
    callback=as_speed,
    metavar="auto|FLOAT",
    help="Local target: clock speed-up, in AWS-equivalent seconds per wall-clock second; fixed until the local cloud "
    "stops.  [default: auto, the fastest of 10, 5, 2 and 1 that this machine keeps]",
)
@click.option("--dns-port", type=click.IntRange(1, 65535), help="Local target: the resolver's port.  [default: 5300]")
@click.option(
    "--dynamodb-endpoint",
    "dynamodb",
    metavar="URL",
    help="Local target: a DynamoDB of yours, DynamoDB Local for example, holds the table: its data outlives the cloud.",
)
@click.option("--dynamodb-anywhere", is_flag=True, help="Local target: that database may be on another computer.")
@click.option("--wait/--no-wait", default=True, help="Wait until both checks pass and the name answers.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.pass_context
def up(
    context: click.Context,
    /,
    *,
    speed: float | None,
    dns_port: int | None,
    dynamodb: str | None,
    dynamodb_anywhere: bool,
    wait: bool,
    dry_run: bool,
    no_lease: bool,
    **settings: Any,
) -> None:
    """Create or repair everything, section by section.

    Run it again at any time: it repairs what differs and leaves the rest alone. A setting that you do not give keeps
    the value the stack was made with.

    $ srekv up --interval 30 --ttl 60
    $ srekv --target aws up --dry-run
    $ srekv --target aws up --lease 2h
    """
    from srekv.commands import up as commands
    from srekv.commands.session import LocalWishes

    given = _given(settings)
    if no_lease:
        if "lease_s" in given:
            raise UsageError("--lease and --no-lease exclude each other", next_step="give one of the two")
        given["lease"] = None
    local = LocalWishes(speed=speed, dns_port=dns_port, dynamodb=dynamodb, anywhere=dynamodb_anywhere)
    commands.up(_invocation(context), given, wait=wait, dry_run=dry_run, local=local)


@main_group.command()
@click.pass_context
def test(context: click.Context) -> None:
    """Test name, write and read from both nodes (lab 4.1-4.3).

    Exits 1 if a test fails.

    $ srekv test
    """
    from srekv.commands import up as commands

    commands.test(_invocation(context))


@main_group.command()
@click.option("--back", is_flag=True, help="Start the primary again and wait for the failback.")
@click.pass_context
def failover(context: click.Context, *, back: bool) -> None:
    """Stop the primary and wait for the switch (lab 4.4).

    $ srekv failover
    $ srekv failover --back
    """
    from srekv.commands import up as commands

    commands.failover(_invocation(context), back=back)


@main_group.command("failover-test")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("srekv-drills"),
    show_default=True,
    help="Where the run's history goes, in a folder of its own.",
)
@click.option(
    "--fault",
    default="stop",
    show_default=True,
    metavar="NAME",
    help="What to do to the stack; see --list.",
    shell_complete=proposing(completion.faults),
)
@click.option("--list", "explain", is_flag=True, help="Explain every fault: its hypothesis and its pass rule.")
@click.option(
    "--rate", type=Number(), help="Operations a second over all clients, by the target's clock.  [default: 20]"
)
@click.option(
    "--clients",
    callback=as_parts,
    metavar="KIND,...",
    help="The kinds of clients.  [default: all six]",
    shell_complete=proposing_parts(completion.client_kinds),
)
@click.option(
    "--vantage",
    metavar="INSTANCE",
    help="Run the load on this instance of the VPC, not on the survivor.",
    shell_complete=proposing(completion.instances),
)
@click.option("--rounds", type=int, default=1, show_default=True, help="How many drills; stops at a violated one.")
@click.option("--keep-going", is_flag=True, help="Do not stop at a violated round.")
@click.option("--resume", is_flag=True, help="Fetch and judge the latest drill whose srekv was killed.")
@click.option("--max-outage", type=Number(0), metavar="S", help="Promise: the longest outage, AWS-equivalent seconds.")
@click.option("--max-lost", type=int, default=0, show_default=True, help="Promise: acknowledged writes lost.")
@click.option("--min-availability", type=Number(0, 1), metavar="SHARE", help="Promise: the least share of good time.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help="Write a report into this directory.")
@click.option("--seed", type=int, help="Decides the clients' choices.  [default: random, and recorded]")
@click.option(
    "--break",
    "wrong",
    metavar="HOW",
    help="Make the service wrong: stale-reads or lost-writes.",
    shell_complete=proposing(completion.breaks),
)
@click.pass_context
def failover_test(
    context: click.Context,
    /,
    *,
    explain: bool,
    resume: bool,
    max_outage: float | None,
    max_lost: int,
    min_availability: float | None,
    clients: tuple[str, ...],
    **options: Any,
) -> None:
    """Drill a fault and judge what the clients saw.

    Load, fault, switch, heal, failback, and a verdict from the clients' side. The fault is always healed, also after
    Ctrl-C or an error; after kill -9 the next srekv up heals it. Exits 1 if the verdict is violated, 4 if inconclusive.

    $ srekv failover-test --list
    $ srekv failover-test --fault lying --report report
    $ srekv failover-test --rounds 20 --max-outage 60
    """
    from srekv.commands import failover_test as drills
    from srekv.drill.model import Promises

    invocation = _invocation(context)
    if explain:
        drills.catalogue(invocation.screen)
        return
    promises = Promises(max_outage_s=max_outage, max_lost=max_lost, min_availability=min_availability)
    request = drills.Request(promises=promises, zoo=clients, **options)
    (drills.resume if resume else drills.failover_test)(invocation, request)


@main_group.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed; change nothing.")
@click.option("--keep-table", is_flag=True, help="Leave the table with its items; the next up takes it.")
@click.option("--backup", default="", metavar="NAME", help="Back the table up under this name before it goes.")
@click.pass_context
def down(context: click.Context, *, yes: bool, dry_run: bool, keep_table: bool, backup: str) -> None:
    """Remove everything and prove that nothing is left.

    Exits 1 if something is left, with the command that removes it.

    $ srekv down --yes
    $ srekv down --backup before-the-change
    """
    from srekv.commands import down as leftovers

    leftovers.down(
        _invocation(context), dry_run=dry_run, keep_table=keep_table, backup=backup, confirm=_confirmation(yes=yes)
    )


def _confirmation(*, yes: bool) -> Callable[[str], bool]:
    """How a command asks before it removes something."""

    def confirm(question: str) -> bool:
        try:
            return yes or click.confirm(visible(question), err=True)
        except click.Abort as error:
            if isinstance(error.__context__, EOFError):  # nobody is there to answer: that is no Ctrl-C
                return False
            raise

    return confirm


@main_group.command()
@click.option("--watch", is_flag=True, help="Go on looking until Ctrl-C.")
@click.option(
    "--every",
    "every_s",
    type=Number(2, 86_400),
    metavar="S",
    help="With --watch: AWS-equivalent seconds between two looks, 2 or more; one by the clock at least.  [default: 5]",
)
@click.pass_context
def status(context: click.Context, *, watch: bool, every_s: float | None) -> None:
    """Show what exists, its health, and what the name answers.

    With --watch: nodes, checkers, the name's answer, a GET /health and a read through the name, and what changes, as it
    changes. Nothing is written; on AWS each look is one SSM command. On a terminal a live screen, elsewhere a line for
    each event, with --output json one document on a line for each look.

    $ srekv status --watch
    $ srekv --output json status
    """
    from srekv.commands import status as standing
    from srekv.commands import watch as watching

    if watch:
        watching.watch(_invocation(context), every_s=every_s or 5)
        return
    if every_s is not None:
        raise UsageError("--every is for --watch", next_step="srekv status --watch --every 5")
    standing.status(_invocation(context))


def _promises(max_outage: float | None, max_lost: int | None, min_availability: float | None) -> Promises | None:
    """The promises that were made; None: those that the history carries."""
    from srekv.drill.model import Promises

    if (max_outage, max_lost, min_availability) == (None, None, None):
        return None
    promises = Promises(max_outage_s=max_outage, max_lost=max_lost, min_availability=min_availability)
    promises.check()
    return promises


@main_group.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@promise_options
@click.option(
    "--format",
    "format_",
    type=OneOf(["srekv", "jepsen", "jepsen-json", "porcupine"]),
    help="The history's format.  [default: recognised from its content]",
)
@click.option("--export", type=OneOf(["jepsen"]), help="Print the history as Jepsen's history.edn, without a verdict.")
@click.pass_context
def check(
    context: click.Context, /, file: Path, *, format_: Format | None, export: str | None, **promises: Any
) -> None:
    """Judge a recorded history.

    It is srekv's own, Jepsen's history.edn or history.json, or one of Porcupine's etcd logs. Exits 0 if it held, 1 if
    it is violated, 4 if it is inconclusive.

    $ srekv check srekv-drills/1f2e3d4c/history.jsonl
    $ srekv check --export jepsen srekv-drills/1f2e3d4c/history.jsonl > history.edn
    $ srekv check history.edn
    """
    from srekv.commands import check as evidence

    if export is None:
        evidence.check(_screen(context), file, _promises(**promises), format_=format_)
    elif any(one is not None for one in promises.values()):
        raise UsageError("--export takes no promises", next_step="srekv check without --export judges a history")
    else:
        evidence.export(_screen(context), file, format_=format_)


@main_group.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the report goes.  [default: beside the history]",
)
@promise_options
@click.pass_context
def report(context: click.Context, /, file: Path, *, directory: Path | None, **promises: Any) -> None:
    """Redraw a report from a history alone.

    Writes report.html, verdict.json and junit.xml. Exits as check does.

    $ srekv report srekv-drills/1f2e3d4c/history.jsonl --dir report
    """
    from srekv.commands import check as evidence

    evidence.report(_screen(context), file, directory=directory, promises=_promises(**promises))


@main_group.command()
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--tolerance",
    type=Number(0, 1000),
    default=0.1,
    show_default=True,
    help="How much longer an outage may be: 0.1 is a tenth.",
)
@click.pass_context
def compare(context: click.Context, a: Path, b: Path, *, tolerance: float) -> None:
    """Tell whether B is worse than A.

    A and B are histories, verdict.json files, or directories with any number of runs, which count by their medians.
    Exits 1 if it is worse, 4 if a run is inconclusive or lacks a figure that others have.

    $ srekv compare baseline report --tolerance 0.2
    """
    from srekv.commands import check as evidence

    evidence.compare(_screen(context), a, b, tolerance=tolerance)


@main_group.command()
@click.option("--interval", type=int, default=10, show_default=True, help="Seconds between a checker's requests.")
@click.option("--threshold", type=int, default=3, show_default=True, help="Failures in a row that count.")
@click.option("--ttl", type=int, default=10, show_default=True, help="The records' TTL, seconds.")
@click.option(
    "--target-outage",
    "--target",
    "target",
    type=Number(0),
    metavar="S",
    help="Find the cheapest settings that keep every outage within S.",
)
@click.pass_context
def predict(context: click.Context, *, interval: int, threshold: int, ttl: int, target: float | None) -> None:
    """Predict the outage and the bill of some settings.

    It needs no stack and asks nobody.

    $ srekv predict --interval 30 --ttl 60
    $ srekv predict --target-outage 60
    """
    from srekv.commands import check as evidence

    evidence.predict(_screen(context), interval=interval, threshold=threshold, ttl=ttl, target=target)


@main_group.command()
@click.option("--node", is_flag=True, help="The nodes' own permissions, in place of the operator's.")
@click.option("--part", type=OneOf(["reading", "changing"]), help="Half of it: what only reads, or the rest.")
@click.option("--account", default="*", show_default=True, metavar="ID", help="Bind it to this account.")
@click.option(
    "--region",
    "in_region",
    metavar="R",
    help="Bind it to this Region.  [default: *]",
    shell_complete=proposing(completion.regions),
)
@click.option(
    "--stack",
    "of_stack",
    metavar="NAME",
    help="Bind it to this stack.  [default: all that srekv makes]",
    shell_complete=proposing(completion.stacks),
)
@click.option(
    "--ebs-key",
    metavar="ARN",
    help="The KMS key of new volumes, where the account has one of its own as its default.",
)
@click.option("--fix-vpc", is_flag=True, help="Allow what up --fix-vpc does.")
@click.pass_context
def policy(
    context: click.Context,
    /,
    *,
    node: bool,
    account: str,
    in_region: str | None,
    of_stack: str | None,
    part: Literal["reading", "changing"] | None,
    ebs_key: str | None,
    fix_vpc: bool,
) -> None:
    """Print the least-privilege IAM policy of an operator.

    It makes no call.

    $ srekv policy --part reading
    $ aws iam create-policy --policy-name srekv --policy-document "$(srekv policy)"
    """
    from srekv.commands import policy as granting

    parent = context.parent or context
    given = parent.get_parameter_source("stack") is not ParameterSource.DEFAULT
    click.echo(
        granting.policy(
            node=node,
            account=account,
            region=in_region or context.obj["region"] or "*",
            stack=of_stack or (context.obj["stack"] if given else None),
            part=part,
            ebs_key=ebs_key,
            fix_vpc=fix_vpc,
        )
    )


@main_group.group()
def kv() -> None:
    """Talk to the service through its DNS name."""


@kv.command("put")
@click.argument("key")
@click.argument("value")
@click.pass_context
def kv_put(context: click.Context, *, key: str, value: str) -> None:
    """Store VALUE under KEY.

    $ srekv kv put colour blue
    """
    from srekv.commands import kv as keys

    keys.kv(_invocation(context), "PUT", key, os.fsencode(value))


@kv.command("get")
@click.argument("key")
@click.pass_context
def kv_get(context: click.Context, *, key: str) -> None:
    """Print the value of KEY; exit 1 if there is none.

    A pipe or a file gets its bytes, and a newline; on a terminal, control characters are shown as escapes.

    $ srekv kv get colour
    """
    from srekv.commands import kv as keys

    value = keys.kv(_invocation(context), "GET", key, None)
    if value is not None and context.obj["output"] == "text":
        _print_value(value)


def _print_value(value: bytes) -> None:
    """Byte by byte into a file or a pipe; for a terminal, control characters are escapes."""
    click.echo(visible(value.decode(errors="backslashreplace")) if sys.stdout.isatty() else value)


@kv.command("delete")
@click.argument("key")
@click.pass_context
def kv_delete(context: click.Context, *, key: str) -> None:
    """Remove KEY; removing an absent one is fine."""
    from srekv.commands import kv as keys

    keys.kv(_invocation(context), "DELETE", key, None)


@main_group.command()
@click.option(
    "--older-than",
    default="24h",
    show_default=True,
    metavar="AGE",
    help="Stacks of this age, as in 90m, 24h, 3d; one whose lease is over goes at any age.",
)
@click.option("--all-regions", is_flag=True, help="Look in every Region that the account can use.")
@click.option("--backups", is_flag=True, help="Remove backups of that age too.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and exit 1 if there is something.")
@click.pass_context
def sweep(context: click.Context, /, *, older_than: str, yes: bool, **flags: bool) -> None:
    """Remove what any srekv stack left in the account.

    Expired leases first, then by age. A stack is as old as the oldest thing in it of which AWS tells the age. Backups,
    and tables left by down --keep-table, are shown and kept. Exits 1 if something is left that should go.

    $ srekv sweep --dry-run
    $ srekv --target aws sweep --all-regions --older-than 3d
    """
    from srekv.commands import sweep as sweeping

    sweeping.sweep(_invocation(context), sweeping.Request.of(older_than, **flags), confirm=_confirmation(yes=yes))


@main_group.command()
@click.option(
    "--zone-id",
    metavar="ID",
    help="Any hosted zone, in place of the stack's own.",
    shell_complete=proposing(completion.zones),
)
@click.option("--record", metavar="NAME", help="One name of the zone.  [default: every name]")
@click.option("--target-outage", "target_s", type=Number(), metavar="S", help="The longest outage you want, seconds.")
@click.option("--client-timeout", "client_timeout_s", type=Number(), metavar="S", help="How long your clients wait.")
@click.option(
    "--vpc-id",
    help="Before the first up: the VPC.  [default: the default VPC]",
    shell_complete=proposing(completion.networks),
)
@click.option("--azs", callback=as_parts, help="Before the first up: two Availability Zones.")
@click.option("--instance-type", help="Before the first up: EC2 instance type.  [default: t2.micro]")
@click.pass_context
def doctor(
    context: click.Context,
    /,
    *,
    vpc_id: str | None,
    azs: tuple[str, ...],
    instance_type: str | None,
    **request: Any,
) -> None:
    """Report whether each name will fail over, and why not.

    Each finding has its cause, its proof and its fix. Examines the stack, any hosted zone, or, where there is no
    stack yet, what the first up would meet. Changes nothing. Exits 1 if something prevents a failover, and 4 if
    nothing does and something that decides was not examined.

    $ srekv doctor
    $ srekv --target aws doctor --zone-id Z0123456789ABCDEFGHIJ --target-outage 60
    """
    from srekv.commands import doctor as diagnosis

    given = _given({"vpc_id": vpc_id, "azs": azs, "instance_type": instance_type})
    diagnosis.doctor(_invocation(context), given, diagnosis.Request(**request))


@main_group.group()
def local() -> None:
    """Look after the local cloud."""


@local.command("status")
@click.pass_context
def local_status(context: click.Context) -> None:
    """Show whether it runs, and where."""
    from srekv.commands import local as caretaking

    caretaking.status(_invocation(context))


@local.command("logs")
@click.pass_context
def local_logs(context: click.Context) -> None:
    """Print its log and its machines' consoles."""
    from srekv.commands import local as caretaking

    for line in caretaking.logs(_invocation(context)):
        click.echo(visible(line))


@local.command("env")
@click.pass_context
def local_env(context: click.Context) -> None:
    """Print exports that lead any AWS tool to it.

    $ eval "$(srekv local env)"
    """
    from srekv.commands import local as caretaking

    caretaking.env(_invocation(context))


@local.command("stop")
@click.pass_context
def local_stop(context: click.Context) -> None:
    """Stop it, with everything in it."""
    from srekv.commands import local as caretaking

    caretaking.stop(_invocation(context))


@main_group.command()
@click.option("--list", "explain", is_flag=True, help="Show every rule and its source; ask nobody.")
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="Put this case only; repeatable.",
    shell_complete=proposing(completion.cases),
)
@click.option("--plain", is_flag=True, help="Local target: leave AWS's behaviour out, show the emulator's own.")
@click.option("--expensive", is_flag=True, help="Put the cases too that launch an instance.")
@click.option("--in-my-account", is_flag=True, help="Target aws: yes, make and remove things there.")
@click.pass_context
def conformance(context: click.Context, /, *, explain: bool, **options: Any) -> None:
    """Ask what AWS answered when it was recorded.

    On the local target the emulator answers behind the layer that lets it behave like AWS in the tests. On the target
    aws your account answers; everything made for a question is removed again. Exits 1 if an answer differs.

    $ srekv conformance
    $ srekv conformance --only zone-not-empty
    $ srekv --target aws conformance --in-my-account
    """
    from srekv.commands import conformance as conforming

    if explain:
        conforming.listing(_screen(context))
        return
    conforming.conformance(_invocation(context), conforming.Request(**options))


@main_group.command("completion")
@click.argument("shell", type=OneOf(list(completion.SHELLS)))
def complete(shell: str) -> None:
    """Print the script by which a shell completes srekv.

    Tab then completes commands, options, and what exists: stacks, faults, Regions, ids. Bash from 4.4 on; zsh after
    compinit; for fish the file is read when it is needed.

    $ echo 'eval "$(srekv completion bash)"' >> ~/.bashrc
    $ echo 'eval "$(srekv completion zsh)"' >> ~/.zshrc
    $ srekv completion fish > ~/.config/fish/completions/srekv.fish
    """
    click.echo(completion.script(main_group, shell), nl=False)


def main() -> None:
    """The entry point: never a traceback, always an exit code that means something."""
    # Importing boto3 and reading its models makes many objects that stay: looking through them for garbage again and
    # again costs a fifth of a short command.
    gc.set_threshold(100_000, 20, 100)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell (>&-): nobody wants to read it
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets "?" for a spinner or a foreign key
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    return endings.run(main_group, arguments, debug=bool(os.environ.get("SREKV_DEBUG")))


if __name__ == "__main__":
    main()
