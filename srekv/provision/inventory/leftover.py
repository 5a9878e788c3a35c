"""One thing of a stack of ours that exists: plain data, and the commands about it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from srekv.provision.naming import STACK_TAG

IN_USE = "in-use"
"""The state of a volume or a network interface that is on an instance: it goes when the instance does."""

ENDING = frozenset({"shutting-down", "deleting", "detaching", "DELETING"})
"""The states of what is going by itself: it is only waited for."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing of ours that exists.

    Attributes:
        kind: as everywhere, for example "address".
        state: the service's own word.
        stack: whose it is.
        region: where it is; of what is everywhere, where its stack is, "" if that is unknown; of a dashboard, where it
            was listed: its commands need one.
        created: when, or a later moment that the service reports instead; None when it reports none.
        lease: when its stack's lease is over.
        variant: what the bill depends on: an instance's type, a check's interval.
        gib: how large it is, where the bill depends on that.
        note: more for a person, for example what holds it.
        holders: ids of what must go before it can: what is on an instance, and more where `holders.name_holders` asked.
        held: something that is not its stack's holds it and does not go by itself.
        ties: what must be undone before, as (kind in UNTIE, its name), or (COMMAND, the command without "aws").
    """

    kind: str
    id: str
    name: str
    stack: str
    state: str = "present"
    region: str = ""
    created: datetime | None = None
    lease: datetime | None = None
    variant: str = ""
    gib: float = 0.0
    note: str = ""
    holders: tuple[str, ...] = ()
    held: bool = False
    ties: tuple[tuple[str, str], ...] = ()


BY_HAND: dict[str, tuple[str, ...]] = {
    "address": ("ec2 release-address --allocation-id {id}",),
    "instance": ("ec2 terminate-instances --instance-ids {id}", "ec2 wait instance-terminated --instance-ids {id}"),
    "volume": ("ec2 delete-volume --volume-id {id}",),
    "network interface": ("ec2 delete-network-interface --network-interface-id {id}",),
    "security group": ("ec2 delete-security-group --group-id {id}",),
    "key pair": ("ec2 delete-key-pair --key-name {name}",),
    "record": (),
    "hosted zone": ("route53 delete-hosted-zone --id {id}",),
    "health check": ("route53 delete-health-check --health-check-id {id}",),
    "alarm": ("cloudwatch delete-alarms --alarm-names {name}",),
    "dashboard": ("cloudwatch delete-dashboards --dashboard-names {name}",),
    "table": ("dynamodb delete-table --table-name {name}", "dynamodb wait table-not-exists --table-name {name}"),
    "backup": ("dynamodb delete-backup --backup-arn {id}",),
    "instance profile": ("iam delete-instance-profile --instance-profile-name {name}",),
    "role": ("iam delete-role --role-name {name}",),
}
"""What removes one thing of a kind; the kinds in the order in which they can go."""

UNTIE = {
    "association": "ec2 disassociate-address --association-id {tie}",
    "record set": "route53 change-resource-record-sets --hosted-zone-id {holder} --change-batch {tie}",
    "termination protection": "ec2 modify-instance-attribute --instance-id {id} --no-disable-api-termination",
    "stop protection": "ec2 modify-instance-attribute --instance-id {id} --no-disable-api-stop",
    "change": "dynamodb wait table-exists --table-name {name}",
    "protection": "dynamodb update-table --table-name {name} --no-deletion-protection-enabled",
    "profile of role": "iam remove-role-from-instance-profile --instance-profile-name {tie} --role-name {name}",
    "attachment": "ec2 detach-volume --volume-id {id} --instance-id {tie}",
    "detaching": "ec2 wait volume-available --volume-ids {id}",
    "role in profile": "iam remove-role-from-instance-profile --instance-profile-name {name} --role-name {tie}",
    "inline policy": "iam delete-role-policy --role-name {name} --policy-name {tie}",
    "attached policy": "iam detach-role-policy --role-name {name} --policy-arn {tie}",
}
"""What undoes a tie; a record is nothing but one."""

COMMAND = "command"
"""The kind of a tie that is the command itself."""


def by_hand(one: Leftover, among: Iterable[Leftover] = (), *, profile: str | None = None) -> tuple[str, ...]:
    """The commands of the AWS CLI that remove it, to be typed in this order; `among`: all that is to go, `in_order`.

    None if it goes by itself, or if no command can take it from what holds it.
    """
    if (one.state == IN_USE and not one.held) or not {*one.holders} <= {other.id for other in among}:
        return ()
    remove = [command for command in BY_HAND[one.kind] if one.state not in ENDING or " wait " in command]
    holder = one.id.partition("/")[0]
    undo = [tie if kind == COMMAND else _filled(UNTIE[kind], one, holder=holder, tie=tie) for kind, tie in one.ties]
    return tuple(_aws(command, one.region, profile) for command in (*undo, *(_filled(it, one) for it in remove)))


def in_order(leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Sorted so that what holds on to another thing goes before it."""
    order = list(BY_HAND)
    return sorted(leftovers, key=lambda one: order.index(one.kind))


def _filled(command: str, one: Leftover, **more: str) -> str:
    values = {"id": one.id, "name": one.name, **more}
    return command.format(**{key: shlex.quote(value) for key, value in values.items()})


def restore_by_hand(backup: Leftover, table: str, *, profile: str | None = None) -> tuple[str, str]:
    """The commands that bring a backup back as the table of its stack: a restored table has no tags."""
    arn = f"{backup.id.partition('/')[0]}/{table}"
    restore = f"dynamodb restore-table-from-backup --target-table-name {table} --backup-arn {backup.id}"
    tag = f"dynamodb tag-resource --resource-arn {arn} --tags Key={STACK_TAG},Value={backup.stack}"
    return _aws(restore, backup.region, profile), _aws(tag, backup.region, profile)


def _aws(command: str, region: str, profile: str | None) -> str:
    """The whole command; the services that are in no Region take one as well: it fixes the partition."""
    words = f"aws {command}" + (f" --region {region}" if region else "")
    return words + (f" --profile {shlex.quote(profile)}" if profile else "")
