"""`srekv policy`: prints what an operator, or a node, must be allowed to do. It calls nobody."""

from __future__ import annotations

import json
import re

from srekv.config import DEFAULT_REGION, DEFAULT_STACK, Config
from srekv.errors import UsageError
from srekv.provision.permissions import Scope, node_policy, operator_policy, partition_of

ANY = "*"

_ACCOUNT = re.compile(r"\d{12}")


def policy(*, node: bool, account: str, region: str, stack: str | None) -> str:
    """One policy document, ready for `aws iam create-policy --policy-document`.

    Args:
        node: the nodes' permissions, not the operator's.
        account: twelve digits, or "*" for any account.
        region: a Region, or "*" for any.
        stack: one stack's name, or None: for the operator every stack, for the nodes the default one.

    Raises:
        UsageError: no account, Region or stack can be called so.
    """
    _check(account=account, region=region, stack=stack)
    partition = partition_of(region)
    if node:
        scope = Scope(account=account, region=region, stack=stack or DEFAULT_STACK, partition=partition)
        return _text(node_policy(scope.tables()[0]))
    return _text(operator_policy(account=account, region=region, stack=stack, partition=partition))


def _check(*, account: str, region: str, stack: str | None) -> None:
    if account != ANY and not _ACCOUNT.fullmatch(account):
        raise UsageError(
            f"--account {account!r} is impossible",
            why="expected twelve digits, or * for any account",
            next_step="aws sts get-caller-identity tells yours",
        )
    Config(stack=stack or DEFAULT_STACK, region=DEFAULT_REGION if region == ANY else region)


def _text(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2)
