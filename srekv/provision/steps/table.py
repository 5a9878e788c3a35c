"""The DynamoDB table: on demand, tagged, encrypted at rest (always on), with point-in-time recovery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError

from srekv.errors import CommandLine, NotOursError, SrekvError, TimeoutExceeded
from srekv.provision.engine.answers import code_of, found, gone
from srekv.provision.engine.run import Op, Ops, Run, Step, cannot, leave
from srekv.provision.model import Resource
from srekv.provision.naming import STACK_TAG, lost_tags, tag_map

KEY_SCHEMA = [{"AttributeName": "key", "KeyType": "HASH"}]
ACTIVE_TIMEOUT_S = 180
GONE_TIMEOUT_S = 180
BUSY = frozenset({"ResourceInUseException"})
PROTECTED = "ValidationException"
"""What DeleteTable says of a protected table, and of other things (B5)."""

TAGS_TIMEOUT_S = 2
NEW = timedelta(minutes=1)
RECOVERY_TIMEOUT_S = 300
"""A table that is ACTIVE may refuse for minutes: its backups are being enabled (aws-facts 5)."""

TOO_EARLY = frozenset({"ContinuousBackupsUnavailableException", "TableNotFoundException"})


class Table:
    """The table that holds the state of the service."""

    section = "DynamoDB"

    def __init__(self, run: Run, *, needs: tuple[Step, ...]) -> None:
        self._run = run
        self._dynamodb = run.clients.dynamodb
        self.needs = needs
        self.created = False
        """Whether this run has made it, or is going to."""
        self._active = False
        self._tags: dict[str, str] = {}

    @property
    def _name(self) -> str:
        return self._run.names.table

    def observe(self) -> tuple[Resource, ...]:
        """The table, if it is ours."""
        table = self._find()
        if not table or not self._is_ours(table):
            return ()
        return (Resource(kind="table", id=table["TableArn"], name=self._name, state=table["TableStatus"]),)

    def limits(self) -> Ops:
        """The key schema of a table stays what it is."""
        table = self._at_first
        # A table that is not ours is refused as such: its owner needs no advice.
        if table and table.get("KeySchema", KEY_SCHEMA) != KEY_SCHEMA and self._is_ours(table):
            yield cannot(
                "table",
                self._name,
                table["TableArn"],
                field="KeySchema",
                have=table["KeySchema"],
                want=KEY_SCHEMA,
                next_step="back the table up, delete it, and run up again",
            )

    def fit(self) -> None:
        """Refuse a table of our name that is another's."""
        table = self._at_first
        if table is not None and table["TableStatus"] != "DELETING":
            self._refuse_foreign(table)

    def ensure(self) -> Ops:
        """Create the table, or repair what can be changed."""
        table = self._at_first
        if table is not None and table["TableStatus"] == "DELETING":
            if not self._run.dry:
                self._wait_gone(table)
            table = None
        if table is None:
            self.created = True
            yield Op(kind="table", name=self._name, action="create", call=self._create)
            return
        if self._tags.get(STACK_TAG) != self._run.config.stack:
            self._refuse_foreign(table)
        self._active = table["TableStatus"] == "ACTIVE"
        changes = [*self.limits(), *self._drift(table)]
        yield from changes
        if not changes:
            yield leave("table", self._name, table["TableArn"])

    def settle(self) -> Ops:
        """Wait for ACTIVE, then switch point-in-time recovery on: not possible earlier (aws-facts 5)."""
        if not self._active and not self._run.dry:
            self._wait_active()
        # A table that is just being made has none; a plan cannot ask for that of one that is not there.
        stands = not self.created and self._active
        if stands and self._recovery_on():
            yield leave("point-in-time recovery", self._name, self._name)
            return
        yield Op(
            kind="point-in-time recovery",
            name=self._name,
            action="change" if stands else "create",
            detail="off -> on" if stands else "",
            call=self._switch_recovery_on,
        )

    def _wait_active(self) -> None:
        self._run.wait(
            self.section,
            f"the table {self._name} to be ACTIVE",
            lambda: (self._find() or {}).get("TableStatus") == "ACTIVE" or None,
            timeout_s=ACTIVE_TIMEOUT_S,
        )

    def destroy(self) -> Ops:
        """Delete the table and wait until it is gone."""
        table = self._find()
        if not table or not self._is_ours(table):
            return
        yield Op(
            kind="table",
            name=self._name,
            id=table["TableArn"],
            action="delete",
            call=self._delete,
            refusal=self._protection(table),
        )
        if table["TableArn"] in self._run.deleted:
            self._wait_gone(table)

    def refuse_protected(self) -> None:
        """Raise if the table is ours and protected: then nothing of the stack is to be removed."""
        table = self._find()
        protection = self._protection(table) if table else None
        if table and protection and self._is_ours(table):
            raise protection

    def _protection(self, table: Mapping[str, Any]) -> SrekvError | None:
        """What keeps it from being deleted, if it is protected."""
        if not table.get("DeletionProtectionEnabled"):
            return None
        return SrekvError(
            f"the table {self._name} is protected against deletion",
            why="it was made with --deletion-protection, or protected since",
            next_step=CommandLine("srekv up --no-deletion-protection") + ", then down again",
        )

    @cached_property
    def _at_first(self) -> Mapping[str, Any] | None:
        """The table when it was first asked for."""
        return self._find()

    def _find(self) -> Mapping[str, Any] | None:
        answer = found(self._dynamodb.describe_table, TableName=self._name)
        return answer["Table"] if answer else None

    def _is_ours(self, table: Mapping[str, Any]) -> bool:
        """Whether it carries our tag; a new table's tags may show a little later than the table (aws-facts 5)."""
        if self._tagged(table):
            return True
        created = table.get("CreationDateTime")
        if created is None or datetime.now(UTC) - created > NEW:
            return False
        try:
            return self._run.wait(
                self.section, "the new table's tags", lambda: self._tagged(table) or None, timeout_s=TAGS_TIMEOUT_S
            )
        except TimeoutExceeded:
            return False

    def _tagged(self, table: Mapping[str, Any]) -> bool:
        answer = found(self._dynamodb.list_tags_of_resource, ResourceArn=table["TableArn"])
        self._tags = tag_map(answer.get("Tags")) if answer else {}  # type: ignore[arg-type]
        return self._tags.get(STACK_TAG) == self._run.config.stack

    def _refuse_foreign(self, table: Mapping[str, Any]) -> None:
        if not self._is_ours(table):
            if self._find() is None:
                raise SrekvError(
                    f"the table {self._name} was deleted while up was at work",
                    why="it existed when up started and is gone: srekv down ran concurrently",
                    next_step=CommandLine("srekv up"),
                )
            raise NotOursError(
                f"the table {self._name} exists and is not this stack's",
                why=f"it lacks the tag {STACK_TAG}={self._run.config.stack}",
                next_step="choose another stack name (--stack NAME): its table carries that name; if the table is this "
                "stack's after all: "
                + CommandLine(
                    f"aws dynamodb tag-resource --resource-arn {table['TableArn']} "
                    f"--tags Key={STACK_TAG},Value={self._run.config.stack}"
                ),
            )

    def _create(self) -> str:
        schema: Any = KEY_SCHEMA
        tags: Any = self._run.names.tags(self._name)
        return self._run.made(
            self.section,
            f"the table {self._name}",
            lambda: self._dynamodb.create_table(
                TableName=self._name,
                KeySchema=schema,
                AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
                DeletionProtectionEnabled=self._run.config.deletion_protection,
                Tags=tags,
            )["TableDescription"]["TableArn"],
            exists="ResourceInUseException",
            look=self._our_arn,
        )

    def _our_arn(self) -> str | None:
        table = self._find()
        if table is None:
            return None
        self._refuse_foreign(table)
        return str(table["TableArn"])

    def _drift(self, table: Mapping[str, Any]) -> Ops:
        lost = lost_tags(self._tags, self._run.names.tags(self._name))
        if lost:
            yield Op(
                kind="table",
                name=self._name,
                id=table["TableArn"],
                action="change",
                detail=lost,
                call=partial(self._tag, table["TableArn"]),
            )
        billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        if billing != "PAY_PER_REQUEST":
            yield self._update(f"billing {billing} -> PAY_PER_REQUEST", BillingMode="PAY_PER_REQUEST")
        have, want = bool(table.get("DeletionProtectionEnabled")), self._run.config.deletion_protection
        if have != want:
            yield self._update(f"deletion protection {have} -> {want}", DeletionProtectionEnabled=want)

    def _tag(self, arn: str) -> None:
        tags: Any = self._run.names.tags(self._name)
        self._dynamodb.tag_resource(ResourceArn=arn, Tags=tags)

    def _update(self, detail: str, **arguments: Any) -> Op:
        def update() -> None:
            self._run.persist(
                self.section,
                f"the table {self._name} to take changes",
                self._dynamodb.update_table,
                on=BUSY,
                TableName=self._name,
                **arguments,
            )

        return Op(kind="table", name=self._name, action="change", detail=detail, call=update)

    def _recovery_on(self) -> bool:
        answer = self._dynamodb.describe_continuous_backups(TableName=self._name)
        description = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        return description.get("PointInTimeRecoveryStatus") == "ENABLED"

    def _switch_recovery_on(self) -> str:
        self._run.persist(
            self.section,
            "point-in-time recovery to be possible",
            self._dynamodb.update_continuous_backups,
            on=TOO_EARLY,
            timeout_s=RECOVERY_TIMEOUT_S,
            TableName=self._name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
        return self._name

    def _delete(self) -> None:
        def delete(**arguments: Any) -> None:
            try:
                gone(self._dynamodb.delete_table, **arguments)
            except ClientError as error:
                protection = self._protection(self._find() or {}) if code_of(error) == PROTECTED else None
                if protection:
                    raise protection from error
                raise

        self._run.persist(
            self.section,
            f"the table {self._name} to take a deletion",
            delete,
            on=BUSY,
            timeout_s=ACTIVE_TIMEOUT_S,
            TableName=self._name,
        )

    def _wait_gone(self, table: Mapping[str, Any]) -> None:
        """Until this one is: an `up` beside us may have made another one of that name."""
        self._run.wait(
            self.section,
            f"the table {self._name} to be gone",
            lambda: True if _is_another(self._find(), table) else None,
            timeout_s=GONE_TIMEOUT_S,
        )


def _is_another(table: Mapping[str, Any] | None, old: Mapping[str, Any]) -> bool:
    """Whether it is not the old one: none, or one that was made later under the same name."""
    if table is None:
        return True
    told = [key for key in ("TableId", "CreationDateTime") if key in table and key in old]
    return bool(told) and table[told[0]] != old[told[0]]
