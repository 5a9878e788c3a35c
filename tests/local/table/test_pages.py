"""Listing keys from each database: every key once, bounded work, no remains of deleted keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from srekv.app.dynamodb import PAGES, DynamoStore
from srekv.app.metrics import Metrics
from srekv.app.model import Condition, Unavailable

pytestmark = pytest.mark.local

ANY = Condition()


class Small:
    """A client whose pages are small, and that is throttled when told; it keeps what was asked."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: list[dict[str, Any]] = []
        self.throttled = 0

    def update_item(self, **request: Any) -> Any:
        """As botocore's client."""
        return self._client.update_item(**request)

    def scan(self, **request: Any) -> Any:
        """As botocore's client, three items at a time."""
        self.asked.append(request)
        if self.throttled:
            self.throttled -= 1
            error = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(error, "Scan")  # type: ignore[arg-type] # as much of it as anybody reads
        return self._client.scan(**{**request, "Limit": 3})


@pytest.fixture
def small(client: Any) -> Small:
    """A client of each kind with small pages."""
    return Small(client)


@pytest.fixture
def metrics() -> Metrics:
    """What the store counts."""
    return Metrics()


@pytest.fixture
def store(small: Small, database: Any, metrics: Metrics) -> DynamoStore:
    """A store of an empty table; it does not wait between attempts."""
    return DynamoStore(database.table(), lambda: small, lambda _: None, metrics)


def walk(store: DynamoStore, prefix: str, limit: int) -> Iterator[list[tuple[str, int]]]:
    """Every page."""
    after = None
    while True:
        found, after = store.keys(prefix, limit, after)
        yield found
        if after is None:
            return


@pytest.mark.parametrize("limit", [1, 4, 1000])
def test_every_key_once(store: DynamoStore, limit: int) -> None:
    """Whatever the pages: all keys with their versions, those of the prefix only, none that was deleted."""
    written = {key: store.put(key, b"v", ANY) for key in ("a", "a/ö", "b\n", "€€", "\U0001f600", "ab", "c", "d", "e")}
    store.put("gone", b"v", ANY)
    store.delete("gone", ANY)
    pages = list(walk(store, "", limit))
    assert all(len(page) <= limit for page in pages)
    assert sorted(pair for page in pages for pair in page) == sorted(written.items())
    begun = [key for page in walk(store, "a", limit) for key, _ in page]
    assert sorted(begun) == ["a", "a/ö", "ab"]


def test_bounded_work(store: DynamoStore, small: Small) -> None:
    """A prefix that nothing has: a few pages a request, then a cursor to go on from."""
    for number in range(3 * PAGES + 1):
        store.put(f"k{number}", b"v", ANY)
    found, after = store.keys("none", 10, None)
    assert (found, len(small.asked)) == ([], PAGES)
    assert after is not None
    assert list(walk(store, "none", 10))[-1] == []


def test_consistent_unless_relaxed(store: DynamoStore, small: Small) -> None:
    """The table is asked as the caller wants it."""
    store.keys("", 10, None)
    store.keys("", 10, None, consistent=False)
    assert [request["ConsistentRead"] for request in small.asked] == [True, False]


def test_throttled_pages(store: DynamoStore, small: Small, metrics: Metrics) -> None:
    """A page is tried again as any read; then it is an outage. All of it is counted."""
    small.throttled = 2
    assert store.keys("", 10, None) == ([], None)
    small.throttled = 3
    with pytest.raises(Unavailable):
        store.keys("", 10, None)
    for name, count in (("attempts", 6), ("retries", 4), ("throttles", 5)):
        assert metrics.registry.get_sample_value(f"srekv_table_{name}_total") == count
