"""The DynamoDB table: on demand, tagged, encrypted at rest (always on), with point-in-time recovery.

When its stack goes, a backup of the table can outlive it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, NotOursError, SrekvError, TimeoutExceeded, UsageError
from srekv.provision.engine.answers import code_of, explained, ignore_missing, or_none
from srekv.provision.engine.clients import Clients
from srekv.provision.inventory.marks import Described, each
from srekv.provision.naming import STACK_TAG, tag_map
from srekv.provision.step import Op, Ops, cannot, change, change_or_leave, create, delete, leave, retag
from srekv.provision.steps.base import StackStep

KEY_SCHEMA: Any = [{"AttributeName": "key", "KeyType": "HASH"}]
TIMEOUT_S = 180  # how long a table may take to be made, or to be deleted

BUSY = frozenset({"ResourceInUseException"})
TOO_EARLY = frozenset({"ContinuousBackupsUnavailableException", "TableNotFoundException"})
"""A table that is ACTIVE may return this for minutes: its backups are being enabled (aws-facts 5)."""

BACKUP_BUSY = frozenset({"BackupInUseException", "TableInUseException", "LimitExceededException"})
"""While another operation of the table's control plane is under way (API reference, CreateBackup)."""

RECOVERY = "point-in-time recovery"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")  # DynamoDB takes 255 characters of these; the stack's mark needs some


@dataclass(frozen=True)
class Holding:
    """How many items a table holds; `more`: it was too large to count them all."""

    items: int
    more: bool = False

    def __str__(self) -> str:
        return f"{'more than ' if self.more else ''}{self.items} item{'' if self.items == 1 else 's'}"


@dataclass(eq=False)
class Table(StackStep):
    """The table that holds the service's state; `created`: whether this run has made it, or is going to."""

    section = "DynamoDB"
    checking = "checking the table"
    created: bool = field(default=False, init=False)
    _active: bool = field(default=False, init=False)
    _tags: dict[str, str] = field(default_factory=dict, init=False)

    def limits(self) -> Ops:
        """The key schema of a table stays what it is."""
        table = self._at_first
        # A table that is not ours is refused as such: its owner needs no advice.
        if table and table.get("KeySchema", KEY_SCHEMA) != KEY_SCHEMA and self._is_ours(table):
            what, have = ("table", self.names.table, table["TableArn"]), table["KeySchema"]
            next_step = "back the table up, delete it, and run up again"
            yield cannot(*what, field="KeySchema", have=have, want=KEY_SCHEMA, next_step=next_step)

    def fit(self) -> None:
        """Refuse a table of our name that is another's."""
        table = self._at_first
        if table is not None and table["TableStatus"] != "DELETING":
            self._refuse_foreign(table)

    def ensure(self) -> Ops:
        """Create the table, or repair what can be changed."""
        table = self._at_first
        if table is not None and table["TableStatus"] == "DELETING":
            if not self.run.dry:
                self._wait_gone(table)
            table = None
        if table is None:
            self.created = True
            yield create("table", self.names.table, self._create)
            return
        if self._tags.get(STACK_TAG) != self.names.stack:
            self._refuse_foreign(table)
        self._active = table["TableStatus"] == "ACTIVE"
        yield from change_or_leave("table", self.names.table, table["TableArn"], [*self.limits(), *self._drift(table)])

    def settle(self) -> Ops:
        """Wait for ACTIVE, then switch point-in-time recovery on: not possible earlier (aws-facts 5)."""
        if not self._active and not self.run.dry:

            def is_active() -> bool | None:
                return (self._find() or {}).get("TableStatus") == "ACTIVE" or None

            self.wait(f"the table {self.names.table} to be ACTIVE", is_active, timeout_s=TIMEOUT_S)
        # A table that is just being made has none; a plan cannot ask for that of one that is not there.
        if self.created or not self._active:
            yield create(RECOVERY, self.names.table, self._switch_recovery_on)
            return
        answer = self.dynamodb.describe_continuous_backups(TableName=self.names.table)
        have = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        what = (RECOVERY, self.names.table, self.names.table)
        is_on = have.get("PointInTimeRecoveryStatus") == "ENABLED"
        yield leave(*what) if is_on else change(*what, "off -> on", self._switch_recovery_on)

    def destroy(self) -> Ops:
        """Delete the table and wait until it is gone."""
        table = self.find_ours()
        if table:
            op = delete("table", self.names.table, table["TableArn"], table["TableStatus"], self._delete)
            yield replace(op, refusal=self._protection(table))
            if table["TableArn"] in self.run.deleted:
                self._wait_gone(table)

    def refuse_protected(self) -> None:
        """Raise if the table is ours and protected: then nothing of the stack is to be removed."""
        protection = self._protection(self.find_ours() or {})
        if protection:
            raise protection

    def _protection(self, table: Described) -> SrekvError | None:
        """What keeps it from being deleted, if it is protected."""
        if not table.get("DeletionProtectionEnabled"):
            return None
        return SrekvError(
            f"the table {self.names.table} is protected against deletion",
            why="it was made with --deletion-protection, or protected since",
            next_step=CommandLine("srekv up --no-deletion-protection") + ", then down again",
        )

    def _find(self) -> Described | None:
        answer = or_none(self.dynamodb.describe_table, TableName=self.names.table)
        return answer["Table"] if answer else None

    _at_first = cached_property(_find)

    def find_ours(self) -> Described | None:
        """The table now, if it is ours."""
        table = self._find()
        return table if table and self._is_ours(table) else None

    def _is_ours(self, table: Described) -> bool:
        """Whether it carries our tag; a new table's tags may show a little later than the table (aws-facts 5)."""
        if self._tagged(table):
            return True
        created = table.get("CreationDateTime")
        if created is None or datetime.now(UTC) - created > timedelta(minutes=1):
            return False
        try:
            return self.wait("the new table's tags", lambda: self._tagged(table) or None, timeout_s=2)
        except TimeoutExceeded:
            return False

    def _tagged(self, table: Described) -> bool:
        answer: Any = or_none(self.dynamodb.list_tags_of_resource, ResourceArn=table["TableArn"]) or {}
        self._tags = tag_map(answer.get("Tags"))
        return self._tags.get(STACK_TAG) == self.names.stack

    def _refuse_foreign(self, table: Described) -> None:
        if self._is_ours(table):
            return
        if self._find() is None:
            raise SrekvError(
                f"the table {self.names.table} was deleted while up was at work",
                why="it existed when up started and is gone: srekv down ran concurrently",
                next_step=CommandLine("srekv up"),
            )
        tag = f"Key={STACK_TAG},Value={self.names.stack}"
        raise NotOursError(
            f"the table {self.names.table} exists and is not this stack's",
            why=f"it lacks the tag {STACK_TAG}={self.names.stack}",
            next_step="choose another stack name (--stack NAME): its table carries that name; if the table is this "
            "stack's after all: "
            + CommandLine(f"aws dynamodb tag-resource --resource-arn {table['TableArn']} --tags {tag}"),
        )

    def _create(self) -> str:
        def create_table() -> Described:
            return self.dynamodb.create_table(
                TableName=self.names.table,
                KeySchema=KEY_SCHEMA,
                AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
                DeletionProtectionEnabled=self.config.deletion_protection,
                Tags=self.names.tags(self.names.table),
            )["TableDescription"]

        what, exists, refuse = f"the table {self.names.table}", "ResourceInUseException", self._refuse_foreign
        table = self.create_or_adopt(what, create_table, exists=exists, find=self._find, refuse=refuse)
        return str(table["TableArn"])

    def _drift(self, table: Described) -> Ops:
        arn, tags, tag = table["TableArn"], self.names.tags(self.names.table), self.dynamodb.tag_resource
        yield from retag(("table", self.names.table, arn), self._tags, tags, tag, ResourceArn=arn, Tags=tags)
        billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        if billing != "PAY_PER_REQUEST":
            yield self._update(arn, f"billing {billing} -> PAY_PER_REQUEST", BillingMode="PAY_PER_REQUEST")
        have, want = bool(table.get("DeletionProtectionEnabled")), self.config.deletion_protection
        if have != want:
            yield self._update(arn, f"deletion protection {have} -> {want}", DeletionProtectionEnabled=want)

    def _update(self, arn: str, detail: str, **fields: Any) -> Op:
        table = self.names.table
        call = partial(self.retry_while, BUSY, f"the table {table} to take changes", self.dynamodb.update_table)
        return change("table", table, arn, detail, call, TableName=table, **fields)

    def _switch_recovery_on(self) -> str:
        what, call = f"{RECOVERY} to be possible", self.dynamodb.update_continuous_backups
        on: Any = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
        self.retry_while(TOO_EARLY, what, call, timeout_s=300, TableName=self.names.table, **on)
        return self.names.table

    def _delete(self) -> None:
        def delete_table() -> None:
            try:
                ignore_missing(self.dynamodb.delete_table, TableName=self.names.table)
            except ClientError as error:
                # DeleteTable returns this for a protected table, and of other things (B5).
                if code_of(error) == "ValidationException" and (protection := self._protection(self._find() or {})):
                    raise protection from error
                raise

        self.retry_while(BUSY, f"the table {self.names.table} to take a deletion", delete_table, timeout_s=TIMEOUT_S)

    def _wait_gone(self, old: Described) -> None:
        """Until this one is: a concurrent `up` may have made another one of that name."""

        def look() -> bool | None:
            table = self._find()
            if table is None:
                return True
            told = [key for key in ("TableId", "CreationDateTime") if key in table and key in old]
            return (bool(told) and table[told[0]] != old[told[0]]) or None

        self.wait(f"the table {self.names.table} to be gone", look, timeout_s=TIMEOUT_S)

    def count(self) -> Holding | None:
        """Count the items in the first megabyte, None without a table."""
        with explained(f"counting the items of {self.names.table}"):
            if not self.find_ours():
                return None
            # DescribeTable's count is up to six hours old: a table filled this morning would seem empty.
            page = self.dynamodb.scan(TableName=self.names.table, Select="COUNT", ConsistentRead=True)
        return Holding(int(page["Count"]), more="LastEvaluatedKey" in page)

    def refuse_backup(self, name: str) -> None:
        """Raise UsageError if there is nothing to back up, or the name is taken: two backups may share a name."""
        with explained("reading the table and its backups"):
            table, taken = self.find_ours(), self._find_backup(self.names.backup(name))
        without = CommandLine("srekv down") + " without --backup"
        if not table:
            raise UsageError(f"the stack {self.names.stack} has no table to back up", next_step=without)
        if taken is not None:
            raise UsageError(
                f"there is a backup {name} already, of {taken['BackupCreationDateTime']:%Y-%m-%d %H:%M}",
                next_step="choose another name; or, if it is the one you want, " + without,
            )

    def back_up(self, name: str) -> Ops:
        """Create an on-demand backup and wait until it can be restored."""
        own = self.names.backup(name)
        yield create("backup", own, partial(self._create_backup, own))

    def _create_backup(self, name: str) -> str:
        """CreateBackup takes no token, and names need not be unique."""

        def create_backup() -> Described:
            what, call = f"the table {self.names.table} to take a backup", self.run.clients.dynamodb_once.create_backup
            answer = self.retry_while(BACKUP_BUSY, what, call, TableName=self.names.table, BackupName=name)
            return answer["BackupDetails"]

        what, find = f"the backup {name}", partial(self._find_backup, name)
        arn = str(self.create_without_token(what, create_backup, find=find)["BackupArn"])

        def is_available() -> bool | None:
            answer = self.dynamodb.describe_backup(BackupArn=arn)
            return answer["BackupDescription"]["BackupDetails"]["BackupStatus"] == "AVAILABLE" or None

        next_step = CommandLine("srekv down") + " without --backup continues; the backup stays"
        self.wait(f"{what} to be AVAILABLE", is_available, timeout_s=900, next_step=next_step)
        return arn

    def _find_backup(self, name: str) -> Described | None:
        backups = each(self.dynamodb, "list_backups", "BackupSummaries", TableName=self.names.table, BackupType="USER")
        return next((one for one in backups if (one["TableName"], one["BackupName"]) == (self.names.table, name)), None)


def check_name(name: str) -> None:
    """Raise UsageError for a name that no backup can have."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"invalid value for --backup: {name}",
            why="a backup's name has letters, digits and _ . - only, at most 200",
            next_step=f"--backup {re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:200] or 'before-down'}",
        )


def delete_backup(clients: Clients, arn: str) -> None:
    """Delete a backup; one that is gone is fine."""
    with explained(f"deleting the backup {arn}"):
        ignore_missing(clients.dynamodb.delete_backup, BackupArn=arn)
