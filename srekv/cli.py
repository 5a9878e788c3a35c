"""The command line: a group whose commands are imported when they are needed, and what every run of it starts with."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from srekv import __version__
from srekv.commands import completion
from srekv.commands.completion import proposing
from srekv.config import DEFAULT_STACK
from srekv.errors import UsageError
from srekv.ui import exits
from srekv.ui.help import LazyGroup
from srekv.ui.options import OneOf

CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SREKV", "max_content_width": 100}

COMMANDS = {
    "up": "Create or repair everything, section by section.",
    "test": "Test name, write and read from both nodes (lab 4.1-4.3).",
    "failover": "Stop the primary and wait for the switch (lab 4.4).",
    "failover-test": "Drill a fault and judge what the clients saw.",
    "down": "Remove everything and prove that nothing is left.",
    "status": "Show what exists, its health, and what the name answers.",
    "check": "Judge a recorded history.",
    "report": "Redraw a report from a history alone.",
    "compare": "Compare two runs: is B worse than A?",
    "predict": "Predict the outage and the bill of some settings.",
    "policy": "Print the least-privilege IAM policy of an operator.",
    "kv": "Talk to the service through its DNS name.",
    "sweep": "Remove what any srekv stack left in the account.",
    "doctor": "Report whether each name will fail over, and why not.",
    "local": "Inspect and stop the local cloud.",
    "conformance": "Compare the target's API errors with recorded AWS responses.",
    "completion": "Print the script by which a shell completes srekv.",
}
"""Each command, which is `command` in the module of its name, and its help in one sentence."""


@click.group(
    cls=LazyGroup, package="srekv.commands", lazy=COMMANDS, context_settings=CONTEXT, invoke_without_command=True
)
@click.option(
    "--target", type=OneOf(["local", "aws"]), default="local", show_default=True, help="This machine, or AWS."
)
@click.option("--stack", default=DEFAULT_STACK, show_default=True, help="The stack's name, in every resource's tags.")
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
def main_group(context: click.Context, /, *, quiet: bool, verbose: bool, **_: str | None) -> None:
    """A highly available key-value service, its failover, and the proof that it works.

    On the local target (the default) everything runs on this machine's loopback and costs nothing. Options before the
    command choose the stack.

    Exit codes: 0 done, or the drill held; 1 violated, absent, something is left, or a finding prevents the failover;
    2 usage error, refused before the first call; 3 failed; 4 inconclusive; 130 Ctrl-C.

    $ srekv up
    $ srekv test
    $ srekv failover-test
    $ srekv down --yes
    $ srekv --target aws --region eu-west-1 up --dry-run
    """
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other", next_step="give one of the two")
    context.obj = os.environ
    if context.invoked_subcommand is None:
        from srekv.local import control

        given = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        if given:
            raise UsageError("a command is missing", next_step="srekv --help lists them")
        runs = control.find(control.home(os.environ)) is not None
        click.echo(START)
        click.echo(f"Local cloud: {'it runs; srekv status shows what is in it' if runs else 'none runs'}.")


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


def main() -> None:
    """The entry point: never a traceback, always an exit code that means something."""
    # Reading botocore's models makes half a million objects that stay: looking through them for garbage again and again
    # costs a short command a tenth of its time, and looking through all of them at its end a quarter.
    gc.set_threshold(500_000, 20, 100)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell (>&-)
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets "?" for a spinner or a foreign key
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    return exits.run(main_group, arguments, debug=bool(os.environ.get("SREKV_DEBUG")))


if __name__ == "__main__":
    main()
