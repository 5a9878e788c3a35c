"""The routes over a store in memory: the lab's answers to the byte, /v1 with its conditions, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srekv.app.faults import FaultyStore
from srekv.app.model import Unavailable
from tests.support.memory_store import MemoryStore


def test_lab_answers_to_the_byte(client: FlaskClient) -> None:
    """The lab's session, with the lab's bodies and the content type that Flask gave them."""
    answers = [client.get(path) for path in ("/write?key=foo&value=bar", "/read?key=foo", "/read?key=x", "/health")]
    assert [answer.data for answer in answers] == [
        b'{"status": "written"}',
        b'{"key": "foo", "value": "bar"}',
        b"{}",
        b"OK",
    ]
    assert {(answer.status_code, answer.headers["Content-Type"]) for answer in answers} == {
        (200, "text/html; charset=utf-8")
    }


def test_lab_escapes_as_json_dumps_does(client: FlaskClient) -> None:
    """Text beyond ASCII is escaped as in the lab's json.dumps."""
    client.get("/write?key=k%C3%B6&value=%22%E2%82%AC")
    assert client.get("/read?key=k%C3%B6").data == b'{"key": "k\\u00f6", "value": "\\"\\u20ac"}'


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/write?value=v", "the key is missing"),
        ("/write?key=&value=v", "the key is empty"),
        ("/write?key=k", "the value is missing"),
        ("/write?key=k&value=", "the value is empty"),
        ("/write?key=%FF&value=v", "not UTF-8"),
        ("/read", "the key is missing"),
        ("/read?key=", "the key is empty"),
        (f"/read?key={'k' * 2049}", "has 2049 bytes, at most 2048"),
        (f"/read?key={'%C3%B6' * 1025}", "has 2050 bytes, at most 2048"),
        (f"/write?key=k&value={'v' * 409_528}", "has 409528 bytes, at most 409527"),
        ("/read?key=k&consistent=maybe", "true or false"),
        ("/v1/keys/", "the key is empty"),
        (f"/v1/keys/{'k' * 2049}", "at most 2048"),
    ],
)
def test_refuses_with_a_reason(client: FlaskClient, path: str, reason: str) -> None:
    """What can never work is a 400 that says why, signed by the node."""
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.json is not None
    assert reason in answer.json["reason"]
    assert answer.headers["X-Srekv-Node"] == "az1"


def test_limits_are_bytes_and_inclusive(client: FlaskClient, store: MemoryStore) -> None:
    """A key of 2,048 bytes passes; the largest value shrinks by as much as the key grows."""
    key = "ö" * 1024
    assert client.put(f"/v1/keys/{key}", data=b"v" * (409_528 - 2048)).status_code == 200
    assert client.put(f"/v1/keys/{key}", data=b"v" * (409_529 - 2048)).status_code == 400
    assert set(store.items) == {key}


@pytest.mark.parametrize("data", [b"", None])
def test_put_refuses_an_empty_value(client: FlaskClient, data: bytes | None) -> None:
    """No body and an empty one are both refused: an empty value would be told from no value by nobody."""
    assert client.put("/v1/keys/k", data=data).status_code == 400


def test_reads_are_consistent_unless_relaxed(client: FlaskClient, store: MemoryStore) -> None:
    """Both reads ask for a strongly consistent item by default."""
    for path in ("/read?key=k", "/v1/keys/k", "/read?key=k&consistent=false", "/v1/keys/k?consistent=false"):
        client.get(path)
    assert store.consistent == [True, True, False, False]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), value=st.binary(min_size=1, max_size=50))
def test_any_key_and_value_come_back(client: FlaskClient, key: str, value: bytes) -> None:
    """Slashes, line breaks, dots, percent signs, NULs, bytes that are no text: what was put is what is got."""
    path = "/v1/keys/" + "".join(f"%{byte:02X}" for byte in key.encode())
    tag = client.put(path, data=value).headers["ETag"]
    answer = client.get(path)
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (200, value, tag)


def test_conditions(client: FlaskClient) -> None:
    """Compare-and-set: each condition lets through what it names and answers 412 to the rest, changing nothing."""
    path = "/v1/keys/k"

    def put(**headers: str) -> int:
        return client.put(
            path, data=b"v", headers={name.replace("_", "-"): text for name, text in headers.items()}
        ).status_code

    assert put(If_Match="*") == 412
    assert put(If_Match='"1"') == 412
    assert put(If_None_Match="*") == 200
    assert put(If_None_Match="*") == 412
    tag = client.get(path).headers["ETag"]
    assert put(If_Match=tag) == 200
    assert put(If_Match=tag) == 412
    assert put(If_Match="*") == 200
    assert client.delete(path, headers={"If-Match": tag}).status_code == 412
    assert client.delete(path, headers={"If-Match": client.get(path).headers["ETag"]}).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 204
    assert client.delete(path, headers={"If-Match": "*"}).status_code == 412


@pytest.mark.parametrize("tag", ['W/"1"', '"abc"', '"01"', '""', '"-1"', '"1.0"', f'"{"9" * 30}"'])
def test_foreign_tags_never_match(client: FlaskClient, tag: str) -> None:
    """A weak tag, or one that no version has, is a conflict: not an error, and never a match."""
    client.put("/v1/keys/k", data=b"v")
    assert client.put("/v1/keys/k", data=b"w", headers={"If-Match": tag}).status_code == 412
    assert client.get("/v1/keys/k").data == b"v"


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": "1"},
        {"If-Match": '"1", "2"'},
        {"If-Match": '"1"x'},
        {"If-None-Match": '"1"'},
        {"If-Match": "*", "If-None-Match": "*"},
    ],
)
def test_conditions_that_cannot_be_kept_are_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    """A condition is honoured or refused, never ignored."""
    assert client.put("/v1/keys/k", data=b"v", headers=headers).status_code == 400
    assert client.get("/v1/keys/k").status_code == 404


@pytest.mark.parametrize(
    ("known", "status"), [('"1"', 304), ('W/"1"', 304), ('"7", "1"', 304), ("*", 304), ('"11"', 200)]
)
def test_get_of_a_known_version(client: FlaskClient, known: str, status: int) -> None:
    """If-None-Match on a read answers 304 with the tag when the client has this version."""
    client.put("/v1/keys/k", data=b"v")
    answer = client.get("/v1/keys/k", headers={"If-None-Match": known})
    assert (answer.status_code, answer.headers["ETag"]) == (status, '"1"')


def test_binary_values_are_not_text(client: FlaskClient) -> None:
    """Bytes come back as bytes; the lab's route, which can only show text, says where to read them."""
    client.put("/v1/keys/b", data=b"\xff")
    assert client.get("/v1/keys/b").headers["Content-Type"] == "application/octet-stream"
    assert client.get("/read?key=b").status_code == 400


@pytest.mark.parametrize("outcome", ["failed", "unknown"])
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get("/write?key=k&value=v"),
        lambda client: client.put("/v1/keys/k", data=b"v"),
        lambda client: client.delete("/v1/keys/k"),
    ],
)
def test_unavailable(
    client: FlaskClient, store: MemoryStore, call: Callable[[FlaskClient], object], outcome: str
) -> None:
    """A store that fails is a 503 with Retry-After that says what became of the write."""
    store.failure = Unavailable("DynamoDB: throttled", outcome)
    answer = call(client)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.mimetype == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "DynamoDB: throttled",
        "error": "unavailable",
        "reason": "DynamoDB: throttled",
        "outcome": outcome,
    }


def test_an_own_error_is_not_shown(client: FlaskClient, store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    """A defect is a signed 500 without its inside, which goes to the log with the traceback."""
    store.failure = KeyError("secret")
    answer = client.get("/read?key=k")
    assert answer.status_code == 500
    assert b"secret" not in answer.data
    assert answer.headers["X-Srekv-Node"] == "az1"
    record = caplog.records[-1]
    assert isinstance(record.msg, dict)
    assert record.msg["reason"] == "'secret'"
    assert record.msg["id"] == answer.headers["X-Request-Id"]
    assert record.exc_info


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/health", 405), ("GET", "/nope", 404)])
def test_unknown_routes_are_signed(client: FlaskClient, method: str, path: str, status: int) -> None:
    """Flask's own errors are JSON and signed too."""
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.headers["X-Srekv-Node"]) == (status, "az1")
    assert answer.json is not None
    assert ("Allow" in answer.headers) == (status == 405)


def test_every_answer_is_kept_from_browsers_and_caches(client: FlaskClient) -> None:
    """Values are anybody's and are served as HTML, as in the lab: no browser runs them, no cache keeps them."""
    client.get("/write?key=k&value=%3Cscript%3E")
    headers = client.get("/read?key=k").headers
    assert (headers["Content-Security-Policy"], headers["Cache-Control"]) == ("sandbox", "no-store")


@pytest.mark.parametrize(
    ("words", "health", "read"),
    [
        ("", 200, 200),
        ("unhealthy\n", 500, 200),
        ("lying\n", 200, 500),
        ("no-table\n", 200, 503),
        ("lying\nunhealthy\n", 500, 500),
        ("nonsense", 200, 200),
    ],
)
def test_faults_on_the_wire(
    tmp_path: Path, store: MemoryStore, words: str, health: int, read: int, *, build: Callable[..., FlaskClient]
) -> None:
    """Each word breaks what it says and nothing else."""
    file = tmp_path / "fault"
    file.write_text(words)
    client = build(store, str(file))
    assert client.get("/health").status_code == health
    assert client.get("/read?key=k").status_code == read
    file.unlink()
    assert client.get("/health").status_code == 200
    assert client.get("/read?key=k").status_code == 200


def test_stale_reads(tmp_path: Path, store: MemoryStore, build: Callable[..., FlaskClient]) -> None:
    """A read shows what the key held when the fault first touched it, though writes go through; healed, it is right."""
    file = tmp_path / "fault"
    client = build(store, str(file))
    client.get("/write?key=k&value=old")
    file.write_text("stale-reads")
    client.get("/write?key=k&value=new")
    assert client.get("/v1/keys/k").data == b"old"
    assert store.items["k"].value == b"new"
    file.unlink()
    assert client.get("/v1/keys/k").data == b"new"


def test_lost_writes(tmp_path: Path, store: MemoryStore, build: Callable[..., FlaskClient]) -> None:
    """Writes and deletes are acknowledged as ever and change nothing."""
    file = tmp_path / "fault"
    client = build(store, str(file))
    client.put("/v1/keys/k", data=b"old")
    file.write_text("lost-writes")
    assert client.get("/write?key=k&value=new").data == b'{"status": "written"}'
    assert client.put("/v1/keys/k", data=b"new").headers["ETag"]
    assert client.delete("/v1/keys/k").status_code == 204
    assert client.get("/v1/keys/k").data == b"old"


def test_a_changed_fault_file_counts_at_once(tmp_path: Path, store: MemoryStore) -> None:
    """The file is looked at for each request: written, replaced and removed while the service runs."""
    file = tmp_path / "fault"
    faults = FaultyStore(store, str(file))
    assert faults.active() == frozenset()
    file.write_text("hang")
    assert faults.active() == {"hang"}
    file.write_text("lying unhealthy")
    assert faults.active() == {"lying", "unhealthy"}
    file.unlink()
    assert faults.active() == frozenset()
