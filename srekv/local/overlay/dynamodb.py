"""DynamoDB as moto has it, with AWS's limits, its numbers, its tokens, and updates that happen whole or not at all."""

from __future__ import annotations

import copy
import decimal
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.attributes import (
    EXACT,
    LARGEST_ITEM,
    PARTITION_KEY,
    SORT_KEY,
    InvalidValue,
    item_size,
    normalise,
    number,
    value_size,
)
from srekv.local.overlay.errors import Fault, render
from srekv.local.overlay.wording import broken_constraint
from srekv.local.overlay.world import Transaction, World

TOKEN_S = 600.0
"""How long a ClientRequestToken is known after its transaction, AWS-equivalent seconds (API: TransactWriteItems)."""

LONGEST_TOKEN = 36
MOST_WRITES = 25
"""Requests of a BatchWriteItem."""

Place = tuple[str, dict[str, Any]]
"""A table's name, and attributes with its key among them."""

LimitedSizeDict.__setitem__ = dict.__setitem__  # type: ignore[method-assign] # its limit is another, its sum quadratic


class DynamoDb(DynamoHandler):
    """Tables and items."""

    world: World

    def call_action(self) -> tuple[int, dict[str, Any], str | bytes]:
        """Refuse what AWS refuses before moto sees it, and show it numbers as they are stored."""
        params: dict[str, Any] = getattr(self, "params", {})
        try:
            normalise(params)
            self._check(self._get_action() or "", params)
        except InvalidValue as error:
            return render("json", Fault(400, "ValidationException", str(error)))
        answer: tuple[int, dict[str, Any], str | bytes] = super().call_action()
        return answer

    # What a request may hold.

    def _check(self, action: str, params: Mapping[str, Any]) -> None:
        if action == "BatchWriteItem":
            self._check_writes(params["RequestItems"])
        parts = list(_parts(action, params))
        for part in parts:
            self._check_part(part)
        reads = [(part["TableName"], str(part["Key"])) for part in parts] if action == "TransactGetItems" else []
        if len(set(reads)) < len(reads):
            raise InvalidValue("Transaction request cannot include multiple operations on one item")

    def _check_writes(self, requests: Mapping[str, Any]) -> None:
        for name, writes in requests.items():
            table = self.dynamodb_backend.tables.get(name)
            if not writes:
                raise InvalidValue(f"The batch write request list for a table cannot be null or empty: {name}")
            items = [
                write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
                for write in writes
            ]
            keys = (
                [str([item.get(attribute) for attribute in table.table_key_attrs]) for item in items] if table else []
            )
            if len(set(keys)) < len(keys):
                raise InvalidValue("Provided list of item keys contains duplicates")
        if sum(map(len, requests.values())) > MOST_WRITES:
            raise InvalidValue("Too many items requested for the BatchWriteItem call")

    def _check_part(self, part: Mapping[str, Any]) -> None:
        table = self.dynamodb_backend.tables.get(part["TableName"])
        if table is not None:
            _check_key(table, part.get("Key"))
            if item_size(part.get("Item") or {}) > LARGEST_ITEM:
                raise InvalidValue("Item size has exceeded the maximum allowed size")

    # What is written.

    def update_item(self) -> ActionResult:
        """As moto, also without an expression; a refused update leaves the item as it was."""
        if "UpdateExpression" not in self.body:
            self.body.setdefault("AttributeUpdates", {})
        place = (self.body["TableName"], self.body["Key"])
        return self._whole([place], super().update_item, lambda texts: ApiError("ValidationException", str(texts[0])))

    def transact_write_items(self) -> ActionResult:
        """As moto; a token makes it happen once, a refused part none of it."""
        parts = [next(iter(part.values())) for part in self.body["TransactItems"]]
        refused = [_refusal(self._check_part, part) for part in parts]
        if any(refused):
            raise _cancelled(refused)
        touched = [(part["TableName"], part.get("Key") or part["Item"]) for part in parts]
        return self._once(lambda: self._whole(touched, super(DynamoDb, self).transact_write_items, _cancelled))

    def execute_transaction(self) -> ActionResult:
        """As moto; a token makes it happen once."""
        return self._once(super().execute_transaction)

    def _once(self, act: Callable[[], ActionResult]) -> ActionResult:
        """What a token's transaction answered, for as long as the token is known; a refused one may be tried again."""
        token = self.body.get("ClientRequestToken")
        if not token:
            return act()
        if len(token) > LONGEST_TOKEN:
            demand = f"have length less than or equal to {LONGEST_TOKEN}"
            raise ApiError("ValidationException", broken_constraint(token, "clientRequestToken", demand))
        known, now = self.world.memory.transactions, time.monotonic()
        for place in [one for one, made in known.items() if now - made.at >= TOKEN_S / self.world.settings.speed]:
            del known[place]
        request = hashlib.sha256(json.dumps(self.body, sort_keys=True, default=repr).encode()).hexdigest()
        made = known.get((self.region, token))
        if made is None:
            made = known[self.region, token] = Transaction(request=request, answer=act(), at=time.monotonic())
        elif made.request != request:
            raise ApiError(
                "IdempotentParameterMismatchException",
                "Specified idempotent token was used with different request parameters within the idempotency window",
            )
        answer: ActionResult = made.answer
        return answer

    def _whole(
        self, touched: list[Place], act: Callable[[], ActionResult], refuse: Callable[[list[str | None]], Exception]
    ) -> ActionResult:
        """Change items, or leave all of them as they are: moto changes one attribute after the other.

        What `refuse` makes of a text for each item is raised when one became too large, or a number of it too long.
        """
        before = [(place, copy.deepcopy(self._stored(*place))) for place in touched]
        try:
            with decimal.localcontext(prec=EXACT):
                answer = act()
        except Exception:
            self._restore(before)
            raise
        refused = [_refusal(_settle, self._stored(*place)) for place in touched]
        if any(refused):
            self._restore(before)
            raise refuse(refused)
        normalise(answer.result)
        return answer

    def _stored(self, name: str, key: dict[str, Any]) -> Item | None:
        table = self.dynamodb_backend.tables.get(name)
        return table.get_item(*self.dynamodb_backend.get_keys_value(table, key)) if table else None

    def _restore(self, before: list[tuple[Place, Item | None]]) -> None:
        for (name, key), item in before:
            table = self.dynamodb_backend.tables.get(name)
            if table is not None:
                partition, sort = self.dynamodb_backend.get_keys_value(table, key)
                shelf: dict[Any, Any] = table.items[partition] if sort else table.items
                shelf.pop(sort or partition, None)
                if item is not None:
                    shelf[sort or partition] = item

    def delete_table(self) -> ActionResult:
        """Row B5."""
        table = self.dynamodb_backend.tables.get(self.body["TableName"])
        if table is not None and table.deletion_protection_enabled:
            raise ApiError(
                "ValidationException",
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first.",
            )
        return super().delete_table()


def _refusal(check: Callable[[Any], None], value: Any) -> str | None:
    """What a check says against it."""
    try:
        check(value)
    except InvalidValue as error:
        return str(error)
    return None


def _cancelled(refused: list[str | None]) -> Exception:
    reasons: Any = [("ValidationError", text, None) if text else (None, None, None) for text in refused]
    error: Exception = TransactionCanceledException(reasons)
    return error


def _parts(action: str, params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Each part of a request: its table with a key or an item; a transaction's writes answer for themselves."""
    if action == "TransactGetItems":
        yield from (part["Get"] for part in params["TransactItems"])
    elif action == "BatchGetItem":
        for name, asked in params["RequestItems"].items():
            yield from ({"TableName": name, "Key": key} for key in asked["Keys"])
    elif action == "BatchWriteItem":
        for name, writes in params["RequestItems"].items():
            for write in writes:
                yield {"TableName": name, **write.get("DeleteRequest", {}), **write.get("PutRequest", {})}
    elif "Key" in params or "Item" in params:
        yield params


def _check_key(table: Table, key: Mapping[str, Any] | None) -> None:
    """Row B7: a key has its table's attributes, none of them empty or too long."""
    if key is None:
        return
    kinds = {table.hash_key_attr: table.hash_key_type}
    if table.range_key_attr is not None:
        kinds[table.range_key_attr] = str(table.range_key_type)
    if {name: next(iter(value), None) for name, value in key.items()} != kinds:
        raise InvalidValue("The provided key element does not match the schema")
    for name, limit in zip(kinds, (PARTITION_KEY, SORT_KEY), strict=False):
        size = value_size(key[name])
        if size == 0:
            word = "binary" if kinds[name] == "B" else "string"
            raise InvalidValue(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
                f"empty {word} value. Key: {name}"
            )
        if size > limit:
            says = (
                f"Size of hashkey has exceeded the maximum size limit of{PARTITION_KEY} bytes"
                if limit == PARTITION_KEY
                else f"Aggregated size of all range keys has exceeded the size limit of {SORT_KEY} bytes"
            )
            raise InvalidValue(f"One or more parameter values were invalid: {says}")


def _settle(item: Item | None) -> None:
    """Put what an update made of an item as DynamoDB stores it; it must not be too large."""
    if item is not None:
        for value in item.attrs.values():
            _trim(value)
        if item_size(item.to_json()["Attributes"]) > LARGEST_ITEM:
            raise InvalidValue("Item size to update has exceeded the maximum allowed size")


def _trim(value: DynamoType) -> None:
    if value.is_number():
        value.value = number(value.value)
    elif value.is_list() or value.is_map():
        for inner in value.value.values() if value.is_map() else value.value:
            _trim(inner)
