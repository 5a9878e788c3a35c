"""A database's bad days: relays DynamoDB's requests to a real one and misbehaves as it is told.

`python proxy.py URL` prints its two ports as JSON, {"table": ..., "metadata": ...}, and ends with its standard input.
Each line that it reads there, {"fault": NAME, "share": 0.5}, is what that share of the requests meets from then on;
"" heals. The answer, {"met": N}, says how many requests met the fault that ends. FAULTS says what the names mean.

The second port is an instance metadata service whose role has one set of keys at a time. The fault "expired" ends the
keys given out so far, and new ones come with its end.

Tests and benchmarks start it as a process of its own, so that it does not share the interpreter of what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import secrets
import socket
import struct
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

SLOWEST_S = 2.5
"""Of a slow day: longer than a client of the table waits for one attempt, so that writes take effect after that."""

KEYS_LAST = timedelta(hours=6)
ROLE_PATH = "/latest/meta-data/iam/security-credentials/"

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")
_KEY = re.compile(rb"Credential=(\w+)/")


async def read_message(reader: asyncio.StreamReader, *, answer: bool) -> bytes:
    """A whole HTTP message; an answer without a length lasts until the end.

    Raises:
        EOFError, OSError: the other side went away.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if length:
        return head + await reader.readexactly(int(length[1]))
    if _CHUNKED.search(head):
        return head + await _read_chunks(reader)
    return head + (await reader.read() if answer else b"")


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(line, 16) + 2)
        body += line + chunk
        if chunk == b"\r\n":
            return body


class Upstream:
    """The real database, over one connection at a time; asked once, and again only when a kept connection is stale."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), parts.port or 80
        self._link: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> bytes:
        """The answer to a request; raises EOFError or OSError."""
        if self._link is None or self._link[0].at_eof():
            self.close()
            self._link = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._link
        writer.write(request)
        try:
            answer = await read_message(reader, answer=True)
        except (EOFError, OSError):
            self.close()
            raise
        if b"\r\nconnection: close" in answer.partition(b"\r\n\r\n")[0].lower():
            self.close()
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        if self._link is not None:
            self._link[1].close()
            self._link = None


@dataclass
class Exchange:
    """One request of one client, and how it may be answered."""

    day: Day
    request: bytes
    upstream: Upstream
    writer: asyncio.StreamWriter

    async def relay(self) -> bytes:
        """Let the request take effect; the answer."""
        return await self.upstream.ask(self.request)

    def send(self, answer: bytes) -> None:
        """Hand the client these bytes, if it is still there."""
        if not self.writer.is_closing():
            self.writer.write(answer)

    def refuse(self, code: str, message: str, status: int) -> None:
        """Answer with an error in DynamoDB's shape."""
        body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}).encode()
        head = (
            f"HTTP/1.1 {status} No\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.send(head.encode() + body)

    def reset(self) -> None:
        """Break the connection with a RST, as a host that knows nothing of it does."""
        sock: socket.socket | None = self.writer.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


FAULTS = {
    "throttle": "Refused for its rate, without effect.",
    "error-before": "An internal error, without effect; nobody can tell.",
    "error-after": "An internal error after it took effect.",
    "slow": "It takes effect, and is answered, up to SLOWEST_S late: perhaps after its client has given up.",
    "reset-before": "The connection breaks, without effect.",
    "reset-after": "The connection breaks after it took effect.",
    "half": "It takes effect; a part of the answer comes, then the connection ends.",
    "hole": "Nothing comes through until the fault ends; then everything arrives, as TCP sends again.",
    "skew": "Refused since a clock is off, without effect (aws-recorded C2).",
    "expired": "Refused since its keys have expired, without effect.",
}
"""What happens to a request."""

_REFUSALS = {
    "throttle": ("ThrottlingException", "Rate exceeded", 400),
    "error": ("InternalServerError", "The request processing has failed", 500),
    "skew": (
        "InvalidSignatureException",
        "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z (20260101T003000Z - 15 min.)",
        400,
    ),
    "expired": ("ExpiredTokenException", "The security token included in the request is expired", 400),
}


async def misbehave(fault: str, exchange: Exchange) -> None:
    """Do to a request what FAULTS says."""
    kind, _, when = fault.partition("-")
    if fault == "slow":
        await asyncio.sleep(exchange.day.dice.uniform(0, SLOWEST_S))
    if fault == "hole":
        await exchange.day.healed.wait()
    answer = await exchange.relay() if when == "after" or kind in {"slow", "half", "hole"} else b""
    if kind in _REFUSALS:
        exchange.refuse(*_REFUSALS[kind])
    elif kind == "reset":
        exchange.reset()
    elif kind == "half":
        exchange.send(answer[: exchange.day.dice.randrange(1, len(answer))])
        exchange.writer.close()
    else:
        exchange.send(answer)


class Day:
    """What happens now, and which of the role's keys are good."""

    def __init__(self, url: str) -> None:
        self.dice = random.Random(5)
        self.healed = asyncio.Event()
        self._url = url
        self._fault, self._share, self._met = "", 0.0, 0
        self._keys = self._fresh()
        self._tasks: set[object] = set()

    def turn(self, fault: str, share: float) -> int:
        """From now on that share of the requests meets the fault; how many met the one before."""
        ended, self._fault, self._share = self._fault, fault, share
        met, self._met = self._met, 0
        if ended == "expired":
            self._keys = self._fresh()
        self.healed.set()
        self.healed = asyncio.Event()
        return met

    async def serve_table(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client of the table."""
        self._tasks.add(asyncio.current_task())  # asyncio itself forgets a task that waits for a lost connection
        upstream = Upstream(self._url)
        with contextlib.suppress(EOFError, OSError):
            while not writer.is_closing():
                request = await read_message(reader, answer=False)
                await self._misbehave(Exchange(self, request, upstream, writer))
        upstream.close()
        writer.close()
        self._tasks.discard(asyncio.current_task())

    async def _misbehave(self, exchange: Exchange) -> None:
        key = _KEY.search(exchange.request)
        if key and key[1].startswith(b"ASIA") and key[1].decode() != self._keys["AccessKeyId"]:
            exchange.refuse(*_REFUSALS["expired"])
        elif self._fault and self.dice.random() < self._share:
            self._met += 1
            await misbehave(self._fault, exchange)
        else:
            exchange.send(await exchange.relay())

    async def serve_metadata(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request to the instance metadata service."""
        with contextlib.suppress(EOFError, OSError):
            request = await read_message(reader, answer=False)
            body = self._metadata(request.split()[1].decode()).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    def _metadata(self, path: str) -> str:
        if path == ROLE_PATH:
            return "role"
        return json.dumps(self._keys) if path.startswith(ROLE_PATH) else "token"

    def _fresh(self) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "AccessKeyId": "ASIA" + secrets.token_hex(8).upper(),
            "SecretAccessKey": secrets.token_urlsafe(30),
            "Token": secrets.token_urlsafe(96),
            "Expiration": (now + KEYS_LAST).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def tell(document: dict[str, int]) -> None:
    """One line to who started us."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    """Serve until the standard input ends."""
    day = Day(url)
    servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for serve in (day.serve_table, day.serve_metadata)]
    table, metadata = (server.sockets[0].getsockname()[1] for server in servers)
    tell({"table": table, "metadata": metadata})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if order["fault"] and order["fault"] not in FAULTS:
            sys.exit(f"no such fault: {order['fault']}")
        tell({"met": day.turn(order["fault"], order["share"])})
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
