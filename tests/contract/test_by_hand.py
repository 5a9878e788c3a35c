"""The commands that are printed for what is left: typed as they stand, in their order, they leave nothing."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from srekv.provision.leftover import by_hand, in_order

AWS_RULES = frozenset({"release-in-use", "group-in-use", "zone-not-empty", "instance-states", "table-deleting"})
"""Why things must go in some order; what merely takes AWS a moment is left out: a person would type again."""

THEIRS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
}

LINGERING, LOOKS = "DependencyViolation", 5
"""What EC2 says of a group for a moment after its instances have ended (E30): a person types it again."""

STRUCTURES = frozenset({"structure", "map"})


class Shell:
    """Carries out the commands of the AWS CLI as the CLI would: its options are botocore's members, in kebab case."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def type(self, command: str) -> None:
        """One command.

        Raises:
            ClientError: AWS refuses it.
        """
        program, service, operation, *options = shlex.split(command)
        assert program == "aws"
        if operation == "wait":
            waiter, *options = options
            self._wait(service, waiter, options)
            return
        client = self._world.client(service)
        call, arguments = getattr(client, operation.replace("-", "_")), _arguments(client, operation, options)
        try:
            call(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != LINGERING:
                raise
            self._type_again(call, arguments)

    @staticmethod
    def _type_again(call: Callable[..., Any], arguments: dict[str, Any]) -> None:
        for _ in range(LOOKS):
            with contextlib.suppress(ClientError):
                call(**arguments)
                return
        call(**arguments)

    def _wait(self, service: str, waiter: str, options: list[str]) -> None:
        client = self._world.client(service)
        waiting = client.get_waiter(waiter.replace("-", "_"))
        arguments = _arguments(client, xform_name(waiting.config.operation, "-"), options)
        waiting.wait(**arguments, WaiterConfig={"Delay": 0, "MaxAttempts": 20})


def _arguments(client: Any, operation: str, options: list[str]) -> dict[str, Any]:
    """The parameters that the options mean; the options that every command takes are left out."""
    names = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    members = client.meta.service_model.operation_model(names[operation]).input_shape.members
    by_option = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in members.items()}
    arguments: dict[str, Any] = {}
    words = iter(options)
    for word in words:
        if word in {"--region", "--profile"}:
            assert next(words)
        elif word.startswith("--no-"):
            arguments[by_option[f"--{word.removeprefix('--no-')}"][0]] = False
        else:
            name, shape = by_option[word]
            arguments[name] = _value(shape, next(words))
    return arguments


def _value(shape: Any, text: str) -> Any:
    if shape.type_name == "list":
        return [text]
    return json.loads(text) if shape.type_name in STRUCTURES else text


@pytest.mark.parametrize(
    "reached", ["", "DisassociateAddress", "DeleteTable", "DeleteRolePolicy"], ids=lambda name: name or "nothing gone"
)
def test_what_a_removal_left_goes_by_hand(strict: Any, reached: str) -> None:
    """After a `down` that died at some call, and of a whole stack: protected table, alarms, a policy of somebody's."""
    strict.account.laws = tuple(law for law in strict.account.laws if law.rule.id in AWS_RULES)
    strict.up(alarms=True, deletion_protection=not reached)
    iam = strict.by_hand("iam")
    policy = iam.create_policy(PolicyName="theirs", PolicyDocument=json.dumps(THEIRS))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="EC2_DynamoDB_Access", PolicyArn=policy)
    if reached:
        strict.calls.kill_after(reached, 1)
        with pytest.raises(strict.Killed):
            strict.down()
        strict.calls.clear()

    left = strict.take().of("srekv")
    assert left
    shell = Shell(strict)
    for one in in_order(left):
        for command in by_hand(one, left):
            shell.type(command)

    assert strict.take().leftovers == ()
    assert strict.census() == strict.EMPTY
