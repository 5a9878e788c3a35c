"""The WSGI server: waitress with threads to spare for /health, and a stop that answers what was accepted."""

import socket
import threading
import time
from typing import Any, Dict

from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from srekv.app.model import CALLS, QUEUE

DRAIN_S = 1.5
"""How long a stop waits for what was accepted."""

_OPTIONS = {
    "threads": CALLS + QUEUE + 8,
    "ident": "srekv",
    "connection_limit": 1000,
    "asyncore_use_poll": True,
    "max_request_header_size": 1_300_000,
    "max_request_body_size": 4_000_000,
}


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises ValueError or OSError. Who connects waits until there is a server."""
    if port > 65535:  # getaddrinfo would take it for port 0
        raise ValueError(f"SREKV_PORT={port} is impossible, expected at most 65535")
    family, kind, _, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


class Server:
    """Serves `app` on `sock`; `stopping` is set when it is to stop."""

    def __init__(self, app: Any, sock: socket.socket, node: str, stopping: threading.Event) -> None:
        self._map: Dict[int, Any] = {}
        self._stopping = stopping
        self._server = create_server(app, map=self._map, sockets=[sock], **_OPTIONS)
        self._server.channel_class = _channel(node)

    def run(self) -> None:
        """Serve until stop(), then end what was accepted."""
        while not self._stopping.is_set():
            self._turn(5)
        for _ in range(100):  # the kernel accepted more than we have seen
            self._turn(0)
        wasyncore.dispatcher.close(self._server)
        end = time.monotonic() + DRAIN_S
        while self._busy() and time.monotonic() < end:
            self._turn(0.05)
        wasyncore.close_all(self._map)
        self._server.task_dispatcher.set_thread_count(0)

    def stop(self) -> None:
        """Ask run() to end; for signal handlers and other threads."""
        self._stopping.set()
        self._server.pull_trigger()

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout, use_poll=True, map=self._map, count=1)

    def _busy(self) -> bool:
        return any(
            one.requests or one.request or one.total_outbufs_len for one in self._server.active_channels.values()
        )


def _channel(node: str) -> Any:
    """Waitress's channel; its own refusals carry the node's name too."""

    class Refusal(ErrorTask):  # type: ignore[misc] # waitress has no types
        def execute(self) -> None:
            self.response_headers.append(("X-Srekv-Node", node))
            super().execute()

    class Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
        error_task_class = Refusal

    return Channel
