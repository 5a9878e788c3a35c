"""The internet gateway of the local cloud: public addresses lead to machines, and stay silent while those are off.

A machine that is switched off does not refuse connections: nobody answers. Without privileges that takes two things.
Established connections are kept open and nothing more is sent on them. And the listening socket keeps a full accept
queue of length zero, so that Linux drops every further SYN and clients time out, as they do on AWS.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from srekv.local.loopback import is_foreign
from srekv.local.relay import Relay, close_with_reset

_log = logging.getLogger(__name__)

_BACKLOG = 1024
_ACCEPTS_AT_A_TIME = 64  # so that a burst of connections does not keep established ones waiting
_FILLERS = 4  # one fills a queue of length zero; more only where the kernel counts otherwise
_OUT_OF_DESCRIPTORS_PAUSE = 0.1  # wall seconds


@dataclass(frozen=True, kw_only=True)
class Uplink:
    """A public address and the machine behind it.

    Attributes:
        public: the loopback address that clients connect to.
        private: the loopback address that the machine listens on.
        ports: the TCP ports that the machine's security groups open.
        up: False while the machine is off: connections are silent and SYNs are swallowed.
    """

    public: str
    private: str
    ports: tuple[int, ...]
    up: bool


class Gateway:
    """Relays every public address and port to its machine; all methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._doors: dict[tuple[str, int], _Door] = {}

    def apply(self, uplinks: Iterable[Uplink]) -> None:
        """Converge to these uplinks: close what is absent. A port that cannot be bound is logged and tried again."""
        wanted = {(uplink.public, port): uplink for uplink in uplinks for port in uplink.ports}
        for gone in self._doors.keys() - wanted.keys():
            self._doors.pop(gone).close()
        for place, uplink in wanted.items():
            door = self._doors.get(place) or self._open(place)
            if door is not None:
                door.lead_to(uplink.private if uplink.up else None)

    async def close(self) -> None:
        """Close every listening socket and connection."""
        self.apply(())

    def _open(self, place: tuple[str, int]) -> _Door | None:
        try:
            door = _Door(place)
        except OSError as error:
            _log.warning("cannot listen on %s port %d: %s", *place, error)
            return None
        self._doors[place] = door
        return door


class _Door:
    """One public address and port; it starts closed, swallowing SYNs."""

    def __init__(self, place: tuple[str, int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._place = place
        self._machine: tuple[str, int] | None = None
        self._relays: set[Relay] = set()
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

    def lead_to(self, private: str | None) -> None:
        """Relay to this machine from now on; None swallows everything. Connections to another machine fall silent."""
        machine = (private, self._place[1]) if private else None
        if machine == self._machine:
            return
        if self._machine is not None:
            self._silent.update(relay.silence() for relay in self._relays)
            self._relays.clear()
        was, self._machine = self._machine, machine
        if machine is None:
            self._unwatch_silent()
            self._swallow()
            return
        if was is None:
            self._drain()
        self._watch_silent()
        self._sock.listen(_BACKLOG)
        self._listen()

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

    def _listen(self) -> None:
        if self._machine is not None:
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_AT_A_TIME):
            client = self._accept_one()
            if client is None or self._machine is None:
                return
            self._join(client, self._machine)

    def _join(self, client: socket.socket, machine: tuple[str, int]) -> None:
        if is_foreign(machine):
            close_with_reset(client)
            return
        try:
            relay = Relay(client, machine, self._relays.discard)
        except OSError:  # out of file descriptors between the two ends
            close_with_reset(client)
            return
        self._relays.add(relay)
        relay.start()

    def _accept_one(self) -> socket.socket | None:
        try:
            return self._sock.accept()[0]
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # The connection stays in the queue and the socket readable: look away for a moment instead of spinning.
                _log.warning("too many open files: connections to %s port %d have to wait", *self._place)
                self._loop.remove_reader(self._sock.fileno())
                self._loop.call_later(_OUT_OF_DESCRIPTORS_PAUSE, self._listen)
            return None

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
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()

    def _watch_silent(self) -> None:
        """A machine that came up knows nothing of its former connections: whoever speaks on one is reset."""
        for client in self._silent:
            self._loop.add_reader(client.fileno(), self._reset_silent, client)

    def _unwatch_silent(self) -> None:
        for client in self._silent:
            self._loop.remove_reader(client.fileno())

    def _reset_silent(self, client: socket.socket) -> None:
        self._loop.remove_reader(client.fileno())
        close_with_reset(client)
        self._silent.discard(client)


def _stream_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock
