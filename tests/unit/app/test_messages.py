"""HTTP messages: what becomes of a request's bytes, what is refused, and how answers look."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srekv.app.messages import MAX_BODY, MAX_FIELDS, Refusal, parse, refusal, respond


def head(*lines: str) -> bytes:
    """A request's head."""
    return "\r\n".join(lines).encode("latin-1")


def test_a_request_becomes_an_environment() -> None:
    """Method, decoded path, query as it came, header fields; a repeated field is joined."""
    request = parse(
        head("PUT /v1/keys/a%2Fb?x=%20 HTTP/1.1", "Host: h", "If-Match: *", "X-A: 1", "x-a:2", "Content-Length: 7")
    )
    environ = request.environ
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]) == (
        "PUT",
        "/v1/keys/a/b",
        "x=%20",
    )
    assert (environ["HTTP_HOST"], environ["HTTP_IF_MATCH"], environ["HTTP_X_A"]) == ("h", "*", "1, 2")
    assert (request.path, request.length, request.keep, environ["CONTENT_LENGTH"]) == ("/v1/keys/a%2Fb", 7, True, "7")


@pytest.mark.parametrize(
    ("lines", "keep"),
    [
        (["GET / HTTP/1.1"], True),
        (["GET / HTTP/1.1", "Connection: Close"], False),
        (["GET / HTTP/1.0"], False),
        (["GET / HTTP/1.0", "Connection: Keep-Alive"], True),
    ],
)
def test_who_keeps_the_connection(lines: list[str], keep: bool) -> None:
    """HTTP/1.1 keeps it unless told otherwise, HTTP/1.0 the other way round."""
    assert parse(head(*lines)).keep is keep


def test_a_path_behind_a_proxy() -> None:
    """The absolute form of a target means its path."""
    assert parse(head("GET http://svc:80/read?key=a HTTP/1.1")).environ["PATH_INFO"] == "/read"


def test_an_underscore_is_no_hyphen() -> None:
    """A field whose name would pass for another one is not seen as that."""
    environ = parse(head("PUT / HTTP/1.1", "Content_Length: 5", "If_Match: *")).environ
    assert "CONTENT_LENGTH" not in environ
    assert "HTTP_IF_MATCH" not in environ


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["nonsense"], 400),
        (["GET /"], 400),
        (["GET / HTTP/2.0"], 400),
        (["get / HTTP/1.1"], 400),
        (["GET  / HTTP/1.1"], 400),
        (["GET /a b HTTP/1.1"], 400),
        (["GET x HTTP/1.1"], 400),
        (["GET / HTTP/1.1", "no colon"], 400),
        (["GET / HTTP/1.1", "Name : space"], 400),
        (["GET / HTTP/1.1", "A: 1", " folded"], 400),
        (["GET / HTTP/1.1", "A: \0"], 400),
        (["GET / HTTP/1.1", "A: 1\nB: 2"], 400),
        (["PUT / HTTP/1.1", "Content-Length: -1"], 400),
        (["PUT / HTTP/1.1", "Content-Length: 1", "Content-Length: 1"], 400),
        (["PUT / HTTP/1.1", "Content-Length: "], 400),
        (["PUT / HTTP/1.1", f"Content-Length: {MAX_BODY + 1}"], 413),
        (["PUT / HTTP/1.1", "Transfer-Encoding: chunked"], 411),
        (["PUT / HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"], 411),
        (["GET / HTTP/1.1", *["A: 1"] * (MAX_FIELDS + 1)], 431),
    ],
)
def test_what_is_refused(lines: list[str], status: int) -> None:
    """What is no HTTP, what two readers could read in two ways, and what is too large."""
    with pytest.raises(Refusal) as caught:
        parse(head(*lines))
    assert caught.value.status == status


@given(
    st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda some: b"GET /" + some + b" HTTP/1.1\r\nA: 1"))
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but Refusal comes of nonsense."""
    with contextlib.suppress(Refusal):
        assert parse(data).path.startswith(("/", "*"))


def test_an_answer_closes_what_the_application_opened() -> None:
    """The iterable is closed; the message has the application's headers, ours, and the body."""
    closed = []

    class Chunks(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, object], start: object) -> Chunks:
        assert environ["wsgi.input"].read() == b"in"  # type: ignore[attr-defined]
        start("200 OK", [("Content-Length", "4")])  # type: ignore[operator]
        return Chunks([b"ab", b"cd"])

    message = respond(app, parse(head("PUT / HTTP/1.1")), b"in", last=True)
    assert message.startswith(b"HTTP/1.1 200 OK\r\nServer: srekv\r\nDate: ")
    assert message.endswith(b" GMT\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd")
    assert closed == [True]


def test_a_refusal_for_want_of_room_says_what_became_of_it() -> None:
    """503 comes with Retry-After and the certainty that nothing happened; other refusals without."""
    full, bad = refusal("az1", "id7", 503, "full", last=False), refusal("az1", "id8", 400, "bad", last=True)
    assert b"Retry-After: 1\r\n" in full
    assert full.endswith(b'"error": "unavailable", "reason": "full", "outcome": "failed"}')
    assert b"Content-Type: application/problem+json\r\n" in full
    assert b"X-Request-Id: id7\r\n" in full
    assert b"X-Srekv-Node: az1\r\n" in bad
    assert json.loads(bad.split(b"\r\n\r\n")[1]) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "bad",
        "error": "bad request",
        "reason": "bad",
    }
