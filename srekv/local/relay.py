"""One relayed TCP connection: two sockets, and the bytes, ends and resets that pass from each to the other.

Plain non-blocking sockets and the event loop's readiness callbacks: per connection this costs half of what streams
do, and nothing stands between a reset on one side and the reset on the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable

CHUNK = 128 * 1024
"""Bytes taken from a socket at a time, and the most that a direction holds for a receiver slower than its sender."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: close() sends RST
_buffer = memoryview(bytearray(CHUNK))  # what a read returns is sent or copied before the next read


def close_with_reset(sock: socket.socket) -> None:
    """Close a connection so that its peer sees a reset and not an orderly end."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()


class Relay:
    """Joins an accepted client to a machine; all methods belong to the event loop's thread.

    Args:
        client: the accepted connection.
        machine: address and port of the machine.
        on_end: called with this relay once it is over and its sockets are closed; not after silence().
    """

    def __init__(self, client: socket.socket, machine: tuple[str, int], on_end: Callable[[Relay], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._machine = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._address = machine
        self._on_end = on_end
        self.broken = False  # an end of stream is a reset from now on
        self._up = _Flow(self, client, self._machine)
        self._down = _Flow(self, self._machine, client)

    def start(self) -> None:
        """Connect to the machine, then relay; a machine that refuses resets the client."""
        for sock in (self._client, self._machine):
            sock.setblocking(False)
            with contextlib.suppress(OSError):  # the client may be gone already; its reads will say so
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._connect() == errno.EINPROGRESS and self._connect() == errno.EALREADY:
            self._loop.add_writer(self._machine.fileno(), self._connected)

    def silence(self) -> socket.socket:
        """Stop as a machine does that lost its power: nothing more is sent. The client's socket is the caller's now."""
        self._unwatch()
        self._machine.close()
        return self._client

    def reset(self) -> None:
        """End both connections at once, with a reset."""
        self._unwatch()
        close_with_reset(self._client)
        close_with_reset(self._machine)
        self._on_end(self)

    def _connect(self) -> int:
        """One step of the connection to the machine; on loopback the second one usually finds it done."""
        code = self._machine.connect_ex(self._address)
        if code in (0, errno.EISCONN):
            self._up.resume()
            self._down.resume()
        elif code not in (errno.EINPROGRESS, errno.EALREADY):
            self.reset()
        return code

    def _connected(self) -> None:
        self._loop.remove_writer(self._machine.fileno())
        if self._connect() == errno.EALREADY:
            self._loop.add_writer(self._machine.fileno(), self._connected)

    def end_flow(self) -> None:
        """A direction is at its end; when both are, so is the relay."""
        if self._up.ended and self._down.ended:
            self._unwatch()
            self._client.close()
            self._machine.close()
            self._on_end(self)

    def fail_sink(self, failed: _Flow) -> None:
        """Nothing more can be sent in one direction; the other still delivers what that peer said before."""
        self.broken = True
        other = self._down if failed is self._up else self._up
        if other.ended:
            self.reset()

    def _unwatch(self) -> None:
        for sock in (self._client, self._machine):
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())


class _Flow:
    """One direction of a relay. It reads only with nothing left to send, so a slow receiver slows its sender."""

    __slots__ = ("_loop", "_relay", "_rest", "_sink", "_source", "ended")

    def __init__(self, relay: Relay, source: socket.socket, sink: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._relay = relay
        self._source = source
        self._sink = sink
        self._rest = b""
        self.ended = False

    def resume(self) -> None:
        self._loop.add_reader(self._source.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            size = self._source.recv_into(_buffer)
        except BlockingIOError:
            return
        except OSError:
            self._relay.reset()
            return
        if size == 0:
            self._end()
        else:
            self._send(_buffer[:size])

    def _writable(self) -> None:
        self._send(self._rest)

    def _send(self, data: memoryview | bytes) -> None:
        """Send what the sink takes; while something is left, the sink is watched and not the source."""
        try:
            sent = self._sink.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._loop.remove_reader(self._source.fileno())
            self._loop.remove_writer(self._sink.fileno())
            self._relay.fail_sink(self)
            return
        waited, self._rest = bool(self._rest), bytes(data[sent:])
        if self._rest and not waited:
            self._loop.remove_reader(self._source.fileno())
            self._loop.add_writer(self._sink.fileno(), self._writable)
        elif waited and not self._rest:
            self._loop.remove_writer(self._sink.fileno())
            self.resume()

    def _end(self) -> None:
        self._loop.remove_reader(self._source.fileno())
        self.ended = True
        if self._relay.broken:
            self._relay.reset()
            return
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._relay.reset()
            return
        self._relay.end_flow()
