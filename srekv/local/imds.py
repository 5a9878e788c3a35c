"""The instance metadata service, version 2, of one machine: role credentials and what an instance knows about itself.

It answers the operator's processes only: other users of the computer can connect to it, too.
A token comes from `PUT /latest/api/token` with a lifetime; every other request needs one (401 without), as on an
instance that was launched with HttpTokens=required. Paths and shapes: EC2UG/instancedata-data-categories.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

from srekv.local.loopback import host_of, is_loopback, is_ours
from srekv.local.model import Machine
from srekv.local.runtime import ACCOUNT

PORT = 1338  # where it listens on a machine's private address (the real one is port 80 of 169.254.169.254)
ADDRESS = "169.254.169.254"  # its address on EC2, which a machine's programs use

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
REFRESH_S = 300  # credentials are renewed when they have less than this left, wall-clock seconds

_ROLES = "/latest/meta-data/iam/security-credentials"
_REQUEST_LIMIT = 16 * 1024

Credentials = Mapping[str, str]


class Response(NamedTuple):
    """An HTTP answer; `headers` are whole lines."""

    status: int
    body: str = ""
    headers: tuple[str, ...] = ()


class MetadataService:
    """Answers for one machine in its state at each request: addresses change. Without a role: no credentials."""

    def __init__(
        self, *, machine: Callable[[], Machine], credentials: Callable[[], Awaitable[Credentials | None]]
    ) -> None:
        self._machine = machine
        self._source = credentials
        self._tokens: dict[str, float] = {}
        self._cached: Credentials | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, address: str) -> None:
        """Listen on the machine's private address. Raises OSError."""
        self._server = await asyncio.start_server(self._converse, address, PORT, limit=_REQUEST_LIMIT)

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._open):
            writer.close()
        await self._server.wait_closed()

    async def respond(self, method: str, path: str, headers: Mapping[str, str]) -> Response:
        """The answer to one request; header names are lower case."""
        if path == TOKEN_PATH:
            return self._issue(method, headers)
        if method not in ("GET", "HEAD"):
            return Response(405)
        if self._tokens.get(headers.get("x-aws-ec2-metadata-token", ""), 0.0) <= time.monotonic():
            return Response(401)
        machine, path = self._machine(), path.removesuffix("/")
        if machine.role and path == f"{_ROLES}/{machine.role}":
            body = await self._credentials()
        else:
            body = documents(machine).get(path)
        return Response(404) if body is None else Response(200, body)

    def _issue(self, method: str, headers: Mapping[str, str]) -> Response:
        if method != "PUT":
            return Response(405)
        if "x-forwarded-for" in headers:
            return Response(403)
        ttl = headers.get(TTL_HEADER, "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return Response(400)
        now = time.monotonic()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        token = secrets.token_urlsafe(40)
        self._tokens[token] = now + int(ttl)
        return Response(200, token, (f"{TTL_HEADER}: {ttl}",))

    async def _credentials(self) -> str | None:
        cached = self._cached
        if cached is None or datetime.fromisoformat(cached["Expiration"]).timestamp() - time.time() < REFRESH_S:
            cached = self._cached = await self._source()
        if cached is None:
            return None
        known = ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
        updated = datetime.now().astimezone().isoformat(timespec="seconds")
        fixed = {"Code": "Success", "LastUpdated": updated, "Type": "AWS-HMAC"}
        return json.dumps({**fixed, **{key: cached[key] for key in known}}, indent=2)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        ours = is_ours(*(writer.get_extra_info(end) for end in ("sockname", "peername")))
        try:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while True:
                    async with asyncio.timeout(30):
                        head = await reader.readuntil(b"\r\n\r\n")
                    method, path, headers = _parse(head)
                    await reader.readexactly(min(int(headers.get("content-length", "0")), _REQUEST_LIMIT))
                    host = host_of(headers.get("host", ""))  # a web page sends another name (DNS rebinding)
                    let_in = ours and (host == ADDRESS or is_loopback(host))
                    writer.write(_render(await self.respond(method, path, headers) if let_in else Response(403)))
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.close()


def documents(machine: Machine) -> dict[str, str]:
    """Every path without credentials in it, with its text; listings of the folders that clients walk through."""
    mac = ":".join(f"{byte:02x}" for byte in (0x0A, *hashlib.sha256(machine.id.encode()).digest()[:5]))
    region = machine.zone[:-1]
    meta = "/latest/meta-data"
    interface = f"{meta}/network/interfaces/macs/{mac}"
    public = {"public-ipv4": machine.public_address} if machine.public_address else {}
    own = {"local-ipv4": machine.private_address, "instance-id": machine.id, "mac": mac, **public}
    identity = {
        "accountId": ACCOUNT,
        "availabilityZone": machine.zone,
        "instanceId": machine.id,
        "privateIp": machine.private_address,
        "region": region,
        "version": "2017-09-30",
    }
    texts = {f"{meta}/{key}": value for key, value in own.items()}
    texts |= {
        meta: "\n".join((*sorted(own), "iam/", "network/", "placement/")),
        f"{meta}/placement": "availability-zone\nregion",
        f"{meta}/placement/availability-zone": machine.zone,
        f"{meta}/placement/region": region,
        f"{meta}/network/interfaces/macs": f"{mac}/",
        f"{interface}/vpc-ipv4-cidr-block": "172.31.0.0/16",
        f"{interface}/local-ipv4s": machine.private_address,
        "/latest/dynamic/instance-identity/document": json.dumps(identity, indent=2),
    }
    if machine.role:
        texts[_ROLES] = machine.role
    if machine.user_data:
        with contextlib.suppress(binascii.Error, ValueError):
            texts["/latest/user-data"] = base64.b64decode(machine.user_data).decode("latin-1")
    return texts


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, path without its query, headers. Raises ValueError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    return method, target.partition("?")[0], {name.strip().lower(): value.strip() for name, _, value in pairs}


def _render(response: Response) -> bytes:
    body = response.body.encode("latin-1", "replace")
    first = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"
    headers = ("Content-Type: text/plain", "Server: EC2ws", f"Content-Length: {len(body)}", *response.headers)
    return "\r\n".join((first, *headers, "", "")).encode() + body
