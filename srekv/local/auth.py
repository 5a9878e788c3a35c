"""Who may call the local cloud: Signature Version 4 verification, the operator's key, and expiring role credentials.

Every request is signed with the one key that this cloud was born with or with credentials it minted for a machine's
role. Nothing else is let in: the port is open to every user of this computer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

TIME_FORMAT = "%Y%m%dT%H%M%SZ"
MAXIMUM_SKEW = timedelta(minutes=15)
"""AWS refuses requests whose clock is further off than this, either way (aws-recorded C3)."""

ROLE_LIFETIME = timedelta(hours=1)
"""How long minted role credentials are valid; whoever uses them asks again before that."""

RefusalKind = Literal["missing", "unknown", "expired", "mismatch", "early", "late"]


class Refusal(Exception):
    """A request that is not let in. `kind` says why, `message` is AWS's text where one kind has several."""

    def __init__(self, kind: RefusalKind, message: str = "") -> None:
        super().__init__(message or kind)
        self.kind: RefusalKind = kind
        self.message = message


class Scope(NamedTuple):
    """What an Authorization header claims: whose key, for which service and Region, which headers are signed."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """What a signature covers of a request. `headers` has lower-case names; `path` and `query` are as sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Caller(NamedTuple):
    """Who signed. `role` and `machine` are None for the operator."""

    role: str | None = None
    machine: str | None = None


class _Minted(NamedTuple):
    secret: str
    token: str
    expires: datetime
    caller: Caller


class Keyring:
    """The keys that open this cloud: the operator's, and those minted for machines. `now` is the clock."""

    def __init__(self, key: str, secret: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._key = key
        self._secret = secret
        self._now = now
        self._lock = threading.Lock()
        self._minted: dict[str, _Minted] = {}

    def mint(self, role: str, machine: str) -> dict[str, str]:
        """Fresh credentials of a role for one machine, in the shape that the instance metadata service answers with."""
        now = self._now()
        key = "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode()
        caller = Caller(role=role, machine=machine)
        minted = _Minted(secrets.token_urlsafe(30), secrets.token_urlsafe(96), now + ROLE_LIFETIME, caller)
        with self._lock:
            self._minted = {name: old for name, old in self._minted.items() if old.expires > now - ROLE_LIFETIME}
            self._minted[key] = minted
        return {
            "AccessKeyId": key,
            "SecretAccessKey": minted.secret,
            "Token": minted.token,
            "Expiration": minted.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Role": role,
        }

    def verify(self, request: HttpRequest, scope: Scope) -> Caller:
        """Who signed; raises Refusal for an unknown or expired key, a wrong signature, a clock too far off."""
        digest = hashlib.sha256(request.body).hexdigest()
        if request.headers.get("x-amz-content-sha256", digest) != digest:
            raise Refusal("missing")
        secret, caller = self._secret_of(scope.access_key, request.headers.get("x-amz-security-token", ""))
        self._check_clock(request.headers.get("x-amz-date", ""), scope)
        if not hmac.compare_digest(_signature(request, digest, scope, secret).encode(), scope.signature.encode()):
            raise Refusal("mismatch")
        return caller

    def _secret_of(self, key: str, token: str) -> tuple[str, Caller]:
        if key == self._key:
            return self._secret, Caller()
        with self._lock:
            minted = self._minted.get(key)
        if minted is None or not hmac.compare_digest(token.encode(), minted.token.encode()):
            raise Refusal("unknown")
        if minted.expires <= self._now():
            raise Refusal("expired")
        return minted.secret, minted.caller

    def _check_clock(self, stamp: str, scope: Scope) -> None:
        try:
            signed_at = datetime.strptime(stamp, TIME_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            raise Refusal("mismatch") from None
        if stamp[:8] != scope.date:
            raise Refusal("mismatch")
        now = self._now()
        here, first, last = (one.strftime(TIME_FORMAT) for one in (now, now - MAXIMUM_SKEW, now + MAXIMUM_SKEW))
        if signed_at < now - MAXIMUM_SKEW:
            raise Refusal("late", f"Signature expired: {stamp} is now earlier than {first} ({here} - 15 min.)")
        if signed_at > now + MAXIMUM_SKEW:
            raise Refusal("early", f"Signature not yet current: {stamp} is still later than {last} ({here} + 15 min.)")


def parse_authorization(header: str) -> Scope:
    """Read an Authorization header; raises Refusal when it is absent or not Signature Version 4."""
    algorithm, _, rest = header.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    try:
        key, date, region, service, terminator = fields["Credential"].split("/")
        signed_headers = tuple(fields["SignedHeaders"].split(";"))
        signature = fields["Signature"]
    except (KeyError, ValueError):
        raise Refusal("missing") from None
    known = (algorithm, terminator) == ("AWS4-HMAC-SHA256", "aws4_request")
    if not known or not {"host", "x-amz-date"}.issubset(signed_headers):
        raise Refusal("missing")
    return Scope(key, date, region, service.lower(), signed_headers, signature)


def signed_headers(keys: tuple[str, str], service: str, region: str, **request: Any) -> dict[str, str]:
    """The headers of a request (see AWSRequest), with those that sign it with these keys."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signed = AWSRequest(**request)
    SigV4Auth(Credentials(*keys), service, region).add_auth(signed)
    return dict(signed.headers.items())


def _signature(request: HttpRequest, digest: str, scope: Scope, secret: str) -> str:
    """What botocore's signer makes of the request, its body's digest, and the claimed date and signed headers.

    Raises Refusal when a URL cannot hold its path and query unchanged: part of them would not be signed.
    """
    from botocore.auth import SigV4Auth  # a tenth of a second, which the start of a local cloud need not wait for
    from botocore.awsrequest import AWSRequest
    from botocore.compat import HTTPHeaders
    from botocore.credentials import Credentials

    url = f"http://localhost{request.path}" + (f"?{request.query}" if request.query else "")
    parts = urlsplit(url)
    if (parts.path, parts.query) != (request.path, request.query):
        raise Refusal("mismatch")
    signed = AWSRequest(method=request.method, url=url, headers={"X-Amz-Content-SHA256": digest})
    signed.context["timestamp"] = request.headers["x-amz-date"]
    claimed = HTTPHeaders.from_dict({name: request.headers.get(name, "") for name in scope.signed_headers})
    signer = SigV4Auth(Credentials(scope.access_key, secret), scope.service, scope.region)
    # Not its own choice of headers: botocore leaves User-Agent and others out, which other clients sign.
    signer.headers_to_sign = lambda _: claimed  # type: ignore[assignment,method-assign]
    return signer.signature(signer.string_to_sign(signed, signer.canonical_request(signed)), signed)
