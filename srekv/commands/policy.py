"""The command `policy`: print what an operator, or a node, must be allowed to do. No call is made."""

from __future__ import annotations

import json
import re
from typing import Literal

import click
from click.core import ParameterSource

from srekv.commands import completion
from srekv.commands.completion import proposing
from srekv.config import DEFAULT_REGION, DEFAULT_STACK, Config
from srekv.errors import CommandLine, UsageError
from srekv.provision.permissions import (
    LARGEST_POLICY,
    Part,
    Scope,
    node_policy,
    operator_policy,
    partition_of,
    size,
)
from srekv.ui.help import Command
from srekv.ui.options import OneOf

ANY = "*"

_ACCOUNT = re.compile(r"\d{12}")
_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")


@click.command("policy", cls=Command)
@click.option("--node", is_flag=True, help="The nodes' own permissions, instead of the operator's.")
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
def command(
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
    parent = context.parent or context
    given = parent.get_parameter_source("stack") is not ParameterSource.DEFAULT
    click.echo(
        policy(
            node=node,
            account=account,
            region=in_region or parent.params["region"] or "*",
            stack=of_stack or (parent.params["stack"] if given else None),
            part=part,
            ebs_key=ebs_key,
            fix_vpc=fix_vpc,
        )
    )


def policy(
    *,
    node: bool,
    account: str,
    region: str,
    stack: str | None,
    part: Part | None = None,
    ebs_key: str | None = None,
    fix_vpc: bool = False,
) -> str:
    """One policy document, ready for `aws iam create-policy --policy-document`.

    Args:
        node: the nodes' permissions, not the operator's.
        account: twelve digits, or "*" for any account.
        region: a Region, or "*" for any.
        stack: one stack's name, or None: for the operator every stack, for the nodes the default one.
        part: half of the operator's: "reading" serves status, doctor and a dry run, "changing" is the rest.
        ebs_key: the ARN of the account's own default key of EBS; None: AWS's, which needs no permission.
        fix_vpc: allow what `up --fix-vpc` does.

    Raises:
        UsageError: no account, Region, stack or key can be called so; or IAM takes no policy of this size.
    """
    _check(account=account, region=region, stack=stack, ebs_key=ebs_key)
    partition = partition_of(region)
    if node:
        scope = Scope(account=account, region=region, stack=stack or DEFAULT_STACK, partition=partition)
        return _text(node_policy(scope.tables()[0]))
    whole = operator_policy(
        account=account,
        region=region,
        stack=stack,
        partition=partition,
        part=part,
        ebs_key=ebs_key,
        fix_vpc=fix_vpc,
    )
    if size(whole) > LARGEST_POLICY:
        raise UsageError(
            f"this policy has {size(whole)} characters, and IAM takes {LARGEST_POLICY}",
            why="names and numbers instead of * make it longer",
            next_step="make two of it: --part reading, then --part changing; or bind it to less",
        )
    return _text(whole)


def _check(*, account: str, region: str, stack: str | None, ebs_key: str | None) -> None:
    if account != ANY and not _ACCOUNT.fullmatch(account):
        raise UsageError(
            f"invalid value for --account: {account!r}",
            why="expected twelve digits, or * for any account",
            next_step=CommandLine("aws sts get-caller-identity") + " prints yours",
        )
    if ebs_key is not None and not _KEY.fullmatch(ebs_key):
        raise UsageError(
            f"invalid value for --ebs-key: {ebs_key!r}",
            why="expected the ARN of a key; a policy cannot name a key by its alias",
            next_step=CommandLine("aws ec2 get-ebs-default-kms-key-id")
            + " names it; "
            + CommandLine("aws kms describe-key --key-id ...")
            + " prints its ARN",
        )
    Config(stack=stack or DEFAULT_STACK, region=DEFAULT_REGION if region == ANY else region)


def _text(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2)
