"""The command `policy`: print what an operator, or a node, must be allowed to do. No call is made."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from srekv.commands import completion
from srekv.commands.completion import proposing
from srekv.config import DEFAULT_REGION, DEFAULT_STACK, Config
from srekv.errors import CommandLine, UsageError
from srekv.provision.permissions import LARGEST_POLICY, Part, Scope, node_policy, operator_policy, partition_of, size
from srekv.ui.options import OneOf, click_command, option

ANY = "*"
_KEY = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `policy`."""

    node: bool = option("--node", is_flag=True, help="The nodes' own permissions, instead of the operator's.")
    part: Part | None = option(
        "--part", type=OneOf(["reading", "changing"]), help="Half of it: what only reads, or the rest."
    )
    account: str = option("--account", default=ANY, metavar="ID", help="Bind it to this account.")
    in_region: str | None = option(
        "--region",
        metavar="R",
        help="Bind it to this Region.  [default: *]",
        shell_complete=proposing(completion.regions),
    )
    of_stack: str | None = option(
        "--stack", metavar="NAME", help="Bind it to this stack.  [default: all that srekv makes]"
    )
    ebs_key: str | None = option(
        "--ebs-key",
        metavar="ARN",
        help="The KMS key of new volumes, where the account has one of its own as its default.",
    )
    fix_vpc: bool = option("--fix-vpc", is_flag=True, help="Allow what up --fix-vpc does.")


@click_command("policy", Options)
def command(context: click.Context, options: Options) -> None:
    """Print the least-privilege IAM policy of an operator.

    It makes no call.

    $ srekv policy --part reading
    $ aws iam create-policy --policy-name srekv --policy-document "$(srekv policy)"
    """
    root = context.find_root()
    given = root.get_parameter_source("stack") is not ParameterSource.DEFAULT
    region = options.in_region or root.params["region"] or ANY
    stack = options.of_stack or (root.params["stack"] if given else None)
    if options.account != ANY and not re.fullmatch(r"\d{12}", options.account):
        raise UsageError(
            f"invalid value for --account: {options.account!r}",
            why="expected twelve digits, or * for any account",
            next_step=CommandLine("aws sts get-caller-identity") + " prints yours",
        )
    if options.ebs_key is not None and not re.fullmatch(_KEY, options.ebs_key):
        raise UsageError(
            f"invalid value for --ebs-key: {options.ebs_key!r}",
            why="expected the ARN of a key; a policy cannot name a key by its alias",
            next_step=CommandLine("aws ec2 get-ebs-default-kms-key-id")
            + " names it; "
            + CommandLine("aws kms describe-key --key-id ...")
            + " prints its ARN",
        )
    Config(stack=stack or DEFAULT_STACK, region=DEFAULT_REGION if region == ANY else region)
    click.echo(json.dumps(_policy(options, region, stack), indent=2))


def _policy(options: Options, region: str, stack: str | None) -> dict[str, Any]:
    """The policy's document; without a stack: for the operator of every stack, for the nodes of the default one."""
    partition = partition_of(region)
    if options.node:
        scope = Scope(account=options.account, region=region, stack=stack or DEFAULT_STACK, partition=partition)
        return node_policy(scope.tables()[0])
    whole = operator_policy(
        account=options.account,
        region=region,
        stack=stack,
        partition=partition,
        part=options.part,
        ebs_key=options.ebs_key,
        fix_vpc=options.fix_vpc,
    )
    if size(whole) > LARGEST_POLICY:
        raise UsageError(
            f"this policy has {size(whole)} characters, and IAM takes {LARGEST_POLICY}",
            why="names and numbers instead of * make it longer",
            next_step="make two of it: --part reading, then --part changing; or bind it to less",
        )
    return whole
