"""DynamoDB as moto has it, with AWS's limits, its numbers, its tokens, and updates that happen whole or not at all."""

from __future__ import annotations

import copy
import decimal
import hashlib
import json
import time
import uuid
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
from srekv.local.overlay.memory import Transaction
from srekv.local.overlay.world import World

TOKEN_S = 600.0
"""How long a ClientRequestToken is known after its transaction, AWS-equivalent seconds (API: TransactWriteItems)."""

LONGEST_TOKEN = 36
MOST_WRITES = 25
"""Requests of a BatchWriteItem."""

Place = tuple[str, dict[str, Any]]
"""A table's name, and attributes with its key among them."""

Named = tuple[str, dict[str, Any] | None, dict[str, Any] | None]
"""A table's name, a key, an item."""

Refuse = Callable[[list[str | None]], Exception]

LimitedSizeDict.__setitem__ = dict.__setitem__  # type: ignore[method-assign] # its limit is another, its sum quadratic


class DynamoDb(DynamoHandler):
    """Tables and items."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def call_action(self) -> tuple[int, dict[str, Any], str | bytes]:
        """Refuse what AWS refuses before moto sees it, and show it numbers as they are stored."""
        params: dict[str, Any] = getattr(self, "params", {})
        try:
            normalise(params)
            self._check(self._get_action() or "", params)
        except InvalidValue as error:
            fault = Fault(status=400, code="ValidationException", message=str(error))
            return render("json", fault, str(uuid.uuid4()))
        answer: tuple[int, dict[str, Any], str | bytes] = super().call_action()
        return answer

    # What a request may hold.

    def _check(self, action: str, params: Mapping[str, Any]) -> None:
        if action == "BatchWriteItem":
            self._check_writes(params["RequestItems"])
        for name, key, item in _named(action, params):
            table = self.dynamodb_backend.tables.get(name)
            if table is not None:
                _check_key(table, key)
                _check_size(item)
        reads = [(name, str(key)) for name, key, _ in _named(action, params)] if action == "TransactGetItems" else []
        if len(set(reads)) < len(reads):
            raise InvalidValue("Transaction request cannot include multiple operations on one item")

    def _check_writes(self, requests: Mapping[str, Any]) -> None:
        for name, writes in requests.items():
            table = self.dynamodb_backend.tables.get(name)
            if not writes:
                raise InvalidValue(f"The batch write request list for a table cannot be null or empty: {name}")
            places = [_place(table, write) for write in writes] if table else []
            if len(set(places)) < len(places):
                raise InvalidValue("Provided list of item keys contains duplicates")
        if sum(map(len, requests.values())) > MOST_WRITES:
            raise InvalidValue("Too many items requested for the BatchWriteItem call")

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

    def _check_part(self, part: Mapping[str, Any]) -> None:
        table = self.dynamodb_backend.tables.get(part["TableName"])
        if table is not None:
            _check_key(table, part.get("Key"))
            _check_size(part.get("Item"))

    def _once(self, act: Callable[[], ActionResult]) -> ActionResult:
        """What a token's transaction answered, for as long as the token is known; a refused one may be tried again.

        Raises:
            ApiError: the token came with another request.
        """
        token = self.body.get("ClientRequestToken")
        if not token:
            return act()
        if len(token) > LONGEST_TOKEN:
            raise ApiError(
                "ValidationException",
                f"1 validation error detected: Value '{token}' at 'clientRequestToken' failed to satisfy constraint: "
                f"Member must have length less than or equal to {LONGEST_TOKEN}",
            )
        known, now = self._world.memory.transactions, time.monotonic()
        for place in [one for one, made in known.items() if now - made.at >= TOKEN_S / self._world.settings.speed]:
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

    def _whole(self, touched: list[Place], act: Callable[[], ActionResult], refuse: Refuse) -> ActionResult:
        """Change items, or leave all of them as they are: moto changes one attribute after the other.

        What `refuse` makes of a text for each item is raised when one became too large, or a number of it too long.
        """
        before = [(place, _copied(self._stored(*place))) for place in touched]
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


def _named(action: str, params: Mapping[str, Any]) -> Iterator[Named]:
    """Table, key and item of each part of a request; a transaction's writes answer for themselves."""
    if action == "TransactGetItems":
        yield from ((part["Get"]["TableName"], part["Get"]["Key"], None) for part in params["TransactItems"])
    elif action == "BatchGetItem":
        yield from ((name, key, None) for name, asked in params["RequestItems"].items() for key in asked["Keys"])
    elif action == "BatchWriteItem":
        for name, writes in params["RequestItems"].items():
            for write in writes:
                yield name, write.get("DeleteRequest", {}).get("Key"), write.get("PutRequest", {}).get("Item")
    elif "Key" in params or "Item" in params:
        yield params["TableName"], params.get("Key"), params.get("Item")


def _place(table: Table, write: Mapping[str, Any]) -> str:
    """The key that one request of a BatchWriteItem is about."""
    attributes = write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
    return str([attributes.get(name) for name in table.table_key_attrs])


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


def _check_size(item: Mapping[str, Any] | None, text: str = "Item size has exceeded the maximum allowed size") -> None:
    if item is not None and item_size(item) > LARGEST_ITEM:
        raise InvalidValue(text)


def _copied(item: Item | None) -> Item | None:
    """An item as it is; moto puts new scalars in the place of old ones, and changes sets, lists and maps in place."""
    if item is None:
        return None
    made: Item = Item(item.hash_key, item.range_key, {})
    made.attrs.update(
        {
            name: copy.deepcopy(value) if isinstance(value.value, list | dict) else value
            for name, value in item.attrs.items()
        }
    )
    return made


def _settle(item: Item | None) -> None:
    """Put what an update made of an item as DynamoDB stores it; it must not be too large."""
    if item is not None:
        for value in item.attrs.values():
            _trim(value)
        _check_size({name: _plain(value) for name, value in item.attrs.items()}, _TOO_LARGE)


_TOO_LARGE = "Item size to update has exceeded the maximum allowed size"


def _trim(value: DynamoType) -> None:
    if value.is_number():
        value.value = number(value.value)
    elif value.is_list() or value.is_map():
        for inner in value.value.values() if value.is_map() else value.value:
            _trim(inner)


def _plain(value: DynamoType) -> dict[str, Any]:
    """The value as requests write it."""
    if value.is_map():
        return {"M": {name: _plain(inner) for name, inner in value.value.items()}}
    return {value.type: [_plain(inner) for inner in value.value] if value.is_list() else value.value}
