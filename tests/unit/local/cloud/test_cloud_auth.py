"""Who is let in, and what those hear who are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
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
    ("target", "signature"),
    [
        ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)
def test_aws_own_examples_are_let_in(target: str, signature: str) -> None:
    """AWS's test suite of Signature Version 4: get-vanilla and get-vanilla-query-order-key-case."""
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    claim = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date"
    headers = {
        "host": "example.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
        "authorization": f"AWS4-HMAC-SHA256 Credential={claim}, Signature={signature}",
    }
    path, _, query = target.partition("?")
    request = HttpRequest(method="GET", path=path, query=query, headers=headers, body=b"")
    keyring = Keyring("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", now=lambda: now)
    assert verify(keyring, request).role is None


class Thorough(SigV4Auth):
    """Signs headers that botocore leaves out."""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        """All of them."""
        signed = HTTPHeaders()
        for name, value in request.headers.items():
            signed[name.lower()] = value
        return signed


def test_headers_that_botocore_never_signs_may_be_signed() -> None:
    """Other clients sign User-Agent, too."""
    request = AWSRequest("GET", "http://a.test/", headers={"host": "a.test", "user-agent": "aws-sdk-java/1"})
    Thorough(Credentials("AKIA1", "s"), "ec2", "us-east-1").add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    sent = HttpRequest(method="GET", path="/", query="", headers=headers, body=b"")
    assert verify(Keyring("AKIA1", "s"), sent).role is None
    with pytest.raises(Refusal, match="mismatch"):
        verify(Keyring("AKIA1", "s"), replace(sent, headers={**headers, "user-agent": "another"}))


def forged(**headers: str) -> HttpRequest:
    """A request whose headers were changed after it was signed."""
    request = signed()
    return replace(request, headers={**request.headers, **headers})


CLAIM = signed().headers["authorization"]
CLAIMED_DATE = NOW.strftime("/%Y%m%d/")


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (signed(secret="other"), "mismatch"),
        (signed(key="AKIA2"), "unknown"),
        (replace(signed(body=b"{}"), body=b"[]"), "mismatch"),
        (replace(signed(), method="GET"), "mismatch"),
        (replace(signed(), path="/else"), "mismatch"),
        (replace(signed(), path="/#more"), "mismatch"),
        (replace(signed(), query="a=1"), "mismatch"),
        (replace(signed(), query="#a=1"), "mismatch"),
        (replace(signed(), query="\t"), "mismatch"),
        (forged(host="elsewhere"), "mismatch"),
        (forged(authorization=CLAIM[:-1] + "é"), "mismatch"),
        (forged(authorization=CLAIM.replace(CLAIMED_DATE, CLAIMED_DATE[:-2] + "/")), "mismatch"),
        (forged(**{"x-amz-date": "today"}), "mismatch"),
        (forged(**{"x-amz-content-sha256": "0" * 64}), "missing"),
    ],
)
def test_a_forged_request_is_refused(request_: HttpRequest, kind: str) -> None:
    """Neither an unknown key nor a wrong secret opens; the signature covers all that is sent."""
    with pytest.raises(Refusal) as refusal:
        verify(Keyring("AKIA1", "s"), request_)
    assert refusal.value.kind == kind


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
