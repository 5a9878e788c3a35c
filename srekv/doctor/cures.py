"""Commands that cure: what a finding's `fix` says. They are shown, never run."""

from __future__ import annotations

import json
from typing import Any

from srekv.doctor.facts import ENDPOINTS, HTTP, HealthCheck, Record, Zone
from srekv.errors import CommandLine

NEW_CHECK = (
    "aws route53 create-health-check --caller-reference $(date +%s) --health-check-config "
    "Type={kind},IPAddress={address},Port={port},ResourcePath={path},RequestInterval=10,FailureThreshold=3"
)


def put_record(zone: Zone, *records: Record, **changes: Any) -> CommandLine:
    """The command that writes record sets with other values for some members."""
    batch = json.dumps(
        {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record.to_api(**changes)} for record in records]},
        separators=(",", ":"),
    )
    return CommandLine(f"aws route53 change-resource-record-sets --hosted-zone-id {zone.id} --change-batch '{batch}'")


def new_check(record: Record, like: HealthCheck | None) -> CommandLine:
    """The command that makes a health check of a page for a record's endpoint; the record then needs its id.

    Args:
        record: the record.
        like: another check, whose scheme, port and page are taken as far as it has them.
    """
    address = next(iter(record.addresses), "PUBLIC_ADDRESS")
    kind, path = (
        (like.kind.removesuffix("_STR_MATCH"), like.path) if like and like.kind in HTTP else ("HTTP", "/health")
    )
    port = like.port if like and like.kind in ENDPOINTS else 80
    command = NEW_CHECK.format(kind=kind, address=address, port=port, path=path)
    return CommandLine(command) + f"; then put its id into the {record.failover} record"


def update_check(check_id: str, *options: str) -> CommandLine:
    """The command that changes a health check."""
    return CommandLine(" ".join(["aws route53 update-health-check --health-check-id", check_id, *options]))


def last_failure(check_id: str) -> CommandLine:
    """The command that shows why a health check failed last."""
    return CommandLine(f"aws route53 get-health-check-last-failure-reason --health-check-id {check_id}")
