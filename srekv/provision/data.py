"""What becomes of a table's data when its stack goes: how much there is, and a backup that outlives the table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from srekv.errors import CommandLine, UsageError
from srekv.provision.engine.answers import explained, ignore_missing
from srekv.provision.engine.clients import Clients
from srekv.provision.engine.retries import Retrying
from srekv.provision.inventory.marks import each
from srekv.provision.step import Ops, create
from srekv.provision.steps.table import Table

BUSY = frozenset({"BackupInUseException", "TableInUseException", "LimitExceededException"})
"""While another operation of the table's control plane is under way (API reference, CreateBackup)."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")  # DynamoDB takes 255 characters of these; the stack's mark needs some


@dataclass(frozen=True)
class Holding:
    """How many items a table holds; `more`: it was too large to count them all."""

    items: int
    more: bool = False

    def __str__(self) -> str:
        return f"{'more than ' if self.more else ''}{self.items} item{'' if self.items == 1 else 's'}"


def holding(table: Table) -> Holding | None:
    """Count the items of the stack's table, None without one.

    DescribeTable's count is up to six hours old: a table filled this morning would seem empty. So the first page of a
    consistent scan is counted, a megabyte at most.
    """
    with explained(f"counting the items of {table.names.table}"):
        if not table.find_ours():
            return None
        page = table.dynamodb.scan(TableName=table.names.table, Select="COUNT", ConsistentRead=True)
    return Holding(int(page["Count"]), more="LastEvaluatedKey" in page)


def check_name(name: str) -> None:
    """Raise UsageError for a name that no backup can have."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"invalid value for --backup: {name}",
            why="a backup's name has letters, digits and _ . - only, at most 200",
            next_step=f"--backup {re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:200] or 'before-down'}",
        )


class Backup(Retrying):
    """One on-demand backup of the stack's table: of the whole table, and it stays when the table goes."""

    section = "DynamoDB"

    def __init__(self, table: Table, name: str) -> None:
        check_name(name)
        self.run = table.run
        self._table = table
        self._given = name
        self._name = table.names.backup(name)

    def refuse(self) -> None:
        """Raise UsageError if there is nothing to back up, or the name is taken: two backups may share a name."""
        with explained("reading the table and its backups"):
            table, taken = self._table.find_ours(), self._find()
        without = CommandLine("srekv down") + " without --backup"
        if not table:
            raise UsageError(f"the stack {self._table.names.stack} has no table to back up", next_step=without)
        if taken is not None:
            raise UsageError(
                f"there is a backup {self._given} already, of {taken['BackupCreationDateTime']:%Y-%m-%d %H:%M}",
                next_step="choose another name; or, if it is the one you want, " + without,
            )

    def make(self) -> Ops:
        """Create it and wait until it can be restored."""
        yield create("backup", self._name, self._create)

    def _create(self) -> str:
        """CreateBackup takes no token, and names need not be unique."""
        table = self._table.names.table

        def create_backup() -> Mapping[str, Any]:
            what, call = f"the table {table} to take a backup", self.run.clients.dynamodb_once.create_backup
            answer = self.retry_while(BUSY, what, call, TableName=table, BackupName=self._name)
            return answer["BackupDetails"]

        what = f"the backup {self._name}"
        arn = str(self.create_without_token(what, create_backup, find=self._find)["BackupArn"])

        def is_available() -> bool | None:
            answer = self._table.dynamodb.describe_backup(BackupArn=arn)
            return answer["BackupDescription"]["BackupDetails"]["BackupStatus"] == "AVAILABLE" or None

        next_step = CommandLine("srekv down") + " without --backup continues; the backup stays"
        self.wait(f"{what} to be AVAILABLE", is_available, timeout_s=900, next_step=next_step)
        return arn

    def _find(self) -> Mapping[str, Any] | None:
        table = self._table.names.table
        backups = each(self._table.dynamodb, "list_backups", "BackupSummaries", TableName=table, BackupType="USER")
        mine = (table, self._name)
        return next((one for one in backups if (one["TableName"], one["BackupName"]) == mine), None)


def delete_backup(clients: Clients, arn: str) -> None:
    """Delete a backup; one that is gone is fine."""
    with explained(f"deleting the backup {arn}"):
        ignore_missing(clients.dynamodb.delete_backup, BackupArn=arn)
