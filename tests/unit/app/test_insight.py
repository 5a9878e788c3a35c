"""What operators ask of the service: /ready, /metrics, the log."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from srekv.app.metrics import Metrics
from srekv.app.model import Unavailable
from srekv.app.routes import WAIT_S
from tests.support.memory_store import MemoryStore


def samples(client: FlaskClient) -> dict[str, float]:
    """What /metrics shows, read by Prometheus' own parser; the name with its labels."""
    answer = client.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_ready_when_the_table_answers(client: FlaskClient, store: MemoryStore) -> None:
    """Deep, while /health never looks at the table."""
    assert client.get("/ready").data == b"OK"
    store.failure = Unavailable("DynamoDB: gone")
    answer = client.get("/ready")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] == "1"
    assert client.get("/health").data == b"OK"


class Hanging(MemoryStore):
    """A table that answers when it is let go; `begun` counts looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0
        self.may_end = threading.Event()

    def get(self, *_: Any, **__: Any) -> None:
        """Count, then wait."""
        self.begun += 1
        self.may_end.wait(20)


def test_one_look_for_all_who_ask(build: Callable[..., FlaskClient]) -> None:
    """While the table hangs nobody waits longer than told, and one look is on its way for all; then it is ready."""
    store = Hanging()
    client = build(store)

    def ask(_: int) -> float:
        began = time.monotonic()
        assert "has not answered" in client.application.test_client().get("/ready").text
        return time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        waited = list(pool.map(ask, range(16)))
    assert store.begun == 1
    assert max(waited) < WAIT_S + 0.5
    store.may_end.set()
    assert client.get("/ready").data == client.get("/ready").data == b"OK"
    assert store.begun <= 3


def test_requests_are_counted_by_route_and_status(client: FlaskClient) -> None:
    """Under the operation's name; what has no route is one, so that nobody can make endless many."""
    client.get("/write?key=k&value=v")
    client.put("/v1/keys/k", data=b"v", headers={"If-Match": '"9"'})
    for path in ("/a", "/b"):
        client.get(path)
    client.open("/health", method="BREW")
    found = samples(client)
    counted = {name: value for name, value in found.items() if name.startswith("srekv_request_seconds_count")}
    assert counted == {
        "srekv_request_seconds_count write 200": 1,
        "srekv_request_seconds_count put_key 412": 1,
        "srekv_request_seconds_count none 404": 2,
        "srekv_request_seconds_count none 405": 1,
    }
    buckets = [value for name, value in found.items() if "bucket" in name and "write" in name]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 1
    assert found["process_open_fds"] > 0


def test_metrics_of_others(build: Callable[..., FlaskClient], store: MemoryStore) -> None:
    """What the store and the server count and watch is shown too."""
    metrics = Metrics()
    metrics.throttles.inc()
    metrics.watch("calls", lambda: 7)
    found = samples(build(store, metrics=metrics))
    assert (found["srekv_table_throttles_total"], found["srekv_calls"]) == (1, 7)
    assert found["srekv_table_attempts_total"] == found["srekv_refused_total"] == 0


def test_counting_is_cheap() -> None:
    """A request's counters cost some microseconds of CPU: here bounded generously, for machines that are slow."""
    metrics, rounds = Metrics(), 2000
    began = time.thread_time()
    for _ in range(rounds):
        metrics.requests("read", 200).observe(0.003)
        metrics.attempts.inc()
    assert (time.thread_time() - began) / rounds < 50e-6


@pytest.mark.parametrize("wish", ["abc-123", "Root=1-67891233-abcdef012345678912345678", "a" * 128])
def test_a_request_keeps_its_id(client: FlaskClient, wish: str) -> None:
    """An id that came with the request comes back."""
    assert client.get("/health", headers={"X-Request-Id": wish}).headers["X-Request-Id"] == wish


@pytest.mark.parametrize("wish", ["", "a" * 129, "two words", "a\tb", '"', "ö"])
def test_a_request_gets_an_id(client: FlaskClient, wish: str) -> None:
    """None, or none that is fit for a log: a new one for each request."""
    headers = {"X-Request-Id": wish} if wish else {}
    made = [client.get("/health", headers=headers).headers["X-Request-Id"] for _ in range(2)]
    assert made[0] != made[1]
    assert all(re.fullmatch("[0-9a-f]+-[0-9a-f]+", one) for one in made)


def test_failures_are_logged_and_success_is_not(
    client: FlaskClient, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """One line with what is needed to find the request again; a line for each would cost more than the request."""
    caplog.set_level(logging.WARNING, "srekv.app")
    client.get("/health")
    client.get("/nope")
    assert caplog.records == []
    store.failure = Unavailable("DynamoDB: gone", "unknown")
    client.put("/v1/keys/a%0Ab", data=b"v", headers={"X-Request-Id": "r1"})
    (record,) = caplog.records
    assert isinstance(record.msg, dict)
    assert record.msg.pop("ms") >= 0
    assert record.msg == {
        "node": "az1",
        "id": "r1",
        "status": 503,
        "method": "PUT",
        "path": "/v1/keys/a\nb",
        "reason": "DynamoDB: gone",
    }
    assert not record.exc_info


def test_every_request_is_logged_when_asked(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """SREKV_LOG=all sets the level that shows them."""
    caplog.set_level(logging.INFO, "srekv.app")
    client.get("/health")
    assert [record.levelname for record in caplog.records] == ["INFO"]
