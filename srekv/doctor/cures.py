"""Commands that cure: what a finding's `fix` says. They are shown, never run."""

from __future__ import annotations

import json
from typing import Any

from srekv.doctor.facts import Record, Zone

NEW_CHECK = (
    "aws route53 create-health-check --caller-reference $(date +%s) --health-check-config "
    "Type=HTTP,IPAddress={address},Port=80,ResourcePath=/health,RequestInterval=10,FailureThreshold=3"
)


def put_record(zone: Zone, record: Record, **changes: Any) -> str:
    """The command that writes a record set with other values for some members."""
    change = {"Action": "UPSERT", "ResourceRecordSet": record.to_api(**changes)}
    batch = json.dumps({"Changes": [change]}, separators=(",", ":"))
    return f"aws route53 change-resource-record-sets --hosted-zone-id {zone.id} --change-batch '{batch}'"


def new_check(record: Record) -> str:
    """The command that makes a health check for a record's endpoint; the record needs its id afterwards."""
    address = next(iter(record.addresses), "PUBLIC_ADDRESS")
    return NEW_CHECK.format(address=address) + f"; then put its id into the {record.failover} record"


def update_check(check_id: str, *options: str) -> str:
    """The command that changes a health check."""
    return " ".join(["aws route53 update-health-check --health-check-id", check_id, *options])
