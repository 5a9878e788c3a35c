"""Requests to DynamoDB with AWS's Signature Version 4; what stays equal for a second is made once a second."""

import hmac
import time
from hashlib import sha256
from typing import Any, Dict, NamedTuple
from urllib.parse import urlsplit


class _Parts(NamedTuple):
    second: int
    keys: Any
    canonical: bytes
    to_sign: bytes
    key: bytes
    head: bytes


class Signer:
    """Makes whole HTTP requests; `credentials` are botocore's, asked every time: it must cost nothing (Keys)."""

    def __init__(self, credentials: Any, region: str, url: str) -> None:
        self._credentials = credentials
        self._region = region
        parts = urlsplit(url)
        self._host, self._path = parts.netloc.rpartition("@")[2], parts.path or "/"
        self._parts: Dict[str, _Parts] = {}

    def request(self, operation: str, body: bytes) -> bytes:
        """The operation's request with this JSON; may raise what refreshing credentials raises."""
        now, keys, parts = int(time.time()), self._credentials.get_frozen_credentials(), self._parts.get(operation)
        if parts is None or parts.second != now or parts.keys is not keys:
            parts = self._parts[operation] = self._prepare(operation, now, keys)
        canonical = sha256(parts.canonical + sha256(body).hexdigest().encode()).hexdigest()
        signature = hmac.digest(parts.key, parts.to_sign + canonical.encode(), "sha256").hex()
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (parts.head, signature.encode(), len(body), body)

    def _prepare(self, operation: str, now: int, keys: Any) -> _Parts:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        scope = [moment[:8], self._region, "dynamodb", "aws4_request"]
        key = f"AWS4{keys.secret_key}".encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        headers = {"content-type": "application/x-amz-json-1.0", "host": self._host, "x-amz-date": moment}
        if keys.token:
            headers["x-amz-security-token"] = keys.token
        headers["x-amz-target"] = f"DynamoDB_20120810.{operation}"
        names, lines = ";".join(headers), [f"{name}:{value}" for name, value in headers.items()]
        canonical = "\n".join(["POST", self._path, "", *lines, "", names, ""])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, "/".join(scope), ""])
        head = [f"POST {self._path} HTTP/1.1", *lines, "accept-encoding: identity", "user-agent: srekv"]
        credential = "/".join([keys.access_key, *scope])
        head.append(f"authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature=")
        return _Parts(now, keys, canonical.encode(), to_sign.encode(), key, "\r\n".join(head).encode())
