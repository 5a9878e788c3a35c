"""The store on DynamoDB: a write is one conditional UpdateItem, sent again only when that can do no harm (README)."""

import os
import random
import threading
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from botocore.retries.quota import RetryQuota

from srekv.app.metrics import Metrics
from srekv.app.model import Condition, Conflict, Item, Page, Refused, Unavailable

ATTEMPTS, BUDGET_S = 3, 2.0  # of a call; no attempt starts later
PAGES, SCANNED = 5, 200  # a listing asks for so many pages, and for so many items in each, or `limit` if that is more
QUOTA, COST = 500, 5  # as in botocore's standard mode: an outage ends retries, success brings them back

_THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
_NOT_SENT = (aws.ConnectTimeoutError, aws.EndpointConnectionError, aws.ProxyConnectionError)
_NO_KEYS = (aws.NoCredentialsError, aws.CredentialRetrievalError)
_FAILURES = (aws.BotoCoreError, aws.ClientError, ResponseParserError)


class DynamoStore:
    """A thread-safe Store; `connect` is called until it succeeds, `sleep` between attempts."""

    def __init__(
        self,
        table: str,
        connect: Callable[[], Any],
        sleep: Callable[[float], None] = time.sleep,
        metrics: Optional[Metrics] = None,
    ) -> None:
        self._table, self._connect, self._sleep = table, connect, sleep
        self._metrics = metrics or Metrics()
        self._client: Any = None
        self._problem = "no DynamoDB client yet"
        self._ready = threading.Event()
        self._quota: Any = RetryQuota(QUOTA)
        threading.Thread(target=self._prepare, daemon=True).start()

    def get(self, key: str, *, consistent: bool = True) -> Optional[Item]:
        """See Store."""
        self._await_client()
        item = self._item(key, self._attempts(time.monotonic() + BUDGET_S), consistent=consistent)
        if "value" not in item:
            return None
        (value,) = item["value"].values()
        return Item(value if isinstance(value, bytes) else str(value).encode(), _version(item))

    def put(self, key: str, value: bytes, condition: Condition) -> int:
        """See Store."""
        try:
            attribute: Any = {"S": value.decode()}
        except UnicodeDecodeError:
            attribute = {"B": value}
        return self._write(key, "SET #value = :value, ", condition, {":value": attribute})

    def delete(self, key: str, condition: Condition) -> None:
        """See Store."""
        always = condition == Condition()
        try:
            self._write(key, "REMOVE #value SET ", Condition(exists=True) if always else condition, {})
        except Conflict:
            if not always:
                raise

    def _write(self, key: str, update: str, condition: Condition, values: Dict[str, Any]) -> int:
        end, write = time.monotonic() + BUDGET_S, {"S": os.urandom(16).hex()}
        values.update({":now": {"N": str(int(time.time() * 1000))}, ":one": {"N": "1"}, ":write": write})
        request = {
            "TableName": self._table,
            "Key": {"key": {"S": key}},
            "UpdateExpression": update + "#version = if_not_exists(#version, :now) + :one, #write = :write",
            "ExpressionAttributeNames": {"#value": "value", "#version": "version", "#write": "write"},
            "ExpressionAttributeValues": values,
            "ReturnValues": "UPDATED_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **_demand(condition, values),
        }
        unsure, failure = False, None
        self._await_client()
        for turn in self._attempts(end):
            try:
                return _version(self._call("update_item", request, turn)["Attributes"])
            except _FAILURES as error:
                failure, kind = error, _kind(error)
                if kind == "too large":
                    raise Refused(str(error)) from None
                if kind == "condition":
                    return _judge(error, write, unsure=unsure)
                unsure = unsure or kind == "unsure"
                if kind == "final" or (unsure and condition.version is None):
                    break
        if unsure and time.monotonic() < end:
            item = self._item(key, [0], outcome="unknown")
            if item.get("write") == write:
                return _version(item)
        raise Unavailable(f"DynamoDB: {failure}", "unknown" if unsure else "failed")

    def keys(self, prefix: str, limit: int, after: Optional[str], *, consistent: bool = True) -> Page:
        """See Store."""
        request: Dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": consistent,
            "Limit": max(limit, SCANNED),
            "FilterExpression": "attribute_exists(#value)",
            "ProjectionExpression": "#key, #version",
            "ExpressionAttributeNames": {"#key": "key", "#value": "value", "#version": "version"},
        }
        if prefix:
            request["FilterExpression"] += " AND begins_with(#key, :prefix)"
            request["ExpressionAttributeValues"] = {":prefix": {"S": prefix}}
        found: List[Tuple[str, int]] = []
        end = time.monotonic() + BUDGET_S
        self._await_client()
        for _ in range(PAGES):
            if after is not None:
                request["ExclusiveStartKey"] = {"key": {"S": after}}
            page = self._read("scan", request, self._attempts(end))
            found += [(item["key"]["S"], _version(item)) for item in page["Items"]]
            after = page["LastEvaluatedKey"]["key"]["S"] if "LastEvaluatedKey" in page else None
            if after is None or len(found) >= limit or time.monotonic() > end:
                break
        return (found[:limit], found[limit - 1][0]) if len(found) > limit else (found, after)

    def _item(self, key: str, attempts: Iterable[int], *, consistent: bool = True, outcome: str = "failed") -> Any:
        request = {"TableName": self._table, "Key": {"key": {"S": key}}, "ConsistentRead": consistent}
        return self._read("get_item", request, attempts, outcome).get("Item", {})

    def _read(self, call: str, request: Dict[str, Any], attempts: Iterable[int], outcome: str = "failed") -> Any:
        failure = None
        for turn in attempts:
            try:
                return self._call(call, request, turn)
            except _FAILURES as error:
                failure = error
                if _kind(error) == "final":
                    break
        raise Unavailable(f"DynamoDB: {failure}", outcome)

    def _call(self, call: str, request: Dict[str, Any], turn: int) -> Any:
        self._metrics.attempts.inc()
        try:
            answer = getattr(self._client, call)(**request)
        except aws.ClientError as error:
            if error.response["Error"]["Code"] in _THROTTLED:
                self._metrics.throttles.inc()
            raise
        self._quota.release(COST if turn else 1)
        return answer

    def _await_client(self) -> None:
        if not self._client and not self._ready.wait(BUDGET_S):
            raise Unavailable(self._problem)

    def _attempts(self, end: float) -> Iterator[int]:
        """Up to ATTEMPTS turns with jittered pauses, none begun after `end` or beyond the budget."""
        yield 0
        for turn in range(1, ATTEMPTS):
            if not self._quota.acquire(COST):
                return
            self._metrics.retries.inc()
            self._sleep(random.uniform(0, 0.1 * 2**turn))  # noqa: S311 - hides nothing
            if time.monotonic() > end:
                return
            yield turn

    def _prepare(self) -> None:
        while not self._client:
            try:
                self._client = self._connect()
            except Exception as error:  # noqa: BLE001 - every request tells it until it goes away
                self._problem = f"no DynamoDB client: {error}"
                self._sleep(0.5)
        self._ready.set()


def _demand(condition: Condition, values: Dict[str, Any]) -> Dict[str, str]:
    if condition == Condition():
        return {}
    text = "attribute_not_exists(#value)" if condition.exists is False else "attribute_exists(#value)"
    if condition.version:
        values[":version"] = {"N": str(condition.version)}
        text += " AND #version = :version"
    elif condition.version == 0:
        text += " AND attribute_not_exists(#version)"
    return {"ConditionExpression": text}


def _kind(error: Exception) -> str:
    """What a failure means: "condition"; "too large"; "again" and "final", certainly without effect; "unsure"."""
    if isinstance(error, aws.ClientError):
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            return "condition"
        if code in _THROTTLED:
            return "again"
        if code == "ValidationException" and "tem size" in str(error):
            return "too large"
        return "unsure" if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 else "final"
    if isinstance(error, _NOT_SENT):
        return "again"
    return "final" if isinstance(error, _NO_KEYS) else "unsure"


def _judge(error: Any, write: Any, *, unsure: bool) -> int:
    """The condition fails: because of this very write, for certain, or who knows."""
    item = error.response.get("Item", {})
    if item.get("write") == write:
        return _version(item)
    if unsure:
        raise Unavailable("the condition fails, perhaps since an earlier attempt took effect", "unknown")
    raise Conflict("the condition does not hold")


def _version(item: Any) -> int:
    return int(item.get("version", {}).get("N", 0))
