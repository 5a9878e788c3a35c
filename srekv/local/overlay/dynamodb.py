"""DynamoDB as moto has it, with AWS's limits, its numbers, its tokens, and updates that happen whole or not at all.

Sources of numbers and sizes: DynamoDB Developer Guide, "Supported data types and naming rules", "Item sizes and
formats" and "Quotas"; what they leave open is as DynamoDB Local does it. Texts are moto's and dynalite's, who had them
from AWS.
"""

from __future__ import annotations

import copy
import decimal
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from srekv.local.overlay.api_error import ApiError
from srekv.local.overlay.errors import Fault, broken_constraint, render
from srekv.local.overlay.world import Transaction, World

LARGEST_ITEM = 409_600
PARTITION_KEY, SORT_KEY = 2048, 1024
"""Bytes that an item and a key's value may have, included."""

DIGITS = 38
EXACT = 300
"""Digits with which any sum of two numbers is exact: from 1E+125 to 1E-130."""

_LARGEST, _SMALLEST = 125, -130
_CONTEXT = decimal.Context(prec=EXACT, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, traps=[decimal.Inexact])
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_TRIMMED = re.compile(r"0|-?[1-9]\d{0,37}", re.ASCII)
_SETS = ("SS", "NS", "BS")

TOKEN_S = 600.0
"""How long a ClientRequestToken is known after its transaction, AWS-equivalent seconds (API: TransactWriteItems)."""

LONGEST_TOKEN = 36
MOST_WRITES = 25  # requests of a BatchWriteItem

Place = tuple[str, dict[str, Any]]  # a table's name, and attributes with its key among them

LimitedSizeDict.__setitem__ = dict.__setitem__  # type: ignore[method-assign] # its limit is another, its sum quadratic


class InvalidValue(Exception):
    """A request that DynamoDB refuses with a ValidationException of this text."""


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
            if not writes:
                raise InvalidValue(f"The batch write request list for a table cannot be null or empty: {name}")
            table = self.dynamodb_backend.tables.get(name)
            requested = [write.get("PutRequest") or write["DeleteRequest"] for write in writes]
            items = [one["Item"] if "Item" in one else one["Key"] for one in requested]
            if table and len({str([item.get(name) for name in table.table_key_attrs]) for item in items}) < len(items):
                raise InvalidValue("Provided list of item keys contains duplicates")
        if sum(map(len, requests.values())) > MOST_WRITES:
            raise InvalidValue("Too many items requested for the BatchWriteItem call")

    def _check_part(self, part: Mapping[str, Any]) -> None:
        table = self.dynamodb_backend.tables.get(part["TableName"])
        if table is not None:
            if part.get("Key") is not None:
                _check_key(table, part["Key"])
            if item_size(part.get("Item") or {}) > LARGEST_ITEM:
                raise InvalidValue("Item size has exceeded the maximum allowed size")

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
            text = "Specified idempotent token was used with different request parameters within the idempotency window"
            raise ApiError("IdempotentParameterMismatchException", text)
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
            text = "Resource cannot be deleted as it is currently protected against deletion."
            raise ApiError("ValidationException", f"{text} Disable deletion protection first.")
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
    return TransactionCanceledException(reasons)


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


def _check_key(table: Table, key: Mapping[str, Any]) -> None:
    """Row B7: a key has its table's attributes, none of them empty or too long."""
    kinds = {table.hash_key_attr: table.hash_key_type}
    if table.range_key_attr is not None:
        kinds[table.range_key_attr] = str(table.range_key_type)
    if {name: next(iter(value), None) for name, value in key.items()} != kinds:
        raise InvalidValue("The provided key element does not match the schema")
    for name, limit in zip(kinds, (PARTITION_KEY, SORT_KEY), strict=False):
        size = value_size(key[name])
        if size == 0:
            demand = f"cannot contain an empty {'binary' if kinds[name] == 'B' else 'string'} value. Key: {name}"
            start = "One or more parameter values are not valid. The AttributeValue for a key attribute"
            raise InvalidValue(f"{start} {demand}")
        if size > limit:
            says = f"Aggregated size of all range keys has exceeded the size limit of {SORT_KEY} bytes"
            if name == table.hash_key_attr:
                says = f"Size of hashkey has exceeded the maximum size limit of{PARTITION_KEY} bytes"
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


def normalise(document: Any) -> None:
    """Put every number in a request or an answer as DynamoDB stores it, in place; raises InvalidValue.

    An attribute may be named N as well; its value is then no text, so the two cannot be mistaken.
    """
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "N" and isinstance(value, str):
                document[name] = number(value)
            elif name in _SETS and isinstance(value, list) and not any(isinstance(one, dict) for one in value):
                kept = document[name] = [number(one) for one in value] if name == "NS" else value
                if len(set(kept)) < len(kept):
                    text = f"Input collection [{', '.join(map(str, value))}] contains duplicates."
                    raise InvalidValue(f"One or more parameter values were invalid: {text}")
            elif isinstance(value, dict | list):
                normalise(value)
    elif isinstance(document, list):
        for value in document:
            normalise(value)


def number(text: str) -> str:
    """A number without leading and trailing zeros, exponent and sign of zero. Raises InvalidValue."""
    if _TRIMMED.fullmatch(text):
        return text
    if not _NUMBER.fullmatch(text):
        raise InvalidValue(f"The parameter cannot be converted to a numeric value: {text}")
    try:
        value = _CONTEXT.normalize(decimal.Decimal(text))
    except decimal.Inexact:
        value = None
    if value is None or len(value.as_tuple().digits) > DIGITS:
        raise InvalidValue(f"Attempting to store more than {DIGITS} significant digits in a Number")
    if value and not _SMALLEST <= value.adjusted() <= _LARGEST:
        word, than = ("overflow", "larger") if value.adjusted() > 0 else ("underflow", "smaller")
        raise InvalidValue(f"Number {word}. Attempting to store a number with magnitude {than} than supported range")
    return f"{value:f}" if value else "0"


def item_size(item: Mapping[str, Any]) -> int:
    """The bytes that DynamoDB counts for an item: its attributes' names and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(value: Mapping[str, Any]) -> int:
    """The bytes of one value, numbers already trimmed, binary as bytes or as Base64."""
    ((kind, inner),) = value.items()
    if kind == "M":
        return 3 + len(inner) + item_size(inner)
    if kind == "L":
        return 3 + len(inner) + sum(map(value_size, inner))
    kind, values = (kind[0], inner) if kind in _SETS else (kind, (inner,))
    if kind == "S":
        return sum(len(value.encode()) for value in values)
    if kind == "N":
        return sum(map(_number_size, values))
    if kind == "B":
        return sum(len(one) if isinstance(one, bytes) else len(one) * 3 // 4 - one[-2:].count("=") for one in values)
    return 1  # BOOL and NULL


def _number_size(text: str) -> int:
    """A byte for each two digits, counted in pairs from the decimal point, one for the exponent, one for a minus."""
    value = _CONTEXT.normalize(decimal.Decimal(text))
    sign, digits, _ = value.as_tuple()
    is_single = value.adjusted() % 2 == 0  # the first pair holds one digit
    return 1 + sign + (len(digits) + is_single + 1) // 2 if value else 1
