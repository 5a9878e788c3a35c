"""What routes and store share: data, errors, DynamoDB's limits in bytes, and the Store interface."""

import json
from http import HTTPStatus
from typing import List, NamedTuple, Optional, Protocol, Tuple

MAX_KEY = 2048  # bytes of a partition key
MAX_ITEM = 400 * 1024  # bytes of an item: attribute names and values
OVERHEAD = 72  # bytes of an item in addition to key and value: the names, a number of at most 21, a write's id of 32
MAX_LIST = 1000  # keys in a page of a listing
CALLS, SPARE = 24, 8  # requests that may use the table at a time; threads left for the others, /health above all
QUEUE, PATIENCE_S = 500, 0.25  # requests that may wait for the table, and how long
PROBLEM = "application/problem+json"


class ServiceError(Exception):
    """An answer that is no success: its HTTP status and word, and why."""

    status, word = 500, "internal error"
    outcome = ""


class Refused(ServiceError):
    """The request can never succeed as it is."""

    status, word = 400, "bad request"


class Conflict(ServiceError):
    """The condition of a write does not hold; nothing was written."""

    status, word = 412, "precondition failed"


class Unavailable(ServiceError):
    """The store does not answer as it should; with the outcome "unknown" a write may have taken effect."""

    status, word = 503, "unavailable"

    def __init__(self, reason: str, outcome: str = "failed") -> None:
        super().__init__(reason)
        self.outcome = outcome


class Item(NamedTuple):
    """A value and its version, which grows with every write of its key, deletes included."""

    value: bytes
    version: int


class Condition(NamedTuple):
    """What a write demands: this version of the key, or that it exists (True) or does not (False)."""

    version: Optional[int] = None
    exists: Optional[bool] = None


Page = Tuple[List[Tuple[str, int]], Optional[str]]


class Store(Protocol):
    """Keys with versions; every method may raise Unavailable."""

    def get(self, key: str, *, consistent: bool = True) -> Optional[Item]:
        """The item or None; without `consistent` perhaps an old one."""

    def put(self, key: str, value: bytes, condition: Condition) -> int:
        """Write, or raise Conflict; the new version."""

    def delete(self, key: str, condition: Condition) -> None:
        """Remove, or raise Conflict; without a condition, an absent key is fine."""

    def keys(self, prefix: str, limit: int, after: Optional[str], *, consistent: bool = True) -> Page:
        """Keys and versions in no order, at most `limit`, and after which one the rest begins, if there is more."""


def problem(status: int, word: str, reason: str, outcome: str = "") -> str:
    """The body of an answer that is no success: RFC 9457's members and our own."""
    members = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": reason}
    members.update({"error": word, "reason": reason, **({"outcome": outcome} if outcome else {})})
    return json.dumps(members)
