"""Who may call the local cloud: Signature Version 4 verification, the operator's key, and expiring role credentials.

Every request is signed with the one key that this cloud was born with or with credentials it minted for a machine's
role. Nothing else is let in: the port is open to every user of this computer.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
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


@dataclass(frozen=True, kw_only=True)
class Scope:
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


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who signed. `role` and `machine` are None for the operator."""

    role: str | None = None
    machine: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Minted:
    secret: str
    token: str
    expires: datetime
    caller: Caller


class Keyring:
    """The keys that open this cloud.

    Args:
        key: the operator's key id.
        secret: the operator's secret.
        now: the clock, replaceable so that expiry can be tested.
    """

    def __init__(self, key: str, secret: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._key = key
        self._secret = secret
        self._now = now
        self._lock = threading.Lock()
        self._minted: dict[str, _Minted] = {}

    def mint(self, role: str, machine: str) -> dict[str, str]:
        """Fresh credentials of a role for one machine, in the shape that the instance metadata service answers with."""
        now = self._now()
        key = "ASIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
        minted = _Minted(
            secret=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(96),
            expires=now + ROLE_LIFETIME,
            caller=Caller(role=role, machine=machine),
        )
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
        """Who signed the request.

        Raises:
            Refusal: an unknown key, a wrong signature, a clock too far off, or expired credentials.
        """
        secret, caller = self._secret_of(scope, request.headers.get("x-amz-security-token", ""))
        self._check_clock(request, scope)
        if not hmac.compare_digest(signature(request, scope, secret), scope.signature):
            raise Refusal("mismatch")
        return caller

    def _secret_of(self, scope: Scope, token: str) -> tuple[str, Caller]:
        if scope.access_key == self._key:
            return self._secret, Caller()
        with self._lock:
            minted = self._minted.get(scope.access_key)
        if minted is None or not hmac.compare_digest(token.encode(), minted.token.encode()):
            raise Refusal("unknown")
        if minted.expires <= self._now():
            raise Refusal("expired")
        return minted.secret, minted.caller

    def _check_clock(self, request: HttpRequest, scope: Scope) -> None:
        stamp = request.headers.get("x-amz-date", "")
        try:
            signed_at = datetime.strptime(stamp, TIME_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            raise Refusal("mismatch") from None
        if not stamp.startswith(scope.date):
            raise Refusal("mismatch")
        now = self._now()
        here = now.strftime(TIME_FORMAT)
        if signed_at < now - MAXIMUM_SKEW:
            limit = (now - MAXIMUM_SKEW).strftime(TIME_FORMAT)
            raise Refusal("late", f"Signature expired: {stamp} is now earlier than {limit} ({here} - 15 min.)")
        if signed_at > now + MAXIMUM_SKEW:
            limit = (now + MAXIMUM_SKEW).strftime(TIME_FORMAT)
            raise Refusal("early", f"Signature not yet current: {stamp} is still later than {limit} ({here} + 15 min.)")


def parse_authorization(header: str) -> Scope:
    """Read an Authorization header.

    Raises:
        Refusal: it is absent or not Signature Version 4.
    """
    algorithm, _, rest = header.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    try:
        key, date, region, service, terminator = fields["Credential"].split("/")
        scope = Scope(
            access_key=key,
            date=date,
            region=region,
            service=service.lower(),
            signed_headers=tuple(fields["SignedHeaders"].split(";")),
            signature=fields["Signature"],
        )
    except (KeyError, ValueError):
        raise Refusal("missing") from None
    if (
        algorithm != ALGORITHM
        or terminator != "aws4_request"
        or not {"host", "x-amz-date"} <= set(scope.signed_headers)
    ):
        raise Refusal("missing")
    return scope


def signature(request: HttpRequest, scope: Scope, secret: str) -> str:
    """The signature that this request must carry (AWS General Reference, Signature Version 4)."""
    payload = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(
        (
            request.method,
            quote(_without_dots(request.path), safe="/~"),
            "&".join(sorted(_pair(part) for part in request.query.split("&") if part)),
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in scope.signed_headers),
            "",
            ";".join(scope.signed_headers),
            payload,
        )
    )
    credential_scope = f"{scope.date}/{scope.region}/{scope.service}/aws4_request"
    stamp = request.headers.get("x-amz-date", "")
    text = "\n".join((ALGORITHM, stamp, credential_scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(
        _signing_key(secret, scope.date, scope.region, scope.service), text.encode(), hashlib.sha256
    ).hexdigest()


def sign(request: HttpRequest, *, key: str, secret: str) -> dict[str, str]:
    """The headers to add to a request whose only header is `host`, so that `Keyring.verify` accepts it."""
    stamp = datetime.now(UTC).strftime(TIME_FORMAT)
    headers = {**request.headers, "x-amz-date": stamp}
    claim = f"{ALGORITHM} Credential={key}/{stamp[:8]}/local/srekv/aws4_request, SignedHeaders=host;x-amz-date, "
    scope = parse_authorization(claim + "Signature=")
    return {
        "x-amz-date": stamp,
        "authorization": claim + f"Signature={signature(replace(request, headers=headers), scope, secret)}",
    }


def _pair(part: str) -> str:
    return part if "=" in part else part + "="


def _without_dots(path: str) -> str:
    """The path without empty and dot segments, as signers normalise it."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    closing = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + closing


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def new_id(length: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") -> str:
    """A random identifier."""
    return "".join(secrets.choice(alphabet) for _ in range(length))
