"""The internet gateway of the local cloud: public addresses lead to machines, and stay silent while those are off.

A machine that is off does not refuse connections: it does not answer. Without privileges that takes two things.
Established connections are kept open and nothing more is sent on them. And the listening socket keeps a full accept
queue of length zero, so that Linux drops every further SYN and clients time out, as they do on AWS.

Connections are relayed between plain sockets, without asyncio's streams: nothing stands between a reset on one side and
the reset on the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from srekv.local.loopback import Place, is_foreign

_log = logging.getLogger(__name__)

_BACKLOG = 1024
_ACCEPTS_AT_A_TIME = 64  # so that a burst of connections does not keep established ones waiting
_FILLERS = 4  # one fills a queue of length zero; more only where the kernel counts otherwise
_OUT_OF_DESCRIPTORS_PAUSE = 0.1  # wall seconds

_CHUNK = 64 * 1024  # bytes taken from a socket at a time, the most that a direction holds for a slow receiver
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: close() sends RST


@dataclass(frozen=True, kw_only=True)
class Uplink:
    """A public address and the machine behind it."""

    public: str  # the loopback address that clients connect to
    private: str  # the loopback address that the machine listens on
    ports: tuple[int, ...]  # the TCP ports that the machine's security groups open
    up: bool  # False while the machine is off: connections are silent and SYNs are swallowed


class Gateway:
    """Relays every public address and port to its machine; all methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._listeners: dict[Place, _Listener] = {}

    def apply(self, uplinks: Iterable[Uplink]) -> None:
        """Converge to these uplinks: close what is absent. A port that cannot be bound is logged and tried again."""
        wanted = {(uplink.public, port): uplink for uplink in uplinks for port in uplink.ports}
        for gone in self._listeners.keys() - wanted.keys():
            self._listeners.pop(gone).close()
        for place, uplink in wanted.items():
            if place not in self._listeners:
                try:
                    self._listeners[place] = _Listener(place)
                except OSError as error:
                    _log.warning("cannot listen on %s port %d: %s", *place, error)
                    continue
            self._listeners[place].route_to(uplink.private if uplink.up else None)

    async def close(self) -> None:
        """Close every listening socket and connection."""
        self.apply(())


class _Listener:
    """One public address and port; it starts without a machine, swallowing SYNs."""

    def __init__(self, place: Place) -> None:
        self._loop = asyncio.get_running_loop()
        self._place = place
        self._machine: Place | None = None
        self._relays: set[_Relay] = set()
        self._silent: set[socket.socket] = set()  # their machine is gone; nothing is ever sent on them
        self._fillers: list[socket.socket] = []
        self._sock = _stream_socket()
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._sock.bind(place)
            self._swallow()
        except OSError:
            self._sock.close()
            raise

    def route_to(self, private: str | None) -> None:
        """Relay to this machine from now on; None swallows everything. Connections to another machine fall silent."""
        machine = (private, self._place[1]) if private else None
        if machine == self._machine:
            return
        if self._machine is None:
            self._drain()
        else:
            self._silent.update(relay.silence() for relay in self._relays)
            self._relays.clear()
        self._machine = machine
        if machine is None:
            for client in self._silent:
                self._loop.remove_reader(client.fileno())
            self._swallow()
            return
        for client in self._silent:  # the machine knows nothing of its former connections: who speaks on one is reset
            self._loop.add_reader(client.fileno(), self._reset_silent, client)
        self._sock.listen(_BACKLOG)
        self._watch()

    def close(self) -> None:
        """Close everything; clients see a reset, and later ones a refusal."""
        self._loop.remove_reader(self._sock.fileno())
        self._machine = None
        for relay in tuple(self._relays):
            relay.reset()
        for client in tuple(self._silent):
            self._reset_silent(client)
        self._drop_fillers()
        self._sock.close()

    def _watch(self) -> None:
        if self._machine is not None:
            self._loop.add_reader(self._sock.fileno(), self._accept, self._machine)

    def _accept(self, machine: Place) -> None:
        for _ in range(_ACCEPTS_AT_A_TIME):
            try:
                client = self._sock.accept()[0]
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    # The connection stays in the queue and the socket readable: pause for a moment instead of spinning.
                    _log.warning("too many open files: connections to %s port %d have to wait", *self._place)
                    self._loop.remove_reader(self._sock.fileno())
                    self._loop.call_later(_OUT_OF_DESCRIPTORS_PAUSE, self._watch)
                return
            with contextlib.suppress(OSError):  # out of file descriptors between the two ends
                if not is_foreign(machine):
                    self._relays.add(_Relay(client, machine, self._relays.discard))
                    continue
            _close_with_reset(client)

    def _swallow(self) -> None:
        """Shrink the accept queue to nothing and fill it: from here on Linux drops SYNs."""
        self._loop.remove_reader(self._sock.fileno())
        self._sock.listen(0)
        for _ in range(_FILLERS):
            filler = _stream_socket()
            codes = (filler.connect_ex(self._place), filler.connect_ex(self._place))
            if not {0, errno.EISCONN} & set(codes):
                filler.close()
                return
            self._fillers.append(filler)

    def _drain(self) -> None:
        """Empty the accept queue: our own fillers, and clients that got through just before the machine went off."""
        ours = {filler.getsockname() for filler in self._fillers}
        while True:
            try:
                client, peer = self._sock.accept()
            except OSError:
                break
            if peer in ours:
                client.close()
            else:
                client.setblocking(False)
                self._silent.add(client)
        self._drop_fillers()

    def _drop_fillers(self) -> None:
        while self._fillers:
            self._fillers.pop().close()

    def _reset_silent(self, client: socket.socket) -> None:
        self._loop.remove_reader(client.fileno())
        _close_with_reset(client)
        self._silent.discard(client)


def _stream_socket() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


def _close_with_reset(sock: socket.socket) -> None:
    """Close a connection so that its peer sees a reset and not an orderly end."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()


class _Relay:
    """Joins an accepted client to a machine; `on_end` is called once its sockets are closed, not after silence()."""

    def __init__(self, client: socket.socket, place: Place, on_end: Callable[[_Relay], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._machine = socket.socket()
        self._on_end = on_end
        self._broken = False  # nothing more can be sent in one direction: the end of the other is a reset
        for sock in (self._client, self._machine):
            sock.setblocking(False)
            with contextlib.suppress(OSError):  # the client may be gone already; its reads will fail
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tasks = [asyncio.create_task(self._connect(place))]

    def silence(self) -> socket.socket:
        """Stop as a machine does that lost its power: nothing more is sent. The client's socket is the caller's now."""
        self._stop()
        self._machine.close()
        return self._client

    def reset(self) -> None:
        """End both connections at once, with a reset."""
        self._stop()
        _close_with_reset(self._client)
        _close_with_reset(self._machine)
        self._on_end(self)

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for sock in (self._client, self._machine):
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())

    async def _connect(self, place: Place) -> None:
        try:
            await self._loop.sock_connect(self._machine, place)
        except OSError:
            self.reset()
            return
        ends = (self._client, self._machine)
        self._tasks = [asyncio.create_task(self._pass_on(*pair)) for pair in (ends, ends[::-1])]

    async def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        """Send what comes from the source, read with nothing left to send: a slow receiver slows its sender."""
        try:
            while data := await self._loop.sock_recv(source, _CHUNK):
                try:
                    await self._loop.sock_sendall(sink, data)
                except OSError:
                    if self._broken or len(self._tasks) == 1:
                        raise
                    self._broken = True  # the other direction still delivers what that peer sent before
                    return
            if self._broken:
                raise ConnectionResetError
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.reset()
            return
        self._tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        if not self._tasks:
            self._client.close()
            self._machine.close()
            self._on_end(self)
