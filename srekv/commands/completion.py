"""Completion in the shell: what may be typed next, from what exists now.

Whatever goes wrong while somebody presses Tab, there is no proposal: never an error, never a word, never a long wait.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from srekv.ui.help import Command
from srekv.ui.options import OneOf
from srekv.ui.visible import in_one_line

if TYPE_CHECKING:
    from srekv.provision.engine.clients import Clients

PATIENCE_S = 2.0
"""How long a Tab may take; a cloud that has not answered by then is not asked again."""

VARIABLE = "_SREKV_COMPLETE"
"""By which Click tells a shell's question from a command; it derives the same name from ours."""

Proposals = Iterable[tuple[str, str]]
"""Values and what each is, "" when there is nothing to say."""

Ask = Callable[[click.Context], Proposals]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


class _Equals(ShellComplete):
    """As Click's, and it completes the value in --option=value too."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """What may follow these words, given how the next one begins."""
        if incomplete == "=":  # bash takes the sign for a word of its own
            return super().get_completions(args, "")
        if args[-1:] == ["="]:
            return super().get_completions(args[:-1], incomplete)
        option, equals, begun = incomplete.partition("=")
        if not equals or not option.startswith("--"):
            return super().get_completions(args, incomplete)
        return [
            CompletionItem(f"{option}={one.value}", type=one.type, help=one.help)
            for one in super().get_completions([*args, option], begun)
        ]


class _Bash(_Equals, BashComplete):
    pass


class _Zsh(_Equals, ZshComplete):
    pass


class _Fish(_Equals, FishComplete):
    """Values may have a comma in them."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


SHELLS: dict[str, type[ShellComplete]] = {one.name: add_completion_class(one) for one in (_Bash, _Zsh, _Fish)}


@click.command("completion", cls=Command)
@click.argument("shell", type=OneOf(list(SHELLS)))
@click.pass_context
def command(context: click.Context, *, shell: str) -> None:
    """Print the script by which a shell completes srekv.

    Tab then completes commands, options, and what exists: stacks, faults, Regions, ids. Bash from 4.4 on; zsh after
    compinit; for fish the file is read when it is needed.

    $ echo 'eval "$(srekv completion bash)"' >> ~/.bashrc
    $ echo 'eval "$(srekv completion zsh)"' >> ~/.zshrc
    $ srekv completion fish > ~/.config/fish/completions/srekv.fish
    """
    click.echo(script(context.find_root().command, shell), nl=False)


def script(group: click.Command, shell: str) -> str:
    """What a shell has to read so that it completes our commands."""
    return SHELLS[shell](group, {}, "srekv", VARIABLE).source()


def proposing(ask: Ask, *, patience_s: float = PATIENCE_S) -> Completer:
    """A completer of what `ask` answers, if it answers within so many seconds."""

    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        found = _in_time(ask, context, patience_s)
        return [CompletionItem(value, help=what or None) for value, what in found if value.startswith(begun)]

    return complete


def proposing_parts(ask: Ask) -> Completer:
    """The same for a value of several parts with commas between them: the last part is completed, none comes twice."""

    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
        before, comma, last = begun.rpartition(",")
        taken = before.split(",")
        return [
            CompletionItem(f"{before}{comma}{value}", help=what or None)
            for value, what in _in_time(ask, context, PATIENCE_S)
            if value.startswith(last) and value not in taken
        ]

    return complete


def _in_time(ask: Ask, context: click.Context, patience_s: float) -> list[tuple[str, str]]:
    """What it answers in time; nothing if it fails. A question that hangs ends with this process.

    Shells read proposals line by line, and show them: names with control characters are left out.
    """
    answer: list[tuple[str, str]] = []

    def put() -> None:
        with contextlib.suppress(Exception):
            answer[:] = list(ask(context))

    asking = threading.Thread(target=put, daemon=True)
    asking.start()
    asking.join(patience_s)
    return [(value, in_one_line(what)) for value, what in answer if value == in_one_line(value)]


def files(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """A completer that leaves it to the shell, which knows the files."""
    return [CompletionItem(begun, type="file")]


def faults(_context: click.Context) -> Proposals:
    """What --fault takes."""
    from srekv.drill.catalogue import CATALOGUE

    return [(one.name, one.title) for one in CATALOGUE]


def breaks(_context: click.Context) -> Proposals:
    """What --break takes."""
    from srekv.drill.catalogue import BREAKS

    return [(one, "") for one in BREAKS]


def client_kinds(_context: click.Context) -> Proposals:
    """What --clients takes."""
    from srekv.drill.model import ZOO

    return [(one, "") for one in ZOO]


def cases(_context: click.Context) -> Proposals:
    """What conformance --only takes."""
    from srekv.conformance.cases.catalogue import CASES

    return [(case.id, case.rule.says) for case in CASES]


def regions(_context: click.Context) -> Proposals:
    """AWS's Regions, as botocore knows them."""
    from srekv.provision.engine.clients import known_regions

    return known_regions().items()


def profiles(_context: click.Context) -> Proposals:
    """Those of the AWS configuration files."""
    from srekv.sessions import new_session

    return [(one, "") for one in new_session().available_profiles]


def stacks(context: click.Context) -> Proposals:
    """Those that have a role, whose path names them (srekv/provision/naming.py): IAM shows the roles of all Regions."""
    from srekv.provision.naming import PATH, stack_of_path

    found = _clients(context).iam.get_paginator("list_roles").paginate(PathPrefix=PATH)
    return [(name, "") for page in found for role in page["Roles"] if (name := stack_of_path(role["Path"]))]


def instances(context: click.Context) -> Proposals:
    """Those that run, with their names."""
    from srekv.provision.inventory import marks

    running = {"Name": "instance-state-name", "Values": ["running"]}
    found = marks.instances(_clients(context).ec2, Filters=[running])
    return [(one["InstanceId"], _name(one)) for one in found if one["State"]["Name"] in running["Values"]]


def networks(context: click.Context) -> Proposals:
    """The VPCs."""
    found = _clients(context).ec2.get_paginator("describe_vpcs").paginate()
    return [(one["VpcId"], _name(one) or one["CidrBlock"]) for page in found for one in page["Vpcs"]]


def zones(context: click.Context) -> Proposals:
    """The hosted zones."""
    from srekv.provision.steps.dns import readable

    found = _clients(context).route53.get_paginator("list_hosted_zones").paginate()
    return [(one["Id"].rpartition("/")[2], readable(one["Name"])) for page in found for one in page["HostedZones"]]


def _name(resource: object) -> str:
    from srekv.provision.naming import tag_map

    return tag_map(resource.get("Tags")).get("Name", "") if isinstance(resource, dict) else ""


def _clients(context: click.Context) -> Clients:
    """For the target that the command line names so far."""
    from srekv.commands.session import invocation_of, running, target_config
    from srekv.provision.engine.clients import Clients

    invocation = invocation_of(context.find_root().params, os.environ)
    return Clients(target_config(invocation, running(invocation)))
