"""Both clients of DynamoDB against one scripted server: whatever it answers, the store's outcome is the same."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from srekv.app.clients import BOTO3, KINDS, THIN, connect
from srekv.app.dynamodb import DynamoStore
from srekv.app.model import Condition, Item, ServiceError, Unavailable

pytestmark = pytest.mark.local

MINE = "the id of this very write"
"""Stands for it in a scripted answer."""


@dataclass(frozen=True)
class Step:
    """What the server does with one request: it sends the answer, `keep` bytes of it (None: all), or nothing."""

    status: int = 200
    body: Any = field(default_factory=dict)
    crc: bool = True
    chunked: bool = False
    keep: int | None = None
    hang: bool = False
    close: bool = False

    def message(self, write: str) -> bytes:
        """The answer's bytes."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).replace(MINE, write).encode()
        head = f"HTTP/1.1 {self.status} Words\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: R\r\n"
        head += f"x-amz-crc32: {zlib.crc32(body) if self.crc else 1}\r\n" + "Connection: close\r\n" * self.close
        if self.chunked:
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:3], body[3:]) if part)
            return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def refusal(code: str, status: int = 400, **more: Any) -> Step:
    """DynamoDB's refusal with that code."""
    return Step(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "words", **more})


class Scripted:
    """Answers requests step by step, then with 500; `seen` has each request's operation and JSON."""

    def __init__(self) -> None:
        self.script: list[Step] = []
        self.seen: list[tuple[str, Any]] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(0.05)
            data = b""
            while not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    received = sock.recv(65536)
                    if not received:
                        return
                    data += received
                head, found, body = data.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                if found and length and len(body) >= int(length[1]):
                    data = b""
                    if not self._answer(sock, head, body):
                        return

    def _answer(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
        """Whether the connection goes on."""
        operation = re.search(rb"DynamoDB_20120810\.(\w+)", head)
        assert operation is not None
        self.seen.append((operation[1].decode(), json.loads(body)))
        step = self.script.pop(0) if self.script else Step(500)
        if step.hang:
            self._over.wait(20)
            return False
        message = step.message(self.write())
        sock.sendall(message[: step.keep])
        return step.keep is None and not step.close

    def write(self) -> str:
        """The id of the latest write."""
        values = [request.get("ExpressionAttributeValues") for _, request in self.seen]
        return next((str(one[":write"]["S"]) for one in reversed(values) if one), "none")

    def asked(self) -> str:
        """Everything asked, without what differs from write to write."""
        text = re.sub(r"[0-9a-f]{32}", "WRITE", json.dumps(self.seen, sort_keys=True))
        return re.sub(r'(":now": {"N": ")\d+', r"\1NOW", text)

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    """A scripted server that botocore's environment points at."""
    with contextlib.closing(Scripted()) as scripted, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", scripted.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield scripted


@pytest.fixture(scope="module")
def clients(server: Scripted) -> Iterator[dict[str, Any]]:
    """Both kinds."""
    assert server.url
    with contextlib.ExitStack() as stack:
        yield {kind: stack.enter_context(contextlib.closing(connect("us-east-1", kind))) for kind in KINDS}


def outcome(server: Scripted, client: Any, script: list[Step], call: str, condition: Condition) -> tuple[str, str]:
    """What comes of one call of a fresh store, and what the server was asked for it."""
    server.script, server.seen = list(script), []
    store = DynamoStore("SREKeyValue", lambda: client, sleep=lambda _: None)
    try:
        if call == "get":
            result: Any = store.get("k\u00f6")
        elif call == "put":
            result = store.put("k\u00f6", b"\xff\x00", condition)
        else:
            result = store.delete("k", condition)
    except ServiceError as error:
        result = (type(error).__name__, str(error), error.outcome)
    except Exception as error:  # noqa: BLE001 - whatever it is, both must come to it
        result = type(error).__name__
    said = repr(result).replace(" (reached max retries: 0)", "")  # botocore's own retries, which are off
    return said.replace(server.write(), "WRITE"), server.asked()


ITEM = {
    "key": {"S": "k"},
    "value": {"B": "/wA="},
    "version": {"N": "7"},
    "write": {"S": "other"},
    "B": {"BS": ["AA=="]},
}
STEPS = st.sampled_from(
    [
        Step(body={"Item": ITEM, "Attributes": ITEM}),
        Step(body={"Item": {**ITEM, "write": {"S": MINE}}, "Attributes": ITEM}),
        Step(
            body={"Item": {"key": {"S": "k"}, "value": {"S": "\u20ac" * 3000}}, "Attributes": {"version": {"N": "8"}}}
        ),
        Step(body={"Item": {"key": {"S": "k"}, "value": {"L": [{"M": {"B": {"B": "/w=="}}}]}}, "Attributes": {}}),
        Step(body={"Item": ITEM, "Attributes": ITEM}, chunked=True),
        Step(body={"Item": ITEM, "Attributes": ITEM}, chunked=True, keep=250),
        Step(body={"Item": ITEM, "Attributes": ITEM}, close=True),
        Step(body={"Item": ITEM, "Attributes": ITEM}, crc=False),
        Step(body={"Item": ITEM, "Attributes": ITEM}, keep=0),
        Step(body={"Item": ITEM, "Attributes": ITEM}, keep=40),
        Step(body={"Item": ITEM, "Attributes": ITEM}, keep=200),
        Step(body=b"{}"),
        Step(body=b'{"Item": '),
        Step(body=b"[]"),
        Step(body=b"\xff"),
        Step(302, b""),
        Step(400, b"<html>"),
        Step(413, b""),
        Step(500, b""),
        Step(503, b"<html><body>Service Unavailable</body></html>"),
        refusal("InternalServerError", 500),
        refusal("ThrottlingException"),
        refusal("ProvisionedThroughputExceededException"),
        refusal("RequestLimitExceeded"),
        refusal("ResourceNotFoundException"),
        refusal("ExpiredTokenException"),
        refusal("ConditionalCheckFailedException"),
        refusal("ConditionalCheckFailedException", Item=ITEM),
        refusal("ConditionalCheckFailedException", Item={**ITEM, "write": {"S": MINE}}),
        Step(400, {"__type": "ValidationException", "message": "Item size has exceeded the maximum allowed size"}),
        Step(400, {"__type": "x#AccessDenied:http://y", "Message": "capital"}),
    ]
)
CALLS = st.sampled_from(["get", "put", "delete"])
CONDITIONS = st.sampled_from([Condition(), Condition(version=7), Condition(version=0), Condition(exists=False)])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(STEPS, min_size=1, max_size=4), call=CALLS, condition=CONDITIONS)
@example([Step(keep=0), refusal("ConditionalCheckFailedException", Item={"write": {"S": MINE}})], "put", Condition(7))
@example([Step(500), Step(body={"Item": {"write": {"S": MINE}, "version": {"N": "9"}}})], "put", Condition())
def test_both_come_to_the_same(
    server: Scripted, clients: dict[str, Any], script: list[Step], call: str, condition: Condition
) -> None:
    """Same result or same error, word for word, after the same requests."""
    results = {kind: outcome(server, client, script, call, condition) for kind, client in clients.items()}
    assert results[THIN] == results[BOTO3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cuts", [range(200), range(200, 400, 20)])
def test_half_an_answer_is_no_answer(server: Scripted, clients: dict[str, Any], kind: str, cuts: range) -> None:
    """An answer cut short anywhere, its head at every byte, never reads as an absent key; the read is tried again."""
    whole = Step(body={"Item": {**ITEM, "value": {"S": "v" * 300}}})
    store = DynamoStore("SREKeyValue", lambda: clients[kind], sleep=lambda _: None)
    for keep in cuts:
        server.script, server.seen = [Step(body=whole.body, keep=keep), whole], []
        assert store.get("k") == Item(b"v" * 300, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_ends(server: Scripted, clients: dict[str, Any], kind: str) -> None:
    """A server that never answers costs 1.5 s, then the fate of the write is looked up."""
    server.script, server.seen = [Step(hang=True), Step()], []
    store, began = DynamoStore("SREKeyValue", lambda: clients[kind]), time.monotonic()
    with pytest.raises(Unavailable, match="Read timeout on endpoint URL") as caught:
        store.put("k", b"v", Condition())
    assert caught.value.outcome == "unknown"
    assert 1.4 < time.monotonic() - began < 3
    assert [operation for operation, _ in server.seen] == ["UpdateItem", "GetItem"]


def test_connections_are_kept(server: Scripted) -> None:
    """Calls that follow one another share a connection; one that the server has closed meanwhile is not used."""
    server.script, before = [Step(), Step(), Step(close=True), Step(), Step()], server.connections
    with contextlib.closing(connect("us-east-1")) as client:
        for _ in range(5):
            assert client.get_item(TableName="SREKeyValue", Key={"key": {"S": "k"}}) == {}
    assert server.connections - before == 2


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there(kind: str, monkeypatch: pytest.MonkeyPatch, reserve_port: Callable[[], int]) -> None:
    """A write that could not be sent certainly failed."""
    url = f"http://127.0.0.1:{reserve_port()}"
    for name, value in {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}.items():
        monkeypatch.setenv(name, value)
    # Connected before the store waits for it: botocore takes seconds on a busy machine.
    with contextlib.closing(connect("us-east-1", kind)) as client:
        store = DynamoStore("SREKeyValue", lambda: client, sleep=lambda _: None)
        with pytest.raises(Unavailable, match=f'Could not connect to the endpoint URL: "{url}/"') as caught:
            store.put("k", b"v", Condition())
    assert caught.value.outcome == "failed"
