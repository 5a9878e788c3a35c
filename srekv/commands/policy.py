"""`srekv policy`: prints what an operator, or a node, must be allowed to do. It calls nobody."""

from __future__ import annotations

import json
import re

from srekv.config import DEFAULT_REGION, DEFAULT_STACK, Config
from srekv.errors import UsageError
from srekv.provision.permissions import (
    LARGEST_POLICY,
    Part,
    Scope,
    node_policy,
    operator_policy,
    partition_of,
    size,
)

ANY = "*"

_ACCOUNT = re.compile(r"\d{12}")
_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")


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
            why="names and numbers in place of * make it longer",
            next_step="make two of it: --part reading, then --part changing; or bind it to less",
        )
    return _text(whole)


def _check(*, account: str, region: str, stack: str | None, ebs_key: str | None) -> None:
    if account != ANY and not _ACCOUNT.fullmatch(account):
        raise UsageError(
            f"--account {account!r} is impossible",
            why="expected twelve digits, or * for any account",
            next_step="aws sts get-caller-identity tells yours",
        )
    if ebs_key is not None and not _KEY.fullmatch(ebs_key):
        raise UsageError(
            f"--ebs-key {ebs_key!r} is impossible",
            why="expected the ARN of a key; a policy cannot name a key by its alias",
            next_step="aws ec2 get-ebs-default-kms-key-id tells which it is, aws kms describe-key --key-id ... its ARN",
        )
    Config(stack=stack or DEFAULT_STACK, region=DEFAULT_REGION if region == ANY else region)


def _text(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2)
