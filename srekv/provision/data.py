"""What becomes of a table's data when its stack goes: how much there is, and a backup that outlives the table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from srekv.errors import CommandLine, UsageError
from srekv.provision.engine.answers import explained, gone
from srekv.provision.engine.clients import Clients
from srekv.provision.engine.run import Op, Ops, Run
from srekv.provision.steps.table import Table

AVAILABLE_TIMEOUT_S = 900
BUSY = frozenset({"BackupInUseException", "TableInUseException", "LimitExceededException"})
"""While another operation of the table's control plane is under way (API reference, CreateBackup)."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")
"""DynamoDB takes 255 characters of these; the stack's mark needs some."""


@dataclass(frozen=True)
class Holding:
    """How many items a table holds; `more`: it was too large to count them all."""

    items: int
    more: bool = False

    def __str__(self) -> str:
        return f"{'more than ' if self.more else ''}{self.items} item{'' if self.items == 1 else 's'}"


def holding(run: Run) -> Holding | None:
    """Count the items of the stack's table, None without one.

    DescribeTable's count is up to six hours old: a table filled this morning would seem empty. So the first page of a
    consistent scan is counted, a megabyte at most.

    Raises:
        SrekvError: DynamoDB does not tell.
    """
    with explained(f"counting the items of {run.names.table}"):
        if not Table(run, needs=()).observe():
            return None
        page = run.clients.dynamodb.scan(TableName=run.names.table, Select="COUNT", ConsistentRead=True)
    return Holding(int(page["Count"]), more="LastEvaluatedKey" in page)


def check_name(name: str) -> None:
    """Raise UsageError for a name that no backup can have."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"invalid value for --backup: {name}",
            why="a backup's name has letters, digits and _ . - only, at most 200",
            next_step=f"--backup {re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:200] or 'before-down'}",
        )


class Backup:
    """One on-demand backup of the stack's table: of the whole table, and it stays when the table goes."""

    section = "DynamoDB"

    def __init__(self, run: Run, name: str) -> None:
        check_name(name)
        self._run = run
        self._dynamodb = run.clients.dynamodb
        self._given = name
        self._name = run.names.backup(name)

    def refuse(self) -> None:
        """Raise UsageError if there is nothing to back up, or the name is taken: two backups may share a name."""
        with explained("reading the table and its backups"):
            table, taken = Table(self._run, needs=()).observe(), self._find()
        if not table:
            raise UsageError(
                f"the stack {self._run.config.stack} has no table to back up",
                next_step=CommandLine("srekv down") + " without --backup",
            )
        if taken is not None:
            raise UsageError(
                f"there is a backup {self._given} already, of {taken['BackupCreationDateTime']:%Y-%m-%d %H:%M}",
                next_step="choose another name; or, if it is the one you want, "
                + CommandLine("srekv down")
                + " without --backup",
            )

    def make(self) -> Ops:
        """Create it and wait until it can be restored."""
        yield Op(kind="backup", name=self._name, action="create", call=self._create)

    def _create(self) -> str:
        """CreateBackup takes no token, and names need not be unique."""
        once: Any = self._run.clients.dynamodb_once.create_backup

        def create() -> str:
            answer = self._run.persist(
                self.section,
                f"the table {self._run.names.table} to take a backup",
                once,
                on=BUSY,
                TableName=self._run.names.table,
                BackupName=self._name,
            )
            return str(answer["BackupDetails"]["BackupArn"])

        arn = self._run.unsure(self.section, f"the backup {self._name}", create, look=self._arn)
        self._run.wait(
            self.section,
            f"the backup {self._name} to be AVAILABLE",
            lambda: self._status(arn) == "AVAILABLE" or None,
            timeout_s=AVAILABLE_TIMEOUT_S,
            next_step=CommandLine("srekv down") + " without --backup continues; the backup stays",
        )
        return arn

    def _arn(self) -> str | None:
        taken = self._find()
        return str(taken["BackupArn"]) if taken else None

    def _status(self, arn: str) -> str:
        answer = self._dynamodb.describe_backup(BackupArn=arn)
        return str(answer["BackupDescription"]["BackupDetails"]["BackupStatus"])

    def _find(self) -> Mapping[str, Any] | None:
        pages = self._dynamodb.get_paginator("list_backups").paginate(
            TableName=self._run.names.table, BackupType="USER"
        )
        backups = [one for page in pages for one in page["BackupSummaries"]]
        mine = (self._run.names.table, self._name)
        return next((one for one in backups if (one["TableName"], one["BackupName"]) == mine), None)


def delete_backup(clients: Clients, arn: str) -> None:
    """Delete a backup; one that is gone is fine.

    Raises:
        SrekvError: DynamoDB refuses.
    """
    with explained(f"deleting the backup {arn}"):
        gone(clients.dynamodb.delete_backup, BackupArn=arn)
