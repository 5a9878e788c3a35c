"""GET /v1/keys: pages, prefixes, cursors, and what is refused."""

from __future__ import annotations

import base64

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def walk(client: FlaskClient, **query: str) -> list[list[dict[str, str]]]:
    """Every page, from the first to the one without a cursor."""
    pages, cursor = [], ""
    while True:
        answer = client.get("/v1/keys", query_string={**query, "cursor": cursor} if cursor else query)
        assert answer.status_code == 200, answer.data
        assert answer.mimetype == "application/json"
        assert answer.json is not None
        pages.append(answer.json["keys"])
        cursor = answer.json["cursor"]
        if cursor is None:
            return pages


def test_nothing_there(client: FlaskClient) -> None:
    """No keys, no cursor."""
    assert client.get("/v1/keys").data == b'{"keys": [], "cursor": null}'


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), max_size=8),
    limit=st.integers(1, 4),
    prefix=st.text(st.characters(codec="utf-8"), max_size=2),
)
def test_every_key_comes_once(client: FlaskClient, keys: set[str], limit: int, prefix: str) -> None:
    """Any UTF-8, page by page, only what begins so, with the tag that a compare-and-set takes."""
    for one in walk(client):
        for entry in one:
            client.delete(path(entry["key"]))
    tags = {key: client.put(path(key), data=b"v").headers["ETag"] for key in keys}
    pages = walk(client, limit=str(limit), prefix=prefix)
    assert all(len(page) <= limit for page in pages)
    found = [(entry["key"], entry["etag"]) for page in pages for entry in page]
    assert sorted(found) == sorted((key, tag) for key, tag in tags.items() if key.startswith(prefix))


def path(key: str) -> str:
    """Where the key is."""
    return "/v1/keys/" + "".join(f"%{byte:02X}" for byte in key.encode())


@pytest.mark.parametrize(
    "query",
    [
        *({"limit": limit} for limit in ("0", "1001", "-1", "1.5", "ten", "", "٣", "99999999999999999999")),
        *({"cursor": cursor} for cursor in ("x", "AAAA", "AAAAAAAA", "////", "ö", "YWJj" * 2000, "=", "AAAAAGs=")),
        {"cursor": base64.urlsafe_b64encode(b"\0\0\0\0\xff").decode()},
        {"consistent": "maybe"},
        {"prefix": "p" * 2049},
    ],
)
def test_what_never_was_a_page(client: FlaskClient, query: dict[str, str]) -> None:
    """A limit out of range, a cursor that nobody gave out, a prefix that no key has: 400."""
    answer = client.get("/v1/keys", query_string=query)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


def test_an_empty_key_is_no_listing(client: FlaskClient) -> None:
    """The path of an empty key stays refused."""
    assert client.get("/v1/keys/").status_code == 400
    assert client.put("/v1/keys", data=b"v").status_code == 405
