"""One thing of a stack of ours that exists: plain data, and the commands about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from srekv.provision.naming import STACK_TAG

PRESENT = "present"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing of ours that exists.

    Attributes:
        kind: as everywhere, for example "address".
        state: the service's own word.
        stack: whose it is.
        region: where it is; of a role or a zone, which are everywhere, where its stack is, "" if it does not tell.
        created: when, or a later moment that the service tells in its place; None when it tells none.
        lease: when its stack's lease is over.
        variant: what the bill depends on: an instance's type, a check's interval.
        gib: how large it is, where the bill depends on that.
        note: more for a person, for example what holds it.
    """

    kind: str
    id: str
    name: str
    stack: str
    state: str = PRESENT
    region: str = ""
    created: datetime | None = None
    lease: datetime | None = None
    variant: str = ""
    gib: float = 0.0
    note: str = ""


BY_HAND = {
    "instance": "ec2 terminate-instances --instance-ids {id}",
    "volume": "ec2 delete-volume --volume-id {id}",
    "address": "ec2 release-address --allocation-id {id}",
    "network interface": "ec2 delete-network-interface --network-interface-id {id}",
    "security group": "ec2 delete-security-group --group-id {id}",
    "key pair": "ec2 delete-key-pair --key-pair-id {id}",
    "table": "dynamodb delete-table --table-name {name}",
    "backup": "dynamodb delete-backup --backup-arn {id}",
    "alarm": "cloudwatch delete-alarms --alarm-names {name}",
    "dashboard": "cloudwatch delete-dashboards --dashboard-names {name}",
    "health check": "route53 delete-health-check --health-check-id {id}",
    "hosted zone": "route53 delete-hosted-zone --id {id}",
    "instance profile": "iam delete-instance-profile --instance-profile-name {name}",
    "role": "iam delete-role --role-name {name}",
}
"""What removes one thing of a kind; a record goes by ChangeResourceRecordSets only, so by `srekv down`."""

REGIONAL = ("ec2 ", "dynamodb ", "cloudwatch ")


def by_hand(one: Leftover, *, profile: str | None = None) -> str:
    """The command of the AWS CLI that removes it, "" if there is none that fits a line."""
    command = BY_HAND.get(one.kind, "").format(id=one.id, name=one.name)
    return _aws(command, one.region, profile) if command else ""


def restore_by_hand(backup: Leftover, table: str, *, profile: str | None = None) -> tuple[str, str]:
    """The commands that bring a backup back as the table of its stack: a restored table has no tags."""
    arn = f"{backup.id.partition('/')[0]}/{table}"
    restore = f"dynamodb restore-table-from-backup --target-table-name {table} --backup-arn {backup.id}"
    tag = f"dynamodb tag-resource --resource-arn {arn} --tags Key={STACK_TAG},Value={backup.stack}"
    return _aws(restore, backup.region, profile), _aws(tag, backup.region, profile)


def _aws(command: str, region: str, profile: str | None) -> str:
    words = f"aws {command}"
    words += f" --region {region}" if region and command.startswith(REGIONAL) else ""
    return words + (f" --profile {profile}" if profile else "")
