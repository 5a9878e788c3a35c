"""One look at an endpoint by one Route 53 health checker, over a real socket.

The rules (Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy" and "Values
that you specify when you create or update health checks"), in AWS-equivalent seconds that `speed` divides:

- HTTP and HTTPS: connected within 4 s, then a 2xx or 3xx status within 2 s. Certificates are not validated.
- string match: besides, the string wholly inside the first 5,120 bytes of the body, within another 2 s; gzip and
  deflate are undone.
- TCP: connected within 10 s.
- The head of an answer is at most 16,384 bytes of valid header lines.

Nothing is ever sent to an address that is not loopback: seen from the local cloud such an endpoint does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
import zlib
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

from srekv.local.loopback import is_foreign
from srekv.local.model import HealthCheck
from srekv.local.runtime import NETWORKS

PROBED_TYPES = frozenset({"HTTP", "HTTPS", "TCP", "HTTP_STR_MATCH", "HTTPS_STR_MATCH"})
"""The types of health checks that look at an endpoint; the others (CALCULATED, CLOUDWATCH_METRIC ...) do not."""

# aws-facts 1.1; AWS-equivalent seconds, and bytes of an answer that a checker reads
_RESPONSE = 2.0
_BODY_BYTES = 5_120
_HEAD_BYTES = 16_384
_RAW_BYTES = 65_536  # packed or in chunks, that body is never longer
_OVERSLEPT = 0.005  # wall seconds by which a timer may be late before we call it a stall of our own

_TIMED_OUT = (
    "Connection timed out. The endpoint or the internet connection is down, or requests are being blocked "
    "by your firewall. See https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-router-firewall-rules.html"
)
_BAD_ANSWER = "The answer is not valid HTTP."
_NO_STRING = "The string was not found in the first 5,120 bytes of the response body."

T = TypeVar("T")


class Report(NamedTuple):
    """What a look at the endpoint found; `status` is worded as GetHealthCheckStatus words it."""

    passed: bool
    status: str


class _FailedError(Exception):
    """The endpoint did not pass; the text says why."""


async def probe(check: HealthCheck, *, source: str, speed: float) -> Report:
    """Probe the endpoint of a health check once, from the loopback address `source` where the system has it."""
    try:
        return Report(passed=True, status=f"Success: {await _look(check, source, speed)}")
    except _FailedError as error:
        reason = str(error)
    except ConnectionRefusedError:
        reason = "Connection refused. The endpoint does not listen on the port."
    except OSError as error:
        reason = f"Connection failed. {error.strerror or error}"
    return Report(passed=False, status=f"Failure: {reason}")


async def _look(check: HealthCheck, source: str, speed: float) -> str:
    if not _is_loopback(check.address):
        raise _FailedError(_TIMED_OUT)
    if check.address.startswith(f"{NETWORKS}.") and is_foreign((check.address, check.port)):
        raise _FailedError("Connection refused. A program of another user of this computer listens on the port.")
    patience = 10.0 if check.type == "TCP" else 4.0
    reader, writer = await _within(patience / speed, _connect(check, source), _TIMED_OUT)
    try:
        if check.type == "TCP":
            return "The health check endpoint accepted the connection."
        path = check.path if check.path.startswith("/") else f"/{check.path}"
        host = check.host or (check.address if check.port == 80 else f"{check.address}:{check.port}")
        agent = f"Amazon-Route53-Health-Check-Service (ref {check.id})"
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n"
        )
        writer.write(request.encode())
        late = "The connection was made, but no HTTP status came within 2 seconds."
        status, head = await _within(_RESPONSE / speed, _read_status(reader), late)
        if check.type.endswith("_STR_MATCH"):
            await _within(_RESPONSE / speed, _find(check.search.encode(), head, reader), _NO_STRING)
        return status
    finally:
        writer.transport.abort()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.IPv4Address(address).is_loopback
    except ValueError:
        return False


async def _within(seconds: float, work: Coroutine[Any, Any, T], late: str) -> T:
    """The result of `work`, or _FailedError(late) after `seconds` of wall time in which this process ran.

    On a busy machine the event loop itself may wake up late; an answer that waited for us meanwhile must not count as
    missing. So the time by which a timer was late is granted once more before the endpoint is blamed.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    try:
        while seconds > 0:
            until = loop.time() + seconds
            await asyncio.wait({task}, timeout=seconds)
            if task.done():
                return task.result()
            overslept = loop.time() - until
            seconds = overslept if overslept > _OVERSLEPT else 0
        raise _FailedError(late)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _connect(check: HealthCheck, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    secure: dict[str, Any] = {}
    if check.type.startswith("HTTPS"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = {"ssl": context, "server_hostname": check.host or check.address}
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        # Where 127.0.0.0/8 is not all local (macOS) the probers share the system's choice of an address.
        with contextlib.suppress(OSError):
            sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, (check.address, check.port))
        return await asyncio.open_connection(sock=sock, limit=_HEAD_BYTES, **secure)
    except BaseException:
        sock.close()
        raise


async def _read_status(reader: asyncio.StreamReader) -> tuple[str, str]:
    """The status, and the whole head."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise _FailedError(_BAD_ANSWER) from None
    first, *headers = head[:-4].split("\r\n")
    status = re.fullmatch(r"HTTP/1\.[01] ([1-5]\d\d)(?: (.*))?", first)
    if status is None or not all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:.*", line) for line in headers):
        raise _FailedError(_BAD_ANSWER)
    text = f"HTTP Status Code {status[1]}, {status[2] or ''}".rstrip(", ")
    if status[1][0] not in "23":
        raise _FailedError(text)
    return text, head


async def _find(wanted: bytes, head: str, reader: asyncio.StreamReader) -> None:
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))}
    announced = headers.get("content-length", "")
    length = min(int(announced), _RAW_BYTES) if announced.isdecimal() else _RAW_BYTES
    raw = b""
    while True:
        more = await reader.read(_HEAD_BYTES)
        raw += more
        body = _decode(raw, headers)
        if wanted in body[:_BODY_BYTES]:
            return
        if not more or len(body) >= _BODY_BYTES or len(raw) >= length:
            raise _FailedError(_NO_STRING)


def _decode(raw: bytes, headers: dict[str, str]) -> bytes:
    """As much of the body as can be read from what has arrived of it."""
    body = raw
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = b""
        while match := re.match(rb"([0-9A-Fa-f]{1,8})[^\n]*\n", raw):
            end = match.end() + int(match[1], 16)
            body += raw[match.end() : end]
            raw = raw[end + 2 :]
    if headers.get("content-encoding", "").lower() not in {"gzip", "x-gzip", "deflate"}:
        return body
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(wbits=47).decompress(body, _BODY_BYTES)
    return b""
