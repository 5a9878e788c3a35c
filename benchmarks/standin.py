"""A table that answers every call after 3 ms with the same item: it costs little beside what is measured.

Prints its port and ends with the standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import zlib

DELAY_S = 0.003
BODIES: dict[bytes, dict[str, dict[str, dict[str, str]]]] = {
    b"GetItem": {"Item": {"key": {"S": "foo"}, "value": {"S": "bar"}}},  # as the lab writes it, and can read it
    b"PutItem": {},
    b"UpdateItem": {"Attributes": {"value": {"S": "bar"}, "version": {"N": "1700000000000"}, "write": {"S": "0" * 32}}},
}


def answer(body: bytes) -> bytes:
    """The answer as DynamoDB would frame it."""
    head = (
        "HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n"
        f"x-amzn-RequestId: {'A' * 52}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    )
    return head.encode() + body


ANSWERS = {operation: answer(json.dumps(body, separators=(",", ":")).encode()) for operation, body in BODIES.items()}


class Connection(asyncio.Protocol):
    """One kept-alive client."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Answer each whole request, later."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < total:
                return
            self._received = self._received[total:]
            operation = re.search(rb"DynamoDB_20120810\.(\w+)", head)
            assert operation is not None
            self._loop.call_later(DELAY_S, self._send, ANSWERS[operation[1]])

    def _send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


async def main() -> None:
    """Serve until nobody holds the standard input any more."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
