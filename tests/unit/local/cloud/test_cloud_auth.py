"""Who is let in, and what those hear who are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from srekv.local.auth import HttpRequest, Keyring, Refusal, parse_authorization

NOW = datetime.now(UTC)


def signed(
    *, key: str = "AKIA1", secret: str = "s", token: str | None = None, path: str = "/", body: bytes = b""
) -> HttpRequest:
    """A request signed by botocore, as our server would read it."""
    request = AWSRequest(method="POST", url=f"http://127.53.0.1:8000{path}", data=body)
    SigV4Auth(Credentials(key, secret, token), "dynamodb", "us-east-1").add_auth(request)
    prepared = request.prepare()
    raw = prepared.url.removeprefix("http://127.53.0.1:8000")
    raw_path, _, query = raw.partition("?")
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in prepared.headers.items()
    }
    return HttpRequest(
        method="POST", path=raw_path, query=query, headers={**headers, "host": "127.53.0.1:8000"}, body=body
    )


def verify(keyring: Keyring, request: HttpRequest) -> Any:
    """Let a request in."""
    return keyring.verify(request, parse_authorization(request.headers["authorization"]))


@given(
    body=st.binary(max_size=200),
    path=st.text(alphabet="abcXYZ019-._~ /%$&+", max_size=30),
    value=st.text(alphabet="abc 019-._~+%&=/\u00e9", max_size=20),
)
def test_whatever_botocore_signs_is_let_in(body: bytes, path: str, value: str) -> None:
    """Paths, queries and bodies of every kind verify as botocore signed them."""
    target = f"/{quote(path, safe='/~')}?b={quote(value, safe='~')}&a"
    request = signed(body=body, path=target)
    assert verify(Keyring("AKIA1", "s"), request).role is None


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (signed(secret="other"), "mismatch"),
        (signed(key="AKIA2"), "unknown"),
    ],
    ids=["wrong secret", "unknown key"],
)
def test_a_wrong_key_is_refused(request_: HttpRequest, kind: str) -> None:
    """Neither an unknown key nor a wrong secret opens."""
    with pytest.raises(Refusal) as refusal:
        verify(Keyring("AKIA1", "s"), request_)
    assert refusal.value.kind == kind


def test_a_changed_body_is_refused() -> None:
    """The signature covers the body."""
    request = signed(body=b"{}")
    changed = HttpRequest(
        method=request.method, path=request.path, query=request.query, headers=request.headers, body=b"[]"
    )
    with pytest.raises(Refusal):
        verify(Keyring("AKIA1", "s"), changed)


@pytest.mark.parametrize(
    ("offset", "kind", "text"),
    [
        (timedelta(minutes=16), "late", "Signature expired: "),
        (timedelta(minutes=-16), "early", "Signature not yet current: "),
    ],
    ids=["client behind", "client ahead"],
)
def test_a_clock_too_far_off_is_refused(offset: timedelta, kind: str, text: str) -> None:
    """Fifteen minutes either way, in AWS's words (aws-recorded C3)."""
    with pytest.raises(Refusal) as refusal:
        verify(Keyring("AKIA1", "s", now=lambda: datetime.now(UTC) + offset), signed())
    assert (refusal.value.kind, refusal.value.message.startswith(text)) == (kind, True)


@pytest.mark.parametrize("header", ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=a/b/c", "AWS AKIA:sig"])
def test_anything_but_a_signature_of_version_4_is_missing(header: str) -> None:
    """What is not a Version 4 signature counts as none."""
    with pytest.raises(Refusal) as refusal:
        parse_authorization(header)
    assert refusal.value.kind == "missing"


def test_role_credentials_open_until_they_expire_and_only_with_their_token() -> None:
    """Minted credentials name their role, need their session token, and end."""
    clock = [NOW]
    keyring = Keyring("AKIA1", "s", now=lambda: clock[0])
    minted = keyring.mint("node", "i-1")
    request = signed(key=minted["AccessKeyId"], secret=minted["SecretAccessKey"], token=minted["Token"])
    caller = verify(keyring, request)
    assert (caller.role, caller.machine) == ("node", "i-1")
    with pytest.raises(Refusal) as refusal:
        verify(keyring, signed(key=minted["AccessKeyId"], secret=minted["SecretAccessKey"], token="stale"))
    assert refusal.value.kind == "unknown"
    clock[0] = datetime.strptime(minted["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) + timedelta(seconds=1)
    with pytest.raises(Refusal) as refusal:
        verify(keyring, request)
    assert refusal.value.kind == "expired"
